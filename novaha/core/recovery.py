"""The states of a host's recovery, and the table of steps between them.

The values are persisted in the CIB: they never change meaning and are never reused.
"""

from __future__ import annotations

from enum import StrEnum

from novaha.core.errors import TransitionError


class RecoveryState(StrEnum):
    """Where a host stands. A host without a record is ABSENT, that is healthy."""

    ABSENT = "absent"
    PENDING = "pending"
    """Fenced, to be recovered; nobody has claimed it."""
    RUNNING = "running"
    """An evacuator has claimed it, after Pacemaker confirmed the fencing."""
    RECOVERED = "recovered"
    """Every instance is settled; the host may return to service."""


class Event(StrEnum):
    """What can happen to a recovery."""

    FENCE = "fence"
    """The host was fenced (again)."""
    CLAIM = "claim"
    """An evacuator takes the work, from nobody or from one that is gone."""
    PREPARE = "prepare"
    """The owner notes what it must remember before it touches Nova."""
    COMPLETE = "complete"
    """Every instance is settled."""
    RELEASE = "release"
    """The operator declares what is left on the host as settled, and lets the host in."""
    RETRY = "retry"
    """The operator wants the host looked at again from the beginning."""
    RETURN = "return"
    """The host is back in service."""


TRANSITIONS: dict[tuple[RecoveryState, Event], RecoveryState] = {
    (RecoveryState.ABSENT, Event.FENCE): RecoveryState.PENDING,
    (RecoveryState.PENDING, Event.FENCE): RecoveryState.PENDING,
    (RecoveryState.RUNNING, Event.FENCE): RecoveryState.PENDING,
    (RecoveryState.RECOVERED, Event.FENCE): RecoveryState.PENDING,
    (RecoveryState.PENDING, Event.CLAIM): RecoveryState.RUNNING,
    (RecoveryState.RUNNING, Event.CLAIM): RecoveryState.RUNNING,
    (RecoveryState.RUNNING, Event.PREPARE): RecoveryState.RUNNING,
    (RecoveryState.RUNNING, Event.COMPLETE): RecoveryState.RECOVERED,
    (RecoveryState.PENDING, Event.RELEASE): RecoveryState.RECOVERED,
    (RecoveryState.RUNNING, Event.RELEASE): RecoveryState.RECOVERED,
    (RecoveryState.RECOVERED, Event.RELEASE): RecoveryState.RECOVERED,
    (RecoveryState.RUNNING, Event.RETRY): RecoveryState.PENDING,
    (RecoveryState.RECOVERED, Event.RETURN): RecoveryState.ABSENT,
}


def step(state: RecoveryState, event: Event) -> RecoveryState:
    """The state after `event`.

    Raises TransitionError for a pair that is not in the table.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(state, event) from None


def holds(state: RecoveryState) -> bool:
    """Whether nova-compute must not start on a host in this state (law 4)."""
    return state in (RecoveryState.PENDING, RecoveryState.RUNNING)
