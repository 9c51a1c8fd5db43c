"""What makes a record doubtful, directly: each proof that its host has lived since."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from novaha.core.errors import ClusterToolError, RecordError
from novaha.core.model import ComputeService
from novaha.core.record import Record, first_record
from novaha.core.recovery import Event, RecoveryState
from novaha.core.view import HostView, Presence, Standing
from novaha.evacuator.doubts import Doubts, Newest, utc_now
from tests.fakes.pacemaker import FakeFencing

FENCED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NODE = "compute-1"
ME = "controller-1#a"
PENDING = first_record(NODE, "f1", FENCED)
CLAIMED = PENDING.after(Event.CLAIM, owner=ME)
RUNNING = replace(CLAIMED, before={})
OVER = replace(RUNNING, state=RecoveryState.RECOVERED)


def at(seconds: float) -> datetime:
    return FENCED + timedelta(seconds=seconds)


def service(seen: float | None, *, host: str = NODE, forced: bool = False) -> ComputeService:
    last = None if seen is None else at(seen)
    return ComputeService("s", host, up=True, forced_down=forced, enabled=True, last_seen=last)


class Case:
    """One process of an evacuator, an hour after the fencing."""

    def __init__(self, *fencings: float, wall: float = 3600.0) -> None:
        self.fencing = FakeFencing(successes=[(NODE, at(s)) for s in fencings])
        self.asked = 0
        self.doubts = Doubts(self.fencing, lambda: at(wall))

    def of(
        self,
        record: Record,
        seen: ComputeService | None = None,
        *others: ComputeService,
        mine: bool = False,
        history: bool = True,
    ) -> str:
        """The doubt about a record of which this turn has read so much."""
        view = HostView(record, standing=Standing(mine=mine), presence=Presence(service=seen))
        services = {s.host: s for s in (*others, *([seen] if seen else []))}
        return self.doubts.judge(view, services, self.fencing if history else None).standing.doubt

    def count(self) -> None:
        """From now on each reading of the history counts as asked."""
        fencing = self.fencing

        def history() -> FakeFencing:
            self.asked += 1
            return fencing

        self.doubts = Doubts(replace(fencing), lambda: at(3600))
        self.doubts._fencing.history = history  # type: ignore[method-assign]

    def follow(self, *records: Record | RecordError, now: float = 0.0) -> None:
        named = {r.node: r for r in records}
        self.doubts.follow(named, now)


SINCE = "Nova had a heartbeat of it at 2026-01-01 1"
GONE = "its record of 2026-01-01 12:00:00Z had been replaced or removed, and came back"
WAS_OVER = "its recovery after 2026-01-01 12:00:00Z was over, and its record came back"
AGAIN = "it was fenced again after 2026-01-01 12:00:00Z, which its record does not tell of"


@pytest.mark.parametrize(
    ("record", "seen", "forced", "doubted"),
    [
        (PENDING, None, False, False),
        (PENDING, -3600, False, False),
        (PENDING, 0, False, False),
        (PENDING, 60, False, False),
        (PENDING, 61, False, True),
        (PENDING, 3600, False, True),
        (PENDING, 61, True, True),
        (CLAIMED, 61, False, True),
        (RUNNING, 61, False, True),
        (RUNNING, 61, True, False),
        (CLAIMED, 61, True, False),
        (replace(PENDING, before={}), 61, True, False),
        (PENDING.adopt(), 61, True, False),
        (PENDING.adopt(), 61, False, True),
        (OVER, 61, False, False),
    ],
)
def test_law_1_a_heartbeat_after_the_fencing(
    record: Record, seen: float | None, forced: bool, doubted: bool
) -> None:
    """Not where a force-down of ours may have changed the service; not once it is over."""
    doubt = Case(0).of(record, service(seen, forced=forced))
    assert bool(doubt) is doubted
    if doubted and seen == 61:
        assert doubt == f"{SINCE}2:01:01Z, after its fencing at 2026-01-01 12:00:00Z"


@pytest.mark.parametrize("mine", [False, True])
@pytest.mark.parametrize("history", [False, True])
def test_law_1_whoever_owns_the_record(mine: bool, history: bool) -> None:
    for record in (PENDING, RUNNING):
        assert Case(0).of(record, service(3600), mine=mine, history=history).startswith(SINCE)


@pytest.mark.parametrize(
    ("wall", "seen", "newest", "doubted"),
    [
        (3600, 3600, 3600, True),
        (3600, 660, 4200, False),  # Nova's clock is ten minutes ahead: it is of the fencing
        (3600, 661, 4200, True),
        (3600, 60, 3000, False),  # behind: nothing is taken off
        (3600, 61, 3000, True),
        (60, 3600, None, False),  # it alone shows Nova's clock
        (61, 3600, None, True),
    ],
)
def test_law_1_what_novas_clock_is_ahead_is_taken_off(
    wall: float, seen: float, newest: float | None, doubted: bool
) -> None:
    case = Case(0, wall=wall)
    others = () if newest is None else (service(newest, host="compute-2"),)
    assert bool(case.of(PENDING, service(seen), *others)) is doubted


@pytest.mark.parametrize(("by_hand", "doubted"), [(None, True), (30, True), (240, False)])
def test_law_1_an_administrators_word_is_as_good_as_a_fencing(
    by_hand: float | None, doubted: bool
) -> None:
    """As one of the same minute as the heartbeat, or later."""
    case = Case(0)
    if by_hand is not None:
        case.fencing.by_hand = {"COMPUTE-1": at(by_hand)}
    assert bool(case.of(PENDING, service(300))) is doubted
    assert bool(case.of(PENDING, service(300), history=False)) is doubted


def test_law_1_so_it_is_where_novas_clock_is_ahead() -> None:
    case, other = Case(0), service(4200, host="compute-2")
    case.fencing.by_hand = {NODE: at(240)}
    assert case.of(PENDING, service(900), other) == ""
    assert case.of(PENDING, service(901), other).startswith(SINCE)


@pytest.mark.parametrize(("seen", "newest", "asks"), [(60, 60, 0), (660, 4200, 0), (61, 61, 1)])
def test_the_history_is_not_read_where_the_records_own_moment_decides(
    seen: float, newest: float, asks: int
) -> None:
    case = Case(0)
    case.count()
    case.of(PENDING, service(seen), service(newest, host="compute-2"), history=False)
    assert case.asked == asks
    case.of(PENDING, service(seen), service(newest, host="compute-2"), history=True)
    assert case.asked == asks, "it was read already"


def test_law_1_a_host_that_pacemaker_has_not_reached_since_has_not_lived() -> None:
    case = Case(0)
    case.fencing.nodes = lambda: [NODE]
    assert case.of(PENDING, service(3600)) == ""
    case.fencing.nodes = lambda: ["compute-2"]
    assert case.of(PENDING, service(3600))


@pytest.mark.parametrize(
    ("fencings", "by_hand", "doubt"),
    [
        ((), None, ""),
        ((0,), None, ""),
        ((299,), None, ""),
        ((300,), None, AGAIN),
        ((0, 3600), None, AGAIN),
        ((0, 3600), 3300, AGAIN),
        ((0, 3600), 3301, AGAIN),
        ((0, 3600), 3601, ""),
    ],
)
def test_law_1_a_fencing_that_the_record_does_not_tell_of(
    fencings: tuple[float, ...], by_hand: float | None, doubt: str
) -> None:
    """More than five minutes later; or than an administrator's word, if that is newer."""
    case = Case(*fencings)
    if by_hand is not None:
        case.fencing.by_hand = {NODE: at(by_hand)}
    for record in (PENDING, RUNNING):
        assert case.of(record) == doubt
        assert case.of(record, service(None)) == doubt


