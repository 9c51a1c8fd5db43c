"""Held hosts that no evacuator looks after."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.agents import brake_relief, fence_heuristics_compute
from novaha.contract.fence import ExitCode
from novaha.core.brake import Code, Host, Limits, read_limits
from novaha.core.steering import Held, Pause, held_text
from novaha.pacemaker.computes import Computes

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=5)
NODES = ("compute-1", "compute-2", "compute-3", "compute-4")
LIMITS: Limits = read_limits({})[0]


@dataclass
class World:
    """Four compute hosts; those of `marks` are lost and held."""

    marks: Mapping[str, Held] = field(
        default_factory=lambda: {"compute-1": Held(LONG_AGO, Code.ANSWERS)}
    )
    runs: bool | None = False
    silent: Collection[str] = ()
    working: Collection[str] = NODES
    pause: Pause | None = None
    lost: bool = True
    done: list[tuple[str, str]] = field(default_factory=list)

    def held(self) -> Mapping[str, str]:
        return {node: held_text(mark) for node, mark in self.marks.items()}

    def evacuator_runs(self) -> bool | None:
        return self.runs

    def view(self) -> Computes:
        hosts = {
            n: Host(n, lost=self.lost, held=self.marks[n].since) if n in self.marks else Host(n)
            for n in NODES
        }
        connections = {n: f"{n}-connection" for n in NODES}
        return Computes(
            hosts, {}, quorum=True, connections=connections, held=self.marks, pause=self.pause
        )

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        return [replace(h, answers=h.node not in self.silent) for h in view.hosts.values()]

    def works(self, view: Computes, node: str) -> bool:
        return node in self.working

    def forget_failures(self, node: str, resource: str) -> None:
        self.done.append(("back", f"{node} {resource}"))

    def fence(self, node: str) -> None:
        self.done.append(("fence", node))


def relieved(world: World) -> list[tuple[str, str]]:
    brake_relief.relieve(world, LIMITS, NOW, lambda said: None)
    return world.done


BACK = [("back", "compute-1 compute-1-connection")]


@pytest.mark.parametrize(
    ("world", "done"),
    [
        pytest.param(World(), BACK, id="it works: it is brought back"),
        pytest.param(World(working=()), [], id="its kernel alone answers: it may hang"),
        pytest.param(World(silent=["compute-1"]), [("fence", "compute-1")], id="it is dead"),
        pytest.param(
            World(marks=dict.fromkeys(NODES, Held(LONG_AGO, Code.ISOLATED)), silent=NODES),
            [],
            id="this controller reaches nobody",
        ),
        pytest.param(
            World(silent=["compute-1"], pause=Pause(LONG_AGO, "me", "work")), [], id="paused"
        ),
        pytest.param(World(runs=True), [], id="an evacuator runs"),
        pytest.param(World(runs=None), [], id="nobody can tell"),
        pytest.param(World(lost=False), [], id="Pacemaker has it back"),
        pytest.param(World(marks={}), [], id="none is held"),
        pytest.param(
            World(marks={"compute-1": Held(NOW - timedelta(seconds=59), Code.ANSWERS)}),
            [],
            id="held for a moment only",
        ),
        pytest.param(
            World(marks={"compute-1": Held(NOW - brake_relief.PATIENCE, Code.ANSWERS)}),
            BACK,
            id="held long enough",
        ),
    ],
)
def test_law_10_what_the_monitor_does_about_a_held_host(
    world: World, done: list[tuple[str, str]]
) -> None:
    assert relieved(world) == done


def test_law_10_of_many_that_are_held_those_that_work_come_back() -> None:
    marks = {n: Held(LONG_AGO, Code.ISOLATED) for n in NODES[:3]}
    world = World(marks=marks, silent=["compute-2"])
    assert relieved(world) == [
        ("back", "compute-1 compute-1-connection"),
        ("back", "compute-3 compute-3-connection"),
    ], "the silent one is one of many: it waits"


def test_where_nothing_is_held_nothing_more_is_asked() -> None:
    class Calm(World):
        def evacuator_runs(self) -> bool | None:
            raise AssertionError("asked")

    assert relieved(Calm(marks={})) == []


def _monitor(monkeypatch: pytest.MonkeyPatch, world: Any) -> tuple[int, str]:
    monkeypatch.setattr(fence_heuristics_compute, "_relief", lambda: world)
    err = io.StringIO()
    given = io.StringIO("action=monitor\n")
    return fence_heuristics_compute.main([], given, io.StringIO(), err), err.getvalue()


def test_law_10_the_brakes_monitor_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    code, said = _monitor(monkeypatch, world)
    assert (code, world.done) == (ExitCode.SUCCESS, BACK)
    assert "compute-1: no evacuator runs; it works: it is brought back" in said


def test_law_7_a_monitor_that_can_do_nothing_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(World):
        def held(self) -> Mapping[str, str]:
            raise OSError("no attribute manager")

    code, said = _monitor(monkeypatch, Broken())
    assert code == ExitCode.SUCCESS
    assert "held hosts cannot be looked after: no attribute manager" in said
