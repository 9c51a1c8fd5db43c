"""Where instances may be running already, and where they cannot be any more (law 2): tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from novaha.core.errors import UnknownHostError
from novaha.core.faults import UNNAMED, Fault, Kind
from novaha.core.model import FAILED, IN_FLIGHT, EvacuationLog, Instance, Migration
from novaha.evacuator.destinations import Destinations, Fencings
from novaha.evacuator.inventory import Elsewhere
from novaha.evacuator.ledger.evacuations import EvacuationFacts
from tests.unit.core.situations import ALIVE, DEAD, FENCED, OTHER, instance, record, row, view

BOOTED = Fault(Kind.GUEST_MAY_RUN, "Conflict")
BROKEN = Fault(Kind.OTHER, "disk is broken")
HOSTS = frozenset({DEAD, ALIVE, OTHER, "stranger"})
NODES = {"node-2": ALIVE, "node-3": OTHER}


class Nova:
    """Answers as it was told, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.live: list[Migration] = []
        self.everywhere: list[Migration] = []
        self.faults: dict[str, Fault] = {}
        self.logs: dict[str, EvacuationLog] = {}

    def live_migrations_from(self, host: str) -> list[Migration]:
        self.asked.append(("live", host))
        return self.live

    def evacuations_since(self, moment: datetime) -> list[Migration]:
        self.asked.append(("since", moment))
        return self.everywhere

    def evacuation_fault(self, instance: str, since: datetime | None) -> Fault | None:
        self.asked.append(("fault", instance, since))
        return self.faults.get(instance)

    def evacuation_log(self, instance: str, since: datetime | None) -> EvacuationLog:
        self.asked.append(("log", instance, since))
        return self.logs.get(instance, EvacuationLog())


class Pacemaker:
    """Its history, as one that holds no more than the tests say."""

    def __init__(
        self,
        fenced: Mapping[str, datetime] | None = None,
        by_hand: Mapping[str, datetime] | None = None,
        no_power: frozenset[str] = frozenset(),
    ) -> None:
        self.fenced, self.by_hand, self.no_power = fenced or {}, by_hand or {}, no_power
        self.asked = 0

    def history(self) -> Pacemaker:
        self.asked += 1
        return self

    def levels(self) -> Pacemaker:
        return self

    def confirmed_since(self, node: str, moment: datetime) -> bool:
        return node in self.fenced and self.fenced[node] >= moment

    def confirmed_by_hand(self) -> Mapping[str, datetime]:
        return self.by_hand

    def without_power_device(self, node: str) -> str:
        return "no power" if node in self.no_power else ""

    def compute_nodes(self) -> frozenset[str]:
        return frozenset({*NODES, "node-without-host"})


def host_of(node: str, hosts: frozenset[str]) -> str:
    assert hosts == HOSTS
    if node not in NODES:
        raise UnknownHostError(node, hosts)
    return NODES[node]


def of(nova: Nova, pacemaker: Pacemaker | None = None) -> Destinations:
    return Destinations(nova, pacemaker or Pacemaker(), host_of, 30.0)


def facts(**known: Any) -> EvacuationFacts:
    return EvacuationFacts(**{f"_{name}": value for name, value in known.items()})


NEW = view(record=record(before=None))
TAKEN_OVER = view()

# Live migrations


def live(number: int, name: str = "a") -> Migration:
    return Migration(number, name, DEAD, ALIVE, "running", FENCED)


def instances(*names: str, **changes: Any) -> tuple[Instance, ...]:
    return tuple(instance(name, **changes) for name in names)


def test_law_2_a_new_recovery_asks_only_where_one_was_being_migrated() -> None:
    nova, known = Nova(), facts()
    of(nova).find_receivers(NEW, instances("a", "b"), [], known)
    assert (nova.asked, known.receivers) == ([], {"a": None, "b": None})
    nova, known = Nova(), facts()
    nova.live = [live(5), live(6, "b")]
    here = (*instances("a", task_state="migrating"), *instances("b"), *instances("c", problem="x"))
    of(nova).find_receivers(NEW, here, [], known)
    assert nova.asked == [("live", DEAD)]
    assert known.receivers == {"a": live(5), "b": None}
    # What is known is kept, though Nova shows the task no more.
    nova.live = []
    of(nova).find_receivers(NEW, instances("a", "b", "new"), [], known)
    assert known.receivers == {"a": live(5), "b": None, "new": None}
    assert nova.asked == [("live", DEAD)]


