"""Why an instance stands where it stands: a code and its data; the sentence is made at the edge.

The gate's codes are in `novaha.core.answers`; here are the others. The sentences of both are in
`novaha.core.sentences`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique

from novaha.core.answers import Code, Data, Go, Never, Wait


@unique
class Stand(StrEnum):
    """What else is told of an instance. The values are frozen; in brackets their data."""

    DELETED = "deleted"
    """Nova has it no more."""
    NOT_LISTED = "not-listed"
    """It is on the dead host, whose list has not got it."""
    TASK = "task"
    """[task] Nova is at work on it."""
    MIGRATION = "migration"
    """[status] Its evacuation goes on."""
    DESTINATION_DIED = "destination-died"
    RESET_UNANSWERED = "reset-unanswered"
    """Nova may yet carry out a reset that it gave no answer to."""
    IN_STATE = "in-state"
    """[state] It is where it has to be."""
    TO_BE_AS_BEFORE = "to-be-as-before"
    """It came up, and is soon to be what it was before."""
    RUNS_AGAIN = "runs-again"
    """On its host, which is back."""
    STAYS = "stays"
    """[state] It stays on its host as it is."""
    RESIZE_BEING_CONFIRMED = "resize-being-confirmed"
    ACTION = "action"
    """[action] Nova is asked for it now."""
    ACTION_ASKED = "action-asked"
    """[action] Nova was asked for it."""
    ACTION_FAILED = "action-failed"
    """[action, text] Nova was asked for it, and something went wrong."""
    ACTION_GIVEN_UP = "action-given-up"
    """[action, count, text, state] It was asked for that often in vain. text: "" where Nova said
    nothing."""
    COMES_HOME = "comes-home"
    """[host] It found no place elsewhere and comes up on its host, which is back."""


@dataclass(frozen=True, slots=True)
class Reason:
    """data: what the code's description names. after: the reason before this one."""

    code: Code | Stand
    data: Data = field(default_factory=dict)
    after: Reason | None = None


def of(answer: Go | Wait | Never) -> Reason | None:
    """The gate's reason, None for an instance that may be evacuated and never failed to be."""
    if isinstance(answer, Go):
        return of(answer.after) if answer.after is not None else None
    return Reason(answer.code, answer.data)
