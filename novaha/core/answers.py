"""What the gate answers: Go, Wait or Never, with a code for the reason and its data.

The sentences are in `novaha.core.sentences`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class Code(StrEnum):
    """Why an instance is not evacuated now. The values are frozen; in brackets their data."""

    # The host.
    RECORD_IN_DOUBT = "record-in-doubt"
    """[text] The record is out of date: the host may have lived since."""
    HOST_UNUSABLE = "host-unusable"
    """[text] What was read of the host cannot be worked with."""
    PAUSED = "paused"
    """[text] An operator has paused new recoveries. text: why, by whom and until when."""
    FENCING_UNPROVEN = "fencing-unproven"
    """[text] What Pacemaker confirms proves nothing."""
    FENCING_UNCONFIRMED = "fencing-unconfirmed"
    """[requested] Pacemaker has not confirmed the fencing. requested: the node, if another fencing
    was asked for, "" if not; so for the next two."""
    FENCING_CUT_NO_POWER = "fencing-cut-no-power"
    """[requested] No power device took part in the fencing of the record."""
    FENCING_BEFORE_SERVICE = "fencing-before-service"
    """[requested] The host has been in service since the fencing of the record."""
    NOT_CLAIMED = "not-claimed"
    """Nobody has claimed the recovery."""
    OWNED_BY_ANOTHER = "owned-by-another"
    """Another evacuator has claimed the recovery."""
    HOST_NOT_READ = "host-not-read"
    NOT_PREPARED = "not-prepared"
    """The record does not hold what Nova will forget."""
    NOT_FORCED_DOWN = "not-forced-down"
    """Nova does not know that the host is dead."""
    STATES_NOT_NOTED = "states-not-noted"
    """Instances have appeared whose states the record does not hold."""
    RECOVERED = "recovered"
    """The recovery of the host is over."""
    # The instance.
    UNREADABLE = "unreadable"
    """[text]"""
    EVACUATIONS_UNREADABLE = "evacuations-unreadable"
    """[text]"""
    BEING_DELETED = "being-deleted"
    SENDING = "sending"
    """The request is on its way to Nova."""
    UNDER_WAY = "under-way"
    """[task, host, queued] An evacuation may yet bring the instance up."""
    ANSWER_AWAITED = "answer-awaited"
    """A request was made that does not show in Nova yet."""
    REFUSED = "refused"
    """[text] Nova will never evacuate the instance as it is."""
    NOT_SENT = "not-sent"
    """[text] The last request did nothing, a moment ago."""
    PREDECESSOR = "predecessor"
    """Requests of an earlier owner may still arrive."""
    STATE_TO_CHANGE = "state-to-change"
    """[state] Nova evacuates the instance once its state is another one."""
    STATE = "state"
    """[state] Nova evacuates no instance in this state."""
    FAILED = "failed"
    """[text, kind, count] The last evacuation failed a moment ago."""
    GUEST_MAY_RUN = "guest-may-run"
    """[text, host] The same, and the guest may be running where it was to go."""
    GUEST_EXISTS = "guest-exists"
    """[text, host] The same, and a guest of the instance is there."""
    # The turn.
    OTHERS_NOT_FORCED_DOWN = "others-not-forced-down"
    """Hosts died at the same time of which Nova does not know yet."""
    NO_CAPACITY = "no-capacity"
    """As many evacuations are under way as may be."""
    LIST_TOO_OLD = "list-too-old"
    """The instances of the host were listed in an earlier turn."""
    # The sending.
    RECORD_NOT_FRESH = "record-not-fresh"
    """The record was not read lately, or is another one by now."""
    NOT_READ_AGAIN = "not-read-again"
    """[text] An earlier request may have succeeded, and Nova does not tell."""
    GONE = "gone"
    """Nova has the instance no more."""
    MOVED = "moved"
    """[host] The instance is on another host by now."""
    # The instance, by the site's policy.
    POLICY_UNREAD = "policy-unread"
    """[rule, text] The site's policy goes by what was not read yet. text: what that is."""
    POLICY_LEAVES = "policy-leaves"
    """[rule] The site's policy says so. rule: which of it, "" for the default; so for the next
    two."""
    POLICY_NOTIFIES = "policy-notifies"
    """[rule] The same, and an operator is to see to it."""
    LOCAL_DISKS = "local-disks"
    """[rule] Nova would build its disks anew from its image."""
    AFTER_GROUPS = "after-groups"
    """[text] Groups that come before its own are not ready. text: these groups."""


Data = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. data: what the code's description names."""

    code: Code
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Never:
    """Not in this recovery. data: what the code's description names."""

    code: Code
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Go:
    """It may. target: the only host on which it may come up, because it may be running there
    already; None for any. after: why the evacuation before failed, None if none did."""

    target: str | None = None
    after: Wait | None = None
