"""What the evacuator needs from the outside, as protocols that adapters fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from novaha.core.errors import RecordError
from novaha.core.faults import Fault
from novaha.core.groups import Place
from novaha.core.model import Action, ComputeService, EvacuationLog, Instance, Migration
from novaha.core.policy.traits import ImageTraits
from novaha.core.record import Record
from novaha.core.steering import Pause


class Records(Protocol):
    """The recovery records. Errors: ClusterToolError, RecordConflictError."""

    def read_all(self) -> Mapping[str, Record | RecordError]: ...

    def swap(self, old: Record, new: Record) -> None: ...

    def drop(self, old: Record) -> None: ...

    def flag_fenced(
        self,
        node: str,
        *,
        fenced: datetime | None = None,
        unproven: bool = False,
        adopted: bool = False,
    ) -> Record: ...

    def seen_confirmation(self, node: str) -> str: ...

    def note_confirmation(self, node: str, moment: str) -> None: ...


class History(Protocol):
    """Pacemaker's fencing history at one moment, of all nodes."""

    def confirmed_since(self, node: str, moment: datetime) -> bool:
        """By devices; see `confirmed_by_hand` for what a person said."""

    def confirmed_by_hand(self) -> Mapping[str, datetime]: ...

    def fencings_of(self, node: str) -> tuple[datetime, ...]:
        """When the node was taken down, by devices or by a person's word, in no order."""


class Levels(Protocol):
    """How all nodes are fenced, at one moment."""

    def without_power_device(self, node: str) -> str:
        """Why a success in the history does not prove that `node` is down, "" if it does."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the cluster's configuration says, at one moment, that a recovery begins with.

    records: as by `Records.read_all`. pause: what an operator has set, in force or not.
    """

    records: Mapping[str, Record | RecordError]
    levels: Levels
    pause: Pause | None = None


class Fencing(Protocol):
    """Pacemaker's fencing. Errors: ClusterToolError."""

    def history(self) -> History: ...

    def levels(self) -> Levels: ...

    def anything_since(self, node: str, moment: datetime) -> bool: ...

    def down_since(self, node: str) -> datetime | None:
        """When the node was last fenced, if it has not been reached since; else None."""

    def request(self, node: str) -> None:
        """Have the node fenced; waits for that, up to 90 s."""

    def is_online(self, node: str) -> bool: ...

    def online(self) -> frozenset[str]: ...

    def still_off(self) -> frozenset[str]:
        """The nodes that were fenced and surely not reached since."""

    def compute_nodes(self) -> frozenset[str]: ...

    def members(self) -> frozenset[str]:
        """The full members of the cluster, whether they are on or off."""

    def restart_compute(self, node: str) -> None: ...


class OlderFlags(Protocol):
    """The flags of the agents that novaha replaces. Errors: ClusterToolError."""

    def read(self) -> Mapping[str, str]:
        """By node: yes, no, or host@time; see docs/adr/0006."""

    def drop(self, node: str) -> None: ...


class Catalogue(Protocol):
    """What a policy goes by besides the instances. Errors: ComputeApiError."""

    def places(self) -> Mapping[str, Place]:
        """Zone and aggregates of each host, by Nova's names."""

    def image(self, image: str) -> ImageTraits: ...


class Compute(Protocol):
    """Nova.

    Every method raises NotSentError, UnknownOutcomeError or RefusedError; those that read may
    be called again at will, those that write only after reading.
    """

    def services(self) -> list[ComputeService]: ...

    def instances_on(self, host: str) -> list[Instance]: ...

    def instances_changed(self, since: datetime) -> list[Instance]:
        """Those that changed at `since` or later, by Nova's clock; deleted ones may be shown."""

    def instance(self, instance: str) -> Instance | None:
        """None when Nova has it no more."""

    def evacuations_from(self, host: str) -> list[Migration]: ...

    def evacuations_since(self, moment: datetime) -> list[Migration]:
        """Of all hosts, accepted at `moment` or later by Nova's clock; older ones may be shown."""

    def live_migrations_from(self, host: str) -> list[Migration]:
        """The newest of each instance, where that has not ended."""

    def conductor_is_up(self) -> bool:
        """Whether anybody worked on accepted requests when `services` was last asked."""

    def evacuation_log(self, instance: str, since: datetime | None) -> EvacuationLog:
        """What Nova's log of actions tells of the instance's newest evacuation.

        since: when that was accepted, by Nova's clock; None if there is none.
        """

    def evacuation_fault(self, instance: str, since: datetime | None) -> Fault | None:
        """Why an evacuation failed at its destination, None when Nova's log has it not.

        since: when it was accepted, by Nova's clock.
        """

    def last_deleted(self) -> str:
        """Changes when an instance was deleted somewhere: there may be room now."""

    def evacuate(self, instance: str, target: str | None = None) -> None:
        """Bring it up on `target` and nowhere else, or on any host."""

    def act(self, instance: str, action: Action) -> None: ...

    def set_forced_down(self, service: ComputeService, forced_down: bool) -> None:
        """Returns when Nova has answered that it is so."""

    def disable(self, service: ComputeService, reason: str) -> None: ...

    def enable(self, service: ComputeService) -> None: ...
