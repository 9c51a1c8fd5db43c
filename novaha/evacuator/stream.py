"""Events on their way to those that read them, off the threads of recoveries."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from novaha.core.events import Event, Lost, Sink

LOG = logging.getLogger(__name__)

Consumer = Callable[[datetime, Event], None]
"""Takes one event, with the moment at which it happened (UTC). May take long, and may fail."""

_ROOM = 20_000
"""Events that may wait: those of some thousand instances while a disk hangs, a few megabytes."""

_HANGS = 10.0
"""Seconds with one event after which an operator is told."""


class Stream:
    """Hands each event to each consumer, in order, in a thread of its own.

    A consumer that hangs, or fails, keeps no recovery waiting. Where as many events wait as there
    is room for, the newest are not kept: `problem` says so while it lasts, and then the event
    `Lost` stands in their place and tells how many they were.
    """

    def __init__(
        self,
        consumers: Sequence[Consumer],
        room: int = _ROOM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumers = tuple(consumers)
        self._room = room
        self._clock = clock
        self._waiting: deque[tuple[datetime, Event]] = deque()
        self._lost = 0
        self._lost_at = datetime.min.replace(tzinfo=UTC)
        self._busy_since: float | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def emit(self, event: Event) -> None:
        """Take an event of this moment; returns at once."""
        with self._changed:
            moment = datetime.now(UTC)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="events", daemon=True)
                self._thread.start()
            if len(self._waiting) >= self._room:
                self._lost += 1
                self._lost_at = moment
                return
            self._tell_lost()
            self._waiting.append((moment, event))
            self._changed.notify_all()

    def problem(self) -> str:
        """What an operator has to see to, "" if there is nothing."""
        with self._changed:
            began, waiting, lost = self._busy_since, len(self._waiting), self._lost
        hung = 0.0 if began is None else self._clock() - began
        if hung < _HANGS and not lost:
            return ""
        return (
            f"the journal and the log cannot be written to, for {hung:.0f} s: {waiting} events "
            f"wait, {lost} are lost; recoveries go on; look at the file system of the logs"
        )

    def close(self, within: float) -> int:
        """Wait until all is told, `within` seconds at most; how many events are not told then."""
        with self._changed:
            self._changed.wait_for(lambda: not self._untold(), within)
            return self._untold()

    def _untold(self) -> int:
        return len(self._waiting) + self._lost + (self._busy_since is not None)

    def _tell_lost(self) -> None:
        if self._lost:
            self._waiting.append((self._lost_at, Lost(self._lost)))
            self._lost = 0

    def _serve(self) -> None:
        while True:
            moment, event = self._next()
            for consumer in self._consumers:
                try:
                    consumer(moment, event)
                except Exception:
                    LOG.exception("event %s is not told", event.event)

    def _next(self) -> tuple[datetime, Event]:
        with self._changed:
            self._busy_since = None
            self._changed.notify_all()
            while not self._waiting:
                self._tell_lost()
                if not self._waiting:
                    self._changed.wait()
            self._busy_since = self._clock()
            return self._waiting.popleft()


class Everybody:
    """A sink that is several."""

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = tuple(sinks)

    def emit(self, event: Event) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.emit(event)
