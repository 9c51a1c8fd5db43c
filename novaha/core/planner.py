"""What to do next: from what was seen to steps, as a pure function.

`plan()` is called on every turn with everything that was read since the last one. It returns the
steps to take now and a report for people. It keeps no state and knows no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from novaha.core import model
from novaha.core.instances import Judge, Judgement, state_before
from novaha.core.others import may_be_destination
from novaha.core.record import FORCED, Record
from novaha.core.recovery import Event, RecoveryState
from novaha.core.situation import HostView, Outcome, Overview, Policy
from novaha.core.steps import (
    FINAL,
    UNMOVED,
    Claim,
    Complete,
    Disable,
    Doubt,
    Drop,
    Enable,
    Evacuate,
    ForceDown,
    HostReport,
    InstanceReport,
    Plan,
    Prepare,
    Progress,
    Restart,
    Step,
    Unforce,
)
from novaha.core.text import word

_Wanted = tuple[bool, Evacuate]
"""A request, and whether its instance did not run: what did goes first."""

GATHER = 3.0
"""Seconds for which a recovery waits at most until Nova knows of the other dead hosts, too."""


def plan(
    views: Iterable[HostView],
    policy: Policy,
    now: float,
    room_since: float = float("-inf"),
) -> Plan:
    """The next steps for all flagged hosts.

    Invariants, whatever the views say:

    - Claim a `pending` host, by itself or with its Prepare, only when Pacemaker has confirmed its
      fencing and a power device took part in it; Evacuate only for a host whose record is
      `running`, owned by this evacuator and prepared, and whose service Nova shows as forced down;
      or `then`, when a Prepare has made it so (law 1);
    - at most one Evacuate per instance, none while a request or an evacuation of it may be under
      way, none to a second living host when it may be running on one, and never more than
      `max_in_flight` on the move in all; and none by an `aged` list (law 2);
    - Complete only when every instance is settled, excluded, refused or released, and no instance
      of another host was on its way here; and by no `aged` list (law 5);
    - nothing is asked for about a host whose record is in doubt (laws 1 and 2);
    - nothing else is asked for on a dead host by an `aged` list; where one leaves something to do,
      the host does not rest and is listed in the next turn;
    - Unforce, Enable and Drop only for a `recovered` host, and only what carries our mark
      (laws 4 and 6).

    now: monotonic seconds. room_since: when room for instances may last have appeared.
    """
    steps: list[Step] = []
    reports: list[HostReport] = []
    ended: set[str] = set()
    candidates: list[_Wanted] = []
    closable: list[tuple[HostView, HostReport]] = []
    under_way = 0
    wishes: dict[str, set[str]] = {}
    ordered = sorted(views, key=lambda view: (view.record.fenced, view.node))
    overview = _overview(ordered, room_since)
    untold = frozenset(view.node for view in ordered if _to_be_told(view))
    gathering = {view.node for view in ordered if _just_begun(view, now)}
    for view in ordered:
        if view.doubt:
            reports.append(_doubtful(view, steps))
            continue
        if view.record.state is RecoveryState.PENDING:
            report, wanted = _pending(view, Judge(view, overview, policy, now), policy, steps)
            reports.append(report)
            candidates += wanted
            continue
        if view.record.state is RecoveryState.RECOVERED:
            judge = Judge(view, overview, policy, now)
            certain = now >= view.unanswered_at + policy.answer_wait
            reports.append(_recovered(view, judge, steps, certain=certain))
            continue
        report, wanted = _running(view, Judge(view, overview, policy, now), policy, steps)
        reports.append(report)
        candidates += wanted
        if _may_rest(report, wanted):
            wishes[view.node] = {evacuate.instance for _, evacuate in wanted}
        under_way += sum(
            1
            for i in report.instances
            if i.progress is Progress.MOVING
            # What stands still may wait for just those that would have to wait for it.
            and view.unchanged_for.get(i.id, 0.0) < policy.lost_after
        )
        if not wanted and now >= view.quiet_until and _may_complete(view, report):
            closable.append((view, report))
    final = frozenset(i.id for r in reports for i in r.instances if i.progress in FINAL)
    open_: set[str] = set()
    for view, report in closable:
        if may_be_destination(view, ordered, final):
            open_.add(view.node)
            continue
        wishes.pop(view.node, None)
        ended.add(view.node)
        if view.settled_before and not view.aged:
            unmoved = {i.id: i.detail for i in report.instances if i.progress in UNMOVED}
            steps.append(Complete(view.node, unmoved))
    wished = len(candidates)
    preparing = {step.node for step in steps if isinstance(step, Prepare)}
    if untold - preparing:
        candidates = [c for c in candidates if c[1].node not in gathering]
    candidates.sort(key=lambda candidate: candidate[0])  # stable: shut off instances last
    room = max(0, policy.max_in_flight - under_way)
    aged = {view.node for view in ordered if view.aged}
    asked = [evacuate for _, evacuate in candidates[:room] if evacuate.node not in aged]
    # So many may be asked for now, and no more than all that may be under way in the next turn.
    far = {evacuate.instance for _, evacuate in candidates[room + policy.max_in_flight :]}
    last = preparing | gathering if preparing else preparing
    steps += [evacuate for evacuate in asked if evacuate.node not in last]
    then = tuple(evacuate for evacuate in asked if evacuate.node in last)
    busy = {evacuate.node for evacuate in asked} | (gathering if untold else set())
    steps += [Disable(v.node) for v in ordered if v.node not in busy and _to_disable(v)]
    later = open_ | {r.record.node for r in reports if _waits_for_others(r, far)}
    complied = {evacuate.instance for evacuate in asked}
    resting = {node for node, instances in wishes.items() if instances <= complied}
    return Plan(
        tuple(steps),
        tuple(reports),
        frozenset(ended),
        then,
        resting=frozenset(resting - later),
        later=frozenset(later),
        more=len(asked) < wished,
    )


def _to_be_told(view: HostView) -> bool:
    """Whether Nova does not know yet that this host is dead, and soon will.

    Until then its scheduler would send other hosts' instances there, to wait in the bus until
    the host is back or its own recovery finds them.
    """
    if view.problem or view.unproven or view.doubt or view.record.doubted:
        return False
    if view.record.state is RecoveryState.PENDING:
        return True
    running = view.record.state is RecoveryState.RUNNING and view.mine
    return running and view.service is not None and not view.service.forced_down


def _may_rest(report: HostReport, wanted: Collection[_Wanted]) -> bool:
    """Whether all that is left for now are requests to move, or what was asked to."""
    preparing = any(i.progress is Progress.PREPARING for i in report.instances)
    return bool(wanted or report.instances) and not preparing


def _waits_for_others(report: HostReport, far: Collection[str]) -> bool:
    """Whether something is left to do, and all of that is far behind in the queue."""
    left = [i.id for i in report.instances if i.progress not in FINAL]
    return bool(left) and all(instance in far for instance in left)


def _just_begun(view: HostView, now: float) -> bool:
    return view.record.state is RecoveryState.PENDING or now < view.owned_at + GATHER


def _overview(views: Iterable[HostView], room_since: float) -> Overview:
    dead = frozenset(
        view.host
        for view in views
        if view.host
        and view.record.state is RecoveryState.RUNNING
        and view.service is not None
        and view.service.forced_down
    )
    moving = [s for view in views for i, s in view.unchanged_for.items() if i not in view.moved]
    return Overview(dead, room_since, min(moving, default=0.0))


def _doubtful(view: HostView, steps: list[Step]) -> HostReport:
    """A record that came back says nothing about the host, which may be in service."""
    if view.record.state is RecoveryState.RECOVERED:
        steps.append(Drop(view.node))
        return HostReport(view.record, view.host, f"{view.doubt}: dropped")
    steps.append(Doubt(view.node, view.doubt))
    return HostReport(view.record, view.host, f"{view.doubt}: to be fenced again")


def _pending(
    view: HostView, judge: Judge, policy: Policy, steps: list[Step]
) -> tuple[HostReport, list[_Wanted]]:
    if view.problem:
        return HostReport(view.record, None, view.problem), []
    if view.unproven:
        return HostReport(view.record, None, f"not safe to evacuate: {view.unproven}"), []
    if not view.fence_confirmed:
        waiting = "waiting for Pacemaker to confirm the fencing"
        if view.record.unproven:
            waiting = "its fencing cut no power: waiting for another one"
        if view.record.doubted:
            waiting = "it has been in service since its fencing: waiting for another one"
        if view.fenced_on_request:
            waiting += (
                "; it was fenced once more already: see "
                f"`stonith_admin --history {word(view.node)} -V`"
            )
        return HostReport(view.record, None, waiting), []
    if view.service is not None and view.record.untouched:
        return _first(view, judge, policy, steps)
    steps.append(Claim(view.node))
    return HostReport(view.record, None, "fencing confirmed"), []


def _recovered(view: HostView, judge: Judge, steps: list[Step], *, certain: bool) -> HostReport:
    """certain: no request of ours about this host can be carried out any more."""
    left = [_as_left(i) for i in view.instances]

    def report(detail: str) -> HostReport:
        return HostReport(view.record, view.host, detail, tuple(left))

    service = view.service
    if view.problem or service is None:
        return report(view.problem or "recovered")
    if not view.alive:
        return report("recovered; waiting to hear from its nova-compute")
    unfinished = [m for m in view.migrations if m.status == model.DONE]
    ours_forced = service.forced_down and FORCED in view.record.marks
    newest = model.newest(view.migrations)
    older = bool(unfinished) and all(newest[m.instance] is not m for m in unfinished)
    if ours_forced and older and not view.restarted:
        # Asked for twice, an instance has two records; a start of nova-compute closes the newer.
        steps.append(Restart(view.node))
    if ours_forced and unfinished:
        return report(
            f"recovered; nova-compute has yet to close {len(unfinished)} finished evacuations"
        )
    if ours_forced:
        steps.append(Unforce(view.node))
        return report("returning to service")
    to_enable = model.disabled_by_us(service) or _disabled_by_older_agents(view.record, service)
    if not service.forced_down and (not service.up or (to_enable and not view.heard)):
        # Enabled before, it would stay hidden from the scheduler: Nova tells only a nova-compute
        # that it believes up. By a heartbeat of before its death it may cease to at any moment.
        return report("recovered; waiting for Nova to see its nova-compute up")
    if service.up:
        judged = [judge.left_behind(instance) for instance in view.instances]
        left = [judgement.report for judgement in judged]
        steps += [judgement.step for judgement in judged if judgement.step is not None]
        if any(i.progress not in FINAL for i in left):
            return report("bringing up what stayed on it")
    if to_enable:
        steps.append(Enable(view.node))
        return report("returning to service")
    if not certain:
        # Without the record nobody would undo a force-down that comes late.
        return report("back in service; Nova may yet do what it gave no answer to")
    steps.append(Drop(view.node))
    return report("back in service")


def _disabled_by_older_agents(record: Record, service: model.ComputeService) -> bool:
    """They give no reason; what has one is somebody else's (law 6)."""
    return record.adopted and not service.enabled and not service.disabled_reason