def test_law_2_who_takes_over_asks_about_all_of_them_once() -> None:
    nova, known = Nova(), facts()
    nova.live = [live(5)]
    here = (*instances("a", "b"), *instances("c", problem="x"))
    for _ in range(2):
        of(nova).find_receivers(TAKEN_OVER, here, [], known)
        assert known.receivers == {"a": live(5), "b": None}
        assert nova.asked == [("live", DEAD)]
    here = (*here, *instances("later", task_state="migrating"), *instances("d"))
    of(nova).find_receivers(TAKEN_OVER, here, [], known)
    assert known.receivers == {"a": live(5), "b": None, "later": None}


@pytest.mark.parametrize(
    ("name", "rows", "counts"),
    [
        ("no evacuation", [], True),
        ("a finished one after it", [row(6, "done")], False),
        ("one before it", [row(4, "done")], True),
        ("a closed one after it", [row(6, "completed")], False),
        ("a closed one that nobody took up", [row(6, "completed", None)], True),
        ("a finished one without destination", [row(6, "done", None)], False),
        ("an open one after it", [row(6, "accepted")], True),
        ("a failed one after it", [row(6, "error")], True),
        ("another's", [row(6, "done", instance="b")], True),
        ("several, in any order", [row(6, "done"), row(4, "done")], False),
        ("with the same number", [row(5, "done")], True),
    ],
)
def test_law_2_a_live_migration_counts_until_it_was_evacuated_since(
    name: str, rows: list[Migration], counts: bool
) -> None:
    nova, known = Nova(), facts()
    nova.live = [live(5)]
    of(nova).find_receivers(TAKEN_OVER, instances("a"), rows, known)
    assert known.receivers == {"a": live(5) if counts else None}


# Why evacuations failed


class Why(NamedTuple):
    name: str
    faults: dict[int, Fault]
    rows: list[Migration]
    known: dict[str, Any] = {}  # noqa: RUF012
    shown: Fault | None = None
    asked: int = 1


@pytest.mark.parametrize(
    "case",
    [
        *(Why(s, {1: BOOTED}, [row(1, s)]) for s in sorted(FAILED)),
        *(Why(s, {}, [row(1, s)], asked=0) for s in sorted(IN_FLIGHT)),
        Why("finished", {}, [row(1, "done")], asked=0),
        Why("nobody took it up", {}, [row(1, "error", None)], asked=0),
        Why("an earlier recovery's", {}, [row(-301, "error")], asked=0),
        Why("not on the host", {}, [row(1, "error", instance="gone")], asked=0),
        Why("known", {1: BROKEN}, [row(1, "error")], {"faults": {1: BROKEN}}, asked=0),
        Why("one known", {1: BROKEN, 2: BOOTED}, [row(1, "error"), row(2, "error")], {"faults": {1: BROKEN}}),
        Why("one not", {2: BOOTED}, [row(1, "done"), row(2, "error")]),
        Why("the log's comes first", {1: BOOTED}, [row(1, "error")], shown=BROKEN),
    ],
)  # fmt: skip
def test_law_2_why_an_evacuation_failed_is_asked_where_a_guest_may_be_left(case: Why) -> None:
    nova, known = Nova(), facts(**case.known)
    nova.faults = {"a": BOOTED, "gone": BOOTED}
    of(nova).find_faults(view(), instances("a", fault=case.shown), case.rows, known)
    assert known.faults == case.faults
    assert len(nova.asked) == case.asked
    assert all(asked[:2] == ("fault", "a") for asked in nova.asked)


def test_law_2_the_reason_is_asked_for_with_the_moment_of_its_request() -> None:
    nova = Nova()
    of(nova).find_faults(view(), instances("a"), [row(7, "error")], facts())
    assert nova.asked == [("fault", "a", FENCED + timedelta(seconds=7))]


