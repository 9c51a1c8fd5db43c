"""The policy to decide by, what was asked for so far, and what concerns all hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from novaha.core.model import Action
from novaha.core.policy.rules import Rules


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
    rules: what the site has declared of its instances; None: all are moved.
    waiting: by group of these rules, the groups that it waits for now.
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
    rules: Rules | None = None
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
class OtherRequest:
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
class Overview:
    """What concerns all hosts.

    dead: Nova's names of the hosts that are certainly dead: fenced, confirmed, forced down.
    room_since: when room for instances may last have appeared somewhere, monotonic seconds.
    still_for: seconds for which nothing at all has moved.
    """

    dead: frozenset[str]
    room_since: float
    still_for: float
