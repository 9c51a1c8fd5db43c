"""What is to be done about one instance of a host in recovery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from novaha.core import model
from novaha.core.faults import UNNAMED, Kind
from novaha.core.model import Action, EvacuationLog, Instance, Migration
from novaha.core.record import Record
from novaha.core.situation import HostView, Outcome, Overview, Policy
from novaha.core.steps import Act, Evacuate, InstanceReport, Progress, Step

_SAME_RECOVERY = timedelta(minutes=5)
"""By how much Nova's clock may be behind the cluster's."""

_ARRIVAL = 10.0
"""Seconds that the host field of a moved instance may take to follow (measured: 0.1)."""

_CONFIRMATION = 60.0
"""Seconds that the source of a resize gets to confirm it."""

_SAID = {
    Kind.KEY_REFUSED: "the key manager refused the destination",
    Kind.NO_RIGHTS: "another service refused the destination",
    Kind.NO_IMAGE: "its image is not to be had",
    Kind.BAD_VOLUME: "its volume cannot be attached",
    Kind.SERVICE_AWAY: "another service did not answer",
}
"""What people are told beside Nova's own words."""

_TRIES = 5
"""How often something that Nova refuses or fails to do is asked for, besides evacuations."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One instance: for people, and the step to take now if there is one.

    blocked: it found no place, and no room has appeared since; it could be tried again only to
        fail again.
    """

    report: InstanceReport
    step: Step | None = None
    blocked: bool = False


