"""The recovery record: what is known of a fenced host, as permanent node attributes.

The record is one dedicated attribute set per node (`novaha-NODE`), replaced as a whole by
compare-and-swap. Attribute names and values are persisted: they never change meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from novaha.core.errors import RecordError
from novaha.core.recovery import Event, RecoveryState, holds, step
from novaha.core.text import line

STATE = "novaha-recovery"
HOLD = "novaha-hold"
FENCE_ID = "novaha-fence-id"
FENCED = "novaha-fenced"
OWNER = "novaha-owner"
MARKS = "novaha-marks"
BEFORE = "novaha-before"

_SUFFIX = {
    STATE: "state",
    HOLD: "hold",
    FENCE_ID: "fence-id",
    FENCED: "fenced",
    OWNER: "owner",
    MARKS: "marks",
    BEFORE: "before",
}

NAMES = tuple(_SUFFIX)
"""The attributes of a record."""

FORCED = "forced"
"""Mark: the force-down of the host's nova-compute is ours to undo."""

UNPROVEN = "unproven"
"""Mark: no power device took part in the fencing, so that its success proves nothing."""

ADOPTED = "adopted"
"""Mark: the older agents began the recovery; a disable without a reason is theirs, ours to undo."""

DOUBTED = "doubted"
"""Mark: the host has lived since the fencing that its record told of; it is fenced again first."""

ADMITTED = "admitted"
"""Mark: an operator has let the host in, whatever there is against its return."""

KEPT = "kept"
"""Mark: the host has come back after this fencing, and is kept out of service."""

_NAME = re.compile(r"""[^\s'"<>&\x00-\x1f\x7f]{1,300}""")
"""A fence id or an owner."""

_FIRST_YEAR, _LAST_YEAR = 2000, 9000

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one node.

    node: Pacemaker's name of the host.
    fence_id: identifies one fencing; a later fencing has another.
    fenced: when the host was flagged, to the second, UTC.
    owner: who works on it (controller, and which of its processes), "" for nobody.
    marks: what of Nova's state on this host is ours to undo, whether the fencing is unproven,
        whether older agents began the recovery, whether the record before was out of date, and
        whether the host is back and kept out, or an operator has let it in.
    before: state before the failure, by instance id, of those that did not just run; None until
        the owner has looked. Remembered here because Nova forgets it (an instance that was shut
        off and whose evacuation failed comes back ACTIVE).
    """

    node: str
    state: RecoveryState
    fence_id: str
    fenced: datetime
    owner: str = ""
    marks: frozenset[str] = frozenset()
    before: Mapping[str, str] | None = field(default=None)

    @property
    def hold(self) -> bool:
        """Whether nova-compute must stay down on this node."""
        return holds(self.state)

    @property
    def fenced_text(self) -> str:
        """When the host was fenced, as it is kept and shown: UTC, to the second."""
        return self.fenced.astimezone(UTC).strftime(_TIME)

    @property
    def unproven(self) -> bool:
        """Whether its fencing proves nothing, whatever Pacemaker says of it."""
        return UNPROVEN in self.marks

    @property
    def untouched(self) -> bool:
        """Whether nobody has asked Nova for anything in this recovery."""
        pending = self.state is RecoveryState.PENDING
        return pending and self.before is None and not self.adopted

    @property
    def adopted(self) -> bool:
        """Whether older agents may have asked Nova for something already."""
        return ADOPTED in self.marks

    def adopt(self) -> Record:
        """The record of a fencing that the older agents flagged, and followed up in Nova."""
        return replace(self, marks=self.marks | {ADOPTED, FORCED})

    @property
    def admitted(self) -> bool:
        """Whether an operator has let the host in."""
        return ADMITTED in self.marks

    @property
    def kept(self) -> bool:
        """Whether the host has come back since its fencing, and is kept out of service."""
        return KEPT in self.marks

    def keep_out(self) -> Record:
        """The record of a host that is back and kept out."""
        return replace(self, marks=self.marks | {KEPT})

    @property
    def doubted(self) -> bool:
        """Whether it waits for another fencing, because the record before was out of date."""
        return DOUBTED in self.marks

    def doubt(self, fence_id: str, now: datetime) -> Record:
        """The record of a host that has lived since its fencing: to be fenced again.

        Nothing of the old record is true any more: whoever owned it is superseded, and neither
        its marks nor the states before the failure are kept.
        """
        state = step(self.state, Event.FENCE)
        return Record(self.node, state, fence_id, now, marks=frozenset({DOUBTED}))

    def salvage(self, attributes: Mapping[str, str]) -> Record:
        """This record of a fencing, with what can be kept of one that cannot be read.

        A force-down that is ours is undone in the end, whatever else is lost. States before the
        failure are worth nothing without it: they were noted when the host was forced down.
        """
        marks = frozenset(attributes.get(MARKS, "").split()) & {FORCED, ADOPTED}
        try:
            before = _unpack(attributes[BEFORE]) if FORCED in marks else None
        except (KeyError, ValueError):
            before = None
        return replace(self, marks=self.marks | marks, before=before)

    def fence_again(self, fence_id: str, fenced: datetime, *, unproven: bool = False) -> Record:
        """The record after another fencing.

        Marks and earlier states are kept: they describe what is still to be undone and known.
        That the host was back, kept out or let in, is not: that was before this fencing.
        """
        return replace(
            self,
            state=step(self.state, Event.FENCE),
            fence_id=fence_id,
            fenced=fenced,
            owner="",
            marks=self.marks - {UNPROVEN, DOUBTED, ADMITTED, KEPT} | _marks(unproven),
        )

    def after(self, event: Event, *, owner: str | None = None) -> Record:
        """The record after `event`; `owner` replaces the owner when given.

        A host that is released may come back, too, whatever there is against that.

        Raises TransitionError when the table has no such step.
        """
        return replace(
            self,
            state=step(self.state, event),
            owner=self.owner if owner is None else owner,
            marks=self.marks | {ADMITTED} if event is Event.RELEASE else self.marks,
        )

    def prepared(self, marks: Iterable[str], before: Mapping[str, str]) -> Record:
        """The record once its owner has noted what it must remember."""
        return replace(
            self,
            state=step(self.state, Event.PREPARE),
            marks=self.marks | frozenset(marks),
            before=dict(before),
        )


def first_record(node: str, fence_id: str, fenced: datetime, *, unproven: bool = False) -> Record:
    """The record of a host that had none and was fenced."""
    state = step(RecoveryState.ABSENT, Event.FENCE)
    return Record(node, state, fence_id, fenced, marks=_marks(unproven))


def _marks(unproven: bool) -> frozenset[str]:
    return frozenset({UNPROVEN}) if unproven else frozenset()


def set_id(node: str) -> str:
    """The XML id of the node's attribute set; node names that XML ids cannot hold are mapped."""
    return "novaha-" + re.sub(r"[^A-Za-z0-9_.-]", "_", node)


