"""How much to ask of Nova at once: as much as it answers quickly, and less as soon as it does not.

Slow start, additive increase and multiplicative decrease, as in TCP's congestion control (RFC
5681, section 3.1, with its initial window). Pure: it knows no clock and no threads.
"""

from __future__ import annotations

_START = 4
"""How many go out before the first answer."""

_FINE = 0.5
"""Seconds: an answer within them never counts as slow."""

_SLOW = 4.0
"""An answer that takes so many times as long as the quickest one counts as slow."""

_FORGET = 1.02
"""By how much the quickest answer is forgotten with each one: Nova's best may change."""


class Window:
    """How many requests may be out at once, from 1 to `limit`; moments are in seconds."""

    def __init__(self, limit: int) -> None:
        self._limit = float(limit)
        self._size = float(min(_START, limit))
        self._started = False
        self._quickest = float("inf")
        self._halved_at = float("-inf")

    @property
    def size(self) -> int:
        """Requests that may be out now."""
        return int(self._size)

    def answered(self, sent: float, now: float) -> None:
        """A request that was sent then was answered now, whatever the answer."""
        took = now - sent
        slow = took > _FINE and took > _SLOW * self._quickest
        self._quickest = min(self._quickest * _FORGET, took)
        if slow:
            self.overloaded(sent, now)
        else:
            more = 1 / self._size if self._started else 1.0
            self._size = min(self._limit, self._size + more)
            self._started = self._started or self._size == self._limit

    def overloaded(self, sent: float, now: float) -> None:
        """It was turned away, or got no proper answer. Those that were sent together count once."""
        if sent >= self._halved_at:
            self._size = max(1.0, self._size / 2)
            self._halved_at = now
            self._started = True
