"""The lists of one turn: what is on the dead hosts, and which evacuations there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from novaha.core.errors import UnreadableError
from novaha.core.model import DELETED, DONE, GOING_AWAY, OPEN, Instance, Migration, newest
from novaha.core.ports import Compute
from novaha.core.record import Record

JUST_NOW = 3.0
"""Seconds for which what was read is as good as new, where nothing was asked for since."""

_LONG_AGO = timedelta(hours=1)
"""Before a fencing: what had ended by then does not change any more."""

_HISTORY = timedelta(days=1)
"""Before a fencing: for what is older and has not ended, all hosts' history is not read."""

_WHOLE = 60.0
"""Seconds after which a host's evacuations are read whole again: a list may be short."""

_MANY = 3
"""Instances for which one list is less work for Nova than a question each."""

_SKEW = timedelta(seconds=10)
"""By how much the clocks of Nova's services may differ."""

_SEVERAL = 2
"""Hosts for which one list of evacuations is less work for Nova than one for each."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The evacuations of all hosts that were accepted at `since` or later."""

    since: datetime
    rows: list[Migration]


@dataclass(frozen=True, slots=True)
class HostInventory:
    """What Nova lists for one host.

    is_stale: the instances were read in a turn before, and are as new as the list of what has
    changed anywhere since. changed: that list, by ids; with what was deleted.
    elsewhere: where that was read, too.
    """

    instances: tuple[Instance, ...]
    rows: list[Migration]
    is_stale: bool = False
    changed: Mapping[str, Instance] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None


def read_inventory(compute: Compute, host: str) -> HostInventory:
    """The instances on a host and the evacuations from it.

    In this order: an instance that leaves the host in between then shows in both, the other way
    round in neither. Raises ComputeApiError.
    """
    instances = tuple(compute.instances_on(host))
    return HostInventory(instances, list(compute.evacuations_from(host)))


@dataclass(slots=True)
class _FullReading:
    """What a whole list of a host's evacuations told.

    lists: with what else was read then. ended: those that do not change any more. since: all
    others are as new as that. at: when.
    instances: those on the host, as they were read last. moment: when that was, by Nova's clock.
    """

    fence_id: str
    lists: HostInventory
    ended: Mapping[int, Migration]
    since: datetime
    at: float
    instances: tuple[Instance, ...]
    moment: datetime | None