def to_attributes(record: Record) -> dict[str, str]:
    """The record as node attributes, name to value."""
    attributes = {
        STATE: str(record.state),
        HOLD: "true" if record.hold else "false",
        FENCE_ID: record.fence_id,
        FENCED: record.fenced_text,
    }
    if record.owner:
        attributes[OWNER] = record.owner
    if record.marks:
        attributes[MARKS] = " ".join(sorted(record.marks))
    if record.before is not None:
        attributes[BEFORE] = _pack(record.before)
    return attributes


def attribute_id(node: str, name: str) -> str:
    """The XML id of one attribute of the record."""
    return f"{set_id(node)}-{_SUFFIX[name]}"


def from_attributes(node: str, attributes: Mapping[str, str]) -> Record:
    """The record that these node attributes mean.

    Raises RecordError when they make no sense. Whoever meets that must treat the host as held.
    """
    try:
        state = RecoveryState(attributes[STATE])
        fenced = datetime.strptime(attributes[FENCED], _TIME).replace(tzinfo=UTC)
        fence_id = _name(FENCE_ID, attributes[FENCE_ID])
        owner = _name(OWNER, attributes[OWNER]) if OWNER in attributes else ""
        before = _unpack(attributes[BEFORE]) if BEFORE in attributes else None
    except KeyError as error:
        raise RecordError(node, f"attribute {error.args[0]} is missing") from None
    except ValueError as error:
        raise RecordError(node, line(error)) from None
    if state is RecoveryState.ABSENT:
        raise RecordError(node, "state 'absent' is never written")
    if not _FIRST_YEAR <= fenced.year < _LAST_YEAR:
        raise RecordError(node, f"the year of {FENCED} cannot be")
    if attributes.get(HOLD, str(holds(state)).lower()) != str(holds(state)).lower():
        raise RecordError(node, f"{HOLD} does not fit the state '{state}'")
    return Record(
        node=node,
        state=state,
        fence_id=fence_id,
        fenced=fenced,
        owner=owner,
        marks=frozenset(attributes.get(MARKS, "").split()),
        before=before,
    )


def _name(attribute: str, value: str) -> str:
    """A name that can be compared in the CIB. Raises ValueError for what nobody has written."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{attribute} is empty, too long, or has characters that it cannot have")
    return value


def _pack(before: Mapping[str, str]) -> str:
    """`stopped=ID,ID paused=ID`: short, readable in crm_mon, stable in order."""
    by_state: dict[str, list[str]] = {}
    for instance, state in before.items():
        by_state.setdefault(state, []).append(instance)
    return " ".join(f"{state}={','.join(sorted(by_state[state]))}" for state in sorted(by_state))


def _unpack(text: str) -> dict[str, str]:
    before: dict[str, str] = {}
    for token in text.split():
        state, separator, instances = token.partition("=")
        if not separator or not state or not all(instances.split(",")):
            raise ValueError(f"'{token}' in {BEFORE} is not STATE=ID,ID")
        for instance in instances.split(","):
            before[instance] = state
    return before
