"""What concerns all hosts in recovery: who is back, and whether there is room elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from novaha.core.errors import ComputeApiError, NovahaError
from novaha.core.model import ComputeService
from novaha.core.ports import Compute, Fencing
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.evacuator.ledger import HostLedger, Ledger


class SiteWatch:
    """Asks only where it matters, and once for all hosts.

    room_since: when room for instances may last have appeared somewhere, by the clock.
    open_hosts: those that took instances when Nova was asked last, None if it was not yet.
    off: the nodes that Pacemaker has not reached since their fencing, as far as that was asked.
    """

    def __init__(self, compute: Compute, fencing: Fencing, clock: Callable[[], float]) -> None:
        self._compute = compute
        self._fencing = fencing
        self._clock = clock
        self.room_since = float("-inf")
        self.off: frozenset[str] = frozenset()
        self.open_hosts: frozenset[str] | None = None
        self._last_deleted: str | None = None
        self._online: frozenset[str] | None = None

    def note_online(self, node: str, page: HostLedger, now: float) -> None:
        """Only asked when it matters: for a host with instances that found no place."""
        if self._online is not None:
            online = bool(page.evacuations.failures) and node in self._online
            page.presence.note_online(now, online=online)

    def look_who_is_back(self, records: Mapping[str, Record], ledger: Ledger) -> None:
        """Only asked where it matters, and once for all hosts."""
        failed = ledger.any_failed(records)
        self._online = self._told(self._fencing.online) if failed else frozenset()
        awaited = any(
            record.state is RecoveryState.RECOVERED and not ledger.of(node).presence.alive
            for node, record in records.items()
        )
        self.off = (self._told(self._fencing.still_off) if awaited else None) or frozenset()

    @staticmethod
    def _told(question: Callable[[], frozenset[str]]) -> frozenset[str] | None:
        """None when Pacemaker does not say."""
        try:
            return question()
        except NovahaError:
            return None

    def note_open(self, services: Iterable[ComputeService]) -> None:
        """Take note of who takes instances; where somebody opens there may be room."""
        opened = frozenset(s.host for s in services if s.up and s.enabled and not s.forced_down)
        if self.open_hosts is not None and opened - self.open_hosts:
            self.room_since = self._clock()
        self.open_hosts = opened

    def look_for_room(self, ledger: Ledger) -> None:
        """There may be room when an instance is deleted."""
        if not ledger.any_failed():
            self._last_deleted = None
            return
        try:
            deleted = self._compute.last_deleted()
        except ComputeApiError:
            return  # only a hint: the next try comes anyway
        if self._last_deleted is not None and deleted != self._last_deleted:
            self.room_since = self._clock()
        self._last_deleted = deleted
