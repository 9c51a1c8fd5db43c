"""What is to be done about one instance of a host in recovery."""

from __future__ import annotations

from dataclasses import dataclass

from novaha.core import gate, model, reasons
from novaha.core.answers import Code, Go, Never, Wait
from novaha.core.case import Case
from novaha.core.model import Action, Instance
from novaha.core.reasons import Reason, Stand
from novaha.core.situation import Overview, Policy
from novaha.core.steps import Act, Evacuate, InstanceReport, Progress, Step
from novaha.core.view import HostView

_CONFIRMATION = 60.0
"""Seconds that the source of a resize gets to confirm it."""

_TRIES = 5
"""How often something that Nova refuses or fails to do is asked for, besides evacuations."""

_MOVING = frozenset({Code.SENDING, Code.UNDER_WAY, Code.ANSWER_AWAITED})
"""What the gate answers while an evacuation may be under way."""

_EXCLUDES = frozenset(
    {Code.BEING_DELETED, Code.POLICY_LEAVES, Code.POLICY_NOTIFIES, Code.LOCAL_DISKS}
)
"""What the gate answers of an instance that nobody wants to be moved."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One instance: for people, and the step to take now if there is one.

    blocked: it found no place, and no room has appeared since its last failure.
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
        self._facts = gate.facts(view, overview, policy, now)
        self._before = view.record.before or {}

    def of(self, view: HostView) -> Judge:
        """The same for another view of the host."""
        return Judge(view, self._overview, self._policy, self._now)

    @property
    def held(self) -> Wait | Never | None:
        """Why nothing may be asked for about any instance of the host, None if something may."""
        return self._facts.held

    def on_host(self, instance: Instance) -> Judgement:
        """An instance that Nova still shows on the dead host."""
        case = Case(self._facts, instance)
        answer = gate.may_evacuate(case)
        if isinstance(answer, Wait) and answer.code is Code.STATE_TO_CHANGE:
            return self._made_evacuable(instance)
        where = ""
        if isinstance(answer, Wait) and answer.code is Code.UNDER_WAY:
            where = answer.data["host"]
        report = _say(instance, _progress(answer), reasons.of(answer), where).report
        step = self._evacuate(case, answer) if isinstance(answer, Go) else None
        return Judgement(report, step, gate.has_failed(answer) and gate.finds_no_place(case))

    def elsewhere(self, instance_id: str, instance: Instance | None) -> Judgement:
        """An instance that was asked to move and is not on the dead host any more."""
        if instance is None:
            gone = InstanceReport(instance_id, "", Progress.SETTLED, "", Reason(Stand.DELETED))
            return Judgement(gone)
        if (unread := gate.unread(Case(self._facts, instance))) is not None:
            return _say(instance, Progress.WAITING, reasons.of(unread))
        if instance.host == self._view.host:
            return _say(instance, Progress.WAITING, Reason(Stand.NOT_LISTED))
        return self._arriving(instance) or self._reset_late(instance) or self._restored(instance)

    def _arriving(self, instance: Instance) -> Judgement | None:
        """One whose evacuation goes on where Nova shows it."""
        case = Case(self._facts, instance)
        if instance.task_state in model.REBUILDING:
            return _say(instance, Progress.MOVING, _task(instance), instance.host)
        newest, over = case.newest, case.log.over or case.stands_still
        if newest is not None and newest.status in model.IN_FLIGHT and not over:
            goes_on = Reason(Stand.MIGRATION, {"status": newest.status})
            return _say(instance, Progress.MOVING, goes_on, instance.host)
        if instance.host in self._overview.dead:
            return _say(instance, Progress.MOVING, Reason(Stand.DESTINATION_DIED), instance.host)
        return None

    def _reset_late(self, instance: Instance) -> Judgement | None:
        """One whose state Nova was asked to reset, without an answer."""
        reset_at = self._view.requests.unanswered_resets.get(instance.id)
        if reset_at is None:
            return None
        if self._now < reset_at + self._policy.answer_wait:
            why = Reason(Stand.RESET_UNANSWERED)
            return _say(instance, Progress.RESTORING, why, instance.host)
        last = self._view.requests.others.get(instance.id)
        since = last.action if last else None
        if instance.vm_state == model.ERROR and since in (Action.RESET, Action.HARD_REBOOT):
            return self._request_with_retries(
                instance, Action.HARD_REBOOT, Progress.RESTORING, Progress.SETTLED
            )
        return None

    def _restored(self, instance: Instance) -> Judgement:
        """One that came up, and is to be as it was before."""
        wanted = model.RESTORED_BY.get(self._before.get(instance.id, model.ACTIVE))
        if wanted is None or instance.vm_state != model.ACTIVE:
            return _say(instance, Progress.SETTLED, _state(Stand.IN_STATE, instance), instance.host)
        # Nova boots what it evacuates, and stops it afterwards if it knows that it had been off.
        if instance.task_state is not None:
            return _say(instance, Progress.RESTORING, _task(instance), instance.host)
        arrived = self._view.evacuations.done_since.get(instance.id, self._now)
        if self._now < arrived + self._policy.restore_wait:
            return _say(instance, Progress.RESTORING, Reason(Stand.TO_BE_AS_BEFORE), instance.host)
        return self._request_with_retries(instance, wanted, Progress.RESTORING, Progress.SETTLED)

    def left_behind(self, instance: Instance) -> Judgement:
        """An instance on a recovered host whose nova-compute is back: it comes up there.

        The host was rebooted, so that nothing runs on it by itself.
        """
        if instance.problem:
            return _say(instance, Progress.WAITING, _unreadable(instance))
        before = self._before.get(instance.id, model.ACTIVE)
        if (gone := gate.being_deleted(Case(self._facts, instance))) is not None:
            return _say(instance, Progress.EXCLUDED, reasons.of(gone))
        ran = before in (model.ACTIVE, model.RESIZED)
        ours = ran or before in model.RESTORED_BY
        if ours and instance.task_state in model.REBUILDING:
            # Left so by an evacuation that Nova gave up on; nothing else is allowed before.
            return self._request_with_retries(
                instance, Action.RESET, Progress.RESTORING, Progress.REFUSED
            )
        if ran:
            last = self._view.requests.others.get(instance.id)
            asked = last is not None and last.action is Action.HARD_REBOOT and not last.message
            if asked and instance.vm_state == model.ACTIVE and instance.task_state is None:
                return _say(instance, Progress.SETTLED, Reason(Stand.RUNS_AGAIN), instance.host)
            if instance.vm_state in (model.ACTIVE, model.STOPPED, model.ERROR):
                return self._request_with_retries(
                    instance, Action.HARD_REBOOT, Progress.RESTORING, Progress.REFUSED
                )
        elif before in model.RESTORED_BY and instance.vm_state == model.ERROR:
            return self._request_with_retries(
                instance, Action.STOP, Progress.RESTORING, Progress.REFUSED
            )
        return _say(instance, Progress.SETTLED, _state(Stand.STAYS, instance), instance.host)

    def _evacuate(self, case: Case, go: Go) -> Evacuate:
        seen = frozenset(row.id for row in case.rows)
        return Evacuate(self._view.node, case.id, seen, case, go.target)

    def _made_evacuable(self, instance: Instance) -> Judgement:
        """What Nova does not evacuate as it is, by the least violent means that works."""
        if instance.vm_state == model.RESIZED:
            # Its source lives: confirmed there, it is an ordinary instance. Reset, it would keep
            # a second copy.
            last = self._view.requests.others.get(instance.id)
            asked = last is not None and last.action in (Action.CONFIRM_RESIZE, Action.RESET)
            if last is None or not asked:
                return self._act(instance, Action.CONFIRM_RESIZE)
            if last.action is Action.CONFIRM_RESIZE and (
                not last.message and self._now < last.at + _CONFIRMATION
            ):
                return _say(instance, Progress.PREPARING, Reason(Stand.RESIZE_BEING_CONFIRMED))
        return self._request_with_retries(
            instance, Action.RESET, Progress.PREPARING, Progress.REFUSED
        )

    def _request_with_retries(
        self, instance: Instance, action: Action, meanwhile: Progress, given_up: Progress
    ) -> Judgement:
        """Ask for `action`, again if need be, a few times."""
        last = self._view.requests.others.get(instance.id)
        if last is None or last.action is not action:
            return self._act(instance, action, meanwhile)
        if self._now < last.at + gate.pause_after(last.count, self._policy):
            return _say(instance, meanwhile, _asked(action, last.message), instance.host)
        if last.count >= _TRIES:
            data = {"action": str(action), "count": str(last.count)}
            data |= {"text": last.message, "state": instance.vm_state}
            in_vain = Reason(Stand.ACTION_GIVEN_UP, data)
            return _say(instance, given_up, in_vain, instance.host)
        return self._act(instance, action, meanwhile)

    def _act(
        self, instance: Instance, action: Action, meanwhile: Progress = Progress.PREPARING
    ) -> Judgement:
        now = Reason(Stand.ACTION, {"action": str(action)})
        report = _say(instance, meanwhile, now, instance.host).report
        return Judgement(report, Act(self._view.node, instance.id, action))


def _progress(answer: Go | Wait | Never) -> Progress:
    if isinstance(answer, Never):
        return Progress.EXCLUDED if answer.code in _EXCLUDES else Progress.REFUSED
    moving = isinstance(answer, Wait) and answer.code in _MOVING
    return Progress.MOVING if moving else Progress.WAITING


def _say(
    instance: Instance, progress: Progress, reason: Reason | None, where: str = ""
) -> Judgement:
    return Judgement(InstanceReport(instance.id, instance.name, progress, where, reason))


def as_left(instance: Instance) -> InstanceReport:
    """An instance that stayed on a recovered host, as long as nothing is done about it."""
    why = _unreadable(instance) if instance.problem else _state(Stand.STAYS, instance)
    return InstanceReport(instance.id, instance.name, Progress.REFUSED, instance.host, why)


def _unreadable(instance: Instance) -> Reason:
    return Reason(Code.UNREADABLE, {"text": instance.problem})


def _state(stand: Stand, instance: Instance) -> Reason:
    return Reason(stand, {"state": instance.vm_state})


def _task(instance: Instance) -> Reason:
    return Reason(Stand.TASK, {"task": instance.task_state or ""})


def _asked(action: Action, problem: str) -> Reason:
    if problem:
        return Reason(Stand.ACTION_FAILED, {"action": str(action), "text": problem})
    return Reason(Stand.ACTION_ASKED, {"action": str(action)})
