"""What comes of each step, by what the cluster and Nova answer: tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from novaha.core import gate, steps
from novaha.core.case import Case
from novaha.core.errors import (
    ClusterToolError,
    NotSentError,
    RecordConflictError,
    RefusedError,
    UnknownOutcomeError,
)
from novaha.core.model import Action, Instance
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, OtherRequest, Outcome
from novaha.core.steps import Evacuate
from novaha.core.view import HostView
from novaha.evacuator.act import Actor, StepResult
from novaha.evacuator.journal import Journal
from novaha.evacuator.ledger import HostLedger
from novaha.evacuator.throttle import Throttle
from tests.fakes.cluster import Inline
from tests.unit.core.situations import (
    ALIVE,
    DEAD,
    NOW,
    POLICY,
    RECORD,
    SERVICE,
    instance,
    overview,
    record,
    row,
    view,
)
from tests.unit.evacuator.ledgers import know, known, page

NEVER = float("-inf")
PENDING = record(state=RecoveryState.PENDING, owner="", before=None, marks=frozenset())
AWAY = UnknownOutcomeError("x", "timed out")
TURNED_AWAY = NotSentError("x", "too many requests")
CONFLICT = RefusedError("x", 409, "busy")


@dataclass
class World:
    """Records, Pacemaker and Nova in one: notes each call, and raises what is given for it."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    shown: Instance | None = field(default_factory=instance)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.note(name, *arguments)

    def note(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if error := self.errors.get(name):
            raise error

    def instance(self, instance_id: str) -> Instance | None:
        self.note("instance", instance_id)
        return self.shown


class Later(Executor):
    def __init__(self) -> None:
        self.work: list[Callable[[], object]] = []

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()


@dataclass
class Rig:
    world: World = field(default_factory=World)
    page: HostLedger = field(default_factory=page)
    now: float = NOW
    owned: str = RECORD.fence_id
    owned_at: float = NOW
    pool: Executor = field(default_factory=Inline)
    journal: Path | None = None

    def __post_init__(self) -> None:
        world: Any = self.world
        moment = datetime(2026, 1, 1, 12, 0, 5, 999, tzinfo=UTC)
        clock = lambda: self.now  # noqa: E731
        journal = Journal(self.journal)
        self.actor = Actor(
            world, world, world, journal, "me", self.pool, clock, 30.0, wall=lambda: moment
        )
        self.actor.owns({DEAD: self.owned} if self.owned else {}, self.owned_at)

    def written(self) -> list[dict[str, Any]]:
        """The lines of the journal, without their times."""
        assert self.journal is not None
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [{k: v for k, v in line.items() if k != "time"} for line in lines]

    def execute(self, step: steps.Step, seen: HostView | None = None) -> StepResult:
        return self.actor.execute(step, seen or view(), self.page)


def evacuate(seen: HostView | None = None, target: str | None = None) -> Evacuate:
    case = Case(gate.facts(seen or view(), overview(), POLICY, NOW), instance())
    return Evacuate(DEAD, "a", frozenset(row.id for row in case.rows), case, target)


@pytest.mark.parametrize(
    ("error", "taken", "unanswered", "trouble"),
    [
        (None, StepResult.DONE, False, False),
        (RecordConflictError(DEAD), StepResult.OUTDATED, False, False),
        (CONFLICT, StepResult.FAILED, False, False),
        (TURNED_AWAY, StepResult.FAILED, False, False),
        (AWAY, StepResult.FAILED, True, False),
        (ClusterToolError(["cibadmin"], 1, ""), StepResult.FAILED, False, False),
        (KeyError("a mistake of ours"), StepResult.FAILED, True, True),
    ],
)
def test_what_comes_of_a_step(
    error: Exception | None, taken: StepResult, unanswered: bool, trouble: bool
) -> None:
    rig = Rig(World(errors={"set_forced_down": error} if error else {}))
    assert rig.execute(steps.ForceDown(DEAD)) is taken
    assert rig.world.calls == [("set_forced_down", SERVICE, True)]
    assert rig.page.requests.view(NOW).unanswered_at == (NOW if unanswered else NEVER)
    told = rig.page.take_trouble()
    assert told.startswith("internal error on compute-1" if trouble else "")
    assert bool(told) is trouble


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        (steps.ForceDown(DEAD), [("set_forced_down", SERVICE, True)]),
        (steps.Unforce(DEAD), [("set_forced_down", SERVICE, False)]),
        (steps.Disable(DEAD), [("disable", SERVICE, "novaha: fenced, recovery fence-1")]),
        (steps.Enable(DEAD), [("enable", SERVICE)]),
        (steps.Drop(DEAD), [("drop", RECORD)]),
        (steps.Restart(DEAD), [("restart_compute", DEAD)]),
        (
            steps.Complete(DEAD, {"a": "is PAUSED"}),
            [("swap", RECORD, replace(RECORD, state=RecoveryState.RECOVERED))],
        ),
    ],
)
def test_what_each_step_asks_for(step: steps.Step, calls: list[tuple[Any, ...]]) -> None:
    rig = Rig()
    assert rig.execute(step) is StepResult.DONE
    assert rig.world.calls == calls
    assert rig.page.requests.view(NOW).restarted is isinstance(step, steps.Restart)


