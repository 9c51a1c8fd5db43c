"""Whether one host is back, and what stayed on it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from novaha.core.model import CLOSED, DONE, FAILED, ComputeService, Instance, Migration, newest

_BEATS = 2


@dataclass
class PresenceFacts:
    """remaining: what was on the host when its recovery was over, None before it was read.

    rows: the evacuations of a recovered host, as they were last read.
    fencings: when the host was fenced, as Pacemaker told when it was back; None if not asked yet.
    online_since: since when Pacemaker has had the node online, None while it has not.
    """

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _online_since: float | None = None
    _remaining: tuple[Instance, ...] | None = None
    _rows: tuple[Migration, ...] | None = None
    _fencings: tuple[datetime, ...] | None = None
    _up_since: float | None = None
    _looked_at: datetime | None = None
    _heartbeat: datetime | None = None
    _beats: int = 0
    _had_unfinished: bool = False
    _alive: bool = False
    _let_up: datetime | None = None
    _heartbeat_since_unforce: bool = False

    @property
    def alive(self) -> bool:
        """Whether nova-compute was seen to run since the recovery was over."""
        with self._lock:
            return self._alive

    @property
    def remaining(self) -> tuple[Instance, ...] | None:
        with self._lock:
            return self._remaining

    @property
    def rows(self) -> tuple[Migration, ...] | None:
        with self._lock:
            return self._rows

    @property
    def fencings(self) -> tuple[datetime, ...] | None:
        with self._lock:
            return self._fencings

    def online_for(self, now: float) -> float | None:
        """Seconds for which Pacemaker has had the node online, None while it has not."""
        with self._lock:
            return None if self._online_since is None else now - self._online_since

    def note_online(self, now: float, *, online: bool) -> None:
        """Whether Pacemaker has the node online now."""
        with self._lock:
            if not online:
                self._online_since = None
            elif self._online_since is None:
                self._online_since = now

    def note_remaining(self, instances: Iterable[Instance]) -> None:
        """What is on the host when its recovery is over."""
        with self._lock:
            self._remaining = tuple(instances)

    def note_rows(self, rows: Iterable[Migration]) -> None:
        """Its evacuations, as they were read now."""
        with self._lock:
            self._rows = tuple(rows)

    def note_fencings(self, fencings: Iterable[datetime]) -> None:
        """When it was fenced, as Pacemaker tells."""
        with self._lock:
            self._fencings = tuple(fencings)

    def saw_heartbeat(self, last_seen: datetime | None) -> bool:
        """Whether nova-compute was seen to run since the recovery was over.

        Compared with itself, so that no two clocks are. Two steps are a beat: one may be any
        change of the service in Nova, by an operator or by ourselves.
        """
        with self._lock:
            if last_seen is not None and (self._heartbeat is None or last_seen > self._heartbeat):
                self._beats += self._heartbeat is not None
                self._heartbeat = last_seen
            self._alive = self._alive or self._beats >= _BEATS
            return self._alive

    def saw_closed(self, last: Iterable[Migration]) -> bool:
        """Whether nova-compute was seen to close its finished evacuations, which it does when
        it starts: the quicker sign of life. last: the newest evacuation of each instance."""
        with self._lock:
            unfinished = any(m.status == DONE for m in last)
            self._alive = self._alive or (self._had_unfinished and not unfinished)
            self._had_unfinished = unfinished
            return self._alive

    def heartbeat_since_unforce(self, service: ComputeService) -> bool:
        """Whether there was a heartbeat since Nova was told that nova-compute may be up.

        Compared with itself, see `saw_heartbeat`; that Nova was told is a change of its own.
        """
        with self._lock:
            if service.forced_down:
                self._let_up, self._heartbeat_since_unforce = None, False
            elif self._let_up is None:
                self._let_up = service.last_seen
            elif service.last_seen is not None and service.last_seen > self._let_up:
                self._heartbeat_since_unforce = True
            return self._heartbeat_since_unforce

    def up_for(self, service: ComputeService, now: float) -> float | None:
        """Seconds for which Nova has shown nova-compute up since its recovery, without a break.

        None while it does not. Only what was seen counts: another process begins anew.
        """
        with self._lock:
            if not service.up or not self._heartbeat_since_unforce:
                self._up_since = None
            elif self._up_since is None:
                self._up_since = now
            return None if self._up_since is None else now - self._up_since

    def is_silent(self, last_seen: datetime | None, *, off: bool) -> bool:
        """Whether nothing can have become of the host since it was looked at last.

        off: Pacemaker has not reached it since its fencing. last_seen: nor has Nova heard of it.
        """
        with self._lock:
            silent = off and not self._alive and last_seen == self._looked_at
            self._looked_at = last_seen
            return silent

    def remaining_ids(self, rows: Iterable[Migration], *, owned: bool) -> set[str]:
        """The instances that stayed on the host, and not those that have come to it since.

        owned: this process did the recovery, and read them when nothing could come yet; another
        one knows only those whose evacuation failed. rows: the host's evacuations.
        """
        failed = {
            row.instance
            for row in newest(rows).values()
            if row.status in FAILED or (row.status == CLOSED and row.destination is None)
        }
        if not owned:
            return failed
        return failed | {instance.id for instance in self.remaining or ()}

    def fenced_again(self) -> None:
        """The host went down once more: what was known of its nova-compute is void."""
        with self._lock:
            self._heartbeat = None
            self._beats = 0
            self._had_unfinished = False
            self._alive = False
            self._let_up, self._heartbeat_since_unforce = None, False
            self._fencings = None
            self._remaining = None
            self._rows = None
