"""One reading for all who ask: a hundred readers cost the evacuator no more than one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from novaha.core.errors import NovahaError
from novaha.core.text import line
from novaha.web.state import State, arrange

_SHARE = 20
"""At most one part in so many of the time is spent with reading."""

_LONGEST_PAUSE = 30.0
_OLD = 10.0
"""Seconds after which who asks waits for a new reading rather than being given the last one."""

_PATIENCE = 15.0
"""Seconds that anybody waits for a reading."""

_HEARTBEAT = 15.0
"""Seconds after which a stream says something, so that both ends know that the other lives."""

_NEW = frozenset({"at", "turn_age", "age", "silent_for", "failing_for"})
"""What differs in each reading and is no news."""


class NotReadError(NovahaError):
    """Nothing could be read yet; the text says why."""


class Shared:
    """Reads when somebody asks, at most every `refresh` seconds, and once for all of them.

    Everything but `read` runs in one event loop.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, Any]],
        refresh: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """read: the snapshot, blocking; raises NovahaError."""
        self._read = read
        self._refresh = refresh
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, "read")
        self._state: State | None = None
        self._read_at = self._tried_at = float("-inf")
        self._pause = refresh
        self._problem = ""
        self._task: asyncio.Task[None] | None = None
        self._watchers = 0
        self._changed: asyncio.Event | None = None
        self._number = 0
        self._news = b""
        self.closing = False

    @property
    def problem(self) -> str:
        """Why what is shown is not of now, "" if it is."""
        return self._problem

    @property
    def age(self) -> float:
        """Seconds since what is shown was read."""
        return self._clock() - self._read_at

    async def latest(self) -> State:
        """The last reading, a new one if that is old. Raises NotReadError when there is none."""
        if self._clock() - self._tried_at >= self._pause:
            self._begin()
        if self._task is not None and (self._state is None or self.age > max(_OLD, self._pause)):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), _PATIENCE)
        if self._state is None:
            raise NotReadError(self._problem or "the cluster is being read, ask again")
        return self._state

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._one())

    async def _one(self) -> None:
        began = self._clock()
        loop = asyncio.get_running_loop()
        try:
            state, news = await loop.run_in_executor(self._pool, self._arranged)
        except Exception as error:  # whatever it is, readers have to be told
            known = isinstance(error, NovahaError)
            self._problem = line(error if known else f"{type(error).__name__}: {error}")
        else:
            self._state, self._problem, self._read_at = state, "", self._clock()
            if news != self._news:
                self._news = news
                self._number += 1
                if self._changed is not None:
                    self._changed.set()
                    self._changed = None
        finally:
            self._tried_at = self._clock()
            took = self._tried_at - began
            self._pause = max(self._refresh, min(_LONGEST_PAUSE, _SHARE * took))
            self._task = None

    def _arranged(self) -> tuple[State, bytes]:
        state = arrange(self._read(), datetime.now(UTC))
        return state, _packed(_without_ages([state.health, state.hosts, state.plan]))

    async def changes(self) -> AsyncIterator[tuple[int, State] | None]:
        """The number of the last change and the state then, at each change; None in between, so
        that a listener who is gone is noticed."""
        seen = -1
        said = self._clock()
        self._watchers += 1
        try:
            while not self.closing:
                with contextlib.suppress(NotReadError):
                    state = await self.latest()
                    if self._number != seen:
                        seen, said = self._number, self._clock()
                        yield seen, state
                        continue
                if self._clock() - said >= _HEARTBEAT:
                    said = self._clock()
                    yield None
                await self._wait(min(1.0, self._pause))
        finally:
            self._watchers -= 1

    async def _wait(self, seconds: float) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    @property
    def watchers(self) -> int:
        """How many listen to changes."""
        return self._watchers

    def close(self) -> None:
        """End the streams; whoever reads is not waited for."""
        self.closing = True
        self._pool.shutdown(wait=False, cancel_futures=True)


def _packed(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _without_ages(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_ages(v) for k, v in value.items() if k not in _NEW}
    return [_without_ages(item) for item in value] if isinstance(value, list) else value
