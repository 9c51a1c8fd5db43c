"""`novaha plan`: what would come back, instance by instance, and what would be lost."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from novaha.cli import room
from novaha.cli.main import main
from novaha.cli.policy_site import Known
from novaha.core.groups import Aggregate, Place
from novaha.core.model import Instance
from novaha.core.policy.rules import Rules
from novaha.core.policy.traits import Traits
from tests.fakes.nova import FakeNova

SMALL = Traits("p1", "small", {}, "", (), {}, local_disk=False, needs={"VCPU": 1, "MEMORY_MB": 100})


class Nova(FakeNova):
    apart: dict[str, tuple[str, ...]]

    def all_instances(self) -> list[Instance]:
        return [server.shown() for server in self.instances.values()]

    def hosts_of_providers(self) -> dict[str, str]:
        return {f"u-{host}": host for host in self.hosts}

    def server_groups(self) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        return self.apart, frozenset({"together"})


@dataclass
class Cloud:
    """Three hosts, two zones. free: megabytes, by host."""

    nova: Nova
    free: dict[str, int]
    asked: list[str] = field(default_factory=list)

    def places(self) -> dict[str, Place]:
        rack = (Aggregate("x", {"rack": "r1"}),)
        return {
            "compute-1": Place("az1", rack),
            "compute-2": Place("az1", rack),
            "compute-3": Place("az2"),
        }

    def placement(self) -> dict[str, dict[str, int]]:
        return {f"u-{h}": {"VCPU": 9, "MEMORY_MB": free} for h, free in self.free.items()}

    def put(self, name: str, host: str, **changes: Any) -> None:
        self.nova.add_instance(name, host)
        server = self.nova.instances[name]
        self.nova.instances[name] = replace(server, traits=replace(SMALL, **changes))


class Placement:
    def __init__(self, cloud: Cloud) -> None:
        self.free = cloud.placement


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cloud:
    nova = Nova()
    nova.apart = {}
    for host in ("compute-1", "compute-2", "compute-3"):
        nova.add_host(host)
    cloud = Cloud(nova, {"compute-1": 1000, "compute-2": 150, "compute-3": 120})

    def connect(file: str | None) -> room.Site:
        rules = Rules(lose_local_disks=True)
        if file:
            from novaha import wiring

            rules = wiring.rules(file)
        real: Any = (nova, cloud)
        placement: Any = Placement(cloud)
        return room.read(Known(rules, *real), real[0], placement)

    monkeypatch.setattr(room, "connect", connect)
    return cloud


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["plan", *arguments, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def outcomes(found: Any) -> dict[str, str]:
    return {i["id"]: i["outcome"] for i in found["instances"]}


def test_a_host_instance_by_instance(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        cloud.put(name, "compute-1")
    cloud.put("numa", "compute-1", extra_specs={"hw:numa_nodes": "2"})
    cloud.put("together", "compute-1")
    cloud.put("elsewhere", "compute-2")
    code, found = plan(capsys, "--host", "compute-1")
    assert code == 1
    assert sorted(outcomes(found).values()) == [
        *("cannot tell", "cannot tell"),
        *("fits", "fits"),
        "no room",
    ]
    lost = next(i for i in found["instances"] if i["outcome"] == "no room")
    assert lost["why"] == "no host has 100 MEMORY_MB free"
    assert found["counts"] == {"fits": 2, "no room": 1, "cannot tell": 2, "stays": 0}


def test_for_people(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.put("a", "compute-1")
    assert main(["plan", "--host", "compute-1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("If compute-1 died now: 1 instances. fits: 1, no room: 0,")
    assert "for example on compute-2" in out


def test_what_the_policy_leaves_and_what_it_puts_first(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\nrules:\n- {match: {name: name-late}, action: leave}\n"
        "- {match: {name: name-z}, action: evacuate, priority: 90}\n"
    )
    for name in ("late", "x", "y", "z"):
        cloud.put(name, "compute-1")
    cloud.put("local", "compute-1", local_disk=True, image="i1")
    code, found = plan(capsys, "--host", "compute-1", "--file", str(file))
    assert code == 1
    assert outcomes(found) == {
        "late": "stays",
        "local": "stays",
        "z": "fits",
        "x": "fits",
        "y": "no room",
    }


def test_hosts_that_take_nothing_have_no_room(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.put("a", "compute-1")
    cloud.nova.hosts["compute-2"].enabled = False
    cloud.nova.hosts["compute-3"].forced_down = True
    code, found = plan(capsys, "--host", "compute-1")
    assert (code, outcomes(found)) == (1, {"a": "no room"})
    assert found["instances"][0]["why"] == "no host is left"


def test_zones_groups_and_states(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.put("pinned", "compute-1", pinned_zone="az1")
    cloud.put("free", "compute-2")
    cloud.nova.instances["free"] = replace(cloud.nova.instances["free"], vm_state="building")
    _code, found = plan(capsys, "--zone", "az1")
    assert found["hosts"] == ["compute-1", "compute-2"]
    assert outcomes(found) == {"pinned": "no room", "free": "stays"}
    _, by_rack = plan(capsys, "--group", "r1")
    assert by_rack == found


def test_members_of_a_group_that_live(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    for name, host in (("a", "compute-1"), ("b", "compute-2"), ("c", "compute-3")):
        cloud.put(name, host)
    cloud.nova.apart = {"g": ("a", "b", "c")}
    _code, found = plan(capsys, "--host", "compute-1")
    assert outcomes(found) == {"a": "no room"}
    assert "its server group is on every host that has room" in found["instances"][0]["why"]


def test_how_many_hosts_may_die(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.put("a", "compute-1")
    code, found = plan(capsys, "--any", "3")
    assert (code, found["failures_left"], found["hosts"]) == (1, 2, {})
    cloud.put("b", "compute-1")
    cloud.put("c", "compute-1")
    code, found = plan(capsys, "--any", "1")
    assert (code, found["failures_left"], list(found["hosts"])) == (1, 0, ["compute-1"])
    assert len(found["lost"]) == 1
    assert main(["plan", "--any", "1"]) == 1
    assert "Alone, compute-1 would lose 1 of 3 instances." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "compute-9"), "Nova has no compute host compute-9"),
        (("--zone", "az9"), "no compute host of Nova is in zone az9"),
        (("--group", "r9"), "no compute host of Nova is in group r9"),
        (("--any", "0"), "--any takes a number from 1 on"),
    ],
)
def test_what_there_is_not(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(["plan", *arguments]) == 1
    assert said in capsys.readouterr().err
