"""One turn of the loop: what is taken of a plan, in which order, and how long is rested after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from novaha.core.model import ComputeService
from novaha.core.record import STATE, Record, to_attributes
from novaha.core.recovery import RecoveryState
from novaha.core.situation import HostView
from novaha.evacuator.act import Taken
from novaha.evacuator.journal import Journal
from novaha.evacuator.loop import Loop, Pace, SupersededError
from tests.fakes.cluster import Inline
from tests.fakes.pacemaker import FakeRecords
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

IDLE, BUSY = 5.0, 0.5
PENDING = record(state=RecoveryState.PENDING, owner="", before=None, marks=frozenset())
OVER = record(state=RecoveryState.RECOVERED)
UNTOLD = replace(SERVICE, forced_down=False, enabled=True)


@dataclass
class World:
    """Everything that a loop asks, but the planner: what it is asked is noted."""

    shown: list[HostView] = field(default_factory=list)
    comes: dict[str, Taken] = field(default_factory=dict)
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

    room_since = float("-inf")
    nova_problem = ""
    open_hosts: frozenset[str] | None = None
    left_disabled: list[ComputeService] = field(default_factory=list)
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.records = FakeRecords()
        world: Any = self
        self.loop = Loop(
            self.records,
            missing=world,
            observer=world,
            actor=world,
            journal=Journal(None),
            confirmations=Confirmed(),  # type: ignore[arg-type]
            adoption=world,
            policy=POLICY,
            pace=Pace(IDLE, BUSY),
            me="me",
            pool=Inline(),
            clock=lambda: self.now,
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

    def views(self, *_: object) -> list[HostView]:
        self.now += self.reading
        return self.shown

    def read_ahead(self, node: str) -> None:
        self.ahead.append(node)

    def keep_warm(self) -> None:
        self.warm += 1

    def ask(self, *_: object) -> None:
        pass

    # The actor, and the adoption

    def owns(self, owned: dict[str, str], at: float) -> None:
        assert at == self.now
        self.owned = owned

    def spread(self, hosts: int) -> None:
        self.spreads.append(hosts)

    def enable(self, service: ComputeService) -> None:
        self.enabled.append(service)

    def take(self, *what: Any, at_once: bool = False) -> Any:
        if not what:
            self.at_once.append(at_once)
            return self.adopts
        step, seen, _ = what
        assert seen.node == step.node
        said = f"{type(step).__name__.lower()} {step.node}"
        self.done.append(said)
        self.now += self.lasts.get(said, 0.0)
        self.on_step()
        return self.comes.get(said, Taken.DONE)


class Confirmed:
    def take(self) -> tuple[str, ...]:
        return ()


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
    world.loop._memory[DEAD].owned_fence_id = fence_id
    world.note(found)
    if ends:
        with pytest.raises(SupersededError, match="compute-1 was taken over by another"):
            world.loop.turn()
    else:
        world.loop.turn()


def test_what_is_remembered_of_a_host() -> None:
    world = World([of(DEAD, instances=())])
    world.loop.turn()
    memory = world.loop._memory[DEAD]
    memory.ended, world.now = True, NOW + 5
    world.loop.turn()
    assert world.loop._memory[DEAD] is memory
    assert memory.first_seen == NOW
    world.note(record(fence_id="fence-2"))
    world.loop.turn()
    assert world.loop._memory[DEAD] is memory
    assert memory.first_seen == NOW + 5, "it was fenced again"
    world.records.attributes.clear()
    world.shown = []
    world.loop.turn()
    assert world.loop._memory == {}


def test_a_record_that_cannot_be_read_is_told_and_left_out() -> None:
    world = World([of(OTHER, instances=())])
    world.records.attributes[DEAD] = {**to_attributes(record()), STATE: "gibberish"}
    world.loop.turn()
    (told,) = world.loop.attention
    assert told.endswith("held until it is repaired, `novaha retry compute-1` rewrites it")
    assert world.owned == {OTHER: "fence-1"}


SEEN = of(DEAD, record=PENDING, mine=False, service=UNTOLD)
"""It is prepared, and its instance asked for as soon as that is noted."""


@pytest.mark.parametrize(
    ("shown", "comes", "lasts", "done", "pause"),
    [
        # Requests go out, and what comes of them shows later.
        ([of(DEAD)], {}, {}, ["evacuate compute-1"], IDLE),
        ([of(DEAD, attempts={})], {"evacuate compute-1": Taken.FAILED}, {}, ["evacuate compute-1"], IDLE),
        # What was prepared is followed by its requests, and only then.
        ([SEEN], {}, {}, ["prepare compute-1", "evacuate compute-1"], IDLE),
        ([SEEN], {"prepare compute-1": Taken.FAILED}, {}, ["prepare compute-1"], BUSY),
        ([SEEN], {"prepare compute-1": Taken.OUTDATED}, {}, ["prepare compute-1"], 0.0),
        ([SEEN], {}, {"prepare compute-1": 1.9}, ["prepare compute-1", "evacuate compute-1"], IDLE),
        ([SEEN], {}, {"prepare compute-1": 2.0}, ["prepare compute-1"], 0.0),
        # After any other step it is looked again at once, unless it failed.
        ([of(DEAD, mine=False)], {}, {}, ["claim compute-1"], 0.0),
        ([of(DEAD, mine=False)], {"claim compute-1": Taken.FAILED}, {}, ["claim compute-1"], BUSY),
        ([of(DEAD, mine=False)], {"claim compute-1": Taken.OUTDATED}, {}, ["claim compute-1"], 0.0),
        # A disable alone is none.
        ([of(DEAD, instances=(), service=replace(SERVICE, enabled=True))], {}, {}, ["disable compute-1"], BUSY),
        # What there is no time for comes in the next turn.
        ([of(DEAD, mine=False), of(OTHER, mine=False)], {}, {"claim compute-1": 2.0}, ["claim compute-1"], 0.0),
        ([of(DEAD, mine=False), of(OTHER, mine=False)], {"claim compute-1": Taken.FAILED}, {"claim compute-1": 2.0}, ["claim compute-1"], 0.0),
    ],
)  # fmt: skip
def test_what_is_taken_of_a_plan_and_when_is_looked_again(
    shown: list[HostView],
    comes: dict[str, Taken],
    lasts: dict[str, float],
    done: list[str],
    pause: float,
) -> None:
    world = World(shown, comes, lasts)
    assert world.loop.turn() == pause
    assert world.done == done


def test_who_fails_comes_last_until_something_succeeds() -> None:
    world = World([of(DEAD, mine=False), of(OTHER, mine=False)])
    world.comes = {f"claim {DEAD}": Taken.FAILED}
    for comes, order in (
        (Taken.FAILED, [DEAD, OTHER]),
        (Taken.OUTDATED, [OTHER, DEAD]),
        (Taken.FAILED, [DEAD, OTHER]),
        (Taken.DONE, [OTHER, DEAD]),
        (Taken.DONE, [DEAD, OTHER]),
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
    world.loop.turn()
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


def test_what_has_ended_is_noted() -> None:
    world = World([of(DEAD, instances=())])
    world.loop.turn()
    assert world.loop._memory[DEAD].ended
    world.shown = [of(DEAD)]
    world.loop.turn()
    assert not world.loop._memory[DEAD].ended