def test_of_a_host_that_nova_was_not_read_for_nova_is_told_nothing() -> None:
    rig = Rig()
    for step in (steps.ForceDown(DEAD), steps.Unforce(DEAD), steps.Disable(DEAD)):
        assert rig.execute(step, view(service=None)) is StepResult.DONE
    assert rig.world.calls == []


def test_law_1_a_host_that_has_lived_is_to_be_fenced_again() -> None:
    rig = Rig()
    rig.page.fencing.begin()
    assert rig.execute(steps.Doubt(DEAD, "it lives")) is StepResult.DONE
    name, old, new = rig.world.calls[0]
    assert (name, old) == ("swap", RECORD)
    assert (new.state, new.marks, new.owner) == (RecoveryState.PENDING, {"doubted"}, "")
    rig.execute(steps.Doubt(DEAD, "it lives"))
    ids = {call[2].fence_id for call in rig.world.calls}
    assert len(ids - {"", RECORD.fence_id}) == 2, "each fencing has its own"
    assert new.fenced == datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC), "records know no microseconds"
    assert not rig.page.fencing.requested


KEPT_OUT = "novaha: kept out, fenced 3 times"
OTHER = "novaha: another reason"


@pytest.mark.parametrize(
    ("reason", "service", "calls"),
    [
        (KEPT_OUT, SERVICE, [("disable", SERVICE, KEPT_OUT), ("swap", RECORD, RECORD.keep_out())]),
        (OTHER, SERVICE, [("disable", SERVICE, OTHER)]),
        (KEPT_OUT, None, []),
    ],
)
def test_a_host_is_kept_out_and_its_record_says_so(
    reason: str, service: Any, calls: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    rig = Rig(journal=tmp_path / "journal")
    assert rig.execute(steps.KeepOut(DEAD, reason), view(service=service)) is StepResult.DONE
    assert rig.world.calls == calls
    if calls:
        assert rig.written() == [{"event": "disable", "node": DEAD, "host": DEAD, "reason": reason}]


STEPPED = record(state=RecoveryState.PENDING, owner="", before={})
ADOPTED = replace(PENDING, marks=frozenset({"adopted"}))


@pytest.mark.parametrize(
    ("found", "owned_before", "waits"),
    [
        (PENDING, "", False),
        (STEPPED, "", True),
        (ADOPTED, "", True),
        (RECORD, "", True),
        (RECORD, "fence-0", False),
        (STEPPED, "fence-0", False),
        (PENDING, "fence-0", False),
    ],
)
def test_law_2_whose_requests_may_be_on_their_way_is_waited_for(
    found: Record, owned_before: str, waits: bool
) -> None:
    rig = Rig(owned="")
    know(rig.page, owned_fence_id=owned_before)
    assert rig.execute(steps.Claim(DEAD), view(record=found, mine=False)) is StepResult.DONE
    claimed = replace(found, state=RecoveryState.RUNNING, owner="me")
    assert rig.world.calls == [("swap", found, claimed)]
    requests = rig.page.requests
    assert requests.view(NOW).quiet_until == (NOW + 30 if waits else 0.0)
    assert requests.view(NOW).unanswered_at == (NOW if waits else NEVER)
    assert requests.owns("fence-1")
    assert requests.owned_at == NOW
    assert requests.is_untouched("fence-1") is (found is PENDING)


def test_law_2_a_claim_that_fails_claims_nothing() -> None:
    rig = Rig(World(errors={"swap": RecordConflictError(DEAD)}), owned="")
    assert rig.execute(steps.Claim(DEAD), view(record=PENDING)) is StepResult.OUTDATED
    prepare = steps.Prepare(DEAD, frozenset(), {}, force_down=True, claim=True)
    assert rig.execute(prepare, view(record=PENDING)) is StepResult.OUTDATED
    assert [call[0] for call in rig.world.calls] == ["swap", "swap"], "Nova is told nothing"
    assert known(rig.page) == known(page())
    rig.execute(evacuate())
    assert rig.page.requests.view(NOW).attempts["a"].outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("claim", [True, False])
@pytest.mark.parametrize("force_down", [True, False])
def test_law_1_what_is_noted_before_nova_is_told(claim: bool, force_down: bool) -> None:
    rig = Rig(owned="" if claim else "fence-1")
    found = PENDING if claim else record(before=None, marks=frozenset(), owner="as read")
    step = steps.Prepare(DEAD, frozenset({"forced"}), {"a": "stopped"}, force_down, claim)
    assert rig.execute(step, view(record=found)) is StepResult.DONE
    owner = "me" if claim else "as read"
    noted = record(before={"a": "stopped"}, marks=frozenset({"forced"}), owner=owner)
    told = [("set_forced_down", SERVICE, True)] * force_down
    assert rig.world.calls == [("swap", found, noted), *told]
    assert rig.page.requests.owns("fence-1") is claim
    rig.execute(evacuate())
    assert rig.page.requests.view(NOW).attempts["a"].outcome is Outcome.ACCEPTED, (
        "it is owned from here on"
    )


INTERNAL = "internal error, see the log"


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (None, Outcome.ACCEPTED, ""),
        (CONFLICT, Outcome.NOT_SENT, "busy (HTTP 409)"),
        (RefusedError("x", 400, "no", final=True), Outcome.REFUSED, "no (HTTP 400)"),
        (TURNED_AWAY, Outcome.NOT_SENT, "too many requests"),
        (AWAY, Outcome.UNKNOWN, "timed out"),
        (KeyError("a mistake of ours"), Outcome.UNKNOWN, INTERNAL),
    ],
)
def test_law_2_what_came_of_a_request(
    error: Exception | None, outcome: Outcome, message: str
) -> None:
    rig = Rig(World(errors={"evacuate": error} if error else {}))
    assert rig.execute(evacuate()) is StepResult.DONE
    assert rig.world.calls == [("evacuate", "a", None)]
    assert rig.page.requests.view(NOW).attempts == {
        "a": Attempt(outcome, NOW, frozenset(), message)
    }


