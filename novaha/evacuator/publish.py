"""Tells the other controllers what only the evacuator knows: as an attribute, now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from novaha.core.errors import NovahaError
from novaha.evacuator import digest

LOG = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two tellings at least."""

AGAIN = 300.0
"""Seconds after which the same is told again: who reads it sees by that that it is still so.

Each time is a line in the log of Pacemaker on every controller (docs/facts.md).
"""


class Board(Protocol):
    """Where the digests of all controllers are."""

    def read(self) -> Mapping[str, str]:
        """The digests by node. Raises ClusterToolError."""

    def tell(self, node: str, value: str, timeout: float) -> None:
        """Replace the digest of `node`, within `timeout` seconds. Raises ClusterToolError."""

    def withdraw(self, node: str, timeout: float) -> None:
        """Take it away, within `timeout` seconds. Raises ClusterToolError."""


class Publisher:
    """Tells in a thread of its own; what goes wrong there concerns no recovery."""

    def __init__(
        self,
        board: Board,
        node: str,
        snapshot: Callable[[], Mapping[str, Any]],
        secrets: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """node: this one. snapshot: the evacuator's own. secrets: values that are not told."""
        self._board = board
        self._node = node
        self._snapshot = snapshot
        self._secrets = tuple(secrets)
        self._clock = clock
        self._now = now
        self._said: object = None
        self._said_at = float("-inf")
        self._told = False
        self._failed = ""
        self._lock = threading.Lock()
        self._over = False

    def run(self, stopping: threading.Event) -> None:
        """Tell until `stopping` is set."""
        while not stopping.wait(EVERY):
            try:
                self.publish()
            except Exception:
                LOG.exception("the other controllers cannot be told")

    def publish(self) -> None:
        """Tell what there is, if it has changed or is about to count as old."""
        snapshot = self._snapshot()
        unchanged = _steady(snapshot) == self._said
        if unchanged and self._clock() < self._said_at + AGAIN:
            return
        # What is known is as old as the last turn, however often it is told.
        known_at = self._now() - timedelta(seconds=snapshot["evacuator"]["turn_age"])
        value = digest.make(snapshot, known_at, self._secrets)
        try:
            with self._lock:
                if self._over:
                    return
                if value:
                    self._told = True  # even where no answer comes
                    self._board.tell(self._node, value, EVERY)
                elif self._told or self._node in self._board.read():
                    # One that was killed may have left it.
                    self._board.withdraw(self._node, EVERY)
                    self._told = False
            self._said, self._said_at, self._failed = _steady(snapshot), self._clock(), ""
        except NovahaError as error:
            if str(error) != self._failed:
                LOG.warning("the other controllers cannot be told: %s", error)
            self._failed = str(error)

    def end(self, within: float) -> None:
        """Tell nothing any more, and take away what was told, in `within` seconds at most."""
        end = time.monotonic() + within
        if not self._lock.acquire(timeout=within / 2):
            return  # it counts as old soon
        try:
            self._over = True
            if self._told:
                self._board.withdraw(self._node, max(0.1, end - time.monotonic()))
        except NovahaError as error:
            LOG.info("what the other controllers were told stays until it is old: %s", error)
        finally:
            self._lock.release()


def _steady(snapshot: Mapping[str, Any]) -> object:
    """The snapshot without what changes all the time."""
    health = snapshot["evacuator"]
    said = (health["problem"], health["nova"]["problem"], tuple(health["attention"]))
    return (*said, tuple(repr(host) for host in snapshot["hosts"]))
