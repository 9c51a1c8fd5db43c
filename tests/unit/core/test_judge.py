"""What is done about one instance, as tables: what Nova shows, what is known -> the decision."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import pytest

from novaha.core.case import belongs, state_before
from novaha.core.faults import Fault, Kind
from novaha.core.gate import not_noted
from novaha.core.instances import Judge, Judgement
from novaha.core.model import FAILED, IN_FLIGHT, REBUILDING, RESETTABLE, Action, EvacuationLog
from novaha.core.reasons import Reason, Stand
from novaha.core.situation import Attempt, Failure, OtherRequest, Outcome
from novaha.core.steps import Act, Evacuate, InstanceReport, Progress
from novaha.nova.causes import fault
from tests.unit.core.situations import (
    ALIVE,
    DEAD,
    NOW,
    OTHER,
    POLICY,
    RECORD,
    instance,
    overview,
    record,
    row,
    view,
)

NO_ROOM = "No valid host was found"
BOOTED = "Conflict updating instance: Expected task_state spawning"
BROKEN = "disk is broken"
REFUSED_KEY = Fault(Kind.KEY_REFUSED, "Forbidden")
EXISTS = "domain 'instance-7' already exists"


class To(NamedTuple):
    """Asked for now. only: the one host that may take it."""

    only: str | None = None


Decision = Progress | To | Action


def decision(judgement: Judgement) -> Decision:
    step = judgement.step
    if isinstance(step, Evacuate):
        return To(step.target)
    if isinstance(step, Act):
        return step.action
    return judgement.report.progress


class Case(NamedTuple):
    name: str
    decided: Decision
    server: dict[str, Any] = {}  # noqa: RUF012
    known: dict[str, Any] = {}  # noqa: RUF012
    overall: dict[str, Any] = {}  # noqa: RUF012
    says: str = ""
    where: str | None = None


def table(*cases: Case) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def attempt(outcome: Outcome, ago: float, *seen: int, message: str = "") -> dict[str, Any]:
    return {"attempts": {"a": Attempt(outcome, NOW - ago, frozenset(seen), message)}}


def requested(action: Action, ago: float, count: int = 1, message: str = "") -> dict[str, Any]:
    return {"others": {"a": OtherRequest(action, NOW - ago, count, message)}}


def failed(count: int, ago: float, *rows: Any, **more: Any) -> dict[str, Any]:
    return {"failures": {"a": Failure(count, NOW - ago)}, "migrations": rows, **more}


def log(**known: Any) -> dict[str, Any]:
    return {"logs": {"a": EvacuationLog(**known)}}


M, W, P, S = Progress.MOVING, Progress.WAITING, Progress.PREPARING, Progress.SETTLED
R, X, B = Progress.REFUSED, Progress.EXCLUDED, Progress.RESTORING


@table(
    Case("it ran", To()),
    Case("it was off", To(), {"vm_state": "stopped"}),
    Case("it was in error", To(), {"vm_state": "error"}),
    Case(
        "it was being migrated", To(ALIVE), {"task_state": "migrating"}, {"receivers": {"a": ALIVE}}
    ),
    Case("its receiver died too", To(), {}, {"receivers": {"a": ALIVE}}, {"dead": {DEAD, ALIVE}}),
    Case("it is being deleted", X, {"task_state": "deleting"}, says="is being deleted"),
    Case("it is deleted", X, {"vm_state": "deleted"}, says="is being deleted"),
    Case("it is soft-deleted", X, {"vm_state": "soft-delete"}, says="is being deleted"),
    Case("it is being built", R, {"vm_state": "building"}, says="BUILDING"),
    Case("it cannot be read", W, {"problem": "no flavor"}, says="cannot be read: no flavor"),
    Case(
        "its evacuations cannot be read",
        W,
        {},
        {"migrations": (row(1, "", problem="x"),)},
        says="cannot be read: x",
    ),
    Case(
        "another's cannot be read",
        To(),
        {},
        {"migrations": (row(1, "", instance="b", problem="x"),)},
    ),
    Case("a predecessor's requests may come", W, {}, {"quiet_until": NOW + 0.1}, says="before"),
    Case("they cannot come any more", To(), {}, {"quiet_until": NOW}),
)
def test_an_instance_on_the_dead_host(case: Case) -> None:
    check(case)


@table(
    Case("is being sent", M, {}, attempt(Outcome.SENDING, 500), says="request under way"),
    Case(
        "is being sent, though its evacuation failed before",
        M,
        {},
        attempt(Outcome.SENDING, 500) | {"migrations": (row(1, "error"),)},
        where="",
    ),
    Case(
        "accepted, no trace yet", M, {}, attempt(Outcome.ACCEPTED, 89.9), says="not yet to be seen"
    ),
    Case("accepted, no trace for long", To(), {}, attempt(Outcome.ACCEPTED, 90)),
    Case("unknown, no trace yet", M, {}, attempt(Outcome.UNKNOWN, 89.9), says="not yet to be seen"),
    Case("unknown, no trace for long", To(), {}, attempt(Outcome.UNKNOWN, 90)),
    Case(
        "accepted, only older traces",
        M,
        {},
        attempt(Outcome.ACCEPTED, 5, 1) | {"migrations": (row(1, "error"),)},
        where="",
    ),
    Case(
        "accepted, and its trace has failed",
        To(ALIVE),
        {},
        attempt(Outcome.ACCEPTED, 5) | {"migrations": (row(1, "error"),)},
    ),
    Case("refused", R, {}, attempt(Outcome.REFUSED, 500, message="no"), says="no"),
    Case(
        "refused, and somebody else's evacuation failed",
        To(ALIVE),
        {},
        attempt(Outcome.REFUSED, 5) | {"migrations": (row(1, "error"),)},
    ),
    Case("not sent, a moment ago", W, {}, attempt(Outcome.NOT_SENT, 9.9), says="to be tried again"),
    Case("not sent, and why", W, {}, attempt(Outcome.NOT_SENT, 9.9, message="away"), says="away"),
    Case("not sent, some time ago", To(), {}, attempt(Outcome.NOT_SENT, 10)),
)
def test_law_2_after_a_request(case: Case) -> None:
    check(case)


UNFINISHED = [*sorted(IN_FLIGHT), "done"]


@table(
    *(Case(f"{s}", M, {}, {"migrations": (row(1, s),)}) for s in UNFINISHED),
    *(Case(f"{s}, without destination", M, {}, {"migrations": (row(1, s, None),)}) for s in UNFINISHED),
    *(Case(f"task {t} alone", M, {"task_state": t}, says=t) for t in sorted(REBUILDING)),
    *(Case(f"{s}", To(ALIVE), {}, {"migrations": (row(1, s),)}) for s in sorted(FAILED)),
    *(Case(f"{s}, never taken up", To(), {}, {"migrations": (row(1, s, None),)}) for s in sorted(FAILED)),
    Case("completed early, its task goes on", M, {"task_state": "rebuilding"}, {"migrations": (row(1, "completed"),)}),
    Case("completed early, no task", To(ALIVE), {}, {"migrations": (row(1, "completed"),)}),
    Case("completed early, known to be over", To(), {}, {"migrations": (row(1, "completed"),), "dead_migrations": frozenset({1})}),
    Case("waits in the bus", M, {}, {"migrations": (row(1, "accepted"),), **log(queued=True)}, says="message bus"),
    Case("its log says that it is over", To(ALIVE), {}, {"migrations": (row(1, "accepted"),), **log(over=True)}),
    Case("over, and nobody took it up", To(), {}, {"migrations": (row(1, "accepted", None),), **log(over=True)}),
    Case("never begun, all stands still", To(), {}, {"migrations": (row(1, "accepted", None),), **log(untaken=True)}, {"still_for": 90.0}),
    Case("never begun, others moved lately", M, {}, {"migrations": (row(1, "accepted", None),), **log(untaken=True)}, {"still_for": 89.9}),
    Case("stands still for long", To(ALIVE), {}, {"migrations": (row(1, "accepted"),), "unchanged_for": {"a": 1800.0}}),
    Case("stands still, not for long", M, {}, {"migrations": (row(1, "accepted"),), "unchanged_for": {"a": 1799.9}}),
    Case("its destination died", To(), {}, {"migrations": (row(1, "accepted"),)}, {"dead": {DEAD, ALIVE}}),
    Case("its destination died and is back", To(), {}, {"migrations": (row(1, "accepted"),), "dead_migrations": frozenset({1})}),
    Case("done, its destination died, may have left", M, {}, {"migrations": (row(1, "done"),), "unchanged_for": {"a": 9.9}}, {"dead": {DEAD, ALIVE}}),
    Case("done, its destination died just now", M, {}, {"migrations": (row(1, "done"),)}, {"dead": {DEAD, ALIVE}}),
    Case("done, its destination died, stays here", To(), {}, {"migrations": (row(1, "done"),), "unchanged_for": {"a": 10.0}}, {"dead": {DEAD, ALIVE}}),
    Case("an older one is open for ever, the newer failed", To(ALIVE), {}, {"migrations": (row(1, "accepted"), row(2, "error", OTHER))}),
    Case("the newer is open, the older failed", M, {}, {"migrations": (row(2, "accepted", OTHER), row(1, "error"))}),
)  # fmt: skip
def test_law_2_while_an_evacuation_is_or_may_be_under_way(case: Case) -> None:
    check(case)


def faults(*texts: str, hosts: tuple[str, ...] = ()) -> dict[str, Any]:
    """Evacuations that failed one after the other with these texts, oldest first."""
    where = hosts or (ALIVE,) * len(texts)
    rows = tuple(row(n, "error", h) for n, h in enumerate(where, 1))
    return {"migrations": rows, "faults": dict(enumerate(map(fault, texts), 1))}


@table(
    Case("it failed before it was booted", To(), {}, faults(BROKEN)),
    Case("it failed after it was booted", To(ALIVE), {}, faults(BOOTED)),
    Case("nobody knows why it failed", To(ALIVE), {}, faults("")),
    Case("nobody has asked yet why", To(ALIVE), {}, faults(BOOTED) | {"faults": {}}),
    Case("that destination died since", To(), {}, faults(BOOTED), {"dead": {DEAD, ALIVE}}),
    Case("that destination was fenced and is back", To(), {}, faults(BOOTED) | {"dead_migrations": frozenset({1})}),
    Case("twice in the same way", To(), {}, faults(BOOTED, BOOTED)),
    Case("twice in the same way but for numbers", To(), {}, faults("Timed out after 7 s", "Timed out after 12 s")),
    Case("twice in different ways", To(ALIVE), {}, faults("Timed out", BOOTED)),
    Case("thrice, the last two the same", To(), {}, faults("Timed out", BOOTED, BOOTED)),
    Case("thrice, the first two the same", To(ALIVE), {}, faults(BOOTED, BOOTED, "Timed out")),
    Case("then plainly: nothing was left", To(), {}, faults(BOOTED, BROKEN)),
    Case("plainly, then after the boot", To(ALIVE), {}, faults(BROKEN, BOOTED)),
    Case("a guest exists there", To(ALIVE), {}, faults(BOOTED, EXISTS)),
    Case("twice in the same way, then a guest exists there", To(ALIVE), {}, faults(BOOTED, BOOTED, EXISTS)),
    Case("twice in the same way, then plainly", To(), {}, faults(BOOTED, BOOTED, BROKEN)),
    Case("twice in the same way, another in between", To(ALIVE), {}, faults(BOOTED, BROKEN, BOOTED)),
    Case("twice in the same way, a guest existed in between", To(ALIVE), {}, faults(BOOTED, EXISTS, BOOTED)),
    Case("twice in the same way, on two hosts", To(OTHER), {}, faults(BOOTED, BOOTED, hosts=(ALIVE, OTHER))),
    Case("twice in the same way there, once elsewhere", To(OTHER), {}, faults(BOOTED, BOOTED, BOOTED, hosts=(ALIVE, ALIVE, OTHER))),
    Case("a guest exists there, only seen so", To(), {}, faults(EXISTS)),
    Case("elsewhere plainly afterwards", To(ALIVE), {}, faults(BOOTED, BROKEN, hosts=(ALIVE, OTHER))),
    Case("left on the newer of two", To(OTHER), {}, faults(BOOTED, BOOTED, hosts=(ALIVE, OTHER))),
    Case("the newer of two died", To(ALIVE), {}, faults(BOOTED, BOOTED, hosts=(ALIVE, OTHER)), {"dead": {DEAD, OTHER}}),
    Case("in an earlier recovery", To(), {}, {"migrations": (row(-301, "error"),), "faults": {-301: fault(BOOTED)}}),
    Case("left there before a live migration elsewhere", To(ALIVE), {}, faults(BOOTED) | {"receivers": {"a": OTHER}}),
    Case("nothing left, a live migration", To(OTHER), {}, faults(BROKEN) | {"receivers": {"a": OTHER}}),
)  # fmt: skip
def test_law_2_a_failed_evacuation_may_have_left_its_guest(case: Case) -> None:
    check(case)


@table(
    Case("a first failure, a moment ago", W, {}, failed(1, 9.9), says="try 1 failed: the evacuation failed"),
    Case("a first failure, long enough ago", To(), {}, failed(1, 10)),
    Case("a second one waits twice as long", W, {}, failed(2, 19.9)),
    Case("a second one, long enough ago", To(), {}, failed(2, 20)),
    Case("a third one", W, {}, failed(3, 39.9)),
    Case("many failures wait no longer than the cap", W, {}, failed(50, 119.9)),
    Case("many failures, after the cap", To(), {}, failed(50, 120)),
    Case("room has appeared since", To(), {}, failed(3, 5), {"room_since": NOW - 4}),
    Case("room had appeared before", W, {}, failed(3, 5), {"room_since": NOW - 5}),
    Case("no room", W, {"fault": NO_ROOM}, failed(1, 5), says=NO_ROOM),
    Case("may run elsewhere", W, {"fault": "x"}, failed(1, 5, row(1, "error")), says=f"may be running on {ALIVE}"),
    Case("it was refused its key", W, {"fault": REFUSED_KEY}, failed(1, 5), says="try 1 failed, the key manager refused the destination: Forbidden"),
    Case("a guest is in the way", W, {"fault": EXISTS}, failed(1, 5, row(1, "error")), says="end that one there"),
)  # fmt: skip
def test_after_evacuations_that_failed(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("name", "text", "known", "room_since", "blocked"),
    [
        ("no room", NO_ROOM, failed(1, 5), -1.0, True),
        ("another reason, few tries", "x", failed(4, 5), -1.0, False),
        ("another reason, many tries", "x", failed(5, 5), -1.0, True),
        ("no room, to be tried again now", NO_ROOM, failed(1, 10), -1.0, True),
        ("no room, and some has appeared", NO_ROOM, failed(1, 5), NOW - 4, False),
        ("no room, and it may run elsewhere", NO_ROOM, failed(1, 5, row(1, "error")), -1.0, False),
        ("nothing failed", NO_ROOM, {}, -1.0, False),
    ],
)
def test_what_may_be_released(
    name: str, text: str, known: dict[str, Any], room_since: float, blocked: bool
) -> None:
    found = judge(Case(name, W, {}, known, {"room_since": room_since})).on_host(
        instance(fault=text)
    )
    assert found.blocked is blocked


NOTED = {"record": record(before={"a": "paused"})}
RESIZED = {"record": record(before={"a": "resized"})}


@table(
    *(
        Case(f"{s}, noted", Action.RESET, {"vm_state": s}, {"record": record(before={"a": s})})
        for s in sorted(RESETTABLE)
    ),
    *(Case(f"{s}, not noted", R, {"vm_state": s}, says=s.upper()) for s in sorted(RESETTABLE)),
    Case("reset a moment ago", P, {"vm_state": "paused"}, NOTED | requested(Action.RESET, 9.9), says="asked for: reset"),
    Case("a reset that failed", P, {"vm_state": "paused"}, NOTED | requested(Action.RESET, 1, message="away"), says="away"),
    Case("reset, in vain", Action.RESET, {"vm_state": "paused"}, NOTED | requested(Action.RESET, 10)),
    Case("reset twice, in vain", P, {"vm_state": "paused"}, NOTED | requested(Action.RESET, 19.9, 2)),
    Case("reset four times, in vain", Action.RESET, {"vm_state": "paused"}, NOTED | requested(Action.RESET, 999, 4)),
    Case("reset five times, in vain", R, {"vm_state": "paused"}, NOTED | requested(Action.RESET, 999, 5), says="is PAUSED", where=DEAD),
    Case("resized, not noted", R, {"vm_state": "resized"}, says="RESIZED"),
    Case("resized", Action.CONFIRM_RESIZE, {"vm_state": "resized"}, RESIZED),
    Case("resized, another request before", Action.CONFIRM_RESIZE, {"vm_state": "resized"}, RESIZED | requested(Action.STOP, 1)),
    Case("being confirmed", P, {"vm_state": "resized"}, RESIZED | requested(Action.CONFIRM_RESIZE, 59.9), says="being confirmed", where=""),
    Case("not confirmed", Action.RESET, {"vm_state": "resized"}, RESIZED | requested(Action.CONFIRM_RESIZE, 60)),
    Case("confirmation refused", Action.RESET, {"vm_state": "resized"}, RESIZED | requested(Action.CONFIRM_RESIZE, 1, message="no")),
    Case("not confirmed, reset", P, {"vm_state": "resized"}, RESIZED | requested(Action.RESET, 1)),
)  # fmt: skip
def test_what_nova_does_not_evacuate_as_it_is(case: Case) -> None:
    check(case)


def before(state: str, **more: Any) -> dict[str, Any]:
    return {"record": record(before={"a": state}), **more}


def arrived(ago: float) -> dict[str, Any]:
    return {"done_since": {"a": NOW - ago}}


UP = {"host": ALIVE}


@table(
    Case("runs elsewhere", S, UP, says="active"),
    Case("is off elsewhere, as before", S, {**UP, "vm_state": "stopped"}, before("stopped")),
    Case("is in error elsewhere", S, {**UP, "vm_state": "error"}, says="error"),
    Case("still shown on the dead host", W, {}, says="leaves it out"),
    Case("is coming up", M, {**UP, "task_state": "rebuild_spawning"}, says="rebuild_spawning"),
    Case("its evacuation is open", M, UP, {"migrations": (row(1, "accepted"),)}, says="accepted"),
    Case("its evacuation is over", S, UP, {"migrations": (row(1, "accepted"),), **log(over=True)}),
    Case("its evacuation stands still", S, UP, {"migrations": (row(1, "accepted"),), "unchanged_for": {"a": 1800.0}}),
    Case("its evacuation is done", S, UP, {"migrations": (row(1, "done"),)}),
    Case("its new host died", M, UP, {}, {"dead": {DEAD, ALIVE}}, says="its new host died, too"),
    Case("was off, Nova may stop it yet", B, UP, before("stopped") | arrived(2.9), says="as it was before"),
    Case("was off, only now seen to run", B, UP, before("stopped"), says="as it was before"),
    Case("was off", Action.STOP, UP, before("stopped") | arrived(3)),
    Case("was off, and is busy", B, {**UP, "task_state": "powering-off"}, before("stopped") | arrived(99), says="powering-off"),
    Case("was paused", Action.PAUSE, UP, before("paused") | arrived(3)),
    Case("was suspended", Action.SUSPEND, UP, before("suspended") | arrived(3)),
    Case("was rescued", Action.STOP, UP, before("rescued") | arrived(3)),
    Case("was shelved", Action.STOP, UP, before("shelved") | arrived(3)),
    Case("was resized", S, UP, before("resized") | arrived(3)),
    Case("stop asked for", B, UP, before("stopped") | arrived(99) | requested(Action.STOP, 9.9)),
    Case("stop asked for, in vain", Action.STOP, UP, before("stopped") | arrived(99) | requested(Action.STOP, 10)),
    Case("stop asked for five times", S, UP, before("stopped") | arrived(99) | requested(Action.STOP, 999, 5), says="5 times"),
    Case("a reset may come yet", B, {**UP, "vm_state": "error"}, {"unanswered_resets": {"a": NOW - 89.9}}, says="may yet reset"),
    Case("it cannot be read", W, {**UP, "problem": "no flavor"}, says="cannot be read: no flavor"),
    Case("its evacuations cannot be read", W, UP, {"migrations": (row(1, "", problem="x"),)}, says="cannot be read: x"),
    Case("an error that came by itself", S, {**UP, "vm_state": "error"}, {"unanswered_resets": {"a": NOW - 90}}),
    Case("a reset came late, rebooted five times", S, {**UP, "vm_state": "error"}, {"unanswered_resets": {"a": NOW - 90}} | requested(Action.HARD_REBOOT, 999, 5), says="5 times"),
    Case("a reset came late", Action.HARD_REBOOT, {**UP, "vm_state": "error"}, {"unanswered_resets": {"a": NOW - 90}} | requested(Action.RESET, 90)),
    Case("a reset came late, rebooting", B, {**UP, "vm_state": "error"}, {"unanswered_resets": {"a": NOW - 90}} | requested(Action.HARD_REBOOT, 1)),
    Case("an error that is not from our reset", S, {**UP, "vm_state": "error"}, {"unanswered_resets": {"a": NOW - 90}} | requested(Action.STOP, 1)),
    Case("a reset never came", S, UP, {"unanswered_resets": {"a": NOW - 90}} | requested(Action.RESET, 90)),
)  # fmt: skip
def test_an_instance_that_has_left_the_dead_host(case: Case) -> None:
    agree(
        case, judge(case).elsewhere("a", instance(**case.server)), during=B, on_its_host={S, M, B}
    )


def test_an_instance_that_nova_has_no_more_needs_nothing() -> None:
    found = Judge(view(), overview(), POLICY, NOW).elsewhere("a", None)
    assert found == Judgement(InstanceReport("a", "", S, "", Reason(Stand.DELETED)))
    assert found.report.detail == "deleted meanwhile"


@table(
    Case("ran", Action.HARD_REBOOT),
    Case("ran, in error now", Action.HARD_REBOOT, {"vm_state": "error"}),
    Case("ran, off now", Action.HARD_REBOOT, {"vm_state": "stopped"}),
    Case("ran, paused now", S, {"vm_state": "paused"}, says="stays here, paused"),
    Case("rebooting", B, {"task_state": "rebooting_hard"}, requested(Action.HARD_REBOOT, 1)),
    Case("runs again", S, {}, requested(Action.HARD_REBOOT, 1), says="runs here again"),
    Case("the reboot was not taken", B, {}, requested(Action.HARD_REBOOT, 1, message="away"), says="away"),
    Case("the reboot failed five times", R, {"vm_state": "error"}, requested(Action.HARD_REBOOT, 999, 5), says="5 times"),
    Case("was resized", Action.HARD_REBOOT, {}, before("resized")),
    Case("left rebuilding", Action.RESET, {"task_state": "rebuilding"}),
    Case("it cannot be read", W, {"problem": "no flavor"}, says="cannot be read: no flavor"),
    Case("left rebuilding, being reset", B, {"task_state": "rebuilding"}, requested(Action.RESET, 1)),
    Case("left rebuilding, reset five times", R, {"task_state": "rebuilding"}, requested(Action.RESET, 999, 5), says="5 times"),
    Case("was off, in error now, being stopped", B, {"vm_state": "error"}, before("stopped") | requested(Action.STOP, 1)),
    Case("was off, in error now, stopped five times", R, {"vm_state": "error"}, before("stopped") | requested(Action.STOP, 999, 5), says="5 times"),
    Case("was off, left rebuilding", Action.RESET, {"task_state": "rebuilding"}, before("stopped")),
    Case("was being built, left rebuilding", S, {"task_state": "rebuilding"}, before("building")),
    Case("was off, in error now", Action.STOP, {"vm_state": "error"}, before("stopped")),
    Case("was off and is off", S, {"vm_state": "stopped"}, before("stopped"), says="stays here"),
    Case("was in error", S, {"vm_state": "error"}, before("error"), says="stays here, error"),
    Case("is being deleted", X, {"task_state": "deleting"}),
    Case("is deleted", X, {"vm_state": "soft-delete"}),
)  # fmt: skip
def test_an_instance_that_stayed_on_a_host_that_is_back(case: Case) -> None:
    agree(case, judge(case).left_behind(instance(**case.server)), during=B, on_its_host={S, B, R})


@pytest.mark.parametrize(
    ("name", "known", "news"),
    [
        ("nothing is known of it", {}, True),
        ("it was noted", before("stopped"), False),
        ("it was asked for", attempt(Outcome.NOT_SENT, 1), False),
        ("it was evacuated in this recovery", {"migrations": (row(1, "error"),)}, False),
        ("it was evacuated long ago", {"migrations": (row(-301, "error"),)}, True),
        ("another one was evacuated", {"migrations": (row(1, "error", instance="b"),)}, True),
    ],
)
def test_what_has_yet_to_be_noted(name: str, known: dict[str, Any], news: bool) -> None:
    shows = view(**known, instances=(instance(vm_state="stopped"),))
    assert not_noted(shows) == ({"a": "stopped"} if news else {})


@pytest.mark.parametrize(
    ("state", "noted"),
    [
        ({}, None),
        ({"vm_state": "stopped"}, "stopped"),
        ({"vm_state": "error", "power_state": 4}, "stopped"),
        ({"vm_state": "error", "power_state": 1}, "error"),
        ({"vm_state": "active", "power_state": 4}, None),
        ({"task_state": "powering-off"}, "stopped"),
        ({"vm_state": "paused", "power_state": 3}, "paused"),
    ],
)
def test_the_state_before_the_failure(state: dict[str, Any], noted: str | None) -> None:
    unread = instance("b", problem="no flavor", vm_state="paused")
    assert state_before([unread, instance(**state)]) == ({"a": noted} if noted else {})


def test_exactly_what_is_told() -> None:
    """Nothing is made up where there is nothing to tell."""
    for known, progress, detail, where in [
        ({}, W, "", ""),
        ({"migrations": (row(1, "accepted"),)}, M, "", ALIVE),
        ({"migrations": (row(1, "accepted", None),)}, M, "", ""),
    ]:
        report = Judge(view(**known), overview(), POLICY, NOW).on_host(instance()).report
        assert (report.id, report.name) == ("a", "name-a")
        assert (report.progress, report.detail, report.where) == (progress, detail, where)


def test_another_view_is_judged_by_the_same_policy_and_clock() -> None:
    tried = view(**failed(1, 9.9))
    found = Judge(view(), overview(), POLICY, NOW).of(tried).on_host(instance())
    assert found == Judge(tried, overview(), POLICY, NOW).on_host(instance())
    assert found.step is None


def test_an_evacuation_belongs_to_the_recovery_from_five_minutes_before_its_fencing() -> None:
    assert belongs(row(-300, "error"), RECORD)
    assert not belongs(row(-301, "error"), RECORD)
    assert belongs(row(1, "error", created=None), RECORD)


def judge(case: Case) -> Judge:
    overall = dict(case.overall)
    if "dead" in overall:
        overall["dead"] = frozenset(overall["dead"])
    return Judge(view(**case.known), overview(**overall), POLICY, NOW)


def check(case: Case) -> None:
    found = judge(case).on_host(instance(**case.server))
    rows = case.known.get("migrations", ())
    if case.decided is M and rows and case.where is None:
        case = case._replace(where=max(rows, key=lambda r: r.id).destination or "")
    agree(case, found, during=P, on_its_host={P})
    if isinstance(found.step, Evacuate):
        assert found.step.seen == {r.id for r in rows if r.instance == "a"}
        assert (found.step.node, found.step.instance) == (DEAD, "a")


def agree(
    case: Case, found: Judgement, during: Progress, on_its_host: Collection[Decision]
) -> None:
    """during: what an instance is in while something else is asked for it.

    on_its_host: with which decisions the host that Nova shows is named.
    """
    assert decision(found) == case.decided
    assert case.says in found.report.detail
    assert (found.report.id, found.report.name) == ("a", "name-a")
    asked = isinstance(case.decided, Action)
    if isinstance(found.step, Act):
        assert (found.step.node, found.step.instance) == (DEAD, "a")
        assert found.report.detail == found.step.action
    if asked or isinstance(case.decided, To):
        assert found.report.progress is (during if asked else W)
    where = case.where
    if where is None:
        named = asked or case.decided in on_its_host
        where = case.server.get("host", DEAD) if named else ""
    assert found.report.where == where