def test_law_2_what_the_instance_shows_is_of_its_newest_evacuation_only() -> None:
    nova, known = Nova(), facts()
    here = instances("a", fault=BROKEN)
    of(nova).find_faults(view(), here, [row(1, "error"), row(2, "error")], known)
    assert known.faults == {2: BROKEN}


def test_law_2_a_reason_that_nobody_tells_is_asked_for_four_times() -> None:
    nova, known = Nova(), facts()
    for turn in range(1, 6):
        of(nova).find_faults(view(), instances("a"), [row(1, "error")], known)
        assert known.faults == ({1: UNNAMED} if turn >= 4 else {})
        assert known._fault_asked == {1: min(turn, 4)}


# What a host closed when it returned


CLOSED = row(3, "completed")


@pytest.mark.parametrize(
    ("name", "rows", "task", "elsewhere", "over", "lost"),
    [
        ("its log says that it ended", [CLOSED], None, [], True, {3}),
        ("its log does not", [CLOSED], None, [], False, set()),
        ("the instance shows that it goes on", [CLOSED], "rebuilding", [], True, set()),
        ("nobody took it up", [row(3, "completed", None)], None, [], True, set()),
        ("it is open", [row(3, "accepted")], None, [], True, set()),
        ("it failed", [row(3, "error")], None, [], True, set()),
        ("an earlier recovery's", [row(-301, "completed")], None, [], True, set()),
        ("not on the host", [row(3, "completed", instance="gone")], None, [], True, set()),
        ("its moment is unknown", [row(3, "completed", created=None)], None, [], True, set()),
        ("it came back from there", [CLOSED], None, [row(4, "done", DEAD, source=ALIVE)], False, {3}),
        ("it came from there before", [CLOSED], None, [row(2, "done", DEAD, source=ALIVE)], False, set()),
        ("another came from there", [CLOSED], None, [row(4, "done", DEAD, source=ALIVE, instance="b")], False, set()),
        ("it was asked for here once more", [CLOSED], None, [row(4, "done")], False, set()),
        ("the newest counts", [CLOSED], None, [row(4, "done", DEAD, source=ALIVE), row(2, "done", DEAD, source=ALIVE)], False, {3}),
    ],
)  # fmt: skip
def test_law_2_which_closed_evacuations_had_ended(
    name: str,
    rows: list[Migration],
    task: str | None,
    elsewhere: list[Migration],
    over: bool,
    lost: set[int],
) -> None:
    nova, known = Nova(), facts()
    nova.everywhere, nova.logs = elsewhere, {"a": EvacuationLog(over=over)}
    of(nova).find_ended(view(), instances("a", task_state=task), rows, known)
    assert known.dead_migrations == lost


def test_law_2_what_had_ended_is_asked_about_once_and_since_the_first_of_them() -> None:
    nova, known = Nova(), facts()
    nova.logs = {"a": EvacuationLog(over=True)}
    of(nova).find_ended(view(), instances("a"), [row(5, "completed"), CLOSED], known)
    first, second = (FENCED + timedelta(seconds=n) for n in (3, 5))
    assert nova.asked == [("since", first), ("log", "a", second), ("log", "a", first)]
    assert known.dead_migrations == {3, 5}
    of(nova).find_ended(view(), instances("a"), [row(5, "completed"), CLOSED], known)
    assert len(nova.asked) == 3
    of(nova).find_ended(view(), instances("a"), [], known)
    assert len(nova.asked) == 3


@pytest.mark.parametrize(
    ("earlier", "asked"),
    [(timedelta(0), False), (timedelta(hours=1), False), (-timedelta(1), True)],
)
def test_law_2_what_was_read_of_all_hosts_is_used_where_it_goes_back_far_enough(
    earlier: timedelta, asked: bool
) -> None:
    """And tells the same."""
    nova, known = Nova(), facts()
    came_back = [row(4, "done", DEAD, source=ALIVE)]
    nova.everywhere = came_back if asked else []
    assert CLOSED.created is not None
    read = Elsewhere(CLOSED.created - earlier, [] if asked else came_back)
    of(nova).find_ended(view(), instances("a"), [CLOSED], known, read)
    assert bool(nova.asked) is asked
    assert known.dead_migrations == {3}


# What died with a destination that is back


AFTERWARDS = FENCED + timedelta(seconds=60)
OPEN = row(3, "accepted")
STILL = {"unchanged": {"a": (None, 30.0)}, "queue_stands": 99.0}