def _as_left(instance: model.Instance) -> InstanceReport:
    stays = f"stays here, {instance.vm_state}"
    if instance.problem:
        stays = f"cannot be read: {instance.problem}"
    return InstanceReport(instance.id, instance.name, Progress.REFUSED, instance.host, stays)


def _running(
    view: HostView, judge: Judge, policy: Policy, steps: list[Step]
) -> tuple[HostReport, list[_Wanted]]:
    if not view.mine:
        # Left by an owner that is gone; `running` proves that the fencing was confirmed.
        steps.append(Claim(view.node))
        return HostReport(view.record, None, "taking over"), []
    if view.problem or view.service is None:
        return HostReport(view.record, view.host, view.problem or "not read yet"), []
    if view.record.before is None:
        return _first(view, judge, policy, steps)
    if not view.service.forced_down:
        steps.append(ForceDown(view.node))
        return HostReport(view.record, view.host, "telling Nova"), []
    if unnoted := state_before(i for i in view.instances if judge.is_news(i)):
        # A list may have been short for a moment: nothing is asked for before it is noted.
        steps.append(Prepare(view.node, frozenset(), {**view.record.before, **unnoted}))
        return HostReport(view.record, view.host, "preparing"), []
    here = [judge.on_host(instance) for instance in view.instances]
    away = [judge.elsewhere(i, instance) for i, instance in view.moved.items()]
    ready = away if view.aged else here + away
    steps += [j.step for j in ready if j.step is not None and not isinstance(j.step, Evacuate)]
    judged = here + away
    if _comes_home(view, judged, policy):
        judged = [_released(judgement, view) for judgement in judged]
    wanted = [
        (_was_off(view, j.step.instance), j.step) for j in judged if isinstance(j.step, Evacuate)
    ]
    reports = tuple(judgement.report for judgement in judged)
    return HostReport(view.record, view.host, "recovering", reports), wanted


