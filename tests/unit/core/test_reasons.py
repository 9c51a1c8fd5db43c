"""Codes of reasons are an interface, and each has its sentence."""

from __future__ import annotations

import re

import pytest

from novaha.core.answers import Code, Go, Never, Wait
from novaha.core.reasons import Reason, Stand, of
from novaha.core.sentences import sentence, template, told

GATE = """
record-in-doubt host-unusable paused fencing-unproven fencing-unconfirmed fencing-cut-no-power
fencing-before-service not-claimed owned-by-another host-not-read not-prepared not-forced-down
states-not-noted recovered unreadable evacuations-unreadable being-deleted sending under-way
answer-awaited refused not-sent predecessor state-to-change state failed guest-may-run guest-exists
others-not-forced-down no-capacity list-too-old record-not-fresh not-read-again gone moved
policy-unread policy-leaves policy-notifies local-disks after-groups
"""

OTHERS = {
    "deleted": set(),
    "not-listed": set(),
    "task": {"task"},
    "migration": {"status"},
    "destination-died": set(),
    "reset-unanswered": set(),
    "in-state": {"state"},
    "to-be-as-before": set(),
    "runs-again": set(),
    "stays": {"state"},
    "resize-being-confirmed": set(),
    "action": {"action"},
    "action-asked": {"action"},
    "action-failed": {"text"},
    "action-given-up": {"action", "count", "text"},
    "comes-home": {"host", "after"},
}
"""Never edit a line of these two: programs read the codes. A new one is a new line."""


def test_the_codes_stay() -> None:
    assert [str(code) for code in Code] == GATE.split()
    assert {str(stand) for stand in Stand} == OTHERS.keys()
    assert not {str(code) for code in Code} & OTHERS.keys(), "one code, one meaning"


@pytest.mark.parametrize("stand", Stand)
def test_a_sentence_is_made_of_the_data_of_its_code(stand: Stand) -> None:
    assert set(re.findall(r"\{(\w+)\}", template(stand))) == OTHERS[stand]


def test_the_gates_reasons_have_the_gates_sentences() -> None:
    never = Never(Code.STATE, {"state": "building"})
    assert of(never) == Reason(Code.STATE, {"state": "building"})
    assert told(of(never)) == sentence(never) == "Nova evacuates no instance that is BUILDING"
    failed = Wait(Code.NOT_SENT, {"text": ""})
    assert told(of(Go(after=failed))) == sentence(failed) == "to be tried again"
    assert (of(Go()), told(None), sentence(Go())) == (None, "", "")


def test_a_reason_before_this_one_is_told_with_it() -> None:
    before = Reason(Code.FAILED, {"text": "no valid host", "kind": "no-room", "count": "5"})
    assert told(Reason(Stand.COMES_HOME, {"host": "compute-1"}, before)) == (
        "found no place elsewhere, comes up on compute-1 again; try 5 failed: no valid host"
    )


@pytest.mark.parametrize(("text", "said"), [("away", "away"), ("", "is ERROR")])
def test_an_action_that_was_asked_for_in_vain(text: str, said: str) -> None:
    data = {"action": "hard reboot", "count": "5", "text": text, "state": "error"}
    assert told(Reason(Stand.ACTION_GIVEN_UP, data)) == (
        f"'hard reboot' without success, 5 times: {said}"
    )


def test_braces_in_others_texts_are_shown_as_they_are() -> None:
    """An exception's text may be a Python dictionary."""
    data = {"action": "stop", "text": "{text} {0} {}"}
    assert told(Reason(Stand.ACTION_FAILED, data)) == "{text} {0} {}"
