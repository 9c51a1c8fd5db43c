"""The settings of novaha.conf reach every planner: the evacuator's, and that of `novaha status`."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from novaha import wiring
from novaha.conf.options import EVACUATOR, list_opts
from novaha.core.situation import Policy
from novaha.core.steps import HostReport
from novaha.evacuator import digest, inspect, process, status
from novaha.evacuator.isolation import planned
from novaha.evacuator.journal import Journal
from tests.fakes.nova import FakeNova
from tests.fakes.pacemaker import FakeFencing, FakeRecords
from tests.unit.core.situations import FENCED

SETTINGS = {
    "max_in_flight": 3,
    "answer_wait": 91.0,
    "retry_base": 11.0,
    "retry_cap": 121.0,
    "lost_after": 31.0,
    "stuck_after": 1801.0,
    "patience": 301.0,
    "flap_fencings": 4,
    "flap_window": 3601.0,
    "return_after": 61.0,
}
POLICY = Policy(**SETTINGS, return_disabled=True)
OTHERS = {"restore_wait", "return_disabled", "rules", "waiting"}
"""What is no option of that name: the rules stand in a file of their own."""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file that sets everything that a planner decides by to something unusual."""
    path = tmp_path / "novaha.conf"
    path.write_text(
        "[keystone]\nauth_type = password\nauth_url = http://127.0.0.1:1/v3\nusername = u\n"
        "password = p\nproject_name = p\nuser_domain_name = d\nproject_domain_name = d\n"
        + "[evacuator]\n"
        + "".join(f"{name} = {value}\n" for name, value in SETTINGS.items())
        + "return = disabled\n"
    )
    path.chmod(0o600)
    return str(path)


def test_every_setting_of_a_planner_is_an_option_that_reaches_it(config: str) -> None:
    found = asdict(wiring.policy(wiring.conf({"config": config})))
    assert {name: found[name] for name in SETTINGS} == SETTINGS
    options = {o.dest for section, of in list_opts() if section == EVACUATOR for o in of}
    assert {field.name for field in fields(Policy)} & options == SETTINGS.keys()
    assert found["return_disabled"]
    assert {field.name for field in fields(Policy)} - options == OTHERS


def test_the_evacuator_plans_by_the_settings(config: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wiring, "check_region", lambda nova, seconds: None)
    loop, _ = process.build(wiring.conf({"config": config}), "controller-1#1", Journal(None))
    assert loop._policy == POLICY


@pytest.mark.parametrize("by_resource", [False, True])
def test_status_on_another_controller_plans_by_the_settings(
    config: str, by_resource: bool, monkeypatch
) -> None:
    named = {"config": config}
    # Who asks may name another file than the resource does.
    asked = (None, lambda: named) if by_resource else (named, lambda: {"config": "/none"})
    nova, records = FakeNova(), FakeRecords()
    nova.add_host("compute-1")
    nova.add_instance("a", "compute-1")
    nova.crash("compute-1")
    records.flag("compute-1", FENCED)
    fencing = FakeFencing(is_online=lambda node: False, nodes=lambda: nova.hosts)
    used: list[Policy] = []

    def noted(views: Any, policy: Policy, now: float, room_since: float) -> Any:
        used.append(policy)
        return planned(views, policy, now, room_since)

    monkeypatch.setattr(inspect.client, "pid", lambda: None)
    monkeypatch.setattr(inspect, "RecordStore", lambda: records)
    monkeypatch.setattr(inspect, "FenceHistory", lambda: fencing)
    monkeypatch.setattr(wiring, "nova", lambda conf: nova)
    monkeypatch.setattr(inspect, "planned", noted)
    shown = inspect.look(*asked)
    assert shown["problem"] == ""
    assert [host["node"] for host in shown["hosts"]] == ["compute-1"]
    assert used == [POLICY]
    assert shown["told"] is None
    seen = shown["hosts"][0]["detail"]

    # What only the evacuator knows it tells, and that is shown.
    theirs = HostReport(records.read("compute-1"), "compute-1", "its own reason")
    health = status.Health(1, "controller-2", "novaha", 0.1, "", 0.0, "", 0.0, ("see to it",))
    value = digest.make(status.own(health, (), [theirs]), datetime.now(UTC))
    monkeypatch.setattr(inspect.Digests, "read", lambda board: {"controller-2": value})
    shown = inspect.look(*asked)
    assert shown["told"]["attention"] == ["see to it"]
    assert shown["hosts"][0]["detail"] == "its own reason" != seen
