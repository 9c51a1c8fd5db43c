"""What the evacuator tells others that it did: typed events, with names and fields that stay.

The name of an event is `event`, never the name of its class: classes may be renamed. Names and
fields are an interface (docs/reference/interfaces.md): they never change their meaning; new ones
may come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from novaha.core.model import Action


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done, or that became known. A field that is None is not told."""

    event: ClassVar[str]

    def data(self) -> dict[str, Any]:
        """The fields that are told, in their order, as JSON has them."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in told.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, int) else str(value)


class Sink(Protocol):
    """Takes events. It neither waits nor raises, so that no recovery does because of it."""

    def emit(self, event: Event) -> None:
        """Take one that is of this moment."""


# The recovery of a host.


@dataclass(frozen=True, slots=True)
class Flagged(Event):
    """The host is to be recovered, though no fencing of ours flagged it."""

    event: ClassVar[str] = "flagged"
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConfirmationRefuted(Event):
    """An administrator confirmed that the host is down; Nova had a heartbeat later, at `seen`."""

    event: ClassVar[str] = "confirmation refuted"
    node: str
    seen: str


@dataclass(frozen=True, slots=True)
class Fenced(Event):
    """The host was flagged at `at` (UTC): its power was off by then. Told when it is claimed."""

    event: ClassVar[str] = "fenced"
    node: str
    fence_id: str
    at: str


@dataclass(frozen=True, slots=True)
class Claimed(Event):
    """This evacuator works on the host. before: whoever had it, "" for nobody."""

    event: ClassVar[str] = "claimed"
    node: str
    fence_id: str
    before: str


@dataclass(frozen=True, slots=True)
class Doubted(Event):
    """The record was out of date: the host is fenced again before anything else."""

    event: ClassVar[str] = "doubted"
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """Nothing is left to do for the host. unmoved: what was not moved, id to reason."""

    event: ClassVar[str] = "recovered"
    node: str
    unmoved: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Restarted(Event):
    """nova-compute is restarted, to close what is left of its evacuations."""

    event: ClassVar[str] = "restart"
    node: str


@dataclass(frozen=True, slots=True)
class Returned(Event):
    """The host is back in service, its record is gone."""

    event: ClassVar[str] = "returned"
    node: str


# What Nova was told about the compute service `host`.


@dataclass(frozen=True, slots=True)
class ForcedDown(Event):
    event: ClassVar[str] = "forcedown"
    node: str
    host: str


@dataclass(frozen=True, slots=True)
class Disabled(Event):
    """reason: of a host that is back and is kept out of service, what Nova shows; else None."""

    event: ClassVar[str] = "disable"
    node: str
    host: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LetUp(Event):
    event: ClassVar[str] = "unforce"
    node: str
    host: str


@dataclass(frozen=True, slots=True)
class Enabled(Event):
    """node: None where the host has no record any more; `reason` says then why it was enabled."""

    event: ClassVar[str] = "enable"
    node: str | None
    host: str
    reason: str | None = None


# An instance.


@dataclass(frozen=True, slots=True)
class Requested(Event):
    """An evacuation was asked for. outcome: of `situation.Outcome`. message: why, "" if none."""

    event: ClassVar[str] = "requested"
    node: str
    instance: str
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """The instance is on host `to`, in state `state`."""

    event: ClassVar[str] = "settled"
    node: str
    instance: str
    name: str
    to: str
    state: str


@dataclass(frozen=True, slots=True)
class Acted(Event):
    """Something else was asked of Nova. message: what went wrong, "" if nothing."""

    node: str
    instance: str
    message: str


@dataclass(frozen=True, slots=True)
class Stopped(Acted):
    event: ClassVar[str] = "stop"


@dataclass(frozen=True, slots=True)
class PausedInstance(Acted):
    event: ClassVar[str] = "pause"


@dataclass(frozen=True, slots=True)
class Suspended(Acted):
    event: ClassVar[str] = "suspend"


@dataclass(frozen=True, slots=True)
class Reset(Acted):
    event: ClassVar[str] = "reset to error"


@dataclass(frozen=True, slots=True)
class ResizeConfirmed(Acted):
    event: ClassVar[str] = "confirm resize"


@dataclass(frozen=True, slots=True)
class Rebooted(Acted):
    event: ClassVar[str] = "hard reboot"


ACTED: Mapping[Action, type[Acted]] = {
    Action.STOP: Stopped,
    Action.PAUSE: PausedInstance,
    Action.SUSPEND: Suspended,
    Action.RESET: Reset,
    Action.CONFIRM_RESIZE: ResizeConfirmed,
    Action.HARD_REBOOT: Rebooted,
}
"""The event of each action."""


# Fencing, and hosts whose power-off is held.


@dataclass(frozen=True, slots=True)
class FencingRequested(Event):
    """Pacemaker was asked to fence the host. reason: for a held host, why; else None."""

    event: ClassVar[str] = "fencing requested"
    node: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FencingFailed(Event):
    """A fencing that was asked for failed; it is asked for again after a pause."""

    event: ClassVar[str] = "fencing failed"
    node: str
    message: str


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """An operator has paused fencing and new recoveries."""

    event: ClassVar[str] = "paused"
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """A pause is over. reason: of the pause."""

    event: ClassVar[str] = "resumed"
    reason: str


@dataclass(frozen=True, slots=True)
class RecoveryHeld(Event):
    """More hosts have failed than the limits allow: this one's recovery does not begin."""

    event: ClassVar[str] = "recovery held"
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class BroughtBack(Event):
    """A held host proved to be alive: Pacemaker connects to it again."""

    event: ClassVar[str] = "brought back"
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoLongerHeld(Event):
    """The host is back in the cluster, or was fenced."""

    event: ClassVar[str] = "no longer held"
    node: str
    reason: str


# Hosts that get no further by themselves.


@dataclass(frozen=True, slots=True)
class Attention(Event):
    """An operator is needed. code: of `evacuator.attention`. text: what is wrong, what to do."""

    event: ClassVar[str] = "attention"
    node: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AttentionOver(Event):
    """That is over, for a minute at least."""

    event: ClassVar[str] = "attention over"
    node: str
    code: str


# Operators.


@dataclass(frozen=True, slots=True)
class OperatorActed(Event):
    """Somebody gave a command. action: its name. who: `USER@NODE`. reason: why, "" if not said.

    node: the host that it was about; None where it was about no single one. details: its options.
    """

    event: ClassVar[str] = "operator"
    node: str | None
    action: str
    who: str
    reason: str
    details: str = ""


# The events themselves.


@dataclass(frozen=True, slots=True)
class Lost(Event):
    """So many events that happened before this one are not told: there was no room for them."""

    event: ClassVar[str] = "events lost"
    count: int


ALL: tuple[type[Event], ...] = (
    Flagged,
    ConfirmationRefuted,
    Fenced,
    Claimed,
    Doubted,
    Recovered,
    Restarted,
    Returned,
    ForcedDown,
    Disabled,
    LetUp,
    Enabled,
    Requested,
    Settled,
    *ACTED.values(),
    FencingRequested,
    FencingFailed,
    Paused,
    Resumed,
    BroughtBack,
    NoLongerHeld,
    RecoveryHeld,
    Attention,
    AttentionOver,
    OperatorActed,
    Lost,
)
"""Every event that there is."""
