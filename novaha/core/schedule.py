"""Which hosts and instances come first: gathering, capacity, order, and what may rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from novaha.core import model
from novaha.core.answers import Go
from novaha.core.case import Turn
from novaha.core.gate import may_evacuate
from novaha.core.hosts import Decision
from novaha.core.others import may_be_destination
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Outcome, Overview, Policy
from novaha.core.steps import (
    FINAL,
    UNMOVED,
    Complete,
    Disable,
    Evacuate,
    HostReport,
    Prepare,
    Progress,
)
from novaha.core.treatment import priority
from novaha.core.view import HostView

GATHER = 3.0
"""Seconds for which a recovery waits at most until Nova knows of the other dead hosts, too."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Hosts of which nothing is left. ended: nothing at all. complete: to be written down now.
    open: done but for evacuations of other hosts that may have been on their way to them."""

    ended: frozenset[str]
    complete: tuple[Complete, ...]
    open: frozenset[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """The evacuations of one turn.

    now: to be asked for at once. after_prepare: when every Prepare has succeeded. wanted: all that
        could be asked for by themselves.
    beyond_next_turn: instances that will not have their turn in the next one either.
    """

    now: tuple[Evacuate, ...]
    after_prepare: tuple[Evacuate, ...]
    wanted: int
    beyond_next_turn: frozenset[str]

    @property
    def asked(self) -> tuple[Evacuate, ...]:
        return (*self.now, *self.after_prepare)


def overview(views: Iterable[HostView], room_since: float) -> Overview:
    """What concerns all hosts. room_since: when room may last have appeared somewhere."""
    views = list(views)
    dead = frozenset(
        view.host
        for view in views
        if view.host and view.record.state is RecoveryState.RUNNING and view.is_forced_down
    )
    moving = [
        seconds
        for view in views
        for instance, seconds in view.evacuations.unchanged_for.items()
        if instance not in view.inventory.moved
    ]
    return Overview(dead, room_since, min(moving, default=0.0))


def not_forced_down(view: HostView) -> bool:
    """Whether Nova does not know yet that this host is dead, and soon will.

    Until then its scheduler would send other hosts' instances there, to wait in the bus until
    the host is back or its own recovery finds them.
    """
    standing = view.standing
    if view.problem or standing.paused or standing.unproven or standing.doubt:
        return False
    if view.record.doubted:
        return False
    if view.record.state is RecoveryState.PENDING:
        return True
    return view.is_ours and view.presence.service is not None and not view.is_forced_down


def has_just_begun(view: HostView, now: float) -> bool:
    """Whether the recovery is so young that it waits for hosts that died at the same time."""
    return view.record.state is RecoveryState.PENDING or now < view.standing.owned_at + GATHER


def close(views: Sequence[HostView], decisions: Sequence[Decision], now: float) -> Closing:
    """Which hosts have come to their end (law 5)."""
    reports = [decision.report for decision in decisions]
    final = frozenset(i.id for r in reports for i in r.instances if i.progress in FINAL)
    ended, open_, complete = set(), set(), []
    for view, decision in zip(views, decisions, strict=True):
        if not _is_recovering(view) or decision.wanted or now < view.requests.quiet_until:
            continue
        if not _is_done(view, decision.report):
            continue
        if may_be_destination(view, views, final):
            open_.add(view.node)
            continue
        ended.add(view.node)
        if view.standing.settled_before and not view.inventory.is_stale:
            of_host = decision.report.instances
            unmoved = {i.id: i.detail for i in of_host if i.progress in UNMOVED}
            complete.append(Complete(view.node, unmoved))
    return Closing(frozenset(ended), tuple(complete), frozenset(open_))


def request(
    views: Sequence[HostView], decisions: Sequence[Decision], policy: Policy, now: float
) -> Batch:
    """The evacuations that may be asked for in this turn: by the policy's priority over all hosts;
    then first fenced, first served, but what did not run comes last."""
    preparing = {s.node for d in decisions for s in d.steps if isinstance(s, Prepare)}
    just_begun = {view.node for view in views if has_just_begun(view, now)}
    gathering = just_begun if _untold(views) - preparing else set()
    room = max(0, policy.max_in_flight - _under_way(views, decisions, policy))
    wanted = [evacuate for decision in decisions for evacuate in decision.wanted]
    queue: list[Evacuate] = []
    asked: list[Evacuate] = []
    for evacuate in sorted(wanted, key=_rank):  # stable
        turn = Turn(evacuate.node in gathering, len(queue), room)
        answer = may_evacuate(evacuate.case, turn)
        if not turn.gathering:
            queue.append(evacuate)
        if isinstance(answer, Go):
            asked.append(evacuate)
    last = preparing | just_begun if preparing else preparing
    return Batch(
        tuple(e for e in asked if e.node not in last),
        tuple(e for e in asked if e.node in last),
        len(wanted),
        frozenset(e.instance for e in queue[room + policy.max_in_flight :]),
    )


def disable(views: Sequence[HostView], requests: Batch, now: float) -> list[Disable]:
    """The services to disable now: after the evacuations, it matters only when a host is back."""
    busy = {evacuate.node for evacuate in requests.asked}
    if _untold(views):
        busy |= {view.node for view in views if has_just_begun(view, now)}
    return [Disable(v.node) for v in views if v.node not in busy and _to_disable(v)]


def defer(decisions: Iterable[Decision], requests: Batch) -> frozenset[str]:
    """The hosts for which nothing will be asked for in the next turn, because others come first."""
    return frozenset(
        decision.report.record.node
        for decision in decisions
        if _waits_for_others(decision.report, requests.beyond_next_turn)
    )


def rest(
    views: Iterable[HostView], decisions: Iterable[Decision], requests: Batch
) -> frozenset[str]:
    """The hosts of which all was asked for that there is to ask for now."""
    asked = {evacuate.instance for evacuate in requests.asked}
    return frozenset(
        view.node
        for view, decision in zip(views, decisions, strict=True)
        if _is_recovering(view)
        and _may_rest(decision)
        and {evacuate.instance for evacuate in decision.wanted} <= asked
    )


def _untold(views: Iterable[HostView]) -> set[str]:
    return {view.node for view in views if not_forced_down(view)}


def _is_recovering(view: HostView) -> bool:
    return view.record.state is RecoveryState.RUNNING and not view.standing.doubt


def _under_way(views: Iterable[HostView], decisions: Iterable[Decision], policy: Policy) -> int:
    """Evacuations that take one of the places that there are."""
    return sum(
        1
        for view, decision in zip(views, decisions, strict=True)
        for i in decision.report.instances
        if i.progress is Progress.MOVING
        # A stalled one takes none: what waits in the queue may be what it waits for.
        and view.evacuations.unchanged_for.get(i.id, 0.0) < policy.lost_after
    )


def _rank(evacuate: Evacuate) -> tuple[int, bool]:
    return -priority(evacuate.case), _did_not_run(evacuate)


def _did_not_run(evacuate: Evacuate) -> bool:
    before = evacuate.case.facts.view.record.before or {}
    return before.get(evacuate.instance, model.ACTIVE) != model.ACTIVE


def _may_rest(decision: Decision) -> bool:
    """Whether all that is left for now are requests to move, or what was asked to."""
    instances = decision.report.instances
    preparing = any(i.progress is Progress.PREPARING for i in instances)
    return bool(decision.wanted or instances) and not preparing


def _waits_for_others(report: HostReport, far: Collection[str]) -> bool:
    """Whether something is left to do, and all of that is far behind in the queue."""
    left = [i.id for i in report.instances if i.progress not in FINAL]
    return bool(left) and all(instance in far for instance in left)


def _to_disable(view: HostView) -> bool:
    """Only once it is forced down: Nova asks a nova-compute that it believes up, and waits."""
    service = view.presence.service
    return (
        view.is_ours
        and not view.problem
        and not view.standing.doubt
        and view.record.before is not None
        and service is not None
        and service.forced_down
        and service.enabled
        and not any(a.outcome is Outcome.SENDING for a in view.requests.attempts.values())
    )


def _is_done(view: HostView, report: HostReport) -> bool:
    """Whether the host was read whole and nothing is left to do or to wait for."""
    judged = {i.id for i in report.instances}  # nobody, in a turn that only notes or prepares
    return (
        view.standing.mine
        and not view.problem
        and view.record.before is not None
        and view.is_forced_down
        and all(instance.id in judged for instance in view.inventory.instances)
        and all(i.progress in FINAL for i in report.instances)
    )
