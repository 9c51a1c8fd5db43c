"""What was read about the flagged hosts in one turn, and the policy to decide by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from novaha.core.model import ComputeService, Instance, Migration
from novaha.core.record import Record


@dataclass(frozen=True, slots=True)
class Policy:
    """How to recover.

    max_in_flight: evacuations that may be under way at once, over all hosts.
    answer_wait: seconds after a request without an answer, or without a trace in Nova, before
        it counts as never made. Longer than any request can wait inside Nova's API.
    retry_base, retry_cap: seconds before the second try of a failed evacuation, doubled each
        time up to the cap.
    stop_wait: seconds to let Nova itself stop an instance that was shut off.
    """

    max_in_flight: int = 64
    answer_wait: float = 90.0
    retry_base: float = 10.0
    retry_cap: float = 120.0
    stop_wait: float = 3.0


class Outcome(StrEnum):
    """What became of a request that this evacuator sent."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    """Time-out, lost answer, or 5xx: it may have been done."""
    NOT_SENT = "not sent"
    """It never reached Nova, or Nova said that it did nothing."""
    REFUSED = "refused"
    """Nova will not evacuate this instance as it is."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last request that this evacuator sent for an instance.

    at: when, monotonic seconds. seen: ids of the instance's migrations before it.
    """

    outcome: Outcome
    at: float
    seen: frozenset[int] = frozenset()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Evacuations of an instance that Nova began and could not finish.

    count: how many. at: when this evacuator saw the last of them, monotonic seconds.
    """

    count: int
    at: float


@dataclass(frozen=True, slots=True)
class HostView:
    """All that was read about one flagged host in this turn.

    mine: the record's owner is this evacuator.
    fence_confirmed: Pacemaker's history has a successful fencing since the record was written.
    fenced_on_request: this evacuator has asked Pacemaker for a fencing already.
    host: Nova's name of it; None when Nova was not asked or does not know it.
    problem: why this host cannot be worked on now, "" when it can.
    instances: those that Nova lists on the host.
    moved: those with an evacuation under way or done from this host that it no longer lists;
        None for one that Nova no longer has.
    migrations: the evacuations away from this host.
    alive: nova-compute's heartbeat was seen to advance since the recovery was over.
    quiet_until: until then (monotonic seconds) requests of an earlier owner may still arrive.
    settled_before: the turn before came to the end too, from an earlier reading.
    """

    record: Record
    mine: bool = False
    fence_confirmed: bool = False
    fenced_on_request: bool = False
    host: str | None = None
    problem: str = ""
    service: ComputeService | None = None
    instances: tuple[Instance, ...] = ()
    moved: Mapping[str, Instance | None] = field(default_factory=dict)
    migrations: tuple[Migration, ...] = ()
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    stops: Mapping[str, Attempt] = field(default_factory=dict)
    done_since: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    alive: bool = False
    quiet_until: float = 0.0
    settled_before: bool = False

    @property
    def node(self) -> str:
        return self.record.node
