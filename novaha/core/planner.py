"""What to do next: from what was seen to steps, as a pure function.

`plan()` is called on every turn with everything that was read since the last one. It returns the
steps to take now and a report for people. It keeps no state and knows no clock.
"""

from __future__ import annotations

from collections.abc import Iterable

from novaha.core import model
from novaha.core.model import Instance, Migration
from novaha.core.record import FORCED
from novaha.core.recovery import RecoveryState
from novaha.core.situation import HostView, Outcome, Policy
from novaha.core.steps import (
    FINAL,
    UNMOVED,
    Claim,
    Complete,
    Disable,
    Drop,
    Enable,
    Evacuate,
    ForceDown,
    HostReport,
    InstanceReport,
    Plan,
    Prepare,
    Progress,
    Step,
    Stop,
    Unforce,
)


def plan(views: Iterable[HostView], policy: Policy, now: float) -> Plan:
    """The next steps for all flagged hosts.

    Invariants, whatever the views say:

    - Evacuate only for a host whose record is `running`, owned by this evacuator and prepared
      (it was claimed, so Pacemaker had confirmed the fencing), and whose service Nova shows as
      forced down (law 1);
    - at most one Evacuate per instance, none while a request or an evacuation of it may be under
      way, and never more than `max_in_flight` under way in all (law 2);
    - Complete only when every instance is settled, excluded or refused, and no instance of
      another host was on its way here (law 5);
    - Unforce, Enable and Drop only for a `recovered` host, and only what carries our mark
      (laws 4 and 6).

    now: monotonic seconds.
    """
    steps: list[Step] = []
    reports: list[HostReport] = []
    ended: set[str] = set()
    candidates: list[tuple[bool, Evacuate]] = []
    under_way = 0
    ordered = sorted(views, key=lambda view: (view.record.fenced, view.node))
    claimed = _hosts_in_recovery(ordered)
    for view in ordered:
        if view.record.state is RecoveryState.PENDING:
            reports.append(_pending(view, steps))
            continue
        if view.record.state is RecoveryState.RECOVERED:
            reports.append(_recovered(view, steps))
            continue
        report, wanted = _running(view, policy, now, claimed, steps)
        reports.append(report)
        candidates += wanted
        under_way += sum(1 for i in report.instances if i.progress is Progress.MOVING)
        if wanted or not _may_complete(view, report) or _may_be_destination(view, ordered):
            continue
        ended.add(view.node)
        if view.settled_before:
            unmoved = {i.id: i.detail for i in report.instances if i.progress in UNMOVED}
            steps.append(Complete(view.node, unmoved))
    candidates.sort(key=lambda candidate: candidate[0])  # stable: shut off instances last
    room = max(0, policy.max_in_flight - under_way)
    steps += [evacuate for _, evacuate in candidates[:room]]
    steps += [Disable(view.node) for view in ordered if _to_disable(view)]
    return Plan(tuple(steps), tuple(reports), frozenset(ended))


def _hosts_in_recovery(views: Iterable[HostView]) -> frozenset[str]:
    """Nova's names of the hosts that are certainly dead: fenced, confirmed and forced down."""
    return frozenset(
        view.host
        for view in views
        if view.host
        and view.record.state is RecoveryState.RUNNING
        and view.service is not None
        and view.service.forced_down
    )


def _may_be_destination(view: HostView, views: Iterable[HostView]) -> bool:
    """Whether another host's instances may have been on their way here when this host died.

    They are asked for anew because this host is in recovery; closing it would hide that their
    evacuation died with it.
    """
    for other in views:
        if other.node == view.node or other.record.before is None:
            continue
        if other.record.state is RecoveryState.RECOVERED:
            continue
        unread = other.record.state is RecoveryState.PENDING or not other.mine or other.problem
        newest = model.newest(other.migrations).values()
        if unread or any(
            m.destination == view.host and m.status in model.IN_FLIGHT for m in newest
        ):
            return True
    return False