class Judge:
    """Judges the instances of one host; see `planner.plan` for what always holds."""

    def __init__(self, view: HostView, overview: Overview, policy: Policy, now: float) -> None:
        self._view = view
        self._overview = overview
        self._policy = policy
        self._now = now
        self._newest = model.newest(view.migrations)
        self._before = view.record.before or {}

    def of(self, view: HostView) -> Judge:
        """The same for another view of the host."""
        return Judge(view, self._overview, self._policy, self._now)

    def is_news(self, instance: Instance) -> bool:
        """Whether it was neither noted nor asked for in this recovery yet."""
        asked = instance.id in self._view.attempts or any(
            m.instance == instance.id and self._is_ours(m) for m in self._view.migrations
        )
        return instance.id not in self._before and not asked

    def on_host(self, instance: Instance) -> Judgement:
        """An instance that Nova still shows on the dead host."""
        if unread := self._unread(instance):
            return _say(instance, Progress.WAITING, unread)
        newest = self._newest.get(instance.id)
        if instance.vm_state in model.GOING_AWAY or instance.task_state == "deleting":
            return _say(instance, Progress.EXCLUDED, "is being deleted")
        attempt = self._view.attempts.get(instance.id)
        if attempt is not None and attempt.outcome is Outcome.SENDING:
            return _say(instance, Progress.MOVING, "request under way")
        if self._under_way(instance, newest):
            where = (newest.destination or "") if newest else ""
            queued = self._log(instance.id).queued
            detail = "waits in the message bus for its destination" if queued else ""
            return _say(instance, Progress.MOVING, detail or instance.task_state or "", where)
        if attempt is not None and (newest is None or newest.id in attempt.seen):
            since = self._now - attempt.at
            if attempt.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                if since < self._policy.answer_wait:
                    return _say(instance, Progress.MOVING, "requested, not yet to be seen in Nova")
            elif attempt.outcome is Outcome.REFUSED:
                return _say(instance, Progress.REFUSED, attempt.message)
            elif since < self._policy.retry_base:
                return _say(instance, Progress.WAITING, attempt.message or "to be tried again")
        if self._now < self._view.quiet_until:
            return _say(instance, Progress.WAITING, "the evacuator before may have asked already")
        if instance.vm_state not in model.EVACUABLE:
            return self._made_evacuable(instance)
        return self._evacuated(instance)

    def elsewhere(self, instance_id: str, instance: Instance | None) -> Judgement:
        """An instance that was asked to move and is not on the dead host any more."""
        if instance is None:
            gone = InstanceReport(instance_id, "", Progress.SETTLED, "", "deleted meanwhile")
            return Judgement(gone)
        if unread := self._unread(instance):
            return _say(instance, Progress.WAITING, unread)
        newest = self._newest.get(instance_id)
        if instance.host == self._view.host:
            return _say(instance, Progress.WAITING, "Nova's list of the host leaves it out")
        if instance.task_state in model.REBUILDING:
            return _say(instance, Progress.MOVING, instance.task_state or "", instance.host)
        over = self._log(instance_id).over or self._stands_still(instance_id)
        if newest is not None and newest.status in model.IN_FLIGHT and not over:
            return _say(instance, Progress.MOVING, newest.status, instance.host)
        if instance.host in self._overview.dead:
            return _say(instance, Progress.MOVING, "its new host died, too", instance.host)
        reset_at = self._view.unanswered_resets.get(instance_id)
        if reset_at is not None:
            if self._now < reset_at + self._policy.answer_wait:
                why = "Nova may yet reset its state, as it was asked to"
                return _say(instance, Progress.RESTORING, why, instance.host)
            nudge = self._view.nudges.get(instance_id)
            since = nudge.action if nudge else None
            if instance.vm_state == model.ERROR and since in (Action.RESET, Action.HARD_REBOOT):
                return self._nudged(
                    instance, Action.HARD_REBOOT, Progress.RESTORING, Progress.SETTLED
                )
        wanted = model.RESTORED_BY.get(self._before.get(instance_id, model.ACTIVE))
        if wanted is None or instance.vm_state != model.ACTIVE:
            return _say(instance, Progress.SETTLED, instance.vm_state, instance.host)
        # Nova boots what it evacuates, and stops it afterwards if it knows that it had been off.
        if instance.task_state is not None:
            return _say(instance, Progress.RESTORING, instance.task_state, instance.host)
        arrived = self._view.done_since.get(instance_id, self._now)
        if self._now < arrived + self._policy.restore_wait:
            return _say(instance, Progress.RESTORING, "as it was before", instance.host)
        return self._nudged(instance, wanted, Progress.RESTORING, Progress.SETTLED)

    def left_behind(self, instance: Instance) -> Judgement:
        """An instance on a recovered host whose nova-compute is back: it comes up there.

        The host was rebooted, so that nothing runs on it by itself.
        """
        if instance.problem:
            return _say(instance, Progress.WAITING, f"cannot be read: {instance.problem}")
        before = self._before.get(instance.id, model.ACTIVE)
        if instance.vm_state in model.GOING_AWAY or instance.task_state == "deleting":
            return _say(instance, Progress.EXCLUDED, "is being deleted")
        ran = before in (model.ACTIVE, model.RESIZED)
        ours = ran or before in model.RESTORED_BY
        if ours and instance.task_state in model.REBUILDING:
            # Left so by an evacuation that Nova gave up on; nothing else is allowed before.
            return self._nudged(instance, Action.RESET, Progress.RESTORING, Progress.REFUSED)
        if ran:
            nudge = self._view.nudges.get(instance.id)
            asked = nudge is not None and nudge.action is Action.HARD_REBOOT and not nudge.message
            if asked and instance.vm_state == model.ACTIVE and instance.task_state is None:
                return _say(instance, Progress.SETTLED, "runs here again", instance.host)
            if instance.vm_state in (model.ACTIVE, model.STOPPED, model.ERROR):
                return self._nudged(
                    instance, Action.HARD_REBOOT, Progress.RESTORING, Progress.REFUSED
                )
        elif before in model.RESTORED_BY and instance.vm_state == model.ERROR:
            return self._nudged(instance, Action.STOP, Progress.RESTORING, Progress.REFUSED)
        return _say(instance, Progress.SETTLED, f"stays here, {instance.vm_state}", instance.host)

    def _unread(self, instance: Instance) -> str:
        """Why nothing is known of the instance now, "" when it is: then it is neither asked for
        nor gone nor settled, and read again in the next turn (laws 2 and 5)."""
        if instance.problem:
            return f"cannot be read: {instance.problem}"
        rows = (m for m in self._view.migrations if m.instance == instance.id and m.problem)
        return next((f"its evacuations cannot be read: {m.problem}" for m in rows), "")

    def _under_way(self, instance: Instance, newest: Migration | None) -> bool:
        """Whether an evacuation may yet bring the instance up somewhere (law 2).

        It may not when its destination is dead, when Nova's own log says that it is over, or when
        nobody in Nova has begun with it though nobody there has anything else to do. The
        instance's task tells even where the migration says otherwise: a source that comes back
        too early writes `completed` over an evacuation that goes on.
        """
        unfinished = newest is not None and newest.status in (*model.IN_FLIGHT, model.DONE)
        if newest is not None and self._died(newest):
            if newest.status != model.DONE:
                return False
            return self._view.unchanged_for.get(instance.id, 0.0) < _ARRIVAL
        if not unfinished and instance.task_state not in model.REBUILDING:
            return False
        log = self._log(instance.id)
        never_begun = log.untaken and self._overview.still_for >= self._policy.answer_wait
        return not log.over and not never_begun and not self._stands_still(instance.id)

    def _stands_still(self, instance: str) -> bool:
        return self._view.unchanged_for.get(instance, 0.0) >= self._policy.stuck_after

    def _died(self, evacuation: Migration) -> bool:
        """Whether nothing comes of it any more: its destination has gone down since, say."""
        return evacuation.destination in self._overview.dead or evacuation.id in self._view.lost

    def _pinned(self, instance: Instance) -> str | None:
        """The one living host on which the instance may be running already."""
        rows = [m for m in self._view.migrations if m.instance == instance.id and self._is_ours(m)]
        rows = [m for m in sorted(rows, key=lambda m: -m.id) if m.destination]
        for migration in rows:
            # Closed, and the instance is here: the source came back before it was brought up.
            open_ = migration.status in (*model.OPEN, model.CLOSED)
            if open_ and not self._died(migration):
                return migration.destination
        if left := self._left_on(rows):
            return left
        receiver = self._view.receivers.get(instance.id)
        return None if receiver in self._overview.dead else receiver

    def _left_on(self, rows: Iterable[Migration]) -> str | None:
        """The living host on which a failed evacuation may have left the instance running.

        rows: newest first. A destination looks first whether it has that guest, so that any other
        failure there tells that the ones before left nothing; nor has one that fails once more in
        the same way.
        """
        for host in dict.fromkeys(row.destination for row in rows):
            failed = [row for row in rows if row.destination == host and row.status in model.FAILED]
            faults = [self._view.faults.get(row.id, UNNAMED) for row in failed]
            kinds = [fault.kind for fault in faults]
            last = next((n for n, kind in enumerate(kinds) if kind is not Kind.GUEST_EXISTS), None)
            if last is None or self._died(failed[last]):
                continue
            alike = {fault.likeness for fault in faults[last : last + 2]}
            again = len(faults) > last + 1 and len(alike) == 1
            if kinds[last].may_leave_a_guest and not again:
                return host
        return None

    def _log(self, instance: str) -> EvacuationLog:
        return self._view.logs.get(instance, EvacuationLog())

    def _is_ours(self, migration: Migration) -> bool:
        return belongs(migration, self._view.record)

    def _evacuated(self, instance: Instance) -> Judgement:
        seen = frozenset(m.id for m in self._view.migrations if m.instance == instance.id)
        step = Evacuate(self._view.node, instance.id, seen, self._pinned(instance))
        failure = self._view.failures.get(instance.id)
        if failure is None:
            return Judgement(_say(instance, Progress.WAITING).report, step)
        fault = instance.fault or UNNAMED
        text = fault.text or "the evacuation failed"
        said = f"try {failure.count} failed: {text}"
        if step.target is not None and fault.kind is Kind.GUEST_EXISTS:
            said = f"{step.target} has a guest of it that Nova has lost; end that one there: {text}"
        elif step.target is not None:
            said = f"may be running on {step.target}, which alone is asked: {text}"
        elif fault.kind in _SAID:
            said = f"try {failure.count} failed, {_SAID[fault.kind]}: {text}"
        report = _say(instance, Progress.WAITING, said).report
        pause = self._pause(failure.count)
        stale = failure.at < self._overview.room_since
        due = stale or self._now >= failure.at + pause
        # One that may be running on another host is not for this one to bring up; and what failed
        # because Keystone or the bus was away has not been told that there is no room.
        hopeless = fault.kind is Kind.NO_ROOM or failure.count >= _TRIES
        blocked = step.target is None and hopeless and not stale
        return Judgement(report, step if due else None, blocked)

    def _made_evacuable(self, instance: Instance) -> Judgement:
        """What Nova does not evacuate as it is, by the least violent means that works."""
        recorded = instance.id in self._before
        if instance.vm_state == model.RESIZED and recorded:
            # Its source lives: confirmed there, it is an ordinary instance. Reset, it would keep
            # a second copy.
            nudge = self._view.nudges.get(instance.id)
            asked = nudge is not None and nudge.action in (Action.CONFIRM_RESIZE, Action.RESET)
            if nudge is None or not asked:
                return self._act(instance, Action.CONFIRM_RESIZE)
            if nudge.action is Action.CONFIRM_RESIZE and (
                not nudge.message and self._now < nudge.at + _CONFIRMATION
            ):
                return _say(instance, Progress.PREPARING, "its resize is being confirmed")
            return self._nudged(instance, Action.RESET, Progress.PREPARING, Progress.REFUSED)
        if instance.vm_state in model.RESETTABLE and recorded:
            return self._nudged(instance, Action.RESET, Progress.PREPARING, Progress.REFUSED)
        return _say(
            instance,
            Progress.REFUSED,
            f"Nova evacuates no instance that is {instance.vm_state.upper()}",
        )

    def _nudged(
        self, instance: Instance, action: Action, meanwhile: Progress, given_up: Progress
    ) -> Judgement:
        """Ask for `action`, again if need be, a few times."""
        nudge = self._view.nudges.get(instance.id)
        if nudge is None or nudge.action is not action:
            return self._act(instance, action, meanwhile)
        if self._now < nudge.at + self._pause(nudge.count):
            return _say(instance, meanwhile, nudge.message or f"asked for: {action}", instance.host)
        if nudge.count >= _TRIES:
            why = nudge.message or f"is {instance.vm_state.upper()}"
            text = f"'{action}' without success, {nudge.count} times: {why}"
            return _say(instance, given_up, text, instance.host)
        return self._act(instance, action, meanwhile)

    def _act(
        self, instance: Instance, action: Action, meanwhile: Progress = Progress.PREPARING
    ) -> Judgement:
        report = _say(instance, meanwhile, str(action), instance.host).report
        return Judgement(report, Act(self._view.node, instance.id, action))

    def _pause(self, count: int) -> float:
        return float(min(self._policy.retry_cap, self._policy.retry_base * 2 ** min(count - 1, 20)))


def belongs(migration: Migration, record: Record) -> bool:
    """Whether an evacuation belongs to this recovery and not to one of long ago."""
    earliest = record.fenced - _SAME_RECOVERY
    return migration.created is None or migration.created >= earliest


def state_before(instances: Iterable[Instance]) -> dict[str, str]:
    """What each instance was when its host died, except those that simply ran.

    One that was being shut off counts as shut off: Nova forgets that wish (measured).
    """
    before: dict[str, str] = {}
    for instance in instances:
        if instance.problem:
            continue  # noted when it can be read: nothing is asked for before that
        state = instance.vm_state
        off = instance.power_state == model.POWER_SHUTDOWN
        if (state == model.ERROR and off) or instance.task_state == "powering-off":
            state = model.STOPPED
        if state != model.ACTIVE:
            before[instance.id] = state
    return before


def _say(instance: Instance, progress: Progress, detail: str = "", where: str = "") -> Judgement:
    return Judgement(InstanceReport(instance.id, instance.name, progress, where, detail))
