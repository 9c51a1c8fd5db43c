"""What was read about the flagged hosts in one turn, and the policy to decide by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from novaha.core.faults import Fault
from novaha.core.model import Action, ComputeService, EvacuationLog, Instance, Migration
from novaha.core.record import Record


@dataclass(frozen=True, slots=True)
class Policy:
    """How to recover.

    max_in_flight: evacuations that may be under way at once, over all hosts.
    answer_wait: seconds after a request without an answer, or without a trace in Nova, before
        it counts as never made. Longer than any request can wait inside Nova's API.
    retry_base, retry_cap: seconds before the second try of what failed, doubled each time up to
        the cap.
    restore_wait: seconds to let Nova itself stop an instance that was shut off.
    lost_after: seconds without progress after which Nova's own log of actions is asked whether
        the evacuation is over, and where it went.
    stuck_after: seconds without progress, while Nova and its conductor were up, after which an
        evacuation is asked for once more; at the destination that it has, if it has one, and
        nowhere else. Longer than an instance may take to boot.
    patience: seconds that a host has to be back before what cannot be placed elsewhere is
        released to come up on it.
    flap_fencings, flap_window: a host that was fenced so often within so many seconds is kept
        out when it is back, until an operator lets it in; 0 fencings: never.
    return_after: seconds for which the nova-compute of a host that is back has to be up before
        Nova may send instances to it.
    return_disabled: every host is kept out when it is back.
    """

    max_in_flight: int = 64
    answer_wait: float = 90.0
    retry_base: float = 10.0
    retry_cap: float = 120.0
    restore_wait: float = 3.0
    lost_after: float = 30.0
    stuck_after: float = 1800.0
    patience: float = 300.0
    flap_fencings: int = 0
    flap_window: float = 3600.0
    return_after: float = 0.0
    return_disabled: bool = False


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
class Nudge:
    """The last request other than an evacuation that this evacuator sent for an instance.

    at: when, monotonic seconds. count: how many of this action in a row. message: what went
    wrong, "" if nothing did.
    """

    action: Action
    at: float
    count: int = 1
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

    mine: the record's owner is this evacuator. owned_at: since when, monotonic seconds.
    fence_confirmed: Pacemaker's history has a successful fencing since the record was written.
    unproven: why Pacemaker's confirmation proves nothing for this host, "" if it does.
    fenced_on_request: this evacuator has asked Pacemaker for a fencing already.
    doubt: why its record is out of date, "" when it is believed.
    host: Nova's name of it; None when Nova was not asked or does not know it.
    problem: why this host cannot be worked on now, "" when it can.
    paused: why no recovery may begin, by whom and until when; "" when it may.
    held: the problem is only that Nova has not every dead host forced down yet.
    instances: those that Nova lists on the host. aged: that was read in a turn before, and nothing
        may be asked for by it.
    moved: those with an evacuation under way or done from this host that it no longer lists;
        None for one that Nova no longer has.
    migrations: the evacuations away from this host.
    receivers: for instances that were being migrated live when the host died, where to.
    lost: ids of evacuations that are shown as open or closed, and of which nothing comes any more:
        their destination was fenced since and may be back, or Nova's log says that they ended.
    attempts, nudges, failures: what this evacuator asked for, and what came of it.
    done_since: when an instance was first seen to be moved, monotonic seconds.
    unchanged_for: seconds for which Nova was up, an instance's evacuation did not change, and no
        other one of the host was taken up.
    logs: of instances whose evacuation stands still, what Nova's log of actions tells of it.
    faults: why evacuations failed at their destination, by their ids.
    restarted: nova-compute was restarted on request a moment ago.
    unanswered_at: when Nova last gave no answer to a request about the host itself: it may carry
        that out yet. Monotonic seconds.
    unanswered_resets: the same for instances whose state was to be reset to `error`.
    alive: nova-compute was seen to run since the recovery was over.
    heard: Nova has had a heartbeat of it since it was told that it may be up.
    up_for: seconds for which Nova has shown it up since then, None while it does not.
    fencings: when the host was fenced, as far as Pacemaker remembers; read of one that is back.
    online_for: seconds for which Pacemaker has had the node online, None while it is not.
    quiet_until: until then (monotonic seconds) requests of an earlier owner may still arrive.
    settled_before: the turn before came to the end too, from an earlier reading.
    """

    record: Record
    mine: bool = False
    owned_at: float = float("-inf")
    fence_confirmed: bool = False
    fenced_on_request: bool = False
    unproven: str = ""
    doubt: str = ""
    host: str | None = None
    problem: str = ""
    paused: str = ""
    held: bool = False
    service: ComputeService | None = None
    instances: tuple[Instance, ...] = ()
    aged: bool = False
    moved: Mapping[str, Instance | None] = field(default_factory=dict)
    migrations: tuple[Migration, ...] = ()
    receivers: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    nudges: Mapping[str, Nudge] = field(default_factory=dict)
    done_since: Mapping[str, float] = field(default_factory=dict)
    unchanged_for: Mapping[str, float] = field(default_factory=dict)
    logs: Mapping[str, EvacuationLog] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    faults: Mapping[int, Fault] = field(default_factory=dict)
    restarted: bool = False
    unanswered_at: float = float("-inf")
    unanswered_resets: Mapping[str, float] = field(default_factory=dict)
    alive: bool = False
    heard: bool = False
    up_for: float | None = None
    fencings: tuple[datetime, ...] = ()
    online_for: float | None = None
    quiet_until: float = 0.0
    settled_before: bool = False

    @property
    def node(self) -> str:
        return self.record.node


@dataclass(frozen=True, slots=True)
class Overview:
    """What concerns all hosts.

    dead: Nova's names of the hosts that are certainly dead: fenced, confirmed, forced down.
    room_since: when room for instances may last have appeared somewhere, monotonic seconds.
    still_for: seconds for which nothing at all has moved.
    """

    dead: frozenset[str]
    room_since: float
    still_for: float
