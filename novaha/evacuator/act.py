"""Executing the planner's steps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from uuid import uuid4

from novaha.core import events, gate, steps
from novaha.core.answers import Code, Go, Never, Wait
from novaha.core.case import Case, Sending
from novaha.core.errors import (
    ComputeApiError,
    NotSentError,
    NovahaError,
    RecordConflictError,
    RefusedError,
    UnknownOutcomeError,
)
from novaha.core.model import DISABLE_MARK, KEPT_OUT, Action, ComputeService, disable_reason
from novaha.core.ports import Compute, Fencing, Records
from novaha.core.record import Record
from novaha.core.recovery import Event
from novaha.core.sentences import sentence
from novaha.core.situation import Attempt, OtherRequest, Outcome
from novaha.core.view import HostView
from novaha.evacuator.doubts import utc_now
from novaha.evacuator.isolation import internal
from novaha.evacuator.ledger import HostLedger
from novaha.evacuator.throttle import Throttle

LOG = logging.getLogger(__name__)


class StepResult(Enum):
    """What came of a step."""

    DONE = auto()
    OUTDATED = auto()
    """The record is another one by now: to be looked at again."""
    FAILED = auto()


class Actor:
    """Executes steps. What goes wrong is logged; the next turn sees what came of it."""

    def __init__(
        self,
        records: Records,
        fencing: Fencing,
        compute: Compute,
        journal: events.Sink,
        me: str,
        pool: Executor,
        clock: Callable[[], float],
        takeover_wait: float,
        max_requests: int = 8,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self._records = records
        self._fencing = fencing
        self._compute = compute
        self._journal = journal
        self._me = me
        self._pool = pool
        self._clock = clock
        self._takeover_wait = takeover_wait
        self._wall = wall
        self._throttle = Throttle(max_requests, clock)
        self._owned: dict[str, str] = {}
        self._owned_at = float("-inf")

    def spread(self, hosts: int) -> None:
        """How many hosts there are to which instances may go.

        Requests that overlap compete for the same few: Placement turns claims away that meet
        others (measured: facts.md). With two hosts for each they seldom meet.
        """
        self._throttle.limit(hosts // 2)

    def owns(self, owned: dict[str, str], at: float) -> None:
        """What was read: the fence ids that this evacuator works on, by node, and when."""
        self._owned = owned
        self._owned_at = at

    def execute(self, step: steps.Step, view: HostView, page: HostLedger) -> StepResult:
        """Execute one step. Requests about instances are only begun; their failures show later."""
        try:
            match step:
                case steps.Claim():
                    self._claim(view, page)
                case steps.Prepare():
                    self._prepare(step, view, page)
                case steps.Doubt():
                    self._doubt(step, view, page)
                case steps.Complete():
                    self._complete(step, view)
                case steps.KeepOut():
                    self._keep_out(step, view)
                case steps.Restart():
                    page.requests.restarted(self._clock())
                    self._fencing.restart_compute(step.node)
                    self._journal.emit(events.Restarted(step.node))
                case steps.Drop():
                    self._records.drop(view.record)
                    self._journal.emit(events.Returned(view.node))
                case steps.Evacuate():
                    self._send_evacuate(step, view, page)
                case steps.Act():
                    self._send_act(step, view, page)
                case _:
                    self._tell_nova(step, view)
        except RecordConflictError as error:
            LOG.info("%s; looking again", error)
            return StepResult.OUTDATED
        except RefusedError as error:
            LOG.info("%s: not yet: %s", step.node, error)
            return StepResult.FAILED
        except UnknownOutcomeError as error:
            page.requests.unanswered(self._clock())
            LOG.warning("%s: %s may or may not be done: %s", step.node, type(step).__name__, error)
            return StepResult.FAILED
        except NovahaError as error:
            LOG.warning("%s: %s failed: %s", step.node, type(step).__name__, error)
            return StepResult.FAILED
        except Exception:
            page.requests.unanswered(self._clock())
            page.note_trouble(internal(step.node))
            return StepResult.FAILED
        return StepResult.DONE

    def enable(self, service: ComputeService) -> None:
        """Undo a disable of ours that nobody will undo any more.

        Nova may carry a disable out long after it seemed to fail, when the host is back already.
        """
        try:
            self._compute.enable(service)
            self._journal.emit(events.Enabled(None, service.host, "our disable had been left"))
        except NovahaError as error:
            LOG.info("%s: %s", service.host, error)

    def _claim(self, view: HostView, page: HostLedger) -> None:
        self._records.swap(view.record, view.record.after(Event.CLAIM, owner=self._me))
        self._claimed(view.record, page)

    def _claimed(self, record: Record, page: HostLedger) -> None:
        page.requests.claimed(record, self._clock(), self._takeover_wait)
        self._owned[record.node] = record.fence_id
        if record.untouched:
            fenced = events.Fenced(record.node, record.fence_id, record.fenced_text)
            self._journal.emit(fenced)
        self._journal.emit(events.Claimed(record.node, record.fence_id, record.owner))

    def _prepare(self, step: steps.Prepare, view: HostView, page: HostLedger) -> None:
        record = view.record.after(Event.CLAIM, owner=self._me) if step.claim else view.record
        self._records.swap(view.record, record.prepared(step.marks, step.before))
        if step.claim:
            self._claimed(view.record, page)
        if step.force_down:
            self._tell_nova(steps.ForceDown(step.node), view)

    def _doubt(self, step: steps.Doubt, view: HostView, page: HostLedger) -> None:
        now = self._wall().replace(microsecond=0)
        self._records.swap(view.record, view.record.doubt(str(uuid4()), now))
        page.fencing.ask_again()
        LOG.warning("%s: %s: it is not recovered before it is fenced again", step.node, step.reason)
        self._journal.emit(events.Doubted(step.node, step.reason))

    def _complete(self, step: steps.Complete, view: HostView) -> None:
        for instance, reason in step.unmoved.items():
            LOG.warning("%s: instance %s was not moved: %s", step.node, instance, reason)
        self._records.swap(view.record, view.record.after(Event.COMPLETE))
        self._journal.emit(events.Recovered(step.node, dict(step.unmoved)))

    def _keep_out(self, step: steps.KeepOut, view: HostView) -> None:
        if view.presence.service is None:
            return
        self._compute.disable(view.presence.service, step.reason)
        if step.reason.startswith(KEPT_OUT):
            self._records.swap(view.record, view.record.keep_out())
            LOG.warning("%s: %s", step.node, step.reason.removeprefix(f"{DISABLE_MARK} "))
        self._journal.emit(events.Disabled(step.node, view.presence.service.host, step.reason))

    def _tell_nova(self, step: steps.Step, view: HostView) -> None:
        service = view.presence.service
        if service is None:
            return
        node, host = step.node, service.host
        match step:
            case steps.ForceDown():
                self._compute.set_forced_down(service, True)
                self._journal.emit(events.ForcedDown(node, host))
            case steps.Disable():
                self._compute.disable(service, disable_reason(view.record.fence_id))
                self._journal.emit(events.Disabled(node, host))
            case steps.Unforce():
                self._compute.set_forced_down(service, False)
                self._journal.emit(events.LetUp(node, host))
            case steps.Enable():
                self._compute.enable(service)
                self._journal.emit(events.Enabled(node, host))

    def _send_evacuate(self, step: steps.Evacuate, view: HostView, page: HostLedger) -> None:
        untouched = page.requests.is_untouched(view.record.fence_id)
        first = gate.is_first_request(step.case, untouched=untouched)
        sending = Attempt(Outcome.SENDING, self._clock(), step.seen)
        page.requests.evacuation(step.instance, sending)

        def send() -> None:
            outcome, message = self._outcome(step, first=first)
            attempt = Attempt(outcome, self._clock(), step.seen, message)
            page.requests.evacuation(step.instance, attempt)
            self._journal.emit(events.Requested(step.node, step.instance, str(outcome), message))

        self._pool.submit(send)

    def _outcome(self, step: steps.Evacuate, *, first: bool) -> tuple[Outcome, str]:
        try:
            with self._throttle.turn():
                answer = self._ask_again(step, first=first)
                if not isinstance(answer, Go):
                    return Outcome.NOT_SENT, sentence(answer)
                self._compute.evacuate(step.instance, answer.target)
        except RefusedError as error:
            return (Outcome.REFUSED if error.final else Outcome.NOT_SENT), error.detail
        except NotSentError as error:
            return Outcome.NOT_SENT, error.detail
        except UnknownOutcomeError as error:
            return Outcome.UNKNOWN, error.detail
        except Exception:
            LOG.exception("evacuate %s", step.instance)
            return Outcome.UNKNOWN, "internal error, see the log"
        return Outcome.ACCEPTED, ""

    def _ask_again(self, step: steps.Evacuate, *, first: bool) -> Go | Wait | Never:
        """The gate's answer by what is known just before the request goes out.

        first: no earlier request can be on its way. Else the instance is read once more.
        """
        sending, case = self._sending(step.node), step.case
        answer = gate.may_evacuate(case, sending=sending)
        if first or not isinstance(answer, Go):
            return answer
        try:
            found = self._compute.instance(step.instance)
        except ComputeApiError as error:
            return Wait(Code.NOT_READ_AGAIN, {"text": str(error)})
        if found is None:
            return Never(Code.GONE)
        return gate.may_evacuate(Case(case.facts, found), sending=replace(sending, read_again=True))

    def _send_act(self, step: steps.Act, view: HostView, page: HostLedger) -> None:
        count = page.requests.begin_other(step.instance, step.action, self._clock())
        record = view.record

        def send() -> None:
            try:
                with self._throttle.turn():
                    fresh = gate.is_fresh(self._sending(step.node), record)
                    message = "" if fresh else sentence(Wait(Code.RECORD_NOT_FRESH))
                    if fresh:
                        self._compute.act(step.instance, step.action)
            except NovahaError as error:
                message = str(error)
                if step.action is Action.RESET and isinstance(error, UnknownOutcomeError):
                    page.requests.unanswered(self._clock(), reset_of=step.instance)
            except Exception:
                message = internal(step.node)
                page.note_trouble(message)
                reset_of = step.instance if step.action is Action.RESET else ""
                page.requests.unanswered(self._clock(), reset_of=reset_of)
            answered = OtherRequest(step.action, self._clock(), count, message)
            page.requests.other(step.instance, answered)
            self._journal.emit(events.ACTED[step.action](step.node, step.instance, message))

        self._pool.submit(send)

    def _sending(self, node: str) -> Sending:
        return Sending(self._owned.get(node, ""), self._clock() - self._owned_at)
