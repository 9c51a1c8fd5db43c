"""May this instance be evacuated now? The one place that answers.

Theory of operation. The planner asks for every instance that Nova shows on a dead host, once by
itself and once more with what the turn leaves for it (`Turn`); the actor asks again just before
the request goes out, with what has been read since (`Sending`). The answer is Go, Wait or Never.
The conditions are asked in the order in which they stand here, and the first that does not hold is
the answer:

1. the host: its record, its fencing, Nova's view of it (`of_host`; law 1);
2. the instance: `_OF_INSTANCE` (laws 2 and 5; the site's policy), then the pause after a failure;
3. the turn: other dead hosts, capacity, the age of the list (laws 1 and 2);
4. the sending: whether this evacuator owns the recovery still, and where the instance is (law 2).

What is asked stands in `novaha.core.case`, the answers in `novaha.core.answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from novaha.core import model
from novaha.core.answers import Code, Go, Never, Wait
from novaha.core.case import Case, Facts, Sending, Turn, belongs, state_before
from novaha.core.faults import UNNAMED, Kind
from novaha.core.guests import has_died, only_host
from novaha.core.model import Migration
from novaha.core.policy.rules import Rules
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Outcome, Overview, Policy
from novaha.core.treatment import by_policy, to_be_stopped
from novaha.core.view import HostView

RECORD_FRESH = 15.0
"""Seconds for which a reading of the records entitles to send requests: a process that was
frozen longer may have been superseded."""

TRIES = 5
"""Failed evacuations after which an instance counts as one that finds no place."""

_ARRIVAL = 10.0
"""Seconds that the host field of a moved instance may take to follow (measured: 0.1)."""


def facts(view: HostView, overview: Overview, policy: Policy, now: float) -> Facts:
    """What decides about the instances of this host. now: monotonic seconds."""
    rows: dict[str, list[Migration]] = {}
    for row in view.inventory.migrations:
        rows.setdefault(row.instance, []).append(row)
    by_instance = {instance: tuple(its) for instance, its in rows.items()}
    return Facts(view, overview, policy, now, by_instance, of_host(view, policy.rules))


def may_evacuate(
    case: Case, turn: Turn | None = None, sending: Sending | None = None
) -> Go | Wait | Never:
    """Whether Nova may be asked to bring the instance up elsewhere, and where.

    turn: given when all candidates of a turn are known. sending: given just before the request
    goes out; the instance is then as it was read last.
    """
    if case.facts.held is not None:
        return case.facts.held
    for condition in _OF_INSTANCE:
        if (verdict := condition(case)) is not None:
            return verdict
    go = Go(target := only_host(case), _failed(case, target))
    if go.after is not None and not _may_be_repeated(case):
        return go.after
    if turn is not None and (verdict := _of_turn(case, turn)) is not None:
        return verdict
    if sending is not None and (verdict := _of_sending(case, sending)) is not None:
        return verdict
    return go


def of_host(view: HostView, rules: Rules | None = None) -> Wait | Never | None:
    """Why no instance of the host may be evacuated, None where one may (law 1).

    rules: the site's policy.
    """
    if view.standing.doubt:
        return Wait(Code.RECORD_IN_DOUBT, {"text": view.standing.doubt})
    if (held := _OF_HOST[view.record.state](view)) is not None:
        return held
    return Wait(Code.STATES_NOT_NOTED) if not_noted(view, rules) else None


def _of_pending(view: HostView) -> Wait:
    if view.problem:
        return Wait(Code.HOST_UNUSABLE, {"text": view.problem})
    if view.standing.paused:
        return Wait(Code.PAUSED, {"text": view.standing.paused})
    if view.standing.unproven:
        return Wait(Code.FENCING_UNPROVEN, {"text": view.standing.unproven})
    if not view.standing.fence_confirmed:
        code = Code.FENCING_CUT_NO_POWER if view.record.unproven else Code.FENCING_UNCONFIRMED
        code = Code.FENCING_BEFORE_SERVICE if view.record.doubted else code
        return Wait(code, {"requested": view.node if view.standing.fenced_on_request else ""})
    read = view.presence.service is not None and view.record.untouched
    return Wait(Code.NOT_PREPARED if read else Code.NOT_CLAIMED)


def _of_running(view: HostView) -> Wait | None:
    if not view.standing.mine:
        return Wait(Code.OWNED_BY_ANOTHER)
    if view.problem:
        return Wait(Code.HOST_UNUSABLE, {"text": view.problem})
    if view.presence.service is None:
        return Wait(Code.HOST_NOT_READ)
    if view.record.before is None:
        return Wait(Code.NOT_PREPARED)
    if not view.presence.service.forced_down:
        return Wait(Code.NOT_FORCED_DOWN)
    return None


def _of_recovered(_: HostView) -> Never:
    return Never(Code.RECOVERED)


_OF_HOST: Mapping[RecoveryState, Callable[[HostView], Wait | Never | None]] = {
    RecoveryState.PENDING: _of_pending,
    RecoveryState.RUNNING: _of_running,
    RecoveryState.RECOVERED: _of_recovered,
}


def not_noted(view: HostView, rules: Rules | None = None) -> dict[str, str]:
    """The states that have to be noted before anything is asked for.

    A list may have been short for a moment, when the others were noted.
    """
    asked = {m.instance for m in view.inventory.migrations if belongs(m, view.record)}
    asked |= view.requests.attempts.keys()
    known = asked | set(view.record.before or {})
    states = state_before(i for i in view.inventory.instances if i.id not in known)
    return {**states, **to_be_stopped(view, rules)}


def unread(case: Case) -> Wait | None:
    """Where nothing is known of the instance now: it is then neither asked for nor gone nor
    settled, and read again in the next turn (laws 2 and 5)."""
    if case.instance.problem:
        return Wait(Code.UNREADABLE, {"text": case.instance.problem})
    problem = next((row.problem for row in case.rows if row.problem), "")
    return Wait(Code.EVACUATIONS_UNREADABLE, {"text": problem}) if problem else None


def being_deleted(case: Case) -> Never | None:
    instance = case.instance
    going = instance.vm_state in model.GOING_AWAY or instance.task_state == "deleting"
    return Never(Code.BEING_DELETED) if going else None


def _sent_now(case: Case) -> Wait | None:
    attempt = case.facts.view.requests.attempts.get(case.id)
    sending = attempt is not None and attempt.outcome is Outcome.SENDING
    return Wait(Code.SENDING) if sending else None


def _under_way(case: Case) -> Wait | None:
    """An evacuation may yet bring the instance up somewhere (law 2).

    It may not when its destination is dead, when Nova's own log says that it is over, or when
    nobody in Nova has begun with it though nobody there has anything else to do. The
    instance's task tells even where the migration says otherwise: a source that comes back
    too early writes `completed` over an evacuation that goes on.
    """
    newest, log = case.newest, case.log
    if newest is not None and has_died(newest, case.facts):
        may_come = newest.status == model.DONE and case.unchanged_for < _ARRIVAL
    elif newest is not None and newest.status in model.OPEN:
        may_come = _goes_on(case)
    else:
        may_come = case.instance.task_state in model.REBUILDING and _goes_on(case)
    if not may_come:
        return None
    host = (newest.destination or "") if newest else ""
    queued = "yes" if log.queued else ""
    task = case.instance.task_state or ""
    return Wait(Code.UNDER_WAY, {"task": task, "host": host, "queued": queued})


def _goes_on(case: Case) -> bool:
    all_still = case.facts.overview.still_for >= case.facts.policy.answer_wait
    never_begun = case.log.untaken and all_still
    return not case.log.over and not never_begun and not case.stands_still


def _last_request(case: Case) -> Wait | Never | None:
    """What came of the last request, as long as Nova shows no evacuation of it."""
    attempt = case.facts.view.requests.attempts.get(case.id)
    newest, policy = case.newest, case.facts.policy
    if attempt is None or (newest is not None and newest.id not in attempt.seen):
        return None
    since = case.facts.now - attempt.at
    match attempt.outcome:
        case Outcome.ACCEPTED | Outcome.UNKNOWN:
            return Wait(Code.ANSWER_AWAITED) if since < policy.answer_wait else None
        case Outcome.REFUSED:
            return Never(Code.REFUSED, {"text": attempt.message})
    text = {"text": attempt.message}
    return Wait(Code.NOT_SENT, text) if since < policy.retry_base else None


def _predecessor(case: Case) -> Wait | None:
    quiet = case.facts.now < case.facts.view.requests.quiet_until
    return Wait(Code.PREDECESSOR) if quiet else None


def _state(case: Case) -> Wait | Never | None:
    state = case.instance.vm_state
    if state in model.EVACUABLE:
        return None
    noted = case.id in (case.facts.view.record.before or {})
    helped = noted and (state == model.RESIZED or state in model.RESETTABLE)
    data = {"state": state}
    return Wait(Code.STATE_TO_CHANGE, data) if helped else Never(Code.STATE, data)


_OF_INSTANCE: tuple[Callable[[Case], Wait | Never | None], ...] = (
    unread,
    being_deleted,
    _sent_now,
    _under_way,
    _last_request,
    _predecessor,
    by_policy,
    _state,
)
"""In this order; the first that has something to say is the answer."""


def _failed(case: Case, target: str | None) -> Wait | None:
    failure, fault = case.failure, case.instance.fault or UNNAMED
    if failure is None:
        return None
    if target is None:
        data = {"text": fault.text, "kind": str(fault.kind), "count": str(failure.count)}
        return Wait(Code.FAILED, data)
    there = Code.GUEST_EXISTS if fault.kind is Kind.GUEST_EXISTS else Code.GUEST_MAY_RUN
    return Wait(there, {"text": fault.text, "host": target})


def _may_be_repeated(case: Case) -> bool:
    assert case.failure is not None
    pause = pause_after(case.failure.count, case.facts.policy)
    return _room_since(case) or case.facts.now >= case.failure.at + pause


def has_failed(answer: Go | Wait | Never) -> bool:
    """Whether nothing but a failed evacuation stands in the way, or did so until now."""
    if isinstance(answer, Go):
        return answer.after is not None
    return answer.code in (Code.FAILED, Code.GUEST_MAY_RUN, Code.GUEST_EXISTS)


def finds_no_place(case: Case) -> bool:
    """Whether no host took it, and no room has appeared since its last failure.

    An instance that may be running on another host does not count, nor one whose evacuation
    failed because Keystone or the bus was away: nobody has said that there is no room.
    """
    if case.failure is None or only_host(case) is not None or _room_since(case):
        return False
    no_room = (case.instance.fault or UNNAMED).kind is Kind.NO_ROOM
    return no_room or case.failure.count >= TRIES


def _room_since(case: Case) -> bool:
    """Whether room may have appeared since its last evacuation failed."""
    assert case.failure is not None
    return case.failure.at < case.facts.overview.room_since


def pause_after(count: int, policy: Policy) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(policy.retry_cap, policy.retry_base * 2 ** min(count - 1, 20)))


def _of_turn(case: Case, turn: Turn) -> Wait | None:
    if turn.gathering:
        return Wait(Code.OTHERS_NOT_FORCED_DOWN)
    if turn.before_it >= turn.room:
        return Wait(Code.NO_CAPACITY)
    return Wait(Code.LIST_TOO_OLD) if case.facts.view.inventory.is_stale else None


def _of_sending(case: Case, sending: Sending) -> Wait | None:
    """Laws 1 and 2: the record may be another one by now, and the instance elsewhere."""
    if not is_fresh(sending, case.facts.view.record):
        return Wait(Code.RECORD_NOT_FRESH)
    moved = sending.read_again and case.instance.host != case.facts.view.host
    return Wait(Code.MOVED, {"host": case.instance.host}) if moved else None


def is_fresh(sending: Sending, record: Record) -> bool:
    """Whether this evacuator is known to own the recovery still: nothing goes out otherwise."""
    return sending.read_for < RECORD_FRESH and sending.owned == record.fence_id


def is_first_request(case: Case, *, untouched: bool) -> bool:
    """Whether no earlier request for this instance can be on its way.

    If one can, the instance is read once more before the next: it may have waited in the bus
    for a destination that is just back.

    untouched: this evacuator claimed the recovery before anybody had asked Nova for anything.
    """
    unasked = untouched and case.id not in case.facts.view.requests.attempts
    return not case.rows or (unasked and not any(row.status in model.OPEN for row in case.rows))
