"""Fencings that nobody else asks for: asked for again when they fail, and never waited for."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import ClusterToolError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.evacuator.act import Actor
from novaha.evacuator.journal import Journal
from novaha.evacuator.missing import MissingFencings, problems
from tests.fakes.cluster import Site
from tests.fakes.pacemaker import FakeFencing
from tests.unit.core.situations import DEAD, record, view
from tests.unit.evacuator.ledgers import know, ledger_of
from tests.unit.evacuator.sites import assert_moved, recovered, site_with


@dataclass
class Failing(FakeFencing):
    """Whose fencings fail as often as told; each notes when it was asked for."""

    errors: list[Exception] = field(default_factory=list)
    clock: Callable[[], float] = lambda: 0.0
    moments: list[float] = field(default_factory=list)

    def request(self, node: str) -> None:
        self.moments.append(self.clock())
        super().request(node)
        if self.errors:
            raise self.errors.pop(0)


class Later(Executor):
    """Does nothing before it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        self.waiting.append(lambda: fn(*args, **kwargs))
        return Future()

    def work(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


def failing(*errors: Exception) -> tuple[Site, Failing]:
    """A site whose compute-1 is flagged and whose fencing Pacemaker has forgotten."""
    site = site_with()
    fencing = Failing(errors=list(errors), clock=lambda: site.nova.now)
    fencing.computes, fencing.is_online = site.fencing.computes, site.fencing.is_online
    fencing.nodes = site.fencing.nodes
    site.fencing = fencing
    site.start_evacuator()
    site.fence("compute-1", confirmed=False)
    return site, fencing


REFUSED = ClusterToolError(["stonith_admin"], 237, "No route to host")
UNANSWERED = ClusterToolError(["stonith_admin"], None, "killed after 90 s")


@pytest.mark.parametrize("error", [REFUSED, UNANSWERED, KeyError("a mistake of ours")])
def test_law_3_a_fencing_that_fails_is_asked_for_again(error: Exception) -> None:
    site, fencing = failing(error, error, error)
    site.pass_time(600)
    waits = [b - a for a, b in zip(fencing.moments, fencing.moments[1:], strict=False)]
    assert waits == pytest.approx([60, 120, 240], abs=3), "and one that succeeds is not"
    assert site.nova.requests == []
    site.confirm("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_the_pause_between_two_has_an_end() -> None:
    site, fencing = failing(*[REFUSED] * 50)
    site.pass_time(1700)
    waits = [b - a for a, b in zip(fencing.moments, fencing.moments[1:], strict=False)]
    assert waits == pytest.approx([60, 120, 240, 480, 600], abs=3)


def test_an_operator_is_told_why_it_fails_until_the_host_is_fenced() -> None:
    site, fencing = failing(REFUSED)
    site.pass_time(70)
    assert site.loop is not None
    (said,) = site.loop.attention
    assert "compute-1 waits for a fencing that fails" in said
    assert "`novaha evidence compute-1`" in said
    assert "No route to host" in said
    site.pass_time(60)
    assert fencing.errors == []
    assert site.loop.attention == (), "this one succeeded, as far as anybody knows"


def test_law_8_a_fencing_that_takes_long_keeps_no_other_host_waiting() -> None:
    site, fencing = failing()
    site.fencers = later = Later()
    site.start_evacuator()
    site.nova.add_instance("run-other", "compute-2")
    site.pass_time(70)
    assert len(later.waiting) == 1
    site.fence("compute-2")
    site.run_until(lambda: recovered(site, "compute-2"))
    site.pass_time(300)
    assert len(later.waiting) == 1, "it is not over: it is not asked for again"
    fencing.errors = [REFUSED]
    later.work()
    site.pass_time(62)
    assert len(later.waiting) == 1


WAIT = 60.0
PENDING = record(state=RecoveryState.PENDING, owner="", before=None, marks=frozenset())
UNPROVEN = replace(PENDING, marks=frozenset({"unproven"}))


class Ask:
    """One look at one host that is flagged; fencings are requested by `pool.work`."""

    def __init__(self, journal: Path | None = None, wait: float = WAIT) -> None:
        self.fencing = Failing()
        self.pool = Later()
        self.now = 1000.0
        self.ledger = ledger_of(DEAD, first_seen=self.now)
        self.page = self.ledger.of(DEAD)
        self.missing = MissingFencings(
            self.fencing, Journal(journal), self.pool, wait, lambda: self.now
        )

    def ask(self, **known: Any) -> bool:
        """Whether a fencing is asked for."""
        before = len(self.pool.waiting)
        of_host = view(**{"record": PENDING, "mine": False, "fence_confirmed": False, **known})
        self.missing.ask([of_host], self.ledger)
        return len(self.pool.waiting) > before


@pytest.mark.parametrize(
    ("known", "later", "requested", "asks"),
    [
        ({}, 0, False, False),
        ({}, 59.9, False, False),
        ({}, 60, False, True),
        ({}, 60, True, False),
        ({"fence_confirmed": True}, 600, False, False),
        ({"unproven": "no device"}, 600, False, False),
        ({"paused": "by bob"}, 600, False, False),
        ({"record": UNPROVEN}, 59.9, False, False),
        ({"record": UNPROVEN}, 60, False, True),
        ({"record": record()}, 600, False, False),
        ({"record": record(state=RecoveryState.RECOVERED)}, 600, False, False),
        ({"record": record(), "fence_confirmed": True}, 600, False, False),
    ],
)
def test_law_1_when_a_fencing_is_missing(
    known: dict[str, Any], later: float, requested: bool, asks: bool
) -> None:
    site = Ask()
    know(site.page, requested=requested, problem="x")
    site.now += later
    assert site.ask(**known) is asks
    assert site.page.fencing.requested is (requested or asks)
    assert site.page.fencing.problem == ("" if asks else "x")


@pytest.mark.parametrize(
    ("found", "moment", "asks"),
    [
        (PENDING, PENDING.fenced, False),
        (PENDING, PENDING.fenced - timedelta(seconds=1), True),
        (UNPROVEN, PENDING.fenced, True),
    ],
)
def test_law_1_what_pacemaker_has_done_since_is_not_asked_for(
    found: Record, moment: datetime, asks: bool
) -> None:
    """But a fencing that cut no power is no reason to wait."""
    site = Ask()
    site.fencing.successes = [(DEAD, moment)]
    site.now += WAIT
    assert site.ask(record=found) is asks


def test_law_3_how_long_a_fencing_that_failed_is_not_asked_for() -> None:
    site = Ask()
    site.now += WAIT
    site.fencing.errors = [REFUSED] * 20
    pauses = []
    for _ in range(6):
        assert site.ask()
        site.pool.work()
        failed = site.now
        while not site.ask():
            site.now += 0.5
        site.pool.waiting.clear()
        site.page.fencing.ask_again()
        pauses.append(site.now - failed)
    assert pauses == [60, 120, 240, 480, 600, 600]
    site.fencing.errors.clear()
    assert site.ask()
    site.pool.work()
    site.now += 9999
    assert not site.ask(), "one that succeeds is not asked for again"
    assert site.page.fencing.failed[0] == 0, "and the next begins anew"


@pytest.mark.parametrize(
    ("failed", "seconds"), [(1, 0.125), (3, 0.5), (11, 128), (12, 128), (99, 128)]
)
def test_the_pause_is_doubled_ten_times_at_most(failed: int, seconds: float) -> None:
    for later, asks in ((seconds - 0.1, False), (seconds, True)):
        site = Ask(wait=0.125)
        know(site.page, failed=failed, failed_at=site.now)
        site.now += later
        assert site.ask() is asks


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (REFUSED, "stonith_admin exited with 237: No route to host"),
        (KeyError("ours"), "internal error on compute-1"),
    ],
)
def test_what_is_kept_and_told_of_a_fencing_that_fails(
    error: Exception, said: str, tmp_path: Path
) -> None:
    site = Ask(tmp_path / "journal")
    site.now += WAIT
    site.fencing.errors = [error]
    assert site.ask()
    site.pool.work()
    assert f"compute-1 waits for a fencing that fails: {said}" in site.page.fencing.problem
    assert "; it is asked for again 60 s after that" in site.page.fencing.problem
    asked, failed = map(json.loads, (tmp_path / "journal").read_text().splitlines())
    assert {**asked, "time": ""} == {"time": "", "event": "fencing requested", "node": DEAD}
    assert (failed["event"], failed["node"]) == ("fencing failed", DEAD)
    assert failed["message"].startswith(said)


@pytest.mark.parametrize(
    ("problem", "known", "told"),
    [
        ("it fails", {}, ("it fails",)),
        ("", {}, ()),
        ("it fails", {"fence_confirmed": True}, ()),
        ("it fails", {"record": record()}, ()),
        ("it fails", {"record": record(), "fence_confirmed": True}, ()),
    ],
)
def test_of_whom_it_is_told_that_a_fencing_fails(
    problem: str, known: dict[str, Any], told: tuple[str, ...]
) -> None:
    of_host = view(**{"record": PENDING, "fence_confirmed": False, **known})
    ledger = ledger_of(DEAD)
    know(ledger.of(DEAD), problem=problem)
    assert problems([of_host], ledger) == told


def test_what_a_step_meets_is_shown_in_the_turn_that_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_with()
    assert site.loop is not None
    site.fence("compute-1")

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(Actor, "_prepare", broken)
    monkeypatch.setattr(Actor, "_claim", broken)
    site.loop.turn()
    assert any("internal error on compute-1" in said for said in site.loop.attention)
    monkeypatch.undo()
    site.loop.turn()
    assert any("internal error on compute-1" in said for said in site.loop.attention)
    site.loop.turn()
    assert site.loop.attention == ()
