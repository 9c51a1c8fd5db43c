"""One turn of the loop: what is taken of a plan, in which order, and how long is rested after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import ClusterToolError
from novaha.core.model import ComputeService
from novaha.core.ports import Configuration
from novaha.core.record import STATE, Record, to_attributes
from novaha.core.recovery import RecoveryState
from novaha.core.steering import Pause
from novaha.core.steps import Scope, Step
from novaha.core.view import HostView
from novaha.evacuator.act import StepResult
from novaha.evacuator.destinations import Fencings
from novaha.evacuator.held import HeldHosts
from novaha.evacuator.journal import Journal
from novaha.evacuator.loop import Loop, Pace, SupersededError
from tests.fakes.cluster import Inline
from tests.fakes.pacemaker import FakeRecords, QuietStorm
from tests.unit.core.situations import (
    ALIVE,
    DEAD,
    NOW,
    OTHER,
    POLICY,
    SERVICE,
    instance,
    record,
    row,
    view,
)
from tests.unit.evacuator.ledgers import know

IDLE, BUSY = 5.0, 0.5
PENDING = record(state=RecoveryState.PENDING, owner="", before=None, marks=frozenset())
OVER = record(state=RecoveryState.RECOVERED)
UNTOLD = replace(SERVICE, forced_down=False, enabled=True)


@dataclass
class World:
    """Everything that a loop asks, but the planner: what it is asked is noted."""

    shown: list[HostView] = field(default_factory=list)
    comes: dict[str, StepResult] = field(default_factory=dict)
    lasts: dict[str, float] = field(default_factory=dict)
    reading: float = 0.0
    now: float = NOW
    adopts: bool = False
    done: list[str] = field(default_factory=list)
    at_once: list[bool] = field(default_factory=list)
    owned: dict[str, str] = field(default_factory=dict)
    spreads: list[int] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    enabled: list[ComputeService] = field(default_factory=list)
    warm: int = 0
    on_step: Callable[[], None] = lambda: None
    held: Any = None
    journal: Path | None = None
    troubles: list[Exception | None] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    fencings: list[Fencings | None] = field(default_factory=list)
    turning: list[bool] = field(default_factory=list)

    levels: Any = "levels"
    pause: Pause | None = None
    room_since = float("-inf")
    nova_problem = ""
    open_hosts: frozenset[str] | None = None
    left_disabled: list[ComputeService] = field(default_factory=list)
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.records = FakeRecords()
        world: Any = self
        self.confirmations: Any = Confirmed()
        self.loop = Loop(
            self.records,
            configuration=self.configuration,
            missing=world,
            observer=world,
            actor=world,
            journal=Journal(self.journal),
            confirmations=self.confirmations,
            adoption=world,
            policy=POLICY,
            pace=Pace(IDLE, BUSY),
            me="me",
            pool=Inline(),
            clock=lambda: self.now,
            held=self.held,
        )
        for seen in self.shown:
            self.note(seen.record)

    @property
    def doubts(self) -> World:
        return self

    def note(self, found: Record) -> None:
        self.records.attributes[found.node] = to_attributes(found)

    # The observer, and who asks for fencings

    def follow(self, found: object, now: float) -> None:
        pass

    def configuration(self) -> Configuration:
        self.reads.append("configuration")
        return Configuration(self.records.read_all(), self.levels, self.pause)

    def begin_history(self) -> Callable[[], Any]:
        self.reads.append("history")
        return lambda: "history"

    def views(
        self, records: object, ledger: object, scope: Scope, fencings: Fencings | None
    ) -> list[HostView]:
        self.before.append(scope)
        self.fencings.append(fencings)
        self.turning.append(self.loop.turning)
        self.now += self.reading
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble
        return self.shown

    def read_ahead(self, node: str) -> None:
        self.ahead.append(node)

    def keep_warm(self) -> None:
        self.warm += 1

    def ask(self, views: list[HostView], _: object) -> None:
        self.paused = {view.node: view.standing.paused for view in views}

    # The actor, and the adoption

    def owns(self, owned: dict[str, str], at: float) -> None:
        assert at == self.now
        self.owned = owned

    def spread(self, hosts: int) -> None:
        self.spreads.append(hosts)

    def enable(self, service: ComputeService) -> None:
        self.enabled.append(service)

    def poll(self, *, at_once: bool = False) -> bool:
        self.at_once.append(at_once)
        return self.adopts

    def execute(self, step: Step, seen: HostView, _: object) -> StepResult:
        assert seen.node == step.node
        said = f"{type(step).__name__.lower()} {step.node}"
        self.done.append(said)
        self.now += self.lasts.get(said, 0.0)
        self.on_step()
        return self.comes.get(said, StepResult.DONE)


class Confirmed:
    asked = 0

    def poll(self) -> tuple[str, ...]:
        self.asked += 1
        return ()


class Wakeup:
    """Waits for nobody; ends the loop after some waits."""

    def __init__(self, world: World, turns: int, *, rings: bool = False) -> None:
        self.world = world
        self.turns = turns
        self.rings = rings
        self.seen: list[tuple[float, str]] = []

    def drain(self) -> list[str]:
        return []

    def wait(self, seconds: float) -> bool:
        self.seen.append((seconds, self.world.loop.problem))
        self.world.turning.append(self.world.loop.turning)
        self.world.now += 1
        if len(self.seen) >= self.turns:
            self.world.loop.stopping.set()
        return self.rings


class Held:
    """An operator has paused what begins."""

    asked = 0

    def paused(self, pause: object = None) -> str:
        self.asked += 1
        return "by bob"

    def limited(self, nodes: Collection[str]) -> Mapping[str, str]:
        assert not nodes, "a pause holds them"
        return {}

    def notices(self) -> tuple[str, ...]:
        return ("it is paused",)


def of(node: str, **changes: Any) -> HostView:
    its = replace(changes.pop("record", record()), node=node)
    service = replace(changes.pop("service", SERVICE), host=node)
    here = changes.pop("instances", (instance(node, host=node),))
    return view(**{"record": its, "host": node, "service": service, "instances": here, **changes})


def test_where_nothing_is_flagged() -> None:
    world = World(left_disabled=[SERVICE, UNTOLD])
    assert world.loop.turn() == IDLE
    assert (world.warm, world.at_once) == (1, [False])
    assert world.enabled == [UNTOLD, SERVICE]
    assert world.left_disabled == []
    world.adopts = True
    assert world.loop.turn() == 0.0, "a host was flagged"


def test_a_fencing_that_has_just_ended_is_read_ahead() -> None:
    world = World()
    world.loop.turn([DEAD, OTHER])
    assert world.ahead == [DEAD, OTHER]


@pytest.mark.parametrize(
    ("found", "owned"),
    [
        (record(), True),
        (record(owner="another"), False),
        (record(owner=""), False),
        (PENDING, False),
        (OVER, True),
        (replace(OVER, owner="another"), True),
    ],
)
def test_law_2_which_recoveries_are_owned(found: Record, owned: bool) -> None:
    world = World([view(record=found, instances=())])
    world.loop.turn()
    assert world.owned == ({DEAD: "fence-1"} if owned else {})


@pytest.mark.parametrize(
    ("found", "fence_id", "ends"),
    [
        (record(owner="another"), "fence-1", True),
        (record(owner="another"), "fence-0", False),
        (record(owner=""), "fence-1", False),
        (record(), "fence-1", False),
        (replace(OVER, owner="another"), "fence-1", False),
    ],
)
def test_law_2_one_that_is_superseded_ends(found: Record, fence_id: str, ends: bool) -> None:
    world = World([view(instances=())])
    world.loop.turn()
    know(world.loop._ledger.of(DEAD), owned_fence_id=fence_id)
    world.note(found)
    if ends:
        with pytest.raises(SupersededError, match="compute-1 was taken over by another"):
            world.loop.turn()
    else:
        world.loop.turn()


def test_what_is_remembered_of_a_host() -> None:
    world = World([of(DEAD, instances=())])
    world.loop.turn()
    page = world.loop._ledger.of(DEAD)
    world.now = NOW + 5
    world.loop.turn()
    assert world.loop._ledger.of(DEAD) is page
    assert page.first_seen == NOW
    assert world.before[-1].ended == {DEAD}
    world.note(record(fence_id="fence-2"))
    world.loop.turn()
    assert world.loop._ledger.of(DEAD) is page
    assert page.first_seen == NOW + 5, "it was fenced again"
    assert world.before[-1] == Scope(), "and did not end"
    world.loop.turn()
    assert world.before[-1].ended == {DEAD}
    world.records.attributes.clear()
    world.shown = []
    world.loop.turn()
    with pytest.raises(KeyError):
        world.loop._ledger.of(DEAD)
    world.note(record(fence_id="fence-2"))
    world.shown = [of(DEAD, instances=())]
    world.loop.turn()
    assert world.before[-1] == Scope(), "what was decided of another record counts no more"


def test_a_record_that_cannot_be_read_is_told_and_left_out() -> None:
    world = World([of(OTHER, instances=())])
    world.records.attributes[DEAD] = {**to_attributes(record()), STATE: "gibberish"}
    world.loop.turn()
    (told,) = world.loop.attention
    assert told.endswith("held until it is repaired, `novaha retry compute-1` rewrites it")
    assert world.owned == {OTHER: "fence-1"}
    world.records.attributes[OTHER] = world.records.attributes.pop(OTHER)
    world.loop.turn()
    assert world.owned == {OTHER: "fence-1"}, "in any order"


PAUSE = Pause(datetime(2026, 1, 1, tzinfo=UTC), "bob", "work")

SEEN = of(DEAD, record=PENDING, mine=False, service=UNTOLD)
"""It is prepared, and its instance asked for as soon as that is noted."""


@pytest.mark.parametrize("fenced", [(), (DEAD,)])
def test_what_a_turn_reads_that_an_alert_wakes_and_what_another_one_does(
    fenced: tuple[str, ...],
) -> None:
    world = World([SEEN])
    world.loop.turn(fenced)
    assert world.done == ["prepare compute-1", "evacuate compute-1"]
    (fencings,) = world.fencings
    if fenced:
        assert world.reads == ["history", "configuration"], "the history first: side by side"
        assert fencings is not None
        assert (fencings.history(), fencings.levels()) == ("history", "levels")
    else:
        assert world.reads == []
        assert fencings is None


@pytest.mark.parametrize("trouble", [None, ClusterToolError(["cibadmin"], 1, "no"), ValueError()])
def test_a_turn_is_under_way_until_it_is_rested_whatever_becomes_of_it(
    trouble: Exception | None,
) -> None:
    world = World([SEEN], troubles=[trouble, trouble])
    bell: Any = Wakeup(world, 2)
    world.loop.wakeup = bell
    world.loop.run()
    assert world.turning == [True, False] * 2


def test_without_any_record_what_was_read_first_is_not_used() -> None:
    """A record that a confirmation by hand has just made is newer than that."""
    world = World([SEEN])
    attributes = dict(world.records.attributes)
    world.records.attributes.clear()
    world.confirmations.poll = lambda: world.records.attributes.update(attributes) or ()
    world.loop.turn((DEAD,))
    assert world.fencings == [None]


def test_a_pause_that_was_read_is_not_asked_for_once_more() -> None:
    asked: list[Pause | None] = []

    def ask() -> Pause | None:
        asked.append(PAUSE)
        return PAUSE

    held = HeldHosts(QuietStorm(ask), lambda: lambda node: None, Journal(None), lambda: NOW)
    world = World([SEEN], held=held, pause=PAUSE)
    world.loop.turn((DEAD,))
    assert (world.paused, asked) == ({DEAD: "work, by bob until resumed"}, [])
    world.pause = None
    world.loop.turn((DEAD,))
    assert (world.paused, asked) == ({DEAD: ""}, [])
    world.loop.turn()
    assert (world.paused, asked) == ({DEAD: "work, by bob until resumed"}, [PAUSE])


@pytest.mark.parametrize(
    ("shown", "comes", "lasts", "done", "pause"),
    [
        # Requests go out, and what comes of them shows later.
        ([of(DEAD)], {}, {}, ["evacuate compute-1"], IDLE),
        ([of(DEAD, attempts={})], {"evacuate compute-1": StepResult.FAILED}, {}, ["evacuate compute-1"], IDLE),
        # What was prepared is followed by its requests, and only then.
        ([SEEN], {}, {}, ["prepare compute-1", "evacuate compute-1"], IDLE),
        ([SEEN], {"prepare compute-1": StepResult.FAILED}, {}, ["prepare compute-1"], BUSY),
        ([SEEN], {"prepare compute-1": StepResult.OUTDATED}, {}, ["prepare compute-1"], 0.0),
        ([SEEN], {}, {"prepare compute-1": 1.9}, ["prepare compute-1", "evacuate compute-1"], IDLE),
        ([SEEN], {}, {"prepare compute-1": 2.0}, ["prepare compute-1"], 0.0),
        # After any other step it is looked again at once, unless it failed.
        ([of(DEAD, mine=False)], {}, {}, ["claim compute-1"], 0.0),
        ([of(DEAD, mine=False)], {"claim compute-1": StepResult.FAILED}, {}, ["claim compute-1"], BUSY),
        ([of(DEAD, mine=False)], {"claim compute-1": StepResult.OUTDATED}, {}, ["claim compute-1"], 0.0),
        # A disable alone is none.
        ([of(DEAD, instances=(), service=replace(SERVICE, enabled=True))], {}, {}, ["disable compute-1"], BUSY),
        # What there is no time for comes in the next turn.
        ([of(DEAD, mine=False), of(OTHER, mine=False)], {}, {"claim compute-1": 2.0}, ["claim compute-1"], 0.0),
        ([of(DEAD, mine=False), of(OTHER, mine=False)], {"claim compute-1": StepResult.FAILED}, {"claim compute-1": 2.0}, ["claim compute-1"], 0.0),
    ],
)  # fmt: skip
def test_what_is_taken_of_a_plan_and_when_is_looked_again(
    shown: list[HostView],
    comes: dict[str, StepResult],
    lasts: dict[str, float],
    done: list[str],
    pause: float,
) -> None:
    world = World(shown, comes, lasts)
    assert world.loop.turn() == pause
    assert world.done == done


def test_who_fails_comes_last_until_something_succeeds() -> None:
    world = World([of(DEAD, mine=False), of(OTHER, mine=False)])
    world.comes = {f"claim {DEAD}": StepResult.FAILED}
    for comes, order in (
        (StepResult.FAILED, [DEAD, OTHER]),
        (StepResult.OUTDATED, [OTHER, DEAD]),
        (StepResult.FAILED, [DEAD, OTHER]),
        (StepResult.DONE, [OTHER, DEAD]),
        (StepResult.DONE, [DEAD, OTHER]),
    ):
        world.comes[f"claim {DEAD}"] = comes
        world.done.clear()
        world.loop.turn()
        assert world.done == [f"claim {node}" for node in order]


@pytest.mark.parametrize(
    ("shown", "reading", "pause"),
    [
        ([of(DEAD, migrations=(row(1, "accepted", instance=DEAD),))], 0.0, IDLE),
        ([of(DEAD, quiet_until=NOW + 99)], 0.0, BUSY),
        ([of(DEAD, quiet_until=NOW + 99)], 0.1, 0.8),
        ([of(DEAD, quiet_until=NOW + 99)], 9.0, IDLE),
        ([of(DEAD, record=OVER, alive=False, instances=())], 0.0, IDLE),
    ],
)
def test_how_long_is_rested(shown: list[HostView], reading: float, pause: float) -> None:
    """Longer where reading takes long; a host that waits to be switched on is no work."""
    world = World(shown, reading=reading)
    assert world.loop.turn() == pytest.approx(pause)
    assert world.done == []


@pytest.mark.parametrize(
    ("shown", "adopts", "asked"),
    [
        ([of(DEAD)], True, []),
        ([of(DEAD, record=OVER, alive=False, instances=())], True, [False]),
        ([of(DEAD, quiet_until=NOW + 99)], True, [False]),
    ],
)
def test_the_older_flags_are_looked_at_when_no_request_was_made(
    shown: list[HostView], adopts: bool, asked: list[bool]
) -> None:
    world = World(shown, adopts=adopts)
    assert world.loop.turn() == (0.0 if asked else IDLE)
    assert world.at_once == asked


def test_one_that_is_to_stop_takes_no_more() -> None:
    world = World([of(DEAD, mine=False), of(OTHER, mine=False)])
    world.on_step = world.loop.stopping.set
    assert world.loop.turn() == BUSY
    assert world.done == [f"claim {DEAD}"]
    assert world.loop.turn() == BUSY
    assert world.done == [f"claim {DEAD}"]


def test_how_many_hosts_there_are_to_go_to() -> None:
    """The dead ones are none, whatever Nova believes."""
    world = World([of(DEAD, instances=())])
    world.loop.turn()
    assert world.spreads == [], "Nova was not asked yet"
    world.open_hosts = frozenset({DEAD, ALIVE, OTHER})
    world.loop.turn()
    assert world.spreads == [2]


def test_a_claim_is_read_ahead() -> None:
    world = World([of(DEAD, mine=False), of(OTHER, quiet_until=NOW + 9)])
    world.loop.turn()
    assert world.done == [f"claim {DEAD}"]
    assert world.ahead == [DEAD]
    assert [report.record.node for report in world.loop.reports] == [DEAD, OTHER]


def test_the_next_turn_reads_what_the_plan_wants() -> None:
    world = World([of(DEAD, instances=())])
    world.loop.turn()
    world.shown = [of(DEAD)]
    world.loop.turn()
    world.loop.turn()
    assert world.before == [
        Scope(),
        Scope(ended=frozenset({DEAD})),
        Scope(resting=frozenset({DEAD})),
    ]


def test_one_that_failed_and_went_does_not_come_last_when_it_is_back() -> None:
    world = World([of(DEAD, mine=False)], {f"claim {DEAD}": StepResult.FAILED})
    world.loop.turn()
    world.records.attributes.clear()
    world.loop.turn()
    world.note(record())
    world.note(record(node=OTHER))
    world.shown = [of(DEAD, mine=False), of(OTHER, mine=False)]
    world.done.clear()
    world.loop.turn()
    assert world.done == [f"claim {DEAD}", f"claim {OTHER}"]


def test_the_loop_goes_on_whatever_a_turn_meets(caplog: pytest.LogCaptureFixture) -> None:
    away = ClusterToolError(["cibadmin"], 1, "")
    world = World([of(DEAD, quiet_until=NOW + 99)])
    assert world.loop.problem == ""
    world.troubles = [away, away, KeyError("ours"), None, away]
    world.nova_problem = "Nova is away"
    bell = world.loop.wakeup = Wakeup(world, 5)  # type: ignore[assignment]
    world.loop.run()
    said, internal = "cibadmin exited with 1", "internal error, see the log"
    assert bell.seen == [(BUSY, said), (BUSY, said), (BUSY, internal), (BUSY, ""), (BUSY, said)]
    assert [r.getMessage() for r in caplog.records].count(said) == 2, "each once until it ends"
    assert world.loop.failing.seconds(NOW + 9) == 5
    assert world.loop.nova_silent.seconds(NOW + 9) == 9
    world.nova_problem = ""
    world.loop.stopping.clear()
    world.loop.wakeup = Wakeup(world, 1)  # type: ignore[assignment]
    world.loop.run()
    assert (world.loop.failing.seconds(NOW + 9), world.loop.nova_silent.seconds(NOW + 9)) == (0, 0)
    assert world.loop.turned_at == NOW + 5


def test_law_2_a_loop_that_is_superseded_ends() -> None:
    world = World([of(DEAD)])
    world.troubles = [SupersededError("another")]
    world.loop.wakeup = Wakeup(world, 1)  # type: ignore[assignment]
    with pytest.raises(SupersededError):
        world.loop.run()


def test_nothing_else_is_asked_for_while_there_is_something_to_do_at_once() -> None:
    world = World([of(DEAD, mine=False)])
    for pause, asked in ((0.0, 1), (0.0, 1)):
        assert world.loop.turn() == pause
        assert world.confirmations.asked == asked
    world.comes = {f"claim {DEAD}": StepResult.FAILED}
    assert world.loop.turn() == BUSY
    assert world.confirmations.asked == 1
    world.loop.turn()
    assert world.confirmations.asked == 2


@pytest.mark.parametrize(
    ("shown", "rings", "asked", "at_once"),
    [
        ([], False, 3, [False, False, False]),
        ([], True, 3, [False, True, True]),
        ([of(DEAD, quiet_until=NOW + 99)], False, 3, [False, False, False]),
        ([of(DEAD, quiet_until=NOW + 99)], True, 1, [False, False, False]),
    ],
)
def test_who_is_woken_looks_at_the_records_first(
    shown: list[HostView], rings: bool, asked: int, at_once: list[bool]
) -> None:
    world = World(shown)
    world.loop.wakeup = Wakeup(world, 3, rings=rings)  # type: ignore[assignment]
    world.loop.run()
    assert (world.confirmations.asked, world.at_once) == (asked, at_once)


def test_a_pause_is_for_what_begins() -> None:
    held = Held()
    world = World([of(OTHER, quiet_until=NOW + 99)], held=held)
    world.loop.turn()
    assert (held.asked, world.loop.attention) == (0, ("it is paused",))
    begins = of(DEAD, record=PENDING, mine=False, service=UNTOLD)
    world.shown = [begins, *world.shown]
    world.note(begins.record)
    world.loop.turn()
    assert held.asked == 1
    assert world.paused == {DEAD: "by bob", OTHER: ""}
    assert [report.detail for report in world.loop.reports] == [
        "new recoveries are paused: by bob",
        "recovering",
    ]
    assert world.done == []


@pytest.mark.parametrize(("nova", "told"), [("", [f"{DEAD} cannot be worked on: x"]), ("away", [])])
def test_a_nova_that_is_away_is_no_trouble_of_one_host(nova: str, told: list[str]) -> None:
    world = World([of(DEAD, problem="x")])
    world.nova_problem = nova
    world.loop.turn()
    assert list(world.loop.attention) == told


def test_each_instance_that_has_come_up_elsewhere_is_noted_once(tmp_path: Path) -> None:
    gone = {n: instance(n, host=ALIVE) for n in ("b", "c")}
    moving = {"x": instance("x", host=ALIVE, task_state="rebuilding")}
    world = World(
        [
            of("compute-0", record=OVER, alive=False, instances=()),
            of(DEAD, instances=(instance("a", task_state="deleting"),), moved={**moving, **gone}),
        ],
        journal=tmp_path / "journal",
    )
    world.loop.turn()
    assert not (tmp_path / "journal").exists(), "this process has not moved them"
    page = world.loop._ledger.of(DEAD)
    know(page, moved={**moving, **gone})
    for _ in range(2):
        world.loop.turn()
        lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
        assert [{k: v for k, v in line.items() if k != "time"} for line in lines] == [
            {
                "event": "settled",
                "node": DEAD,
                "instance": n,
                "name": f"name-{n}",
                "to": ALIVE,
                "state": "active",
            }
            for n in ("b", "c")
        ]
        assert page.evacuations.settled == {"b", "c"}
