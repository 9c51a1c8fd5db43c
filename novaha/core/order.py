"""In which order the steps of a turn are taken, and whether the next turn has time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from novaha.core.comeback import is_kept_out
from novaha.core.recovery import RecoveryState
from novaha.core.steps import FINAL, Act, Claim, Disable, Evacuate, Plan, Prepare, Progress, Step
from novaha.core.view import HostView


@dataclass(frozen=True, slots=True)
class Order:
    """The steps of a turn. requests: at once, they wait for nothing. until_prepared: what has to be
    done before the plan's `after_prepare`. after: the rest."""

    requests: tuple[Step, ...]
    until_prepared: tuple[Step, ...]
    after: tuple[Step, ...]


def in_order(decided: Plan, behind: Collection[str]) -> Order:
    """Requests first; what waits for an answer comes after them, hosts that are `behind` last.

    What is begun is brought to its end before more is begun.
    behind: nodes with which nothing has succeeded: they keep nobody else waiting.
    """
    requests = tuple(step for step in decided.steps if isinstance(step, Evacuate | Act))
    others = [step for step in decided.steps if not isinstance(step, Evacuate | Act)]
    others.sort(key=lambda step: (step.node in behind, _rank(step)))  # stable
    prepared = max((n for n, s in enumerate(others, 1) if isinstance(s, Prepare)), default=0)
    return Order(requests, tuple(others[:prepared]), tuple(others[prepared:]))


def only_moves(decided: Plan) -> bool:
    """Whether all that is left was asked for: nothing is to be done before it has come up."""
    begun = {step.node for step in decided.steps if isinstance(step, Prepare)}
    pending = {r.record.node for r in decided.reports if r.record.state is RecoveryState.PENDING}
    if decided.over_capacity or pending - begun:
        return False
    asked = {
        s.instance for s in (*decided.steps, *decided.after_prepare) if isinstance(s, Evacuate)
    }
    left = [i for report in decided.reports for i in report.instances if i.progress not in FINAL]
    moves = all(i.progress is Progress.MOVING or i.id in asked for i in left)
    return moves and bool(asked or left)


def is_busy(views: Iterable[HostView]) -> bool:
    """Whether anything is under way; hosts that wait to be switched on again are not."""
    return any(
        view.record.state is not RecoveryState.RECOVERED
        or (view.presence.alive and not is_kept_out(view))
        for view in views
    )


def _rank(step: Step) -> int:
    match step:
        case Prepare():
            return 3 if step.claim else 0
        case Disable():
            return 1
        case Claim():
            return 4
        case _:
            return 2
