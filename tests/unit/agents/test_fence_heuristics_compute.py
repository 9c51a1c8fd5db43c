"""The brake's agent: law 10 as Pacemaker sees it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novaha.agents import brake, fence_heuristics_compute
from novaha.contract.fence import ExitCode
from novaha.core.brake import Code, Host
from novaha.core.steering import Held, Pause, Permit
from novaha.pacemaker.computes import Computes

NODES = ("compute-1", "compute-2", "compute-3", "compute-4")


@dataclass
class World:
    """A cluster of four compute hosts."""

    silent: Sequence[str] = ()
    computes: Computes = field(
        default_factory=lambda: Computes({n: Host(n) for n in NODES}, {}, quorum=True)
    )
    power: bool | Exception | None = None
    fault: Exception | None = None
    notes: list[tuple[str, Held]] = field(default_factory=list)
    looked: int = 0
    working: Sequence[str] | Exception = ()

    def works(self, view: Computes, node: str) -> bool:
        if isinstance(self.working, Exception):
            raise self.working
        return node in self.working

    def view(self) -> Computes:
        if self.fault:
            raise self.fault
        return self.computes

    def look_around(self, view: Computes, node: str) -> list[Host]:
        self.looked += 1
        return [replace(h, answers=h.node not in self.silent) for h in view.hosts.values()]

    def power_is_off(self, node: str, seconds: float) -> bool | None:
        if isinstance(self.power, Exception):
            raise self.power
        return self.power

    def note(self, node: str, held: Held) -> None:
        self.notes.append((node, held))


@pytest.fixture(autouse=True)
def fault_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "brake" / "fault.json"
    monkeypatch.setattr(
        brake.decide_in_spite_of, "__defaults__", (file, *brake.decide_in_spite_of.__defaults__[1:])
    )
    return file


def ask(world: World, **options: str) -> tuple[int, str, str]:
    given = {"action": "off", "nodename": "compute-1", **options}
    stdin = io.StringIO("".join(f"{k}={v}\n" for k, v in given.items()))
    out, err = io.StringIO(), io.StringIO()
    code = fence_heuristics_compute.main([], stdin, out, err, world, sleep=lambda seconds: None)
    return code, out.getvalue(), err.getvalue()


def test_law_10_a_host_that_dies_alone_goes_on() -> None:
    world = World(silent=["compute-1"])
    assert ask(world)[0] == ExitCode.SUCCESS
    assert world.notes == []


@pytest.mark.parametrize(
    ("lost", "working", "held"),
    [
        (True, ["compute-1"], True),
        (True, ["compute-2"], False),
        (False, ["compute-1"], False),
        (True, ImportError("no ssl"), False),
    ],
)
def test_law_10_a_lost_connection_to_a_host_that_works_is_held(
    lost: bool, working: Sequence[str] | Exception, held: bool
) -> None:
    hosts = {n: Host(n, lost=lost and n == "compute-1") for n in NODES}
    world = World((), Computes(hosts, {}, quorum=True), working=working)
    assert ask(world)[0] == (ExitCode.FAILURE if held else ExitCode.SUCCESS)
    assert [mark.code for _, mark in world.notes] == [Code.WORKS] * held


def test_law_10_all_hosts_silent_holds_each_and_notes_it() -> None:
    world = World(silent=NODES)
    code, _, said = ask(world, nodename="COMPUTE-1")
    assert code == ExitCode.FAILURE
    assert "compute-1: held: this controller reaches none of the 3" in said
    [(node, held)] = world.notes
    assert (node, held.code) == ("compute-1", Code.ISOLATED)


def test_the_moment_of_the_first_hold_is_kept() -> None:
    first = Held(datetime(2026, 1, 1, tzinfo=UTC), "isolated")
    hosts = {n: Host(n, lost=True) for n in NODES}
    hosts["compute-1"] = replace(hosts["compute-1"], held=first.since)
    world = World(NODES, Computes(hosts, {}, quorum=True, held={"compute-1": first}))
    assert ask(world)[0] == ExitCode.FAILURE
    assert world.notes[0][1].since == first.since


@pytest.mark.parametrize(
    ("power", "goes_on"), [(True, True), (False, False), (None, False), (OSError("x"), False)]
)
def test_power_that_is_off_already_lets_the_host_go(
    power: bool | Exception | None, goes_on: bool
) -> None:
    assert (ask(World(NODES, power=power))[0] == ExitCode.SUCCESS) is goes_on


def test_the_power_device_is_not_asked_when_told_so() -> None:
    assert ask(World(NODES, power=True), power_check="false")[0] == ExitCode.FAILURE


def test_an_operators_permit_lets_the_host_go_and_an_old_one_does_not() -> None:
    now = datetime.now(UTC)
    hosts = {n: Host(n) for n in NODES}
    fresh = Computes(hosts, {}, quorum=True, permits={"compute-1": Permit(now, "alice")})
    assert ask(World(NODES, fresh))[0] == ExitCode.SUCCESS
    old = Permit(now - timedelta(hours=2), "alice")
    assert ask(World(NODES, replace(fresh, permits={"compute-1": old})))[0] == ExitCode.FAILURE
    other = replace(fresh, permits={"compute-2": Permit(now, "alice")})
    assert ask(World(NODES, other))[0] == ExitCode.FAILURE


def test_a_pause_holds_even_a_single_death_until_it_ends() -> None:
    now = datetime.now(UTC)
    pause = Pause(now, "bob", "switch upgrade", now + timedelta(hours=1))
    hosts = {n: Host(n) for n in NODES}
    world = World(["compute-1"], Computes(hosts, {}, quorum=True, pause=pause))
    code, _, said = ask(world)
    assert (code, "switch upgrade" in said) == (ExitCode.FAILURE, True)
    world.computes = replace(world.computes, pause=replace(pause, until=now))
    assert ask(world)[0] == ExitCode.SUCCESS


@pytest.mark.parametrize("fault", [OSError("no CIB"), ValueError("bug"), KeyError("x")])
def test_a_fault_of_its_own_lets_one_host_through_and_says_so(fault: Exception) -> None:
    world = World(fault=fault)
    code, _, said = ask(world)
    assert code == ExitCode.SUCCESS
    assert "the brake cannot judge" in said
    assert ask(world)[0] == ExitCode.SUCCESS  # the same host again
    code, _, said = ask(world, nodename="compute-2")
    assert code == ExitCode.FAILURE
    assert "compute-1 went on for that reason" in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"node": 3}', "\x00" * 10])
def test_a_broken_file_of_the_brakes_own_makes_no_host_unrecoverable(
    content: str, fault_file: Path
) -> None:
    fault_file.parent.mkdir()
    fault_file.write_text(content)
    assert ask(World(fault=OSError("no CIB")))[0] == ExitCode.SUCCESS


def test_a_limit_that_cannot_be_read_has_its_default_and_is_told() -> None:
    code, _, said = ask(World(silent=["compute-1"]), limit="half of them", window="soon")
    assert code == ExitCode.SUCCESS
    assert "parameter limit" in said
    assert "parameter window" in said
    assert ask(World(), action="validate-all", limit="half of them")[0] == ExitCode.FAILURE


@pytest.mark.parametrize("action", ["on", "monitor", "status"])
def test_nothing_but_off_stands_in_the_way(action: str) -> None:
    assert ask(World(NODES, fault=OSError("no CIB")), action=action)[0] == ExitCode.SUCCESS


def test_that_the_hold_cannot_be_noted_does_not_let_the_host_go() -> None:
    class Full(World):
        def note(self, node: str, held: Held) -> None:
            raise OSError("disk full")

    code, _, said = ask(Full(NODES))
    assert code == ExitCode.FAILURE
    assert "could not be noted" in said
