"""What the evacuator remembers of a host: one table or story for each thing that it tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.core.model import FAILED, IN_FLIGHT, ComputeService, Instance, Migration
from novaha.core.situation import Attempt, Failure, Outcome
from novaha.evacuator.memory import HostMemory

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def row(
    number: int, status: str = "accepted", to: str | None = None, instance: str = "", **more: Any
) -> Migration:
    """An evacuation; of instance `a` unless another is said."""
    return Migration(number, instance or "a", "compute-1", to, status, **more)


def on_host(*names: str, **changes: Any) -> list[Instance]:
    return [replace(Instance(name, name, "compute-1", "active"), **changes) for name in names]


def memory(**known: Any) -> HostMemory:
    return HostMemory(first_seen=0.0, **known)


def at(seconds: float) -> datetime:
    return WHEN + timedelta(seconds=seconds)


# Failures


def test_what_had_failed_before_the_first_look_is_history() -> None:
    found = memory()
    found.saw_migrations([row(1, "error"), row(2, "accepted", instance="b")], 5.0)
    assert found.failures == {}
    found.saw_migrations([row(1, "error"), row(2, "accepted", instance="b")], 6.0)
    assert found.failures == {}


@pytest.mark.parametrize("status", sorted(FAILED))
def test_a_failure_counts_from_the_moment_when_it_was_first_seen(status: str) -> None:
    found = memory()
    found.saw_migrations([row(1)], 5.0)
    found.saw_migrations([row(1, status)], 6.0)
    found.saw_migrations([row(1, status)], 7.0)
    assert found.failures == {"a": Failure(1, 6.0)}


def test_failures_add_up_even_when_a_list_leaves_one_out() -> None:
    found = memory()
    found.saw_migrations([], 5.0)
    found.saw_migrations([row(1, "error")], 6.0)
    found.saw_migrations([], 7.0)
    found.saw_migrations([row(1, "error"), row(2, "error"), row(3, "error", instance="b")], 8.0)
    found.saw_migrations([row(4, "failed")], 9.0)
    assert found.failures == {"a": Failure(3, 9.0), "b": Failure(1, 8.0)}


def test_one_that_does_not_fail_hides_none_that_does() -> None:
    found = memory()
    found.saw_migrations([], 5.0)
    found.saw_migrations([row(1, "done", instance="b"), row(2, "surprise"), row(3, "error")], 6.0)
    assert found.failures == {"a": Failure(1, 6.0)}
    found.saw_migrations([row(3, "error"), row(4, "error", instance="c")], 7.0)
    assert found.failures["c"] == Failure(1, 7.0)


def test_an_instance_is_done_since_it_was_first_seen_so() -> None:
    found = memory()
    found.saw_migrations([row(1, "done"), row(2, instance="b")], 5.0)
    found.saw_migrations([row(1, "done"), row(2, "done", instance="b")], 6.0)
    assert found.done_since == {"a": 5.0, "b": 6.0}


# What stands still


def watch(
    found: HostMemory,
    now: float,
    *rows: Migration,
    works: bool = True,
    instances: list[Instance] | None = None,
) -> dict[str, float]:
    last = {known.instance: known for known in rows}
    here = on_host("a", "b") if instances is None else instances
    found.watch(here, last, now, works=works)
    return found.unchanged_for


def test_what_does_not_change_stands_still() -> None:
    found = memory()
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
    found = memory()
    watch(found, 0.0, row(1))
    watch(found, 4.0, row(1))
    assert watch(found, 9.0, *rows, instances=instances) == {"a": 0.0, "b": 9.0}
    assert watch(found, 10.0, *rows, instances=instances) == {"a": 1.0, "b": 10.0}


def test_time_between_two_looks_counts_for_ten_seconds_at_most() -> None:
    found = memory()
    watch(found, 0.0)
    assert watch(found, 10.0)["a"] == 10.0
    assert watch(found, 21.0)["a"] == 20.0
    assert watch(found, 20.0)["a"] == 20.0  # a clock never goes back, and if it does it is no time
    assert watch(found, 21.0)["a"] == 21.0


def test_time_while_nobody_in_nova_works_does_not_count() -> None:
    found = memory()
    watch(found, 0.0)
    assert watch(found, 5.0, works=False)["a"] == 0.0
    assert watch(found, 7.0)["a"] == 2.0


def test_what_has_left_is_forgotten_and_begins_anew() -> None:
    found = memory()
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
    found, waits = memory(), row(2, instance="b")
    watch(found, 0.0, row(1), waits)
    assert watch(found, 5.0, row(1), waits) == {"a": 5.0, "b": 5.0}
    assert watch(found, 9.0, taken_up, waits) == {"a": 0.0, "b": 0.0}
    # It is taken up once: from then on nothing moves.
    assert watch(found, 16.0, taken_up, waits) == {"a": 7.0, "b": 7.0}


def test_one_that_is_asked_for_again_and_again_does_not_hide_what_stands_still() -> None:
    found = memory()
    for turn in range(5):
        still = watch(found, 5.0 * turn, row(1 + 10 * turn, "error"), row(2, instance="b"))
    assert still["b"] == 20.0


# Destinations that only Nova's log tells


def test_a_destination_is_filled_in_only_where_there_is_none() -> None:
    found = memory(destinations={1: "compute-2", 2: "compute-2"})
    rows = [row(1), row(2, to="compute-3"), row(3)]
    assert found.with_destinations(rows) == (
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
    assert memory(**known).to_look_up(rows, {"here"}) == found


# Signs of life


def test_two_heartbeats_after_the_first_look_are_life() -> None:
    found = memory()
    told = [found.saw_heartbeat(beat) for beat in (None, at(0), at(0), at(10), None, at(5), at(20))]
    assert told == [False, False, False, False, False, False, True]
    assert found.alive
    assert found.saw_heartbeat(None)


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
    found = memory()
    told = [found.saw_closed(rows) for rows in looks]
    assert told[-1] is alive
    assert found.alive is alive


def service(forced_down: bool, last_seen: datetime | None) -> ComputeService:
    return ComputeService("s", "compute-1", True, forced_down, True, last_seen=last_seen)


def test_it_is_heard_when_a_heartbeat_follows_the_end_of_the_force_down() -> None:
    found = memory()
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
        assert found.heard(service(forced_down, last_seen)) is heard


def test_a_host_is_silent_while_it_is_off_and_nova_hears_nothing_new() -> None:
    found = memory()
    assert not found.is_silent(at(0), off=True)  # the first look
    assert found.is_silent(at(0), off=True)
    assert not found.is_silent(at(0), off=False)
    assert not found.is_silent(at(1), off=True)
    assert found.is_silent(at(1), off=True)
    for beat in (at(2), at(3), at(4)):
        found.saw_heartbeat(beat)
    assert not found.is_silent(at(1), off=True)


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
    assert memory(owned_fence_id="fence-1", left=LEFT).left_ids(fence_id, rows) == left


def test_who_stayed_is_nobody_before_anybody_has_looked() -> None:
    assert memory(owned_fence_id="fence-1").left_ids("fence-1", []) == set()


def test_another_fencing_voids_what_was_known_of_its_nova_compute() -> None:
    found = memory(ended=True, left=LEFT, rows=(row(1),))
    for beat in (at(0), at(1)):
        found.saw_heartbeat(beat)
    found.saw_closed([row(1, "done")])
    found.heard(service(False, at(0)))
    assert found.heard(service(False, at(1)))
    found.fenced_again()
    assert (found.ended, found.left, found.rows, found.alive) == (False, None, None, False)
    assert not found.saw_closed([])  # nothing was open since
    assert [found.saw_heartbeat(beat) for beat in (at(2), at(3), at(4))] == [False, False, True]
    assert not found.heard(service(False, at(0)))
    assert found.heard(service(False, at(1)))


def test_another_fencing_voids_that_it_was_alive() -> None:
    found = memory()
    found.saw_closed([row(1, "done")])
    assert found.saw_closed([])
    found.fenced_again()
    assert not found.alive


def test_nothing_is_known_of_a_host_at_first() -> None:
    found = memory()
    assert (found.trouble, found.quiet_until, found.owned_fence_id) == ("", 0.0, "")
    assert found.from_the_start == ""
    assert found.owned_at == found.restarted_at == found.unanswered_at == float("-inf")
    assert [found.ended, found.fencing_requested, found.alive] == [False] * 3
    assert found.online_since is found.left is found.rows is None
    assert found.unchanged_for == {}
    for name in ("attempts", "nudges", "receivers", "faults", "fault_asked", "unanswered_resets",
                 "moved", "done_since", "failures", "logs", "destinations"):  # fmt: skip
        assert getattr(found, name) == {}
    assert found.lost == found.settled == set()
