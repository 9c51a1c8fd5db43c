"""Holds requests to Nova back while it has enough of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from novaha.core.errors import NotSentError, UnknownOutcomeError
from novaha.core.pacing import Window


class Throttle:
    """Lets as many threads at once send a request as Nova answers quickly, `limit` at most."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._window = Window(limit)
        self._clock = clock
        self._changed = threading.Condition()
        self._out = 0
        self._most = limit

    def limit(self, most: int) -> None:
        """Let no more than so many be out, whatever Nova could take; one always may."""
        with self._changed:
            self._most = max(1, most)
            self._changed.notify_all()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, to send one request in here."""
        with self._changed:
            self._changed.wait_for(lambda: self._out < min(self._most, self._window.size))
            self._out += 1
        sent = self._clock()
        note = self._window.answered
        try:
            yield
        except (NotSentError, UnknownOutcomeError):  # 429, 503, a time-out: it has enough
            note = self._window.overloaded
            raise
        finally:
            with self._changed:
                self._out -= 1
                note(sent, self._clock())
                self._changed.notify_all()
