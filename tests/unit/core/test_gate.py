"""May this instance be evacuated now? What the gate answers, as a table of codes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from novaha.core.answers import Code, Go, Never, Wait
from novaha.core.case import Case, Sending, Turn
from novaha.core.faults import Kind
from novaha.core.gate import facts, has_failed, is_first_request, may_evacuate, pause_after
from novaha.core.model import EvacuationLog
from novaha.core.policy.order import Group
from novaha.core.policy.rules import Rule, Rules, Treatment
from novaha.core.policy.traits import Traits
from novaha.core.recovery import RecoveryState
from novaha.core.sentences import sentence
from novaha.core.situation import Attempt, Failure, Outcome
from tests.unit.core.situations import (
    ALIVE,
    NOW,
    POLICY,
    SERVICE,
    instance,
    overview,
    record,
    row,
    view,
)

PENDING = RecoveryState.PENDING
UNTOLD = replace(SERVICE, forced_down=False)
OURS = Sending("fence-1", 0.0)


@dataclass(frozen=True)
class Answer:
    code: Code
    known: dict[str, Any]
    server: dict[str, Any] = field(default_factory=dict)
    turn: Turn | None = None
    sending: Sending | None = None
    never: bool = False
    rules: Rules | None = None


def flagged(*marks: str, **known: Any) -> dict[str, Any]:
    """A host that nobody has claimed."""
    flag = record(state=PENDING, owner="", before=None, marks=frozenset(marks))
    return {"record": flag, "mine": False, **known}


def asked(outcome: Outcome, ago: float, message: str = "") -> dict[str, Any]:
    return {"attempts": {"a": Attempt(outcome, NOW - ago, message=message)}}


def case(
    known: dict[str, Any], server: dict[str, Any] | None = None, rules: Rules | None = None
) -> Case:
    policy = replace(POLICY, rules=rules, waiting={"web": ("db",)})
    return Case(facts(view(**known), overview(), policy, NOW), instance(**(server or {})))


FAILED_ONCE = {"failures": {"a": Failure(1, NOW - 1)}}
MAY_RUN = {**FAILED_ONCE, "migrations": (row(1, "error"),)}
EXISTS = {"fault": "instance already exists"}
NOTED = {"record": record(before={"a": "paused"})}

WEB = Rules((Rule("web", 1, (), group="web"),), groups={"web": Group("web", after=("db",))})

ANSWERS = [
    Answer(Code.RECORD_IN_DOUBT, {"doubt": "it lives"}),
    Answer(Code.RECORD_IN_DOUBT, flagged(doubt="it lives")),
    Answer(Code.HOST_UNUSABLE, {"problem": "Nova is away"}),
    Answer(Code.HOST_UNUSABLE, flagged(problem="no such host")),
    Answer(Code.PAUSED, flagged(paused="work, by bob until resumed")),
    Answer(Code.PAUSED, flagged(paused="work", unproven="no device", fence_confirmed=False)),
    Answer(Code.HOST_UNUSABLE, flagged(paused="work", problem="no such host")),
    Answer(Code.FENCING_UNPROVEN, flagged(unproven="no device")),
    Answer(Code.FENCING_UNCONFIRMED, flagged(fence_confirmed=False)),
    Answer(Code.FENCING_CUT_NO_POWER, flagged("unproven", fence_confirmed=False)),
    Answer(Code.FENCING_BEFORE_SERVICE, flagged("unproven", "doubted", fence_confirmed=False)),
    Answer(Code.NOT_CLAIMED, flagged(service=None)),
    Answer(Code.NOT_CLAIMED, flagged("adopted")),
    Answer(Code.NOT_PREPARED, flagged()),
    Answer(Code.OWNED_BY_ANOTHER, {"mine": False, "problem": "Nova is away"}),
    Answer(Code.HOST_NOT_READ, {"service": None}),
    Answer(Code.NOT_PREPARED, {"record": record(before=None)}),
    Answer(Code.NOT_FORCED_DOWN, {"service": UNTOLD}),
    Answer(Code.STATES_NOT_NOTED, {"instances": (instance("b", vm_state="stopped"),)}),
    Answer(Code.RECOVERED, {"record": record(state=RecoveryState.RECOVERED)}, never=True),
    Answer(Code.UNREADABLE, {}, {"problem": "no state"}),
    Answer(Code.EVACUATIONS_UNREADABLE, {"migrations": (row(1, "?", problem="no status"),)}),
    Answer(Code.BEING_DELETED, {}, {"task_state": "deleting"}, never=True),
    Answer(Code.SENDING, asked(Outcome.SENDING, 500)),
    Answer(Code.UNDER_WAY, {"migrations": (row(1, "accepted"),)}),
    Answer(Code.UNDER_WAY, {}, {"task_state": "rebuilding"}),
    Answer(Code.ANSWER_AWAITED, asked(Outcome.UNKNOWN, 89.9)),
    Answer(Code.REFUSED, asked(Outcome.REFUSED, 500, "never"), never=True),
    Answer(Code.NOT_SENT, asked(Outcome.NOT_SENT, 9.9)),
    Answer(Code.PREDECESSOR, {"quiet_until": NOW + 0.1}),
    Answer(Code.POLICY_UNREAD, {}, rules=Rules(unusable="it has a mistake")),
    Answer(Code.POLICY_LEAVES, {}, never=True, rules=Rules(default=Treatment.LEAVE)),
    Answer(Code.POLICY_NOTIFIES, {}, never=True, rules=Rules(default=Treatment.NOTIFY)),
    Answer(Code.LOCAL_DISKS, {}, {"traits": Traits(local_disk=True)}, never=True, rules=Rules()),
    Answer(Code.AFTER_GROUPS, {}, {"traits": Traits(local_disk=False)}, rules=WEB),
    Answer(Code.STATE_TO_CHANGE, NOTED, {"vm_state": "paused"}),
    Answer(Code.STATE, {}, {"vm_state": "paused"}, never=True),
    Answer(Code.STATE, NOTED, {"vm_state": "building"}, never=True),
    Answer(Code.FAILED, FAILED_ONCE),
    Answer(Code.GUEST_MAY_RUN, MAY_RUN),
    Answer(Code.GUEST_EXISTS, MAY_RUN, EXISTS),
    Answer(Code.OTHERS_NOT_FORCED_DOWN, {"is_stale": True}, turn=Turn(True, 0, 0)),
    Answer(Code.NO_CAPACITY, {"is_stale": True}, turn=Turn(False, 2, 2)),
    Answer(Code.NO_CAPACITY, {}, turn=Turn(False, 0, 0)),
    Answer(Code.LIST_TOO_OLD, {"is_stale": True}, turn=Turn(False, 1, 2)),
    Answer(Code.RECORD_NOT_FRESH, {}, sending=Sending("fence-1", 15.0)),
    Answer(Code.RECORD_NOT_FRESH, {}, sending=Sending("fence-2", 0.0)),
    Answer(Code.RECORD_NOT_FRESH, {}, sending=Sending("", 0.0)),
    Answer(Code.MOVED, {}, {"host": ALIVE}, sending=replace(OURS, read_again=True)),
]

OF_THE_ACTOR = {Code.NOT_READ_AGAIN: {"text": "timed out"}, Code.GONE: {}}
"""What is answered where the instance cannot be read once more, or is not there."""


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.code}")
def test_what_has_to_be_waited_for(answer: Answer) -> None:
    asked_of = case(answer.known, answer.server, answer.rules)
    found = may_evacuate(asked_of, answer.turn, answer.sending)
    assert isinstance(found, Never if answer.never else Wait)
    assert found.code is answer.code
    assert sentence(found).strip() or answer.code is Code.UNDER_WAY


def test_every_code_is_an_answer_and_has_a_sentence() -> None:
    assert {answer.code for answer in ANSWERS} | OF_THE_ACTOR.keys() == set(Code)
    assert all(sentence(Wait(code, data)) for code, data in OF_THE_ACTOR.items())


@pytest.mark.parametrize(
    ("known", "turn", "sending", "target"),
    [
        ({}, None, None, None),
        ({}, Turn(False, 1, 2), None, None),
        ({}, None, Sending("fence-1", 14.9), None),
        ({}, None, replace(OURS, read_again=True), None),
        ({"migrations": (row(1, "error"),)}, Turn(False, 0, 1), OURS, ALIVE),
        (asked(Outcome.ACCEPTED, 90), None, OURS, None),
        ({"failures": {"a": Failure(1, NOW - 10)}}, None, OURS, None),
    ],
)
def test_what_may_be_evacuated(
    known: dict[str, Any], turn: Turn | None, sending: Sending | None, target: str | None
) -> None:
    found = may_evacuate(case(known), turn, sending)
    assert isinstance(found, Go)
    assert found.target == target


@pytest.mark.parametrize(
    ("server", "goes"),
    [
        ({}, True),
        ({"vm_state": "error"}, True),
        ({"host": ALIVE}, False),
        ({"task_state": "rebuilding"}, False),
        ({"task_state": "deleting"}, False),
        ({"vm_state": "paused"}, False),
        ({"problem": "no state"}, False),
    ],
)
def test_law_2_what_is_read_once_more_is_judged_as_the_list_was(
    server: dict[str, Any], goes: bool
) -> None:
    found = may_evacuate(case({}, server), sending=replace(OURS, read_again=True))
    assert isinstance(found, Go) is goes


def test_a_stalled_evacuation_that_planner_gave_up_is_not_in_the_way_of_the_actor() -> None:
    over = {"migrations": (row(1, "accepted"),), "logs": {"a": EvacuationLog(over=True)}}
    read = case(over, {"task_state": "rebuilding"})
    found = may_evacuate(read, sending=replace(OURS, read_again=True))
    assert isinstance(found, Go)
    assert found.target == ALIVE


@pytest.mark.parametrize(
    ("known", "untouched", "first"),
    [
        ({}, False, True),
        ({"migrations": (row(1, "error"),)}, False, False),
        ({"migrations": (row(1, "error"),)}, True, True),
        ({"migrations": (row(1, "error"),), **asked(Outcome.NOT_SENT, 99)}, True, False),
        ({"migrations": (row(1, "accepted"),)}, True, False),
        ({"migrations": (row(1, "accepted", instance="b"),)}, False, True),
    ],
)
def test_law_2_only_a_first_request_needs_no_second_reading(
    known: dict[str, Any], untouched: bool, first: bool
) -> None:
    assert is_first_request(case(known), untouched=untouched) is first


def test_what_is_said_of_a_failure() -> None:
    def said(known: dict[str, Any], **server: Any) -> str:
        return sentence(may_evacuate(case(known, server)))

    assert said(FAILED_ONCE) == "try 1 failed: the evacuation failed"
    assert said(FAILED_ONCE, fault="Image x is deleted") == (
        "try 1 failed, its image is not to be had: Image x is deleted"
    )
    assert said(MAY_RUN) == (
        f"may be running on {ALIVE}, which alone is asked: the evacuation failed"
    )
    assert said(MAY_RUN, **EXISTS).startswith(f"{ALIVE} has a guest of it that Nova has lost")
    due = {"failures": {"a": Failure(1, NOW - 10)}}
    assert said(due) == said(FAILED_ONCE), "one that goes says still why it failed before"
    assert said({}) == ""


UNCONFIRMED = "waiting for Pacemaker to confirm the fencing"
REQUESTED = "; it was fenced once more already: see `stonith_admin --history compute-1 -V`"
NO_POWER = "its fencing cut no power: waiting for another one"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (flagged(paused="by root until 14:00"), "new recoveries are paused: by root until 14:00"),
        (flagged(fence_confirmed=False), UNCONFIRMED),
        (flagged(fence_confirmed=False, fenced_on_request=True), UNCONFIRMED + REQUESTED),
        (flagged("unproven", fence_confirmed=False), NO_POWER),
        (flagged("unproven", fence_confirmed=False, fenced_on_request=True), NO_POWER + REQUESTED),
    ],
)
def test_what_is_said_of_a_host_that_nobody_has_claimed(known: dict[str, Any], said: str) -> None:
    assert sentence(may_evacuate(case(known))) == said


QUEUED = {"logs": {"a": EvacuationLog(queued=True)}}


@pytest.mark.parametrize(
    ("known", "server", "data"),
    [
        ({}, {"task_state": "rebuilding"}, {"task": "rebuilding", "host": "", "queued": ""}),
        ({"migrations": (row(1, "accepted"),)}, {}, {"task": "", "host": ALIVE, "queued": ""}),
        ({"migrations": (row(1, "accepted", None),)}, {}, {"task": "", "host": "", "queued": ""}),
        (
            {"migrations": (row(1, "accepted"),), **QUEUED},
            {},
            {"task": "", "host": ALIVE, "queued": "yes"},
        ),
    ],
)
def test_what_is_known_of_an_evacuation_under_way(
    known: dict[str, Any], server: dict[str, Any], data: dict[str, str]
) -> None:
    assert may_evacuate(case(known, server)) == Wait(Code.UNDER_WAY, data)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (Go(None), False),
        (Go(None, Wait(Code.FAILED, {})), True),
        (Wait(Code.FAILED, {}), True),
        (Wait(Code.GUEST_MAY_RUN, {}), True),
        (Wait(Code.GUEST_EXISTS, {}), True),
        (Wait(Code.NOT_SENT, {}), False),
        (Wait(Code.UNDER_WAY, {}), False),
        (Never(Code.REFUSED, {}), False),
    ],
)
def test_whether_a_failed_evacuation_is_all_that_is_in_the_way(
    answer: Go | Wait | Never, failed: bool
) -> None:
    assert has_failed(answer) is failed


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (20, 2.0**18), (21, 2.0**19), (22, 2.0**19), (999, 2.0**19)],
)
def test_pauses_double_twenty_times_and_stay_below_the_cap(count: int, seconds: float) -> None:
    uncapped = replace(POLICY, retry_base=0.5, retry_cap=1e9)
    assert pause_after(count, uncapped) == seconds
    assert pause_after(count, replace(uncapped, retry_cap=4.0)) == min(4.0, seconds)


def test_words_of_nova_are_no_format() -> None:
    text = "{host} {0} %s"
    assert sentence(Never(Code.REFUSED, {"text": text})) == text
    assert sentence(Never(Code.REFUSED, {"text": ""})) == "", "nothing is made up"
    assert sentence(Wait(Code.FAILED, {"text": text, "kind": str(Kind.OTHER), "count": "2"})) == (
        f"try 2 failed: {text}"
    )


def test_the_codes_are_frozen() -> None:
    """They are kept and compared by others: a new one may be added, none may change."""
    known = """
        answer-awaited being-deleted evacuations-unreadable failed fencing-before-service
        fencing-cut-no-power fencing-unconfirmed fencing-unproven gone guest-exists guest-may-run
        host-not-read host-unusable list-too-old moved no-capacity not-claimed not-forced-down
        not-prepared not-read-again not-sent others-not-forced-down owned-by-another paused
        predecessor record-in-doubt record-not-fresh recovered refused sending state state-to-change
        states-not-noted under-way unreadable
    """
    assert set(known.split()) <= {str(code) for code in Code}