class Lost(NamedTuple):
    name: str
    lost: set[int]
    rows: list[Migration]
    known: dict[str, Any] = {}  # noqa: RUF012
    asked: bool = True
    history: dict[str, Any] = {"fenced": {"node-2": AFTERWARDS}}  # noqa: RUF012


@pytest.mark.parametrize(
    "case",
    [
        *(Lost(f"{s}, overtaken", {3}, [row(3, s), row(4, "error", None)]) for s in sorted(IN_FLIGHT)),
        Lost("closed, overtaken", {3}, [row(3, "completed"), row(4, "error", None)]),
        Lost("done, overtaken", set(), [row(3, "done"), row(4, "error", None)], asked=False),
        Lost("failed, overtaken", set(), [row(3, "error"), row(4, "error", None)], asked=False),
        Lost("open, and the newest", set(), [OPEN], asked=False),
        Lost("it stands still", {3}, [OPEN], STILL),
        Lost("it does not stand still for long", set(), [OPEN], {**STILL, "unchanged": {"a": (None, 29.9)}}, asked=False),
        Lost("another stands still", set(), [OPEN], {**STILL, "unchanged": {"b": (None, 99.0)}}, asked=False),
        Lost("nobody took it up", set(), [row(3, "accepted", None)], STILL, asked=False),
        Lost("the log tells who took it up", {3}, [row(3, "accepted", None)], {**STILL, "destinations": {3: ALIVE}}),
        Lost("it may have left its guest", {3}, [row(3, "error")], {"faults": {3: BOOTED}}),
        Lost("nobody knows why it failed", {3}, [row(3, "error")], {"faults": {3: UNNAMED}}),
        Lost("it left none", set(), [row(3, "error")], {"faults": {3: BROKEN}}, asked=False),
        Lost("a live migration", {3}, [], {"receivers": {"a": live(3), "b": None}}),
        Lost("known to be lost", {3}, [OPEN], {**STILL, "dead_migrations": {3}}, asked=False),
        Lost("fenced before", set(), [OPEN], STILL, history={"fenced": {"node-2": FENCED}}),
        Lost("fenced in that second", {3}, [OPEN], STILL, history={"fenced": {"node-2": OPEN.created}}),
        Lost("another was fenced", set(), [OPEN], STILL, history={"fenced": {"node-3": AFTERWARDS}}),
        Lost("without power", set(), [OPEN], STILL, history={"fenced": {"node-2": AFTERWARDS}, "no_power": frozenset({"node-2"})}),
        Lost("by hand", {3}, [OPEN], STILL, history={"by_hand": {"NODE-2": AFTERWARDS}}),
        Lost("by hand, without power", {3}, [OPEN], STILL, history={"by_hand": {"node-2": OPEN.created}, "no_power": frozenset({"node-2"})}),
        Lost("by hand before", set(), [OPEN], STILL, history={"by_hand": {"node-2": FENCED}}),
        Lost("by hand before, and fenced", {3}, [OPEN], STILL, history={"by_hand": {"node-2": FENCED}, "fenced": {"node-2": AFTERWARDS}}),
        Lost("its moment is unknown", set(), [row(3, "accepted", created=None)], STILL),
        Lost("to a host that is no node", set(), [row(3, "accepted", "stranger")], STILL),
        Lost("one lost, one not", {4}, [row(3, "accepted", OTHER), row(4, "accepted"), row(5, "error", None)]),
    ],
    ids=lambda case: case.name,
)  # fmt: skip
def test_law_2_which_evacuations_died_with_a_destination_that_is_back(case: Lost) -> None:
    pacemaker, known = Pacemaker(**case.history), facts(**case.known)
    of(Nova(), pacemaker).find_lost(case.rows, HOSTS, known)
    assert known.dead_migrations == case.lost
    assert pacemaker.asked == case.asked
    # The same by what was read already.
    silent, known = Pacemaker(), facts(**case.known)
    read = Fencings(pacemaker.history, pacemaker.levels)
    of(Nova(), silent).find_lost(case.rows, HOSTS, known, read)
    assert (known.dead_migrations, silent.asked) == (case.lost, 0)
