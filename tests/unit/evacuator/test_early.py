"""Nova is read for a host as soon as its record is written, before its fencing has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.core.errors import ClusterToolError
from novaha.core.record import STATE
from novaha.core.recovery import Event
from novaha.evacuator.early import EarlyReading
from novaha.evacuator.loop import Loop
from tests.fakes.pacemaker import FakeRecords
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    def __init__(self) -> None:
        self.records = FakeRecords()
        self.changed = False
        self.now = 100.0
        self.begun: list[tuple[str, float]] = []
        self.warmed = 0
        self.reads = 0
        self.trouble: list[Exception] = []
        world: Any = self
        self.turning = [False]
        self.early = EarlyReading(
            self.asked, world, self.begin, self.warm, lambda: self.now, self.busy
        )

    def busy(self) -> bool:
        """What was told to come, and the last of it from then on."""
        return self.turning.pop(0) if len(self.turning) > 1 else self.turning[0]

    def asked(self) -> bool:
        changed, self.changed = self.changed, False
        return changed

    def begin(self, node: str, within: float) -> None:
        self.begun.append((node, within))

    def warm(self) -> None:
        self.warmed += 1

    def read_all(self) -> object:
        self.reads += 1
        if self.trouble:
            raise self.trouble.pop()
        return self.records.read_all()

    def flag(self, node: str, fenced: datetime = NOW) -> None:
        self.records.flag(node, fenced)
        self.changed = True

    def claim(self, node: str) -> None:
        found = self.records.read(node)
        assert found is not None
        self.records.swap(found, found.after(Event.CLAIM, owner="me"))
        self.changed = True

    def pass_time(self, seconds: float) -> list[str]:
        """Which nodes it begins to read meanwhile."""
        self.begun.clear()
        for _ in range(round(seconds / 0.1)):
            self.early.look()
            self.now += 0.1
        return [node for node, _ in self.begun]


def test_nothing_is_asked_for_while_nothing_changes() -> None:
    world = World()
    world.records.flag("compute-1", NOW)  # before it was there: the first turn finds that
    assert world.pass_time(60) == []
    assert world.reads == 0


def test_a_host_is_read_when_its_record_is_written_and_again_while_its_fencing_lasts() -> None:
    world = World()
    world.flag("compute-1")
    assert world.pass_time(0.2) == ["compute-1"]
    assert world.begun == [("compute-1", 2.0)], "what has just begun is enough"
    assert world.pass_time(3.9) == ["compute-1"]
    world.pass_time(12)
    assert world.pass_time(600) == [], "it takes too long: the alert tells"
    assert world.reads < 20


def test_it_is_not_read_again_when_the_recovery_has_begun() -> None:
    world = World()
    world.flag("compute-1")
    world.pass_time(0.2)
    world.claim("compute-1")
    assert world.pass_time(30) == []
    assert world.reads == 2
    world.flag("compute-1", NOW + timedelta(hours=1))
    assert world.pass_time(0.2) == ["compute-1"], "fenced once more"


def test_one_that_waits_for_long_is_not_read_for_another_ones_sake() -> None:
    world = World()
    world.flag("compute-1")
    world.pass_time(60)
    world.flag("compute-2")
    assert set(world.pass_time(60)) == {"compute-2"}


def test_nothing_is_read_early_while_a_turn_is_under_way_and_no_change_is_missed() -> None:
    world = World()
    world.turning = [True]
    world.flag("compute-1")
    assert world.pass_time(1) == []
    assert world.reads == 0
    world.turning = [False]
    assert world.pass_time(0.2) == ["compute-1"]


def test_what_a_turn_overtakes_is_not_begun() -> None:
    world = World()
    world.flag("compute-1")
    world.turning = [False, True, True, True, False]  # woken while the records are read
    assert world.pass_time(0.1) == []
    assert world.reads == 1
    world.claim("compute-1")
    assert world.pass_time(5) == []
    world.flag("compute-1", NOW + timedelta(hours=1))
    world.turning = [False, True, False]
    assert world.pass_time(0.3) == ["compute-1"], "the turn was about another one"


def test_when_a_rack_dies_each_is_read_once() -> None:
    world = World()
    nodes = [f"compute-{number}" for number in range(5)]
    for node in nodes:
        world.flag(node)
    assert sorted(world.pass_time(60)) == nodes


def test_a_record_that_makes_no_sense_is_none() -> None:
    world = World()
    world.flag("compute-1")
    world.flag("compute-2")
    world.records.attributes["compute-1"][STATE] = "gibberish"
    assert set(world.pass_time(1)) == {"compute-2"}


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(ClusterToolError(["cibadmin"], 1, "no"), False), (RuntimeError("ours"), True)],
)
def test_what_goes_wrong_ends_nothing(
    trouble: Exception, told: bool, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    world = World()
    world.flag("compute-1")
    world.trouble.append(trouble)
    turns(world, 15)
    assert [node for node, _ in world.begun] == ([] if told else ["compute-1"])
    assert world.warmed == 14
    assert bool(caplog.records) is told


def turns(world: World, count: int) -> None:
    """Let its thread turn so often."""

    class Stopping(threading.Event):
        left = count

        def wait(self, timeout: float | None = None) -> bool:
            world.now += timeout or 0.0
            self.left -= 1
            return self.left < 0

    world.early.run(Stopping())


# In a site


def alert(early: bool) -> tuple[Any, Callable[[], Loop]]:
    site = site_with()
    site.pass_time(1)  # Nova's hosts are known
    site.fence("compute-1", confirmed=False)
    assert site.loop is not None
    if early:
        site.loop._observer.read_ahead("compute-1", 2.0)
    site.nova.advance(0.5)
    site.nova.calls.clear()
    return site, lambda: site.loop


@pytest.mark.parametrize("early", [True, False])
def test_nothing_is_read_between_the_alert_and_the_first_request(early: bool) -> None:
    site, loop = alert(early)
    site.confirm("compute-1")
    loop().turn({"compute-1"})
    before = site.nova.calls[: site.nova.calls.index("evacuate")]
    read = {"services", "instances_on", "evacuations_from"}
    assert set(before) - {"set_forced_down"} == (set() if early else read)
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_1_what_was_read_early_begins_nothing() -> None:
    site, loop = alert(early=True)
    for _ in range(3):
        loop().turn()
    assert site.nova.requests == []
    assert not site.nova.hosts["compute-1"].forced_down
    assert record(site).owner == ""