TRIED = {"migrations": (row(1, "error"),)}


@pytest.mark.parametrize(
    ("known", "from_the_start", "owned", "owned_at", "shown", "error", "calls", "message"),
    [
        ({}, "", "fence-1", NOW, None, None, [("evacuate", "a", None)], ""),
        ({}, "", "", NOW, None, None, [], "the record was not read lately"),
        ({}, "", "fence-2", NOW, None, None, [], "the record was not read lately"),
        ({}, "", "fence-1", NOW - 15, None, None, [], "the record was not read lately"),
        ({}, "", "fence-1", NOW - 14.9, None, None, [("evacuate", "a", None)], ""),
        (TRIED, "fence-1", "fence-1", NOW, None, None, [("evacuate", "a", ALIVE)], ""),
        (TRIED, "fence-0", "fence-1", NOW, instance(), None, [("instance", "a"), ("evacuate", "a", ALIVE)], ""),
        (TRIED, "", "fence-1", NOW, instance(), None, [("instance", "a"), ("evacuate", "a", ALIVE)], ""),
        (TRIED, "", "fence-2", NOW, instance(), None, [], "the record was not read lately"),
        (TRIED, "", "fence-1", NOW, None, None, [("instance", "a")], "it was deleted meanwhile"),
        (TRIED, "", "fence-1", NOW, instance(host=ALIVE), None, [("instance", "a")], "it is on compute-2 by now"),
        (TRIED, "", "fence-1", NOW, instance(task_state="rebuilding"), None, [("instance", "a")], "rebuilding"),
        (TRIED, "", "fence-1", NOW, instance(), AWAY, [("instance", "a")], "not asked for again unread: x: timed out"),
    ],
)  # fmt: skip
def test_law_2_what_is_looked_at_once_more_before_a_request_goes_out(
    known: dict[str, Any],
    from_the_start: str,
    owned: str,
    owned_at: float,
    shown: Instance | None,
    error: Exception | None,
    calls: list[tuple[Any, ...]],
    message: str,
) -> None:
    world = World(errors={"instance": error} if error else {}, shown=shown)
    rig = Rig(world, owned=owned, owned_at=owned_at)
    know(rig.page, untouched_fence_id=from_the_start)
    seen = view(**known)
    assert rig.execute(evacuate(seen), seen) is StepResult.DONE
    assert world.calls == calls
    sent = calls[-1:] and calls[-1][0] == "evacuate"
    outcome = Outcome.ACCEPTED if sent else Outcome.NOT_SENT
    ids = frozenset(row.id for row in seen.inventory.migrations)
    assert rig.page.requests.view(NOW).attempts == {"a": Attempt(outcome, NOW, ids, message)}


