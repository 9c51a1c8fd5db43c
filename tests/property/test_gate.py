"""The gate says Go only where the laws allow it, and nothing is asked for without it.

Of a host that is ready for it, each fact is changed with a chance of its own: the same hosts each
time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from novaha.core.answers import Code, Go, Wait
from novaha.core.case import Case, Sending, Turn
from novaha.core.gate import RECORD_FRESH, facts, may_evacuate
from novaha.core.model import EVACUABLE, IN_FLIGHT, EvacuationLog, Instance
from novaha.core.planner import plan
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, Failure, Outcome
from novaha.core.steps import Evacuate
from novaha.core.view import HostView
from tests.unit.core.situations import (
    ALIVE,
    DEAD,
    NOW,
    OTHER,
    POLICY,
    SERVICE,
    instance,
    overview,
    record,
    row,
    view,
)

COUNT = 3000
DEATHS = frozenset({DEAD, OTHER})
STATUSES = ("accepted", "done", "completed", "error", "error", "surprise")


def hosts() -> Iterator[HostView]:
    """Hosts of which most are almost ready for evacuations."""
    chance = random.Random(1)
    for _ in range(COUNT):
        yield view(**{k: make(chance) for k, make in _FACTS.items() if chance.random() < 0.15})


def _instances(chance: random.Random) -> tuple[Instance, ...]:
    states = (*sorted(EVACUABLE) * 3, "paused", "resized", "building", "deleted")
    tasks = (None, None, None, "rebuilding", "deleting", "powering-off")
    problem = chance.choice(("", "", "", "no state"))
    task = chance.choice(tasks)
    return (instance(vm_state=chance.choice(states), task_state=task, problem=problem),)


def _rows(chance: random.Random) -> tuple[Any, ...]:
    where = (ALIVE, OTHER, None)
    return tuple(
        row(n, chance.choice(STATUSES), chance.choice(where)) for n in range(chance.randint(1, 3))
    )


_FACTS: dict[str, Any] = {
    "record": lambda chance: record(
        state=chance.choice(list(RecoveryState)[1:]),
        before=chance.choice((None, {}, {"a": "paused"})),
    ),
    "mine": lambda _: False,
    "fence_confirmed": lambda _: False,
    "unproven": lambda _: "no device",
    "doubt": lambda _: "it lives",
    "problem": lambda _: "Nova is away",
    "service": lambda chance: chance.choice((None, replace(SERVICE, forced_down=False))),
    "instances": _instances,
    "migrations": _rows,
    "is_stale": lambda _: True,
    "quiet_until": lambda chance: NOW + chance.choice((-1.0, 0.0, 1.0)),
    "attempts": lambda chance: {
        "a": Attempt(chance.choice(list(Outcome)), NOW - chance.choice((1.0, 50.0, 500.0)))
    },
    "failures": lambda chance: {"a": Failure(chance.randint(1, 6), NOW - chance.choice((1, 99)))},
    "unchanged_for": lambda chance: {"a": chance.choice((5.0, 50.0, 5000.0))},
    "logs": lambda chance: {"a": EvacuationLog(over=chance.random() < 0.5)},
    "receivers": lambda chance: {"a": chance.choice((ALIVE, OTHER))},
}


def asked() -> Iterator[tuple[HostView, Case, object]]:
    """What the gate answers of each instance by itself."""
    for host in hosts():
        known = facts(host, overview(dead=DEATHS), POLICY, NOW)
        for found in host.inventory.instances:
            yield host, Case(known, found), may_evacuate(Case(known, found))


def test_laws_1_and_2_the_gate_lets_nothing_go_that_may_not() -> None:
    went = 0
    for host, case, answer in asked():
        if not isinstance(answer, Go):
            continue
        went += 1
        assert not host.standing.doubt
        assert not host.problem
        assert host.record.state is RecoveryState.RUNNING
        assert host.standing.mine
        assert host.record.before is not None
        assert host.presence.service is not None
        assert host.presence.service.forced_down
        assert host.requests.quiet_until <= NOW
        assert case.instance.vm_state in EVACUABLE
        assert case.instance.task_state != "deleting"
        attempt = host.requests.attempts.get(case.id)
        assert attempt is None or attempt.outcome is not Outcome.SENDING
        newest = max(host.inventory.migrations, key=lambda m: m.id, default=None)
        if newest is not None and newest.status in IN_FLIGHT and newest.destination == ALIVE:
            assert answer.target == ALIVE
            over = case.id in host.evacuations.logs and host.evacuations.logs[case.id].over
            assert over or host.evacuations.unchanged_for.get(case.id, 0.0) >= POLICY.stuck_after
    assert COUNT / 10 < went < COUNT * 9 / 10


def test_law_2_every_request_has_passed_the_gate_and_passes_it_again() -> None:
    requests = 0
    for host in hosts():
        decided = plan([host], POLICY, NOW)
        for step in (*decided.steps, *decided.after_prepare):
            if not isinstance(step, Evacuate):
                continue
            requests += 1
            fence_id = step.case.facts.view.record.fence_id
            fresh = Sending(fence_id, 0.0)
            answer = may_evacuate(step.case, sending=fresh)
            assert isinstance(answer, Go)
            assert (step.instance, step.target) == (step.case.id, answer.target)
            assert step.seen == {
                m.id for m in host.inventory.migrations if m.instance == step.instance
            }
            for stale in (Sending("", 0.0), Sending(fence_id, RECORD_FRESH)):
                assert may_evacuate(step.case, sending=stale) == Wait(Code.RECORD_NOT_FRESH)
            moved = Case(step.case.facts, replace(step.case.instance, host=ALIVE))
            read_again = replace(fresh, read_again=True)
            assert may_evacuate(moved, sending=read_again) == Wait(Code.MOVED, {"host": ALIVE})
    assert COUNT / 10 < requests < COUNT


def test_law_2_a_turn_lets_nothing_go_that_does_not_go_by_itself() -> None:
    for host, case, by_itself in asked():
        for full in (Turn(False, 1, 1), Turn(False, 2, 1), Turn(True, 0, 9)):
            assert not isinstance(may_evacuate(case, full), Go)
        in_turn = may_evacuate(case, Turn(False, 0, 1))
        if isinstance(by_itself, Go) and host.inventory.is_stale:
            assert in_turn == Wait(Code.LIST_TOO_OLD)
        else:
            assert in_turn == by_itself