class InventoryReader:
    """Asks for the lists of several hosts with few requests.

    Every host is read whole now and then; in between one list of the newest evacuations serves
    all hosts, and where nothing is to be asked for, one of the instances that have changed. A
    rack does not cost Nova two lists a host and turn then, nor each of them all of its instances.
    """

    def __init__(self, compute: Compute, pool: Executor, clock: Callable[[], float]) -> None:
        self._compute = compute
        self._pool = pool
        self._clock = clock
        self._whole: dict[str, _FullReading] = {}

    def keep(self, nodes: Iterable[str]) -> None:
        """Forget all other nodes."""
        self._whole = {node: self._whole[node] for node in nodes if node in self._whole}

    def note(
        self, record: Record, lists: HostInventory, at: float, moment: datetime | None
    ) -> None:
        """Take note of what was read of this record's host.

        at: when that began, by the clock. moment: the same by Nova's, a few seconds too early.
        """
        long_ago = record.fenced - _LONG_AGO
        ended = {m.id: m for m in lists.rows if m.status not in OPEN and _before(m, long_ago)}
        others = [m.created for m in lists.rows if m.id not in ended and m.created]
        since = min([long_ago, *others])
        self._whole[record.node] = _FullReading(
            record.fence_id, lists, ended, since, at, lists.instances, moment
        )

    def recent(self, record: Record) -> HostInventory | None:
        """What was read of its host a moment ago, whole; None if nothing was."""
        whole = self._read_within(JUST_NOW, record)
        return whole.lists if whole else None

    def read(
        self,
        wanted: Mapping[str, str],
        records: Mapping[str, Record],
        resting: Collection[str] = (),
        deferred: Collection[str] = (),
        moment: datetime | None = None,
    ) -> Callable[[str], HostInventory]:
        """Read the lists of these nodes; wanted: by node, what Nova calls it.

        resting, deferred: nodes whose instances need not be listed, because nothing is asked for
        there now; for the former one list shows what has changed.
        moment: when this is, by Nova's clock and a few seconds too early; None if nothing tells.

        Returns what gives the lists of one node, or raises ComputeApiError for it.
        """
        whole = {n: w for n in wanted if (w := self._still_good(records[n])) is not None}
        resting = {node for node in resting if node in whole and whole[node].moment is not None}
        if len(whole) < _SEVERAL:
            whole = {node: whole[node] for node in resting}
        alone = {
            node: self._pool.submit(self._read_whole, host, records[node], moment)
            for node, host in wanted.items()
            if node not in whole
        }
        instances = {
            node: self._pool.submit(self._compute.instances_on, wanted[node])
            for node in whole
            if node not in resting and node not in deferred
        }
        changes = self._pool.submit(self._changes, [whole[node] for node in resting])
        for future in instances.values():
            future.exception()
        changes.exception()
        # After all of them, see `read_inventory`.
        rows = self._pool.submit(self._newest, {wanted[node]: w for node, w in whole.items()})

        def tell(node: str) -> HostInventory:
            if node in alone:
                return alone[node].result()
            known, changed = whole[node], changes.result() if node in resting else {}
            if node in instances:
                known.instances = tuple(instances[node].result())
            elif node in resting:
                known.instances = _changed(known.instances, changed, wanted[node])
            if node not in deferred:
                known.moment = moment
            mine = [m for m in rows.result()(wanted[node]) if m.id not in known.ended]
            every = [*known.ended.values(), *mine]
            return HostInventory(
                known.instances, every, is_stale=node not in instances, changed=changed
            )

        return tell

    def _changes(self, whole: Iterable[_FullReading]) -> dict[str, Instance]:
        """The instances anywhere that have changed since the first of these was read."""
        since = min((w.moment for w in whole if w.moment), default=None)
        return {i.id: i for i in self._compute.instances_changed(since - _SKEW)} if since else {}

    def _still_good(self, record: Record) -> _FullReading | None:
        whole = self._read_within(_WHOLE, record)
        return whole if whole and whole.since >= record.fenced - _HISTORY else None

    def _read_within(self, seconds: float, record: Record) -> _FullReading | None:
        whole = self._whole.get(record.node)
        if whole is None or whole.fence_id != record.fence_id:
            return None
        return whole if self._clock() < whole.at + seconds else None

    def _read_whole(self, host: str, record: Record, moment: datetime | None) -> HostInventory:
        at = self._clock()
        found = read_inventory(self._compute, host)
        self.note(record, found, at, moment)
        return found

    def _newest(self, whole: Mapping[str, _FullReading]) -> Callable[[str], list[Migration]]:
        """The evacuations from each of these hosts; by host, what was read of it.

        One row of the list of all hosts may be of nobody. It then concerns nobody but that one,
        so each host is asked for by itself.
        """
        since = min((w.since for w in whole.values()), default=None)
        if since is None:
            return lambda host: []
        try:
            found = self._compute.evacuations_since(since)
        except UnreadableError:
            return self._compute.evacuations_from
        return lambda host: [m for m in found if m.source == host]


def _before(migration: Migration, moment: datetime) -> bool:
    return migration.created is not None and migration.created < moment


def _changed(
    instances: Iterable[Instance], changed: Mapping[str, Instance], host: str
) -> tuple[Instance, ...]:
    """The instances on a host after these changes."""
    here = {i.id: i for i in instances}
    for i in changed.values():
        if i.problem and i.id in here:
            here[i.id] = replace(here[i.id], problem=i.problem)
        else:
            here[i.id] = i
    return tuple(i for i in here.values() if i.host == host and i.vm_state != DELETED)


def look_up(
    compute: Compute,
    gone: Iterable[str],
    lists: HostInventory,
    moved: Mapping[str, Instance | None],
) -> Iterator[tuple[str, Instance | None]]:
    """What became of instances that left their host: one list for those that came up together,
    a question each for what that does not show; each as soon as it is known.

    lists: of that host. moved: what was known before; None for one that is no more.
    Raises ComputeApiError.
    """
    gone, last = set(gone), newest(lists.rows)
    if lists.is_stale:
        shown = {i: c for i, c in lists.changed.items() if i in gone and not c.problem}
        going = {i for i, c in shown.items() if c.vm_state in GOING_AWAY}
        yield from ((i, c) for i, c in shown.items() if i not in going)
        gone = going | (gone - moved.keys() - shown.keys())
    arrived = [
        row.updated
        for instance in gone
        if (row := last.get(instance)) and row.status == DONE and row.updated
    ]
    found: dict[str, Instance] = {}
    if len(arrived) >= _MANY:
        changed = compute.instances_changed(min(arrived) - _SKEW)
        found = {i.id: i for i in changed if i.vm_state not in GOING_AWAY and not i.problem}
    for instance in gone:
        yield instance, found.get(instance) or compute.instance(instance)