def test_law_2_a_request_that_has_not_gone_out_yet_is_being_sent() -> None:
    """And what is known when it goes out counts, not what was known when it was begun."""
    pool = Later()
    rig = Rig(pool=pool)
    rig.execute(evacuate())
    assert rig.page.requests.view(NOW).attempts == {"a": Attempt(Outcome.SENDING, NOW, frozenset())}
    rig.execute(steps.Act(DEAD, "b", Action.STOP))
    assert rig.page.requests.view(NOW).others == {"b": OtherRequest(Action.STOP, NOW)}
    assert rig.world.calls == []
    rig.now += 15
    for send in pool.work:
        send()
    assert rig.world.calls == []
    assert rig.page.requests.view(NOW).attempts["a"].outcome is Outcome.NOT_SENT
    assert rig.page.requests.view(NOW).attempts["a"].at == NOW + 15
    assert rig.page.requests.view(NOW).others["b"] == OtherRequest(
        Action.STOP, NOW + 15, message="the record was not read lately"
    )


@pytest.mark.parametrize(
    ("action", "error", "message", "unanswered", "reset"),
    [
        (Action.RESET, None, "", False, False),
        (Action.RESET, CONFLICT, "x: busy (HTTP 409)", False, False),
        (Action.RESET, TURNED_AWAY, "x: too many requests", False, False),
        (Action.RESET, AWAY, "x: timed out", True, True),
        (Action.RESET, KeyError("ours"), "internal error on compute-1", True, True),
        (Action.STOP, None, "", False, False),
        (Action.STOP, AWAY, "x: timed out", False, False),
        (Action.STOP, KeyError("ours"), "internal error on compute-1", True, False),
    ],
)
def test_law_2_what_came_of_another_request(
    action: Action, error: Exception | None, message: str, unanswered: bool, reset: bool
) -> None:
    rig = Rig(World(errors={"act": error} if error else {}))
    assert rig.execute(steps.Act(DEAD, "a", action)) is StepResult.DONE
    assert rig.world.calls == [("act", "a", action)]
    last = rig.page.requests.view(NOW).others["a"]
    assert replace(last, message="") == OtherRequest(action, NOW, 1)
    assert last.message.startswith(message)
    assert bool(last.message) is bool(message)
    assert rig.page.requests.view(NOW).unanswered_at == (NOW if unanswered else NEVER)
    assert rig.page.requests.view(NOW).unanswered_resets == ({"a": NOW} if reset else {})
    assert bool(rig.page.take_trouble()) is isinstance(error, KeyError)


