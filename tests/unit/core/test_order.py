"""In which order the steps of a turn are taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaha.core.model import Action
from novaha.core.order import in_order, is_busy, only_moves
from novaha.core.planner import plan
from novaha.core.recovery import RecoveryState
from novaha.core.steps import Act, Claim, Complete, Disable, ForceDown, Plan, Prepare, Step
from novaha.core.view import HostView
from tests.unit.core.situations import ALIVE, DEAD, NOW, OTHER, POLICY, instance, record, row, view
from tests.views import changed

NONE: frozenset[str] = frozenset()
PREPARE, FIRST = Prepare(OTHER, NONE, {}), Prepare(DEAD, NONE, {}, True, True)
RESET = Act(DEAD, "a", Action.RESET)


@pytest.mark.parametrize(
    ("steps", "behind", "taken"),
    [
        ([], [], ((), (), ())),
        ([Disable(DEAD), RESET], [], ((RESET,), (), (Disable(DEAD),))),
        (
            [Claim(DEAD), ForceDown(DEAD), Disable(DEAD)],
            [],
            ((), (), (Disable(DEAD), ForceDown(DEAD), Claim(DEAD))),
        ),
        (
            [Claim(ALIVE), FIRST, Complete(ALIVE, {}), Disable(ALIVE), PREPARE],
            [],
            ((), (PREPARE, Disable(ALIVE), Complete(ALIVE, {}), FIRST), (Claim(ALIVE),)),
        ),
        (
            [PREPARE, ForceDown(ALIVE), Claim(DEAD)],
            [OTHER],
            ((), (ForceDown(ALIVE), Claim(DEAD), PREPARE), ()),
        ),
        ([Disable(ALIVE), Disable(DEAD)], [], ((), (), (Disable(ALIVE), Disable(DEAD)))),
    ],
)
def test_what_is_begun_is_brought_to_its_end_before_more_is_begun(
    steps: list[Step], behind: list[str], taken: tuple[tuple[Step, ...], ...]
) -> None:
    found = in_order(Plan(tuple(steps), ()), behind)
    assert (found.requests, found.until_prepared, found.after) == taken


PENDING = view(record=record(state=RecoveryState.PENDING, before=None, owner=""), mine=False)
MOVING = view(migrations=(row(1, "accepted"),))


@pytest.mark.parametrize(
    ("seen", "only"),
    [
        (view(), True),
        (MOVING, True),
        (view(instances=()), False),
        (view(instances=(instance(), instance("b", problem="no state"))), False),
        (view(is_stale=True), False),
        (changed(PENDING, fence_confirmed=False), False),
        (changed(PENDING, instances=()), False),
    ],
)
def test_when_all_that_is_left_was_asked_for(seen: HostView, only: bool) -> None:
    assert only_moves(plan([seen], POLICY, NOW)) is only


def test_there_is_more_to_do_while_requests_or_hosts_wait() -> None:
    asked = plan([view()], POLICY, NOW)
    assert only_moves(asked)
    assert not only_moves(replace(asked, over_capacity=True))
    waiting = changed(PENDING, record=replace(PENDING.record, node=OTHER), fence_confirmed=False)
    beside = plan([view(owned_at=0.0), waiting], POLICY, NOW)
    assert beside.steps[:1] == asked.steps[:1]
    assert not beside.over_capacity
    assert not only_moves(beside)


def test_a_recovered_host_is_no_work_before_it_lives() -> None:
    over = view(record=record(state=RecoveryState.RECOVERED))
    assert not is_busy([])
    assert not is_busy([over])
    assert is_busy([changed(over, alive=True)])
    assert is_busy([over, view()])
    assert is_busy([PENDING])
