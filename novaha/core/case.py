"""What the gate is asked: one instance, and everything that decides about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from novaha.core import model
from novaha.core.answers import Never, Wait
from novaha.core.model import EvacuationLog, Instance, Migration
from novaha.core.policy.rules import Decision, Undecided
from novaha.core.record import Record
from novaha.core.situation import Failure, Overview, Policy
from novaha.core.view import HostView

_SAME_RECOVERY = timedelta(minutes=5)
"""By how much Nova's clock may be behind the cluster's."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides about the instances of one host. now: monotonic seconds."""

    view: HostView
    overview: Overview
    policy: Policy
    now: float
    rows: Mapping[str, tuple[Migration, ...]]
    """The evacuations away from the host, by instance."""
    held: Wait | Never | None
    """Why no instance of the host may be evacuated, None where one may; see `gate.of_host`."""
    decisions: dict[str, Decision | Undecided] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What the site's policy says, by instance, as far as that was asked; see `treatment`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One instance, and what decides about it."""

    facts: Facts
    instance: Instance

    @property
    def id(self) -> str:
        return self.instance.id

    @property
    def rows(self) -> tuple[Migration, ...]:
        """Its evacuations."""
        return self.facts.rows.get(self.id, ())

    @property
    def newest(self) -> Migration | None:
        """Its last evacuation: only it can be under way."""
        return max(self.rows, key=lambda row: row.id, default=None)

    @property
    def log(self) -> EvacuationLog:
        return self.facts.view.evacuations.logs.get(self.id, EvacuationLog())

    @property
    def failure(self) -> Failure | None:
        return self.facts.view.evacuations.failures.get(self.id)

    @property
    def stands_still(self) -> bool:
        """Whether its evacuation has made no progress for so long that it counts as lost."""
        return self.unchanged_for >= self.facts.policy.stuck_after

    @property
    def unchanged_for(self) -> float:
        """Seconds for which its evacuation has made no progress."""
        return self.facts.view.evacuations.unchanged_for.get(self.id, 0.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn leaves for an instance.

    gathering: the recovery of its host has just begun, and Nova does not know of every host that
        died with it.
    before_it: evacuations that come before this one. room: how many may begin.
    """

    gathering: bool
    before_it: int
    room: int


@dataclass(frozen=True, slots=True)
class Sending:
    """What is known when the request is about to go out.

    owned: the fence id of its host's recovery, "" if this evacuator does not own that.
    read_for: seconds since the records were read.
    read_again: the instance was read once more for this.
    """

    owned: str
    read_for: float
    read_again: bool = False


def belongs(migration: Migration, record: Record) -> bool:
    """Whether an evacuation belongs to this recovery and not to one of long ago."""
    earliest = record.fenced - _SAME_RECOVERY
    return migration.created is None or migration.created >= earliest


def state_before(instances: Iterable[Instance]) -> dict[str, str]:
    """What each instance was when its host died, except those that simply ran.

    One that was being shut off counts as shut off: Nova forgets that wish (measured).
    """
    before: dict[str, str] = {}
    for instance in instances:
        if instance.problem:
            continue  # noted when it can be read: nothing is asked for before that
        state = instance.vm_state
        off = instance.power_state == model.POWER_SHUTDOWN
        if (state == model.ERROR and off) or instance.task_state == "powering-off":
            state = model.STOPPED
        if state != model.ACTIVE:
            before[instance.id] = state
    return before