def test_the_history_is_asked_for_only_where_another_process_has_claimed_it() -> None:
    case = Case(3600)
    case.count()
    for record, mine in ((PENDING, False), (PENDING, True), (RUNNING, True), (OVER, False)):
        assert case.of(record, mine=mine, history=False) == ""
    assert case.asked == 0
    assert case.of(RUNNING, history=False) == AGAIN
    assert case.asked == 1


def test_a_cluster_that_cannot_be_asked_is_an_error() -> None:
    case = Case()

    def history() -> FakeFencing:
        raise ClusterToolError(["stonith_admin"], 102, "")

    case.fencing.history = history  # type: ignore[method-assign]
    with pytest.raises(ClusterToolError):
        case.of(RUNNING, history=False)


NEXT = first_record(NODE, "f2", at(600))


def test_law_1_a_record_that_was_replaced_never_comes_back() -> None:
    case = Case(0)
    case.follow(PENDING)
    assert case.of(PENDING) == ""
    case.follow(NEXT)
    assert case.of(NEXT) == ""
    assert case.of(PENDING) == GONE
    assert case.of(replace(OVER)) == GONE, "whatever its state"


def test_law_1_a_record_that_was_removed_never_comes_back() -> None:
    case = Case(0)
    case.follow(PENDING, first_record("compute-2", "g", FENCED))
    case.follow(first_record("compute-2", "g", FENCED))
    assert case.of(PENDING) == GONE
    case.follow(PENDING, first_record("compute-2", "g", FENCED))
    assert case.of(PENDING) == GONE, "it came back"
    assert case.of(first_record("compute-2", "g", FENCED)) == ""


def test_law_1_a_recovery_that_was_over_does_not_begin_again() -> None:
    case = Case(0)
    case.follow(OVER)
    assert case.of(OVER) == ""
    for record in (PENDING, CLAIMED, RUNNING):
        assert case.of(record) == WAS_OVER