def _first(
    view: HostView, judge: Judge, policy: Policy, steps: list[Step]
) -> tuple[HostReport, list[_Wanted]]:
    """What comes before all requests, and those that may follow it at once."""
    assert view.service is not None
    claim = view.record.state is RecoveryState.PENDING
    force = not view.service.forced_down
    marks = frozenset({FORCED}) if force else frozenset()
    before = state_before(view.instances)
    steps.append(Prepare(view.node, marks, before, force, claim))
    claimed = view.record.after(Event.CLAIM) if claim else view.record
    prepared = replace(
        view,
        mine=True,
        record=claimed.prepared(marks, before),
        service=replace(view.service, forced_down=True),
    )
    _, wanted = _running(prepared, judge.of(prepared), policy, [])
    return HostReport(view.record, view.host, "preparing"), wanted


def _comes_home(view: HostView, judged: Iterable[Judgement], policy: Policy) -> bool:
    """Whether what is left can come up on the host that is back, and nowhere else."""
    open_ones = [j for j in judged if j.report.progress not in FINAL]
    return (
        view.online_for is not None
        and view.online_for >= policy.patience
        and bool(open_ones)
        and all(judgement.blocked for judgement in open_ones)
    )


def _released(judgement: Judgement, view: HostView) -> Judgement:
    if not judgement.blocked:
        return judgement
    report = judgement.report
    detail = f"found no place elsewhere, comes up on {view.host} again; {report.detail}"
    return Judgement(replace(report, progress=Progress.RELEASED, detail=detail))


def _to_disable(view: HostView) -> bool:
    """Only once it is forced down: Nova asks a nova-compute that it believes up, and waits.

    And after the evacuations: it matters only when the host is back.
    """
    service = view.service
    return (
        view.mine
        and not view.problem
        and view.record.state is RecoveryState.RUNNING
        and view.record.before is not None
        and service is not None
        and service.forced_down
        and service.enabled
        and not any(attempt.outcome is Outcome.SENDING for attempt in view.attempts.values())
    )


def _was_off(view: HostView, instance: str) -> bool:
    return (view.record.before or {}).get(instance, model.ACTIVE) != model.ACTIVE


def _may_complete(view: HostView, report: HostReport) -> bool:
    """Whether the host was read whole and nothing is left to do or to wait for."""
    judged = {i.id for i in report.instances}  # nobody, in a turn that only notes or prepares
    return (
        view.mine
        and not view.problem
        and view.record.before is not None
        and view.service is not None
        and view.service.forced_down
        and all(instance.id in judged for instance in view.instances)
        and all(i.progress in FINAL for i in report.instances)
    )
