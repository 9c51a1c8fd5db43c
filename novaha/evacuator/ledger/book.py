"""The ledger, and its page for one host."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from novaha.core.record import Record
from novaha.evacuator.ledger.evacuations import EvacuationFacts
from novaha.evacuator.ledger.fencing import FencingFacts
from novaha.evacuator.ledger.presence import PresenceFacts
from novaha.evacuator.ledger.requests import RequestFacts


class HostLedger:
    """One flagged host, as long as it has a record.

    requests: what was asked of Nova. evacuations: what becomes of its instances. presence: whether
    it is back. fencing: what was asked of Pacemaker.

    Who holds it after the host's record is gone writes into nothing: another record of the same
    node gets a page of its own.
    """

    def __init__(self, lock: threading.RLock, first_seen: float) -> None:
        self._lock = lock
        self._first_seen = first_seen
        self._trouble = ""
        self.requests = RequestFacts(lock)
        self.evacuations = EvacuationFacts(lock)
        self.presence = PresenceFacts(lock)
        self.fencing = FencingFacts(lock)

    @property
    def first_seen(self) -> float:
        """When the record was seen first, with the fencing that it tells of."""
        with self._lock:
            return self._first_seen

    def note_trouble(self, text: str) -> None:
        """A mistake of ours has hit this host. text: what an operator is told."""
        with self._lock:
            self._trouble = text

    def take_trouble(self) -> str:
        """What was noted so since this was called last, "" if nothing."""
        with self._lock:
            text, self._trouble = self._trouble, ""
            return text

    def fenced_again(self, now: float) -> None:
        """The host went down once more: what was known of its nova-compute is void."""
        with self._lock:
            self._first_seen = now
            self.presence.fenced_again()


class Ledger:
    """The pages of all flagged hosts."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._hosts: dict[str, HostLedger] = {}
        self._fence_ids: dict[str, str] = {}

    def follow(self, records: Mapping[str, Record], now: float) -> frozenset[str]:
        """These are the flagged hosts now; the others' pages go.

        Returns the nodes that were fenced once more since.
        """
        with self._lock:
            for gone in self._hosts.keys() - records.keys():
                del self._hosts[gone], self._fence_ids[gone]
            again = set()
            for node, record in records.items():
                page = self._hosts.setdefault(node, HostLedger(self._lock, now))
                if self._fence_ids.get(node, record.fence_id) != record.fence_id:
                    page.fenced_again(now)
                    again.add(node)
                self._fence_ids[node] = record.fence_id
            return frozenset(again)

    def of(self, node: str) -> HostLedger:
        """The page of a flagged host. Raises KeyError where it is none."""
        with self._lock:
            return self._hosts[node]

    def take_troubles(self) -> tuple[str, ...]:
        """The mistakes of ours that have hit hosts since this was called last."""
        with self._lock:
            return tuple(filter(None, (page.take_trouble() for page in self._hosts.values())))

    def any_failed(self, nodes: Iterable[str] | None = None) -> bool:
        """Whether an evacuation of these hosts has failed; of any host if none are given."""
        with self._lock:
            pages = self._hosts.values() if nodes is None else map(self.of, nodes)
            return any(page.evacuations.failures for page in pages)