def test_a_record_that_makes_no_sense_replaces_none() -> None:
    case = Case(0)
    case.follow(PENDING)
    case.follow(RecordError(NODE, "x"))
    case.follow(PENDING)
    assert case.of(PENDING) == ""
    case.follow(RecordError("compute-0", "x"), OVER)
    assert case.of(PENDING) == WAS_OVER, "that of another host hides none"


def test_a_record_is_verified_once() -> None:
    """Somebody may start nova-compute on a host that is back, in spite of the hold."""
    case = Case(0)
    case.follow(PENDING)
    case.doubts.verify([PENDING])
    case.doubts.verify([replace(PENDING, node="compute-3")])
    assert case.of(PENDING, service(3600)) == ""
    assert case.of(replace(PENDING, fence_id="f2"), service(3600)).startswith(SINCE)
    assert case.of(replace(PENDING, node="compute-2"), service(3600)).startswith(SINCE)


def test_our_own_record_is_verified_when_nova_has_shown_the_host() -> None:
    case = Case(0)
    case.follow(RUNNING)
    assert case.of(RUNNING, mine=True) == ""
    assert case.of(RUNNING, service(3600), mine=True).startswith(SINCE), "Nova had not been asked"
    assert case.of(RUNNING, service(0), mine=False) == ""
    assert case.of(RUNNING, service(3600), mine=False).startswith(SINCE), "it is another one's"
    assert case.of(PENDING, service(0), mine=True) == ""
    assert case.of(PENDING, service(3600), mine=True).startswith(SINCE), "nobody has claimed it"
    assert case.of(RUNNING, service(0), mine=True) == ""
    assert case.of(RUNNING, service(3600), mine=True) == ""


@pytest.mark.parametrize(("seconds", "verified"), [(60.0, True), (60.1, False)])
def test_nothing_stays_verified_that_was_not_watched(seconds: float, verified: bool) -> None:
    case = Case(0)
    case.follow(PENDING, now=100.0)
    case.doubts.verify([PENDING])
    case.follow(PENDING, now=100.0 + seconds)
    assert (case.of(PENDING, service(3600)) == "") is verified


def test_a_record_that_went_is_not_verified_when_its_host_is_flagged_anew() -> None:
    case = Case(0)
    case.follow(PENDING)
    case.doubts.verify([PENDING, replace(PENDING, node="compute-2")])
    case.follow()
    case.follow(NEXT)
    assert case.of(replace(NEXT, fenced=FENCED), service(3600)).startswith(SINCE)


def test_whose_record_was_doubted_is_not_doubted_after_the_next_fencing() -> None:
    """Else clocks that differ would have it fenced over and over."""
    case = Case(0)
    case.follow(PENDING)
    doubted = replace(NEXT, marks=frozenset({"doubted"}))
    case.follow(doubted)
    assert case.of(doubted, service(7200)) == ""
    third = first_record(NODE, "f3", at(900))
    case.follow(third)
    assert case.of(third, service(7200)) == ""
    case.follow()
    fourth = first_record(NODE, "f4", at(1200))
    case.follow(fourth)
    assert case.of(fourth, service(7200)).startswith(SINCE), "it was in service in between"


def test_a_doubt_of_another_process_leaves_the_proofs_in_force() -> None:
    """This one has not seen what was doubted, so that the fencing has to clear it."""
    case = Case(0)
    doubted = replace(NEXT, marks=frozenset({"doubted"}))
    case.follow(doubted)
    assert case.of(doubted, service(7200)).startswith(SINCE)


def test_what_is_known_is_told_with_the_view() -> None:
    view = HostView(PENDING, standing=Standing(paused="x"), presence=Presence(service=service(0)))
    case = Case(0)
    assert case.doubts.judge(view, {NODE: service(0)}, case.fencing) is view
    late = replace(view, presence=Presence(service=service(3600)))
    judged = case.doubts.judge(late, {NODE: service(3600)}, case.fencing)
    assert judged.standing.doubt
    assert replace(judged, standing=replace(judged.standing, doubt="")) == late


def test_a_set_forgets_the_oldest() -> None:
    newest = Newest(2)
    for text in ("a", "b", "a", "c"):
        newest.add(text)
    assert [text in newest for text in "abc"] == [False, True, True]
    assert len(newest) == 2


def test_ten_thousand_are_remembered() -> None:
    case = Case(0)
    for number in range(10_002):
        case.follow(first_record(NODE, f"n{number}", FENCED))
    assert case.of(first_record(NODE, "n1", FENCED)) == GONE
    assert case.of(first_record(NODE, "n0", FENCED)) == ""


def test_the_time_has_a_zone() -> None:
    assert utc_now().tzinfo is UTC
    assert RecoveryState.RECOVERED is OVER.state
