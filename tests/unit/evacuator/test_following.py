"""What becomes of a dead host's instances, directly: lists and the ledger in, one view out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from novaha.core.faults import UNNAMED
from novaha.core.model import Action, EvacuationLog, Instance, Migration
from novaha.core.situation import Attempt, Failure, OtherRequest, Outcome
from novaha.core.view import HostView
from novaha.evacuator.following import Following
from novaha.evacuator.inventory import HostInventory
from novaha.evacuator.ledger import HostLedger
from tests.unit.core.situations import ALIVE, DEAD, OTHER, instance, row, view
from tests.unit.evacuator.ledgers import know, page

SERVICES: Mapping[str, Any] = {DEAD: None, ALIVE: None}
LOST_AFTER = 30.0
ELSEWHERE: Any = object()
FENCINGS: Any = object()


class Nova:
    """Answers as it was told, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.elsewhere: dict[str, Instance] = {}
        self.logs: dict[str, EvacuationLog] = {}
        self.works = True

    def instance(self, name: str) -> Instance | None:
        self.asked.append(("instance", name))
        return self.elsewhere.get(name)

    def conductor_is_up(self) -> bool:
        self.asked.append(("conductor",))
        return self.works

    def evacuation_log(self, name: str, since: datetime | None) -> EvacuationLog:
        self.asked.append(("log", name, since))
        return self.logs.get(name, EvacuationLog())