@pytest.mark.parametrize(("hosts", "most"), [(0, 0), (1, 0), (2, 1), (6, 3), (7, 3)])
def test_each_request_has_two_hosts_to_go_to(
    hosts: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []
    monkeypatch.setattr(Throttle, "limit", lambda _, most: limits.append(most))
    Rig().actor.spread(hosts)
    assert limits == [most]


def test_how_often_the_same_was_asked_for() -> None:
    rig = Rig()
    counts = []
    for action in (Action.STOP, Action.STOP, Action.STOP, Action.RESET, Action.STOP):
        rig.execute(steps.Act(DEAD, "a", action))
        counts.append(rig.page.requests.view(NOW).others["a"].count)
    assert counts == [1, 2, 3, 1, 1]


@pytest.mark.parametrize("owned", ["", "fence-2"])
def test_law_2_nothing_else_is_asked_for_by_one_that_may_be_superseded(owned: str) -> None:
    rig = Rig(owned=owned)
    rig.execute(steps.Act(DEAD, "a", Action.RESET))
    assert rig.world.calls == []
    assert rig.page.requests.view(NOW).others["a"].message == "the record was not read lately"


def test_what_was_never_read_is_not_fresh() -> None:
    world: Any = World()
    actor = Actor(world, world, world, Journal(None), "me", Inline(), lambda: 0.0, 30.0)
    host = page()
    actor.execute(evacuate(), view(), host)
    assert host.requests.view(NOW).attempts["a"].outcome is Outcome.NOT_SENT
    assert world.calls == []


@pytest.mark.parametrize("error", [None, AWAY, CONFLICT])
def test_a_disable_of_ours_that_was_left_is_undone(error: Exception | None) -> None:
    rig = Rig(World(errors={"enable": error} if error else {}))
    rig.actor.enable(SERVICE)
    assert rig.world.calls == [("enable", SERVICE)]


def test_what_is_kept_of_each_step(tmp_path: Path) -> None:
    """Names and fields of the journal are read by others: they do not change."""
    rig = Rig(journal=tmp_path / "journal")
    taken: list[tuple[steps.Step, HostView]] = [
        (steps.Claim(DEAD), view(record=replace(PENDING, owner="them"))),
        (steps.ForceDown(DEAD), view()),
        (steps.Disable(DEAD), view()),
        (evacuate(), view()),
        (steps.Act(DEAD, "a", Action.RESET), view()),
        (steps.Complete(DEAD, {"a": "is PAUSED"}), view()),
        (steps.Restart(DEAD), view()),
        (steps.Unforce(DEAD), view()),
        (steps.Enable(DEAD), view()),
        (steps.Drop(DEAD), view()),
        (steps.Doubt(DEAD, "it lives"), view()),
    ]
    for step, seen in taken:
        assert rig.execute(step, seen) is StepResult.DONE
    rig.actor.enable(SERVICE)
    rig.world.errors = {"evacuate": AWAY, "act": CONFLICT}
    rig.execute(evacuate())
    rig.execute(steps.Act(DEAD, "a", Action.HARD_REBOOT))
    host, one = {"node": DEAD, "host": DEAD}, {"node": DEAD, "instance": "a"}
    assert rig.written() == [
        {"event": "fenced", "node": DEAD, "fence_id": "fence-1", "at": "2026-01-01T00:00:00Z"},
        {"event": "claimed", "node": DEAD, "fence_id": "fence-1", "before": "them"},
        {"event": "forcedown", **host},
        {"event": "disable", **host},
        {"event": "requested", **one, "outcome": "accepted", "message": ""},
        {"event": "reset to error", **one, "message": ""},
        {"event": "recovered", "node": DEAD, "unmoved": {"a": "is PAUSED"}},
        {"event": "restart", "node": DEAD},
        {"event": "unforce", **host},
        {"event": "enable", **host},
        {"event": "returned", "node": DEAD},
        {"event": "doubted", "node": DEAD, "reason": "it lives"},
        {"event": "enable", "host": DEAD, "reason": "our disable had been left"},
        {"event": "requested", **one, "outcome": "unknown", "message": "timed out"},
        {"event": "hard reboot", **one, "message": "x: busy (HTTP 409)"},
    ]