def _pending(view: HostView, steps: list[Step]) -> HostReport:
    if view.problem:
        return HostReport(view.record, None, view.problem)
    if not view.fence_confirmed:
        waiting = "waiting for Pacemaker to confirm the fencing"
        if view.fenced_on_request:
            waiting += "; it was fenced once more already: see `stonith_admin --history NODE -V`"
        return HostReport(view.record, None, waiting)
    steps.append(Claim(view.node))
    return HostReport(view.record, None, "fencing confirmed")


def _recovered(view: HostView, steps: list[Step]) -> HostReport:
    def report(detail: str) -> HostReport:
        left = tuple(
            InstanceReport(i.id, i.name, Progress.REFUSED, i.host, f"stays here, {i.vm_state}")
            for i in view.instances
        )
        return HostReport(view.record, view.host, detail, left)

    service = view.service
    if view.problem or service is None:
        return report(view.problem or "recovered")
    ours_forced = service.forced_down and FORCED in view.record.marks
    if not view.alive:
        return report("recovered; waiting to hear from its nova-compute")
    unfinished = [
        m
        for m in model.newest(view.migrations).values()
        if m.status in model.IN_FLIGHT or m.status == model.DONE
    ]
    if ours_forced and unfinished:
        return report(
            f"recovered; nova-compute has yet to close {len(unfinished)} finished evacuations"
        )
    if ours_forced:
        steps.append(Unforce(view.node))
        return report("returning to service")
    if not service.up and not service.forced_down:
        # Enabled before, it would stay hidden from the scheduler: Nova tells only a nova-compute
        # that it believes up.
        return report("recovered; waiting for Nova to see its nova-compute up")
    if model.disabled_by_us(service):
        steps.append(Enable(view.node))
        return report("returning to service")
    steps.append(Drop(view.node))
    return report("back in service")


def _running(
    view: HostView, policy: Policy, now: float, dead: frozenset[str], steps: list[Step]
) -> tuple[HostReport, list[tuple[bool, Evacuate]]]:
    if not view.mine:
        # Left by an owner that is gone; `running` proves that the fencing was confirmed.
        steps.append(Claim(view.node))
        return HostReport(view.record, None, "taking over"), []
    if view.problem or view.service is None:
        return HostReport(view.record, view.host, view.problem or "not read yet"), []
    if view.record.before is None:
        steps.append(_prepare(view))
        return HostReport(view.record, view.host, "preparing"), []
    if not view.service.forced_down:
        steps.append(ForceDown(view.node))
        return HostReport(view.record, view.host, "telling Nova"), []
    reports: list[InstanceReport] = []
    wanted: list[tuple[bool, Evacuate]] = []
    newest = model.newest(view.migrations)
    for instance in view.instances:
        report = _on_host(instance, newest.get(instance.id), view, policy, now, dead)
        if report.progress is Progress.WAITING and not report.detail:
            was_stopped = _was_stopped(view, instance.id)
            seen = frozenset(m.id for m in view.migrations if m.instance == instance.id)
            wanted.append((was_stopped, Evacuate(view.node, instance.id, seen)))
        reports.append(report)
    for instance_id, moved in view.moved.items():
        report = _elsewhere(instance_id, moved, newest.get(instance_id), view, policy, now)
        if report.progress is Progress.STOPPING and not report.detail:
            steps.append(Stop(view.node, instance_id))
        reports.append(report)
    return HostReport(view.record, view.host, "recovering", tuple(reports)), wanted


def _to_disable(view: HostView) -> bool:
    """Only once it is forced down: Nova asks a nova-compute that it believes up, and waits."""
    service = view.service
    return (
        view.mine
        and not view.problem
        and view.record.state is RecoveryState.RUNNING
        and view.record.before is not None
        and service is not None
        and service.forced_down
        and service.enabled
    )


def _prepare(view: HostView) -> Prepare:
    assert view.service is not None
    before = {
        instance.id: model.STOPPED
        for instance in view.instances
        if instance.vm_state == model.STOPPED
        or (instance.vm_state == "error" and instance.power_state == model.POWER_SHUTDOWN)
    }
    marks = frozenset() if view.service.forced_down else frozenset({FORCED})
    return Prepare(view.node, marks, before)


