"""What the planner yields: steps to take, as data, and reports for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from novaha.core.case import Case
from novaha.core.model import Action
from novaha.core.reasons import Reason
from novaha.core.record import Record
from novaha.core.sentences import told


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do about one node."""

    node: str


class Claim(Step):
    """Take the recovery: the fencing is confirmed."""


@dataclass(frozen=True, slots=True)
class Doubt(Step):
    """The host has lived since its fencing: it has to be fenced again before anything else."""

    reason: str


class Disable(Step):
    """Keep Nova from scheduling to the host."""


@dataclass(frozen=True, slots=True)
class KeepOut(Step):
    """Keep Nova from scheduling to a recovered host that is back. reason: what Nova shows."""

    reason: str


class ForceDown(Step):
    """Tell Nova that the host's nova-compute is down."""


@dataclass(frozen=True, slots=True)
class Evacuate(Step):
    """Ask Nova to bring one instance up elsewhere.

    seen: its evacuations so far. case: what the gate was asked, to be asked again before the
    request goes out. target: the only host on which it may come up, because it may be running
    there already; None for any.
    """

    instance: str
    seen: frozenset[int]
    case: Case = field(compare=False, repr=False)
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Prepare(Step):
    """Note in the record what must be remembered before Nova is touched.

    force_down: tell Nova that the host is down as soon as that is noted, and only then.
    claim: take the recovery in the same write: the fencing is confirmed.
    """

    marks: frozenset[str]
    before: Mapping[str, str]
    force_down: bool = False
    claim: bool = False


@dataclass(frozen=True, slots=True)
class Act(Step):
    """Ask Nova for something else: to make an instance evacuable, or to restore its state."""

    instance: str
    action: Action


@dataclass(frozen=True, slots=True)
class Complete(Step):
    """Every instance is settled. unmoved: those still on the host, id to reason."""

    unmoved: Mapping[str, str]


class Restart(Step):
    """Have nova-compute restarted: it closes one finished evacuation an instance and start."""


class Unforce(Step):
    """Tell Nova that the host's nova-compute may be up."""


class Enable(Step):
    """Let Nova schedule to the host again."""


class Drop(Step):
    """The host is back in service: the record goes."""


class Progress(StrEnum):
    """Where one instance stands."""

    WAITING = "waiting"
    MOVING = "moving"
    PREPARING = "preparing"
    RESTORING = "restoring"
    SETTLED = "settled"
    REFUSED = "refused"
    EXCLUDED = "excluded"
    RELEASED = "released"
    """It could not be placed elsewhere and comes up where it was."""


UNMOVED = frozenset({Progress.REFUSED, Progress.EXCLUDED, Progress.RELEASED})
FINAL = UNMOVED | {Progress.SETTLED}


@dataclass(frozen=True, slots=True)
class InstanceReport:
    """One instance for people. where: the host it is on or goes to, "" when not known."""

    id: str
    name: str
    progress: Progress
    where: str = ""
    reason: Reason | None = None

    @property
    def detail(self) -> str:
        """The reason as a sentence, "" for none."""
        return told(self.reason)


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host for people."""

    record: Record
    host: str | None
    detail: str
    instances: tuple[InstanceReport, ...] = ()

    @property
    def settled(self) -> int:
        """How many instances need nothing more."""
        return sum(1 for i in self.instances if i.progress in FINAL)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the next turn reads of Nova: more of some nodes, and less of others.

    ended: nothing is left to do there. The host is closed if the next reading says so, too, and
        Nova shows its service after that (law 5).
    resting: all was asked for that there is to ask for now: what has changed is enough.
    deferred: nothing will be asked for, because others come first, or because nothing is left to
        do before others have come to their end: its instances are not listed.
    """

    ended: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()
    deferred: frozenset[str] = frozenset()

    def without(self, nodes: Collection[str]) -> Scope:
        """The same, where nothing is known of these nodes."""
        return Scope(self.ended - {*nodes}, self.resting - {*nodes}, self.deferred - {*nodes})


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of one turn.

    steps: to be taken in this order. after_prepare: requests for when every Prepare among them
    has succeeded, and only then. reports: one a host. over_capacity: there are requests that have
    to wait. scope: what the next turn reads.
    """

    steps: tuple[Step, ...]
    reports: tuple[HostReport, ...]
    after_prepare: tuple[Evacuate, ...] = ()
    over_capacity: bool = False
    scope: Scope = Scope()
