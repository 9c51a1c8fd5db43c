"""The ledger: one table or story for each thing that is known of a host beyond one turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.core.faults import UNNAMED
from novaha.core.model import (
    FAILED,
    IN_FLIGHT,
    Action,
    ComputeService,
    EvacuationLog,
    Instance,
    Migration,
)
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, Failure, OtherRequest, Outcome
from novaha.core.view import Evacuations, Requests
from novaha.evacuator.ledger import HostLedger, Ledger
from tests.unit.evacuator.ledgers import known, ledger_of, page

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def row(
    number: int, status: str = "accepted", to: str | None = None, instance: str = "", **more: Any
) -> Migration:
    """An evacuation; of instance `a` unless another is said."""
    return Migration(number, instance or "a", "compute-1", to, status, **more)


def on_host(*names: str, **changes: Any) -> list[Instance]:
    return [replace(Instance(name, name, "compute-1", "active"), **changes) for name in names]


def at(seconds: float) -> datetime:
    return WHEN + timedelta(seconds=seconds)


# Failures


def test_what_had_failed_before_the_first_look_is_history() -> None:
    found = page()
    found.evacuations.saw_migrations([row(1, "error"), row(2, "accepted", instance="b")], 5.0)
    assert found.evacuations.failures == {}
    found.evacuations.saw_migrations([row(1, "error"), row(2, "accepted", instance="b")], 6.0)
    assert found.evacuations.failures == {}


@pytest.mark.parametrize("status", sorted(FAILED))
def test_a_failure_counts_from_the_moment_when_it_was_first_seen(status: str) -> None:
    found = page()
    found.evacuations.saw_migrations([row(1)], 5.0)
    found.evacuations.saw_migrations([row(1, status)], 6.0)
    found.evacuations.saw_migrations([row(1, status)], 7.0)
    assert found.evacuations.failures == {"a": Failure(1, 6.0)}


def test_failures_add_up_even_when_a_list_leaves_one_out() -> None:
    found = page()
    found.evacuations.saw_migrations([], 5.0)
    found.evacuations.saw_migrations([row(1, "error")], 6.0)
    found.evacuations.saw_migrations([], 7.0)
    found.evacuations.saw_migrations(
        [row(1, "error"), row(2, "error"), row(3, "error", instance="b")], 8.0
    )
    found.evacuations.saw_migrations([row(4, "failed")], 9.0)
    assert found.evacuations.failures == {"a": Failure(3, 9.0), "b": Failure(1, 8.0)}


def test_one_that_does_not_fail_hides_none_that_does() -> None:
    found = page()
    found.evacuations.saw_migrations([], 5.0)
    found.evacuations.saw_migrations(
        [row(1, "done", instance="b"), row(2, "surprise"), row(3, "error")], 6.0
    )
    assert found.evacuations.failures == {"a": Failure(1, 6.0)}
    found.evacuations.saw_migrations([row(3, "error"), row(4, "error", instance="c")], 7.0)
    assert found.evacuations.failures["c"] == Failure(1, 7.0)


def test_an_instance_is_done_since_it_was_first_seen_so() -> None:
    found = page()
    found.evacuations.saw_migrations([row(1, "done"), row(2, instance="b")], 5.0)
    found.evacuations.saw_migrations([row(1, "done"), row(2, "done", instance="b")], 6.0)
    assert found.evacuations.view().done_since == {"a": 5.0, "b": 6.0}


# What stands still


def watch(
    found: HostLedger,
    now: float,
    *rows: Migration,
    works: bool = True,
    instances: list[Instance] | None = None,
) -> dict[str, float]:
    last = {known.instance: known for known in rows}
    here = on_host("a", "b") if instances is None else instances
    found.evacuations.watch(here, last, now, works=works)
    return found.evacuations.unchanged_for


def test_what_does_not_change_stands_still() -> None:
    found = page()
    assert watch(found, 0.0, row(1)) == {"a": 0.0, "b": 0.0}
    assert watch(found, 5.0, row(1)) == {"a": 5.0, "b": 5.0}
    assert watch(found, 9.0, row(1)) == {"a": 9.0, "b": 9.0}


@pytest.mark.parametrize(
    ("name", "rows", "instances"),
    [
        ("its state", [row(1, "migrating")], on_host("a", "b")),
        ("a newer one", [row(2)], on_host("a", "b")),
        ("there is none any more", [], on_host("a", "b")),
        ("its task", [row(1)], [*on_host("a", task_state="rebuilding"), *on_host("b")]),
    ],
)
def test_what_changes_does_not(name: str, rows: list[Migration], instances: list[Instance]) -> None:
    found = page()
    watch(found, 0.0, row(1))
    watch(found, 4.0, row(1))
    assert watch(found, 9.0, *rows, instances=instances) == {"a": 0.0, "b": 9.0}
    assert watch(found, 10.0, *rows, instances=instances) == {"a": 1.0, "b": 10.0}


def test_time_between_two_looks_counts_for_ten_seconds_at_most() -> None:
    found = page()
    watch(found, 0.0)
    assert watch(found, 10.0)["a"] == 10.0
    assert watch(found, 21.0)["a"] == 20.0
    assert watch(found, 20.0)["a"] == 20.0  # a clock never goes back, and if it does it is no time
    assert watch(found, 21.0)["a"] == 21.0


def test_time_while_nobody_in_nova_works_does_not_count() -> None:
    found = page()
    watch(found, 0.0)
    assert watch(found, 5.0, works=False)["a"] == 0.0
    assert watch(found, 7.0)["a"] == 2.0


def test_what_has_left_is_forgotten_and_begins_anew() -> None:
    found = page()
    watch(found, 0.0)
    assert watch(found, 5.0, instances=on_host("b")) == {"b": 5.0}
    assert watch(found, 6.0) == {"a": 0.0, "b": 6.0}


@pytest.mark.parametrize(
    ("name", "taken_up"),
    [
        ("one has a destination", row(1, to="compute-2")),
        ("one is done", row(1, "done")),
        ("one that failed had a destination", row(1, "error", to="compute-2")),
    ],
)
def test_who_waits_while_others_are_taken_up_does_not_stand_still(
    name: str, taken_up: Migration
) -> None:
    found, waits = page(), row(2, instance="b")
    watch(found, 0.0, row(1), waits)
    assert watch(found, 5.0, row(1), waits) == {"a": 5.0, "b": 5.0}
    assert watch(found, 9.0, taken_up, waits) == {"a": 0.0, "b": 0.0}
    # It is taken up once: from then on nothing moves.
    assert watch(found, 16.0, taken_up, waits) == {"a": 7.0, "b": 7.0}


def test_one_that_is_asked_for_again_and_again_does_not_hide_what_stands_still() -> None:
    found = page()
    for turn in range(5):
        still = watch(found, 5.0 * turn, row(1 + 10 * turn, "error"), row(2, instance="b"))
    assert still["b"] == 20.0


# Destinations that only Nova's log tells


def test_a_destination_is_filled_in_only_where_there_is_none() -> None:
    found = page(destinations={1: "compute-2", 2: "compute-2"})
    rows = [row(1), row(2, to="compute-3"), row(3)]
    assert found.evacuations.with_destinations(rows) == (
        row(1, to="compute-2"),
        row(2, to="compute-3"),
        row(3),
    )


# Which instances are looked up that are not on the host any more


@pytest.mark.parametrize(
    ("name", "rows", "known", "found"),
    [
        *((s, [row(1, s)], {}, {"a"}) for s in sorted(IN_FLIGHT)),
        *((s, [row(1, s)], {}, set()) for s in sorted(FAILED)),
        ("done", [row(1, "done")], {}, {"a"}),
        ("closed", [row(1, "completed")], {}, set()),
        ("unreadable", [row(1, "", problem="no status")], {}, {"a"}),
        ("only the newest counts", [row(1), row(2, "error")], {}, set()),
        ("asked for", [], {"attempts": {"a": Attempt(Outcome.UNKNOWN, 0.0)}}, {"a"}),
        ("not sent", [], {"attempts": {"a": Attempt(Outcome.NOT_SENT, 0.0)}}, set()),
        ("known to have left", [], {"moved": {"a": None}}, {"a"}),
        ("settled", [row(1, "done")], {"settled": {"a"}}, set()),
        ("on the host", [row(1, instance="here")], {}, set()),
    ],
)
def test_who_is_looked_up(
    name: str, rows: list[Migration], known: dict[str, Any], found: set[str]
) -> None:
    host = page(**known)
    requested = host.requests.sent()
    assert host.evacuations.to_look_up(rows, {"here"}, requested) == found


# Signs of life


def test_two_heartbeats_after_the_first_look_are_life() -> None:
    found = page()
    told = [
        found.presence.saw_heartbeat(beat)
        for beat in (None, at(0), at(0), at(10), None, at(5), at(20))
    ]
    assert told == [False, False, False, False, False, False, True]
    assert found.presence.alive
    assert found.presence.saw_heartbeat(None)


@pytest.mark.parametrize(
    ("name", "looks", "alive"),
    [
        ("nothing to close", [[], []], False),
        ("one is closed", [[row(1, "done")], [row(1, "completed")]], True),
        ("one is open still", [[row(1, "done")], [row(1, "done")]], False),
        ("one of two is open still", [[row(1, "done"), row(2, "done")], [row(1, "done")]], False),
        ("it was closed before the first look", [[row(1, "completed")], []], False),
        ("it was alive once", [[row(1, "done")], [], [row(2, "done")]], True),
    ],
)
def test_a_finished_evacuation_that_is_closed_is_life(
    name: str, looks: list[list[Migration]], alive: bool
) -> None:
    found = page()
    told = [found.presence.saw_closed(rows) for rows in looks]
    assert told[-1] is alive
    assert found.presence.alive is alive


def service(forced_down: bool, last_seen: datetime | None) -> ComputeService:
    return ComputeService("s", "compute-1", True, forced_down, True, last_seen=last_seen)


def test_it_is_heard_when_a_heartbeat_follows_the_end_of_the_force_down() -> None:
    found = page()
    looks = [
        (True, at(0), False),
        (False, at(1), False),  # that Nova was told is a change of its own
        (False, at(1), False),
        (False, None, False),
        (False, at(2), True),
        (False, at(2), True),
        (True, at(3), False),  # forced down once more
        (False, at(4), False),
        (False, at(3), False),
        (False, at(5), True),
    ]
    for forced_down, last_seen, heard in looks:
        assert found.presence.heartbeat_since_unforce(service(forced_down, last_seen)) is heard


def test_a_host_is_silent_while_it_is_off_and_nova_hears_nothing_new() -> None:
    found = page()
    assert not found.presence.is_silent(at(0), off=True)  # the first look
    assert found.presence.is_silent(at(0), off=True)
    assert not found.presence.is_silent(at(0), off=False)
    assert not found.presence.is_silent(at(1), off=True)
    assert found.presence.is_silent(at(1), off=True)
    for beat in (at(2), at(3), at(4)):
        found.presence.saw_heartbeat(beat)
    assert not found.presence.is_silent(at(1), off=True)


# What stayed on the host


LEFT = tuple(on_host("stayed"))


@pytest.mark.parametrize(
    ("name", "rows", "fence_id", "left"),
    [
        ("its own recovery", [], "fence-1", {"stayed"}),
        ("another process's", [], "fence-2", set()),
        *((s, [row(1, s, to="compute-2")], "fence-2", {"a"}) for s in sorted(FAILED)),
        ("both", [row(1, "error")], "fence-1", {"a", "stayed"}),
        ("one that nobody took up", [row(1, "completed")], "fence-2", {"a"}),
        ("one that was brought up", [row(1, "completed", to="compute-2")], "fence-2", set()),
        ("one that is open", [row(1, "accepted")], "fence-2", set()),
        ("failed, then brought up", [row(1, "error"), row(2, "done")], "fence-2", set()),
    ],
)
def test_who_stayed_on_the_host(
    name: str, rows: list[Migration], fence_id: str, left: set[str]
) -> None:
    host = page(owned_fence_id="fence-1", remaining=LEFT)
    owned = host.requests.owns(fence_id)
    assert host.presence.remaining_ids(rows, owned=owned) == left


def test_who_stayed_is_nobody_before_anybody_has_looked() -> None:
    assert page().presence.remaining_ids([], owned=True) == set()


def test_another_fencing_voids_what_was_known_of_its_nova_compute() -> None:
    found = page(remaining=LEFT, rows=(row(1),), fencings=(WHEN,))
    for beat in (at(0), at(1)):
        found.presence.saw_heartbeat(beat)
    found.presence.saw_closed([row(1, "done")])
    found.presence.heartbeat_since_unforce(service(False, at(0)))
    assert found.presence.heartbeat_since_unforce(service(False, at(1)))
    found.fenced_again(5.0)
    presence = found.presence
    assert presence.remaining is presence.rows is presence.fencings is None
    assert not presence.alive
    assert found.first_seen == 5.0
    assert not found.presence.saw_closed([])  # nothing was open since
    assert [found.presence.saw_heartbeat(beat) for beat in (at(2), at(3), at(4))] == [
        False,
        False,
        True,
    ]
    assert not found.presence.heartbeat_since_unforce(service(False, at(0)))
    assert found.presence.heartbeat_since_unforce(service(False, at(1)))


def test_another_fencing_voids_that_it_was_alive() -> None:
    found = page()
    found.presence.saw_closed([row(1, "done")])
    assert found.presence.saw_closed([])
    found.fenced_again(5.0)
    assert not found.presence.alive


def test_nothing_is_known_of_a_host_at_first() -> None:
    found = page(first_seen=7.0)
    assert found.first_seen == 7.0
    assert found.take_trouble() == ""
    assert found.requests.view(0.0) == Requests()
    assert not found.requests.owns("fence-1")
    assert not found.requests.is_untouched("fence-1")
    assert found.requests.owned_at == float("-inf")
    assert found.evacuations.view() == Evacuations()
    assert found.presence.online_for(9.0) is None
    assert (found.fencing.requested, found.fencing.failed[0], found.fencing.problem) == (
        False,
        0,
        "",
    )
    assert not any(value for name, value in known(found).items() if not name.endswith("_at"))


# The ledger of all hosts


def flagged(node: str, fence_id: str = "fence-1") -> dict[str, Record]:
    return {node: Record(node, RecoveryState.PENDING, fence_id, WHEN)}


def test_a_host_has_a_page_as_long_as_it_has_a_record() -> None:
    ledger = Ledger()
    assert ledger.follow(flagged("a") | flagged("b"), 1.0) == frozenset()
    first = ledger.of("a")
    assert ledger.follow(flagged("a"), 2.0) == frozenset()
    assert ledger.of("a") is first
    with pytest.raises(KeyError):
        ledger.of("b")
    assert ledger.follow(flagged("a", "fence-2"), 3.0) == {"a"}
    assert ledger.of("a") is first, "what was asked for in its last recovery may be on its way yet"
    assert first.first_seen == 3.0
    ledger.follow({}, 4.0)
    ledger.follow(flagged("a"), 5.0)
    assert ledger.of("a") is not first
    assert ledger.of("a").first_seen == 5.0


def test_an_answer_that_comes_after_the_record_is_gone_is_written_nowhere() -> None:
    ledger = ledger_of("a")
    late = ledger.of("a")
    ledger.follow({}, 1.0)
    ledger.follow(flagged("a"), 2.0)
    late.requests.evacuation("i", Attempt(Outcome.ACCEPTED, 3.0))
    assert ledger.of("a").requests.view(4.0).attempts == {}


def test_troubles_are_told_once() -> None:
    ledger = ledger_of("a", "b", "c")
    ledger.of("b").note_trouble("no")
    ledger.of("c").note_trouble("nor this")
    assert sorted(ledger.take_troubles()) == ["no", "nor this"]
    assert ledger.take_troubles() == ()


def test_whether_anything_has_failed_on_these_hosts() -> None:
    ledger = ledger_of("a", "b")
    assert not ledger.any_failed()
    facts = ledger.of("b").evacuations
    facts.saw_migrations([], 1.0)
    facts.saw_migrations([row(1, "error")], 2.0)
    assert ledger.any_failed()
    assert [ledger.any_failed([node]) for node in "ab"] == [False, True]


READ: dict[str, Callable[[HostLedger], Any]] = {
    "requests": lambda found: found.requests.view(0.0),
    "sent": lambda found: found.requests.sent(),
    "evacuations": lambda found: found.evacuations.view(),
    "unchanged": lambda found: found.evacuations.unchanged_for,
    **{
        name: lambda found, name=name: getattr(found.evacuations, name)
        for name in ("receivers", "dead_migrations", "faults", "failures", "moved", "settled")
    },
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_what_was_read_does_not_change_by_what_is_written(
    read: Callable[[HostLedger], Any],
) -> None:
    found = page()
    before = read(found)
    shown = repr(before)
    requests, facts = found.requests, found.evacuations
    requests.evacuation("a", Attempt(Outcome.ACCEPTED, 1.0))
    requests.other("a", OtherRequest(Action.STOP, 1.0))
    requests.unanswered(1.0, reset_of="a")
    facts.saw_migrations([], 0.0)
    facts.saw_migrations([row(1, "error"), row(2, "done")], 1.0)
    facts.watch(on_host("a"), {}, 1.0, works=True)
    facts.note_receivers({"a": row(3, to="compute-2")})
    facts.note_dead(1)
    facts.note_fault(1, UNNAMED)
    facts.note_moved("a", None)
    facts.note_log("a", EvacuationLog(), None)
    facts.settle("a")
    assert repr(before) == shown
    assert read(found) != before


def test_other_requests_of_one_kind_in_a_row_are_counted() -> None:
    requests = page().requests
    actions = (Action.STOP, Action.STOP, Action.RESET, Action.STOP)
    assert [requests.begin_other("a", action, 1.0) for action in actions] == [1, 2, 1, 1]
    assert requests.begin_other("b", Action.STOP, 1.0) == 1


def test_an_instance_settles_once_and_only_where_it_has_left_the_host() -> None:
    facts = page(moved={"a": None}).evacuations
    assert [facts.settle(name) for name in ("a", "a", "here")] == [True, False, False]
    assert facts.settled == {"a"}


def test_the_log_is_forgotten_unless_its_instance_is_settled() -> None:
    facts = page(moved={"a": None}).evacuations
    for name in "ab":
        facts.note_log(name, EvacuationLog(over=True), None)
    facts.settle("a")
    facts.begin_logs()
    assert facts.view().logs == {"a": EvacuationLog(over=True)}