def _was_stopped(view: HostView, instance: str) -> bool:
    return (view.record.before or {}).get(instance) == model.STOPPED


def _on_host(
    instance: Instance,
    newest: Migration | None,
    view: HostView,
    policy: Policy,
    now: float,
    dead: frozenset[str],
) -> InstanceReport:
    """Where an instance stands that Nova still shows on the dead host.

    WAITING without a detail means: evacuate it now.
    """

    def report(progress: Progress, detail: str = "", where: str = "") -> InstanceReport:
        return InstanceReport(instance.id, instance.name, progress, where, detail)

    attempt = view.attempts.get(instance.id)
    going = newest is not None and newest.status in (*model.IN_FLIGHT, model.DONE)
    if newest is not None and newest.status != model.DONE and newest.destination in dead:
        going = False  # it died with its destination
    elif instance.task_state in model.REBUILDING:
        going = True
    if instance.vm_state in model.GOING_AWAY or instance.task_state == "deleting":
        return report(Progress.EXCLUDED, "is being deleted")
    if attempt is not None and attempt.outcome is Outcome.SENDING:
        return report(Progress.MOVING, "request under way")
    if going:
        where = (newest.destination or "") if newest else ""
        return report(Progress.MOVING, instance.task_state or "", where)
    untraced = attempt is not None and (newest is None or newest.id in attempt.seen)
    if attempt is not None and untraced:
        if attempt.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            if now < attempt.at + policy.answer_wait:
                return report(Progress.MOVING, "requested, not yet to be seen in Nova")
        elif attempt.outcome is Outcome.REFUSED:
            return report(Progress.REFUSED, attempt.message)
        elif now < attempt.at + policy.retry_base:
            return report(Progress.WAITING, attempt.message)
    if instance.vm_state not in model.EVACUABLE:
        return report(
            Progress.REFUSED, f"Nova evacuates no instance that is {instance.vm_state.upper()}"
        )
    if now < view.quiet_until:
        return report(Progress.WAITING, "the evacuator before may have asked already")
    failure = view.failures.get(instance.id)
    if failure is not None:
        pause = min(policy.retry_cap, policy.retry_base * 2 ** (failure.count - 1))
        if now < failure.at + pause:
            fault = instance.fault or "the evacuation failed"
            return report(Progress.WAITING, f"try {failure.count} failed: {fault}")
    return report(Progress.WAITING)


def _elsewhere(
    instance_id: str,
    instance: Instance | None,
    newest: Migration | None,
    view: HostView,
    policy: Policy,
    now: float,
) -> InstanceReport:
    """Where an instance stands that Nova no longer shows on the dead host.

    STOPPING without a detail means: stop it now.
    """
    if instance is None:
        return InstanceReport(instance_id, "", Progress.SETTLED, "", "deleted meanwhile")

    def report(progress: Progress, detail: str = "") -> InstanceReport:
        return InstanceReport(instance_id, instance.name, progress, instance.host, detail)

    if instance.task_state in model.REBUILDING:
        return report(Progress.MOVING, instance.task_state or "")
    if newest is not None and newest.status in model.IN_FLIGHT:
        return report(Progress.MOVING, newest.status)
    if not _was_stopped(view, instance_id) or instance.vm_state != "active":
        return report(Progress.SETTLED, instance.vm_state)
    # Nova boots what it evacuates, and stops it afterwards if it knows that it had been stopped.
    if instance.task_state is not None:
        return report(Progress.STOPPING, instance.task_state)
    attempt = view.stops.get(instance_id)
    last = attempt.at if attempt else view.done_since.get(instance_id, now)
    if now < last + policy.stop_wait:
        return report(Progress.STOPPING, "is to be shut off as before")
    return report(Progress.STOPPING)


def _may_complete(view: HostView, report: HostReport) -> bool:
    """Whether the host was read whole and nothing is left to do or to wait for."""
    return (
        view.mine
        and not view.problem
        and view.record.before is not None
        and view.service is not None
        and view.service.forced_down
        and all(i.progress in FINAL for i in report.instances)
    )