class Destinations:
    """Notes what it is handed, in which order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.handed: list[tuple[Any, ...]] = []

    def find_receivers(self, *handed: Any) -> None:
        self._note("receivers", *handed)

    def find_faults(self, *handed: Any) -> None:
        self._note("faults", *handed)

    def find_ended(self, *handed: Any) -> None:
        self._note("ended", *handed)

    def find_lost(self, *handed: Any) -> None:
        self._note("lost", *handed)

    def _note(self, name: str, *handed: Any) -> None:
        self.calls.append(name)
        self.handed.append(handed)


class Case:
    """One host in recovery, followed turn by turn."""

    def __init__(self, **known: Any) -> None:
        self.nova, self.destinations = Nova(), Destinations()
        self.page = page(**known)
        self.facts = self.page.evacuations
        self.now = 0.0
        self.online: float | None = None
        self.noted: list[tuple[str, HostLedger, float]] = []

    def turn(self, *here: Instance, rows: list[Migration] | None = None, **lists: Any) -> HostView:
        following = Following(
            self.nova,  # type: ignore[arg-type]
            self.destinations,  # type: ignore[arg-type]
            self._note_online,
            lambda: self.now,
            LOST_AFTER,
        )
        listed = HostInventory(here, rows or [], elsewhere=ELSEWHERE, **lists)
        return following.follow(view(), listed, SERVICES, self.page, FENCINGS)

    def stand_still(self, *here: Instance, rows: list[Migration], until: float) -> HostView:
        """The same lists every ten seconds."""
        while True:
            found = self.turn(*here, rows=rows)
            if self.now >= until:
                return found
            self.now = min(until, self.now + 10.0)

    def logs_asked(self) -> list[tuple[Any, ...]]:
        return [asked for asked in self.nova.asked if asked[0] == "log"]

    def _note_online(self, node: str, host: HostLedger, now: float) -> None:
        self.noted.append((node, host, now))
        know(host, online_since=self.online)


def test_the_view_tells_what_the_lists_and_the_ledger_tell() -> None:
    attempt = Attempt(5.0, Outcome.ACCEPTED)
    request = OtherRequest(6.0, Outcome.ACCEPTED)
    case = Case(
        attempts={"a": attempt},
        others={"a": request},
        unanswered_resets={"a": 4.0},
        failures={"b": Failure(2, 1.0)},
        faults={9: "x"},
        dead_migrations={7},
    )
    case.now = 3.0
    here, rows = (instance("a"), instance("b")), [row(1, "accepted"), row(2, "done", instance="b")]
    before = view()
    found = case.turn(*here, rows=rows)
    assert found.inventory.instances == here
    assert found.inventory.migrations == tuple(rows)
    assert (found.inventory.is_stale, found.inventory.moved) == (False, {})
    assert found.evacuations.dead_migrations == {7}
    assert found.evacuations.faults == {9: "x"}
    assert found.evacuations.failures == {"b": Failure(2, 1.0)}
    assert found.evacuations.done_since == {"b": 3.0}
    assert found.evacuations.unchanged_for == {"a": 0.0, "b": 0.0}
    assert found.evacuations.logs == {}
    assert found.requests == replace(
        before.requests,
        attempts={"a": attempt},
        others={"a": request},
        unanswered_resets={"a": 4.0},
    )
    parts = {"presence": before.presence, "inventory": before.inventory}
    parts |= {"evacuations": before.evacuations, "requests": before.requests}
    assert replace(found, **parts) == before, "nothing else"  # type: ignore[arg-type]
    assert case.turn(*here, rows=rows, is_stale=True).inventory.is_stale


def test_what_the_view_tells_does_not_change_with_the_ledger() -> None:
    case = Case()
    found = case.turn(instance("a"), rows=[row(1, "error")])
    requests, facts = case.page.requests, case.facts
    requests.evacuation("a", Attempt(Outcome.UNKNOWN, 1.0))
    requests.other("a", OtherRequest(Action.STOP, 1.0))
    requests.unanswered(1.0, reset_of="a")
    facts.note_fault(1, UNNAMED)
    facts.note_dead(1)
    facts.saw_migrations([row(1, "error"), row(2, "error"), row(3, "done")], 1.0)
    told, asked = found.evacuations, found.requests
    parts = (asked.attempts, asked.others, asked.unanswered_resets)
    parts += (told.faults, told.failures, told.done_since)
    assert [dict(part) for part in parts] == [{}] * 6
    assert told.dead_migrations == frozenset()


def test_failures_and_destinations_are_looked_for_in_this_order() -> None:
    case = Case()
    here, rows = (instance("a"),), [row(1, "accepted")]
    case.turn(*here, rows=rows)
    found = case.destinations
    assert found.calls == ["receivers", "faults", "ended", "lost"]
    one = (view(), here, rows, case.facts)
    hosts = frozenset(SERVICES)
    assert found.handed == [one, one, (*one, ELSEWHERE), (rows, hosts, case.facts, FENCINGS)]
    case.turn(*here, rows=[row(1, "error")])
    assert case.facts.failures["a"].count == 1


def live(number: int, to: str | None = ALIVE) -> Migration:
    return row(number, "running", to)


@pytest.mark.parametrize(
    ("receiver", "told"),
    [
        (None, {}),
        (live(5), {"a": ALIVE}),
        (live(5, None), {}),
        (live(5, ""), {}),
        (live(7), {}),
    ],
)
def test_law_2_where_it_was_being_migrated_to(
    receiver: Migration | None, told: dict[str, str]
) -> None:
    """Not what was lost with its destination."""
    case = Case(receivers={"a": receiver}, dead_migrations={7})
    assert case.turn(instance("a")).evacuations.receivers == told


@pytest.mark.parametrize(("online", "told"), [(None, None), (0.0, 12.0), (12.0, 0.0)])
def test_how_long_pacemaker_has_had_it_back(online: float | None, told: float | None) -> None:
    case = Case()
    case.now, case.online = 12.0, online
    assert case.turn(instance("a")).presence.online_for == told
    assert case.noted == [(view().node, case.page, 12.0)]


def test_law_5_what_left_the_host_is_looked_up() -> None:
    case = Case(moved={"settled": None}, settled={"settled"})
    there = instance("a", host=ALIVE)
    case.nova.elsewhere = {"a": there}
    rows = [row(1, "done"), row(2, "done", instance="b"), row(3, "accepted", instance="c")]
    found = case.turn(instance("c"), rows=rows)
    assert sorted(case.nova.asked) == [("instance", "a"), ("instance", "b")]
    assert found.inventory.moved == {"a": there, "b": None, "settled": None}
    # Back on the host: the list of the host counts, not what was known before.
    assert case.turn(instance("a"), instance("c"), rows=rows).inventory.moved == {
        "b": None,
        "settled": None,
    }
    assert set(case.facts.moved) == {"a", "b", "settled"}


def test_destinations_that_only_the_log_tells() -> None:
    case = Case(destinations={1: OTHER})
    found = case.turn(instance("a"), rows=[row(1, "accepted", None), row(2, "done", instance="b")])
    assert [m.destination for m in found.inventory.migrations] == [OTHER, ALIVE]


# What stands still


@pytest.mark.parametrize("status", ["accepted", "pre-migrating", "done"])
def test_law_2_the_log_is_asked_of_what_stands_still(status: str) -> None:
    case, moving = Case(), [row(1, status)]
    case.stand_still(instance("a"), rows=moving, until=29.9)
    assert case.logs_asked() == []
    case.nova.logs = {"a": EvacuationLog(over=True, destination=OTHER)}
    case.now = 30.0
    found = case.turn(instance("a"), rows=moving)
    assert case.logs_asked() == [("log", "a", moving[0].created)]
    assert found.evacuations.unchanged_for == {"a": 30.0}
    assert found.evacuations.logs == {"a": case.nova.logs["a"]}
    assert case.facts._destinations == {1: OTHER}
    # Something moves: the log of then tells nothing any more.
    found = case.turn(instance("a"), rows=[row(2, status)])
    assert found.evacuations.logs == {}


@pytest.mark.parametrize(
    "task", [None, "rebuilding", "rebuild_spawning", "deleting", "powering-on"]
)
@pytest.mark.parametrize("rows", [[], [row(1, "error")], [row(1, "completed")]])
def test_law_2_without_an_evacuation_only_what_is_being_rebuilt(
    task: str | None, rows: list[Migration]
) -> None:
    case = Case()
    case.stand_still(instance("a", task_state=task), rows=rows, until=30.0)
    asks = task in ("rebuilding", "rebuild_spawning")
    assert case.logs_asked() == ([("log", "a", rows[0].created if rows else None)] if asks else [])


def test_an_evacuation_whose_log_tells_no_destination() -> None:
    case = Case()
    case.stand_still(instance("a", task_state="rebuilding"), rows=[], until=30.0)
    case.nova.logs = {"a": EvacuationLog(destination=OTHER)}
    case.now = 40.0
    case.turn(instance("a", task_state="rebuilding"), rows=[])
    assert case.facts._destinations == {}, "there is no row that it could be of"
    case = Case()
    case.stand_still(instance("a"), rows=[row(1, "accepted")], until=30.0)
    assert case.facts._destinations == {}


def test_the_settled_are_not_asked_for_and_their_logs_are_kept() -> None:
    log = EvacuationLog(over=True)
    case = Case(settled={"a"}, logs={"a": log, "b": log})
    here = (instance("a"), instance("b"), instance("c"))
    rows = [row(1, "accepted"), row(2, "accepted", instance="c")]
    found = case.stand_still(*here, rows=rows, until=30.0)
    assert [name for _, name, _ in case.logs_asked()] == ["c"]
    assert found.evacuations.logs == {"a": log, "c": EvacuationLog()}


def test_one_that_moves_keeps_none_that_stands_still_from_being_asked_about() -> None:
    case = Case()
    for second in (0.0, 10.0, 20.0, 30.0):
        case.now = second
        tasks = instance("a", task_state=f"rebuild-{second}"), instance("b")
        rows = [row(int(second), "accepted", None), row(99, "accepted", None, instance="b")]
        case.turn(*tasks, rows=rows)
    assert [name for _, name, _ in case.logs_asked()] == ["b"]


def test_an_instance_that_left_and_stands_still_is_asked_about_too() -> None:
    case = Case()
    case.nova.elsewhere = {"a": instance("a", host=ALIVE)}
    case.stand_still(rows=[row(1, "done")], until=30.0)
    assert [name for _, name, _ in case.logs_asked()] == ["a"]


@pytest.mark.parametrize("works", [True, False])
def test_only_time_in_which_nova_works_counts(works: bool) -> None:
    """It is asked only where something stands still."""
    case = Case()
    case.nova.works = works
    rows = [row(1, "accepted")]
    case.turn(instance("a"), rows=rows)
    assert ("conductor",) not in case.nova.asked
    found = case.stand_still(instance("a"), rows=rows, until=40.0)
    assert (("conductor",) in case.nova.asked) is True
    # What passed before it was seen to stand still counts: nobody was asked then.
    assert found.evacuations.unchanged_for == {"a": 40.0 if works else 10.0}
    assert bool(case.logs_asked()) is works


def test_whether_nova_works_is_asked_as_soon_as_something_stands_still() -> None:
    case, rows = Case(), [row(1, "accepted")]
    for second, asked in ((0.0, False), (0.5, False), (1.0, True)):
        case.now = second
        case.turn(instance("a"), rows=rows)
        assert (("conductor",) in case.nova.asked) is asked, second
