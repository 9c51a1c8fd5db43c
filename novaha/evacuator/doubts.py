"""Records that came back: whether a host has lived since the fencing that its record tells of.

A configuration that is pushed from a copy brings old records with it. What such a record says was
true once; the host may have been in service since, and runs its instances (laws 1 and 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from novaha.core.errors import RecordError
from novaha.core.model import ComputeService
from novaha.core.naming import newest_of
from novaha.core.ports import Fencing, History
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.view import HostView
from novaha.evacuator.prefetch import moment

_AFTERGLOW = timedelta(seconds=60)
"""A heartbeat that was on its way when the host died may be written so long after the fencing."""

_LONGEST_FENCING = timedelta(minutes=5)
"""The fencing that a record tells of has ended by then; a later one is another one."""

_UNWATCHED = 60.0
"""Seconds without a reading of the records after which nothing that was verified counts."""


_REMEMBERED = 10_000
"""Fence ids of each kind that are kept: a process that runs for years does not grow."""


def utc_now() -> datetime:
    """The time of this controller."""
    return datetime.now(UTC)


class Newest:
    """A set of texts that forgets the oldest ones. limit: how many it keeps."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._texts: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Keep it, in place of the oldest one where there are as many as may be."""
        self._texts.setdefault(text)
        if len(self._texts) > self._limit:
            del self._texts[next(iter(self._texts))]

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def __len__(self) -> int:
        return len(self._texts)


class Doubts:
    """Tells which records are no longer true.

    wall: the time of this controller, with a time zone.

    A record is verified once, before anything is asked of Nova for it: nova-compute may well run
    on a host that was fenced and is back, where somebody starts it in spite of the hold. A host
    whose record was doubted is not doubted again after its next fencing: clocks that differ must
    not have it fenced over and over.
    """

    def __init__(self, fencing: Fencing, wall: Callable[[], datetime] = utc_now) -> None:
        self._fencing = fencing
        self._wall = wall
        self._known: dict[str, str] = {}
        self._gone = Newest(_REMEMBERED)
        self._over = Newest(_REMEMBERED)
        self._verified: dict[str, str] = {}
        self._doubted: set[str] = set()
        self._read_at = float("-inf")

    def follow(self, records: Mapping[str, Record | RecordError], now: float) -> None:
        """Take note of what the CIB holds (now: monotonic seconds).

        A fence id that was replaced or removed never comes back by itself; nor does a recovery
        that is over begin again under the same one.
        """
        if now > self._read_at + _UNWATCHED:
            self._verified.clear()
        self._read_at = now
        for node in self._known.keys() - records.keys():
            self._gone.add(self._known.pop(node))
            self._verified.pop(node, None)
            self._doubted.discard(node)
        for node, record in records.items():
            if isinstance(record, RecordError):
                continue
            if (before := self._known.get(node, record.fence_id)) != record.fence_id:
                self._gone.add(before)
                if record.doubted:  # by this very process, or under its eyes
                    self._doubted.add(node)
            self._known[node] = record.fence_id
            if record.state is RecoveryState.RECOVERED:
                self._over.add(record.fence_id)

    def verify(self, records: Iterable[Record]) -> None:
        """These records are true: do not look at them again."""
        self._verified |= {record.node: record.fence_id for record in records}

    def judge(
        self,
        view: HostView,
        services: Mapping[str, ComputeService],
        history: History | None = None,
    ) -> HostView:
        """The view, with the reason why its record must not be believed, if there is one.

        services: Nova's, empty when it was not asked. history: of fencings, where it was read.

        Raises ClusterToolError when Pacemaker has to be asked and cannot be.
        """
        record = view.record
        running = record.state is RecoveryState.RUNNING
        if history is None and running and not view.standing.mine:
            history = self._fencing.history()
        doubt = self._of(record, services, view.presence.service, history)
        if doubt:
            return replace(view, standing=replace(view.standing, doubt=doubt))
        if running and view.standing.mine and view.presence.service is not None:
            self.verify([record])
        return view

    def _of(
        self,
        record: Record,
        services: Mapping[str, ComputeService],
        service: ComputeService | None,
        history: History | None,
    ) -> str:
        when = f"{record.fenced:%Y-%m-%d %H:%M:%SZ}"
        if record.fence_id in self._gone:
            return f"its record of {when} had been replaced or removed, and came back"
        if record.state is RecoveryState.RECOVERED:
            return ""
        if record.fence_id in self._over:
            return f"its recovery after {when} was over, and its record came back"
        if record.node in self._doubted or self._verified.get(record.node) == record.fence_id:
            return ""
        if history is not None and history.confirmed_since(
            record.node, max(_fenced(record, history), record.fenced + _LONGEST_FENCING)
        ):
            return f"it was fenced again after {when}, which its record does not tell of"
        if service is None:
            return ""
        if seen := self._seen_since(record, service, services, history):
            at = f"{seen:%Y-%m-%d %H:%M:%SZ}"
            return f"Nova had a heartbeat of it at {at}, after its fencing at {when}"
        return ""

    def _seen_since(
        self,
        record: Record,
        service: ComputeService,
        services: Mapping[str, ComputeService],
        history: History | None,
    ) -> datetime | None:
        """When Nova heard from the host after its fencing, None if it did not."""
        seen = service.last_seen
        if seen is None or (service.forced_down and not record.untouched):
            return None  # our own force-down and disable change the service as a heartbeat does
        newest = moment(services) or seen
        ahead = max(timedelta(0), newest - self._wall())  # Nova's clock, where it is
        if seen - ahead <= record.fenced + _AFTERGLOW:
            return None
        if seen - ahead <= _fenced(record, history or self._fencing.history()) + _AFTERGLOW:
            return None
        # Whoever changed the service of a host that is off since: it was not the host.
        return None if record.node in self._fencing.still_off() else seen


def _fenced(record: Record, history: History) -> datetime:
    """When the host was last known to be down: an administrator's word counts at any time."""
    by_hand = newest_of(record.node, history.confirmed_by_hand())
    return record.fenced if by_hand is None else max(record.fenced, by_hand)
