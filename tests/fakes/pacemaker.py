"""Pacemaker's side in memory: the records in the CIB, the older agents' flags, the fencings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from novaha.core.brake import Host
from novaha.core.errors import RecordConflictError, RecordError
from novaha.core.naming import newest_of, same_name
from novaha.core.record import Record, first_record, from_attributes, to_attributes
from novaha.core.steering import Pause
from novaha.pacemaker.computes import Computes


@dataclass
class FakeRecords:
    """The CIB's nodes section: stores attributes, so that every record goes through its codec."""

    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    writes: int = 0
    seen: dict[str, str] = field(default_factory=dict)

    def read_all(self) -> dict[str, Record | RecordError]:
        return {node: self._parsed(node) for node in self.attributes}

    def _parsed(self, node: str) -> Record | RecordError:
        try:
            return from_attributes(node, self.attributes[node])
        except RecordError as error:
            return error

    def read(self, node: str) -> Record | None:
        return from_attributes(node, self.attributes[node]) if node in self.attributes else None

    def swap(self, old: Record, new: Record) -> None:
        self._check(old)
        self.attributes[new.node] = to_attributes(new)
        self.writes += 1

    def drop(self, old: Record) -> None:
        self._check(old)
        del self.attributes[old.node]
        self.writes += 1

    def flag_fenced(
        self,
        node: str,
        *,
        fenced: datetime | None = None,
        unproven: bool = False,
        adopted: bool = False,
    ) -> Record:
        assert fenced is not None, "the fake has no clock"
        self.flag(node, fenced, unproven=unproven)
        record = self.read(node)
        assert record is not None
        if adopted:
            record = record.adopt()
            self.attributes[node] = to_attributes(record)
        return record

    def seen_confirmation(self, node: str) -> str:
        return self.seen.get(node, "")

    def note_confirmation(self, node: str, moment: str) -> None:
        self.seen[node] = moment

    def flag(self, node: str, now: datetime, *, unproven: bool = False) -> None:
        old = self.read(node)
        fence_id = str(uuid4())
        if old:
            new = old.fence_again(fence_id, now, unproven=unproven)
        else:
            new = first_record(node, fence_id, now, unproven=unproven)
        self.attributes[node] = to_attributes(new)

    def _check(self, old: Record) -> None:
        now = self.read(old.node)
        if now is None or (now.fence_id, now.state, now.owner) != (
            old.fence_id,
            old.state,
            old.owner,
        ):
            raise RecordConflictError(old.node)


@dataclass
class FakeOlderFlags:
    """Pacemaker's attribute manager, as the older agents used it."""

    values: dict[str, str] = field(default_factory=dict)
    reads: int = 0

    def read(self) -> dict[str, str]:
        self.reads += 1
        return dict(self.values)

    def drop(self, node: str) -> None:
        del self.values[node]


@dataclass
class FakeFencing:
    """Pacemaker's fencing history."""

    successes: list[tuple[str, datetime]] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    is_online: Callable[[str], bool] = field(default=lambda node: False)
    nodes: Callable[[], Iterable[str]] = field(default=tuple)
    on_restart: Callable[[str], None] = field(default=lambda node: None)
    by_hand: dict[str, datetime] = field(default_factory=dict)
    computes: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()
    unproven: dict[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def history(self) -> FakeFencing:
        return self

    def levels(self) -> FakeFencing:
        return self

    def confirmed_since(self, node: str, moment: datetime) -> bool:
        by_hand = newest_of(node, self.by_hand)
        return any(same_name(n, node) and t >= moment and t != by_hand for n, t in self.successes)

    def anything_since(self, node: str, moment: datetime) -> bool:
        return any(same_name(n, node) and t >= moment for n, t in self.successes)

    def down_since(self, node: str) -> datetime | None:
        return max((t for n, t in self.successes if n == node and n in self.down), default=None)

    def request(self, node: str) -> None:
        self.requested.append(node)

    def online(self) -> frozenset[str]:
        return frozenset(filter(lambda node: self.is_online(node), self.nodes()))

    def still_off(self) -> frozenset[str]:
        return frozenset(self.nodes()) - self.online()

    def fencings_of(self, node: str) -> tuple[datetime, ...]:
        return tuple(moment for name, moment in self.successes if same_name(name, node))

    def confirmed_by_hand(self) -> dict[str, datetime]:
        return dict(self.by_hand)

    def restart_compute(self, node: str) -> None:
        self.on_restart(node)

    def compute_nodes(self) -> frozenset[str]:
        return self.computes

    def members(self) -> frozenset[str]:
        return self.full

    def without_power_device(self, node: str) -> str:
        return self.unproven.get(node, "")


@dataclass
class QuietStorm:
    """Holds nobody; an operator may pause. settings: of the brake's device. hosts: the view's."""

    paused: Callable[[], Pause | None]
    settings: Callable[[], Mapping[str, str]] = dict
    hosts: Callable[[], Mapping[str, Host]] = dict

    def brake(self) -> Mapping[str, str] | None:
        return self.settings()

    def held(self) -> Mapping[str, str]:
        return {}

    def view(self) -> Computes:
        return Computes(self.hosts(), {}, quorum=True, settings=self.settings())

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        return list(view.hosts.values())

    def forget_failures(self, node: str, resource: str) -> None:
        raise NotImplementedError

    def fence(self, node: str) -> None:
        raise NotImplementedError

    def release(self, node: str) -> None:
        raise NotImplementedError

    def withdraw(self, node: str) -> None:
        raise NotImplementedError

    def pause(self) -> Pause | None:
        return self.paused()
