"""What people are told for each code: one table for the gate's, one for the others."""

from __future__ import annotations

from collections.abc import Mapping

from novaha.core.answers import Code, Data, Go, Never, Wait
from novaha.core.faults import Kind
from novaha.core.reasons import Reason, Stand, of
from novaha.core.text import word

_SENTENCES: Mapping[Code, str] = {
    Code.RECORD_IN_DOUBT: "{text}: to be fenced again",
    Code.HOST_UNUSABLE: "{text}",
    Code.PAUSED: "new recoveries are paused: {text}",
    Code.FENCING_UNPROVEN: "not safe to evacuate: {text}",
    Code.FENCING_UNCONFIRMED: "waiting for Pacemaker to confirm the fencing",
    Code.FENCING_CUT_NO_POWER: "its fencing cut no power: waiting for another one",
    Code.FENCING_BEFORE_SERVICE: (
        "it has been in service since its fencing: waiting for another one"
    ),
    Code.NOT_CLAIMED: "fencing confirmed",
    Code.OWNED_BY_ANOTHER: "taking over",
    Code.HOST_NOT_READ: "not read yet",
    Code.NOT_PREPARED: "preparing",
    Code.NOT_FORCED_DOWN: "telling Nova",
    Code.STATES_NOT_NOTED: "preparing",
    Code.RECOVERED: "its host is recovered",
    Code.UNREADABLE: "cannot be read: {text}",
    Code.EVACUATIONS_UNREADABLE: "its evacuations cannot be read: {text}",
    Code.BEING_DELETED: "is being deleted",
    Code.SENDING: "request under way",
    Code.UNDER_WAY: "{task}",
    Code.ANSWER_AWAITED: "requested, not yet to be seen in Nova",
    Code.REFUSED: "{text}",
    Code.NOT_SENT: "{text}",
    Code.PREDECESSOR: "the evacuator before may have asked already",
    Code.STATE_TO_CHANGE: "Nova does not evacuate an instance that is {state} as it is",
    Code.STATE: "Nova evacuates no instance that is {state}",
    Code.POLICY_UNREAD: "the policy goes by what is not read yet: {text}",
    Code.POLICY_LEAVES: "stays with its host, by {rule}",
    Code.POLICY_NOTIFIES: "stays with its host for you to see to, by {rule}",
    Code.LOCAL_DISKS: "stays with its host: its disk there would be lost; see local_disks in the "
    "policy",
    Code.AFTER_GROUPS: "comes after what is not ready yet: {text}",
    Code.FAILED: "try {count} failed: {text}",
    Code.GUEST_MAY_RUN: "may be running on {host}, which alone is asked: {text}",
    Code.GUEST_EXISTS: "{host} has a guest of it that Nova has lost; end that one there: {text}",
    Code.OTHERS_NOT_FORCED_DOWN: "waiting until Nova knows of the other dead hosts",
    Code.NO_CAPACITY: "waits for evacuations before it",
    Code.LIST_TOO_OLD: "its host is to be listed again first",
    Code.RECORD_NOT_FRESH: "the record was not read lately",
    Code.NOT_READ_AGAIN: "not asked for again unread: {text}",
    Code.GONE: "it was deleted meanwhile",
    Code.MOVED: "it is on {host} by now",
}

_OTHERS: Mapping[Stand, str] = {
    Stand.DELETED: "deleted meanwhile",
    Stand.NOT_LISTED: "Nova's list of the host leaves it out",
    Stand.TASK: "{task}",
    Stand.MIGRATION: "{status}",
    Stand.DESTINATION_DIED: "its new host died, too",
    Stand.RESET_UNANSWERED: "Nova may yet reset its state, as it was asked to",
    Stand.IN_STATE: "{state}",
    Stand.TO_BE_AS_BEFORE: "as it was before",
    Stand.RUNS_AGAIN: "runs here again",
    Stand.STAYS: "stays here, {state}",
    Stand.RESIZE_BEING_CONFIRMED: "its resize is being confirmed",
    Stand.ACTION: "{action}",
    Stand.ACTION_ASKED: "asked for: {action}",
    Stand.ACTION_FAILED: "{text}",
    Stand.ACTION_GIVEN_UP: "'{action}' without success, {count} times: {text}",
    Stand.COMES_HOME: "found no place elsewhere, comes up on {host} again; {after}",
}

_STILL = "is {state}"
"""What is said of an instance for which an action did nothing, where Nova said nothing."""

_WHY = {
    Kind.KEY_REFUSED: "the key manager refused the destination",
    Kind.NO_RIGHTS: "another service refused the destination",
    Kind.NO_IMAGE: "its image is not to be had",
    Kind.BAD_VOLUME: "its volume cannot be attached",
    Kind.SERVICE_AWAY: "another service did not answer",
}
"""What people are told beside Nova's own words."""

_FAILED_BECAUSE = "try {count} failed, {why}: {text}"
"""For a failure of these kinds."""

_REQUESTED = "; it was fenced once more already: see `stonith_admin --history {node} -V`"

_WITHOUT_WORDS = {
    Code.NOT_SENT: "to be tried again",
    Code.FAILED: "the evacuation failed",
    Code.GUEST_MAY_RUN: "the evacuation failed",
    Code.GUEST_EXISTS: "the evacuation failed",
}
"""What is said where Nova has no words of its own."""


def sentence(answer: Wait | Never | Go) -> str:
    """The answer for people, "" for an instance that may be evacuated and never failed to be."""
    return told(of(answer))


def template(code: Code | Stand) -> str:
    """The sentence of this code, with the names of its data in braces."""
    return _SENTENCES[code] if isinstance(code, Code) else _OTHERS[code]


def told(reason: Reason | None) -> str:
    """The reason for people, "" for none."""
    if reason is None:
        return ""
    if isinstance(reason.code, Code):
        return _of_gate(reason.code, reason.data)
    words = dict(reason.data)
    if reason.code is Stand.ACTION_GIVEN_UP and not words["text"]:
        words["text"] = _STILL.format(state=words["state"].upper())
    return template(reason.code).format_map({**words, "after": told(reason.after)})


def _of_gate(code: Code, data: Data) -> str:
    if code is Code.UNDER_WAY and data["queued"]:
        return "waits in the message bus for its destination"
    said = template(code)
    words = {**data, **_words(code, data)}
    if "why" in words:
        said = _FAILED_BECAUSE
    told = said.format_map(words)
    if requested := data.get("requested"):
        told += _REQUESTED.format(node=word(requested))
    return told


def _words(code: Code, data: Data) -> dict[str, str]:
    """The data in the form that sentences have them."""
    said = {}
    if "text" in data:
        said["text"] = data["text"] or _WITHOUT_WORDS.get(code, "")
    if "rule" in data:
        rule = data["rule"]
        said["rule"] = f"rule '{rule}' of the policy" if rule else "the policy's default"
    if "state" in data:
        said["state"] = data["state"].upper()
    if data.get("kind") in _WHY:
        said["why"] = _WHY[Kind(data["kind"])]
    return said
