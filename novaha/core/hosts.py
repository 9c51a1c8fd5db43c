"""What is to be done about one host in recovery: a function for each recovery state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from novaha.core import comeback, gate, model
from novaha.core.answers import Code, Never, Wait
from novaha.core.case import state_before
from novaha.core.instances import Judge, Judgement, as_left
from novaha.core.reasons import Reason, Stand
from novaha.core.record import FORCED
from novaha.core.recovery import Event, RecoveryState
from novaha.core.sentences import sentence
from novaha.core.situation import Overview, Policy
from novaha.core.steps import (
    FINAL,
    Claim,
    Doubt,
    Drop,
    Enable,
    Evacuate,
    ForceDown,
    HostReport,
    InstanceReport,
    KeepOut,
    Prepare,
    Progress,
    Restart,
    Step,
    Unforce,
)
from novaha.core.text import word
from novaha.core.treatment import to_be_stopped
from novaha.core.view import HostView


@dataclass(frozen=True, slots=True)
class Decision:
    """One host: its report for people, the steps to take now, and the evacuations that may be
    asked for as soon as they have their turn."""

    report: HostReport
    steps: tuple[Step, ...] = ()
    wanted: tuple[Evacuate, ...] = ()


def decide(view: HostView, overview: Overview, policy: Policy, now: float) -> Decision:
    """What is to be done about this host; see `planner.plan` for what always holds."""
    judge = Judge(view, overview, policy, now)
    if view.record.state is not RecoveryState.RECOVERED:
        return _dead(view, judge, policy)
    if view.standing.doubt:
        return _of(view, f"{view.standing.doubt}: dropped", Drop(view.node))
    certain = now >= view.requests.unanswered_at + policy.answer_wait
    return _recovered(view, judge, policy, certain=certain)


def _of(view: HostView, detail: str, *steps: Step) -> Decision:
    return Decision(HostReport(view.record, view.host, detail), steps)


def _dead(view: HostView, judge: Judge, policy: Policy) -> Decision:
    """A host whose recovery is not over: first what the gate asks for, then its instances."""
    held = judge.held
    if held is None:
        return _recovering(view, judge, policy)
    if held.code is Code.NOT_PREPARED:
        return _prepared(view, judge, policy)
    named = view if _is_named(view, held) else replace(view, host=None)
    steps = [_OPENS[held.code](view, policy)] if held.code in _OPENS else []
    return _of(named, sentence(held), *steps)


def _is_named(view: HostView, held: Wait | Never) -> bool:
    """Whether people are told what Nova calls the host: only once it is ours, or in doubt."""
    ours = view.record.state is RecoveryState.RUNNING and view.standing.mine
    return ours or held.code is Code.RECORD_IN_DOUBT


_OPENS: Mapping[Code, Callable[[HostView, Policy], Step]] = {
    # A record that came back says nothing about the host: the host may be in service.
    Code.RECORD_IN_DOUBT: lambda view, _: Doubt(view.node, view.standing.doubt),
    Code.NOT_CLAIMED: lambda view, _: Claim(view.node),
    # Left by an owner that is gone; `running` proves that the fencing was confirmed.
    Code.OWNED_BY_ANOTHER: lambda view, _: Claim(view.node),
    Code.NOT_FORCED_DOWN: lambda view, _: ForceDown(view.node),
    # A list may have been short for a moment: nothing is asked for before it is noted.
    Code.STATES_NOT_NOTED: lambda view, policy: Prepare(
        view.node, frozenset(), {**(view.record.before or {}), **gate.not_noted(view, policy.rules)}
    ),
}
"""The step that ends what the gate waits for. Where there is none, it does not depend on us."""


def _prepared(view: HostView, judge: Judge, policy: Policy) -> Decision:
    """What comes before all requests, and those that may follow it at once."""
    assert view.presence.service is not None
    claim = view.record.state is RecoveryState.PENDING
    force = not view.presence.service.forced_down
    marks = frozenset({FORCED}) if force else frozenset()
    before = state_before(view.inventory.instances)
    before |= to_be_stopped(view, policy.rules)
    claimed = view.record.after(Event.CLAIM) if claim else view.record
    prepared = replace(
        view,
        record=claimed.prepared(marks, before),
        standing=replace(view.standing, mine=True),
        presence=replace(view.presence, service=replace(view.presence.service, forced_down=True)),
    )
    follows = _dead(prepared, judge.of(prepared), policy)
    step = Prepare(view.node, marks, before, force, claim)
    return replace(_of(view, "preparing", step), wanted=follows.wanted)


def _recovering(view: HostView, judge: Judge, policy: Policy) -> Decision:
    """A host about whose instances something may be asked for."""
    here = [judge.on_host(instance) for instance in view.inventory.instances]
    away = [judge.elsewhere(i, instance) for i, instance in view.inventory.moved.items()]
    ready = away if view.inventory.is_stale else here + away
    steps = [j.step for j in ready if j.step is not None and not isinstance(j.step, Evacuate)]
    judged = here + away
    if _comes_home(view, judged, policy):
        judged = [_released(judgement, view) for judgement in judged]
    wanted = tuple(j.step for j in judged if isinstance(j.step, Evacuate))
    reports = tuple(judgement.report for judgement in judged)
    return Decision(HostReport(view.record, view.host, "recovering", reports), tuple(steps), wanted)


def _comes_home(view: HostView, judged: Iterable[Judgement], policy: Policy) -> bool:
    """Whether what is left can come up on the host that is back, and nowhere else."""
    open_ones = [j for j in judged if j.report.progress not in FINAL]
    return (
        view.presence.online_for is not None
        and view.presence.online_for >= policy.patience
        and bool(open_ones)
        and all(judgement.blocked for judgement in open_ones)
    )


def _released(judgement: Judgement, view: HostView) -> Judgement:
    if not judgement.blocked:
        return judgement
    report = judgement.report
    home = Reason(Stand.COMES_HOME, {"host": str(view.host)}, after=report.reason)
    return Judgement(replace(report, progress=Progress.RELEASED, reason=home))


def _recovered(view: HostView, judge: Judge, policy: Policy, *, certain: bool) -> Decision:
    """A host on its way back into service, by the first of these that has something to do.

    certain: no request of ours about this host can be carried out any more.
    """
    left = tuple(as_left(i) for i in view.inventory.instances)
    service = view.presence.service
    if view.problem or service is None:
        return _with(left, _of(view, view.problem or "recovered"))
    if not view.presence.alive:
        kept = service.up and comeback.is_kept_out(view)
        said = _kept_out(view) if kept else "recovered; waiting to hear from its nova-compute"
        return _with(left, _of(view, said))
    if reason := comeback.keep_out_for(view, policy):
        # Before Nova is told that it may be up: nothing is sent to it in between.
        return _with(left, _of(view, "recovered; to be kept out", KeepOut(view.node, reason)))
    if service.forced_down and FORCED in view.record.marks:
        return _with(left, _ours_forced_down(view, service, policy))
    return _up_again(view, service, left, judge, policy, certain=certain)


def _kept_out(view: HostView) -> str:
    return (
        f"kept out of service: {comeback.why_kept_out(view)}; "
        f"`novaha release {word(view.node)}` lets it in"
    )


def _with(left: tuple[InstanceReport, ...], decision: Decision) -> Decision:
    return replace(decision, report=replace(decision.report, instances=left))


def _ours_forced_down(view: HostView, service: model.ComputeService, policy: Policy) -> Decision:
    if service.enabled and policy.return_after > 0:
        # Our disable never got through, and without it Nova would use the host at once.
        step = KeepOut(view.node, model.disable_reason(view.record.fence_id))
        return _of(view, "returning to service", step)
    unfinished = [m for m in view.inventory.migrations if m.status == model.DONE]
    if not unfinished:
        return _of(view, "returning to service", Unforce(view.node))
    newest = model.newest(view.inventory.migrations)
    older = all(newest[m.instance] is not m for m in unfinished)
    # Asked for twice, an instance has two records; a start of nova-compute closes the newer.
    steps = [Restart(view.node)] if older and not view.requests.restarted else []
    said = f"recovered; nova-compute has yet to close {len(unfinished)} finished evacuations"
    return _of(view, said, *steps)


def _up_again(
    view: HostView,
    service: model.ComputeService,
    left: tuple[InstanceReport, ...],
    judge: Judge,
    policy: Policy,
    *,
    certain: bool,
) -> Decision:
    """A host that Nova may believe up: its instances, then the disable, then the record."""
    to_enable = model.disabled_by_us(service) or comeback.disabled_by_older_agents(view)
    if not service.forced_down and (
        not service.up or (to_enable and not view.presence.heartbeat_since_unforce)
    ):
        # Enabled before, it would stay hidden from the scheduler: Nova tells only a nova-compute
        # that it believes up, and it may believe so only by a heartbeat from before the death.
        return _with(left, _of(view, "recovered; waiting for Nova to see its nova-compute up"))
    steps: list[Step] = []
    if service.up:
        judged = [judge.left_behind(instance) for instance in view.inventory.instances]
        left = tuple(judgement.report for judgement in judged)
        steps += [judgement.step for judgement in judged if judgement.step is not None]
    if any(i.progress not in FINAL for i in left):
        return _with(left, _of(view, "bringing up what stayed on it", *steps))
    if comeback.is_kept_out(view):
        return _with(left, _of(view, _kept_out(view), *steps))
    if to_enable and not comeback.is_stable(view, policy):
        said = (
            f"returning to service when its nova-compute has been up for {policy.return_after:g} s"
        )
        return _with(left, _of(view, said, *steps))
    if to_enable:
        return _with(left, _of(view, "returning to service", *steps, Enable(view.node)))
    if not certain:
        # Without the record nobody would undo a force-down that comes late.
        said = "back in service; Nova may yet do what it gave no answer to"
        return _with(left, _of(view, said, *steps))
    return _with(left, _of(view, "back in service", *steps, Drop(view.node)))
