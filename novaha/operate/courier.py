"""The process that takes entries out of the outbox: into the history, and to the sinks.

A process of its own, so that neither a database that hangs nor the work for it takes anything
from a recovery. It lives as long as its standard input is open: the evacuator holds the other
end, also by SIGKILL. `run` is its whole life; `deliver_once` is what the `novaha` command does
on a controller where none runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol

from novaha.core.errors import NovahaError
from novaha.core.text import line
from novaha.operate.entries import Entry
from novaha.operate.outbox import NAME, Outbox
from novaha.operate.recorder import carry_on
from novaha.operate.sinks import Notifier, made

LOG = logging.getLogger(__name__)

LOCK = "courier.lock"
HISTORY = "history"

_BATCH = 500
_LOOK = 1.0
"""Seconds between two looks for new entries."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries while a consumer takes nothing."""

_LAST = 10.0
"""Seconds in which what waits is still brought when the evacuator has ended."""

_TRIM = 3600.0
"""Seconds between two looks for what is too old."""


class Consumer(Protocol):
    """Where entries go. `take` may be called again with the same entries after it has raised."""

    def take(self, entries: Sequence[Entry]) -> int:
        """Take the first ones of these, in order; how many. Raises NovahaError for none."""

    def idle(self) -> None:
        """Called now and then while there is nothing to take. Raises NovahaError."""

    def state(self) -> str:
        """What it knows, kept with what it has taken."""

    def restore(self, state: str) -> None:
        """Go on where it was: called before all else."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of the history is kept."""

    url: str
    days: float
    events: int


class Keeper:
    """Puts entries into the history, and forgets what is too old."""

    def __init__(self, keep: Keep, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep = keep
        self._clock = clock
        self._history: Any = None
        self._trimmed_at: float | None = None

    def take(self, entries: Sequence[Entry]) -> int:
        """All of them, or none."""
        self._open().add(entries)
        return len(entries)

    def idle(self) -> None:
        """Trim it once an hour."""
        now = self._clock()
        if self._trimmed_at is not None and now - self._trimmed_at < _TRIM:
            return
        days = timedelta(days=self._keep.days)
        self._open().trim(days, self._keep.events, datetime.now(UTC))
        self._trimmed_at = now

    def state(self) -> str:
        """Nothing: the database has all of it."""
        return ""

    def restore(self, state: str) -> None:
        """Nothing to do."""

    def _open(self) -> Any:
        """The history, whose tables are of this version. Tried anew after each failure."""
        if self._history is None:
            try:
                from novaha.operate.database import History
            except ImportError as error:
                raise NovahaError(
                    f"the history needs the Python module {error.name}: "
                    "apt install python3-sqlalchemy python3-alembic, or pip install "
                    "'novaha[history]'"
                ) from None
            history = History(self._keep.url)
            history.upgrade()
            self._history = history
        return self._history


@dataclass
class State:
    """How a consumer is. problem: why it takes nothing, "" if it does; since: monotonic."""

    problem: str = ""
    since: float = 0.0


@dataclass
class Worker:
    """Brings entries to one consumer, in a thread of its own, and tries until it takes them."""

    name: str
    consumer: Consumer
    outbox: Outbox
    stopping: threading.Event
    clock: Callable[[], float] = time.monotonic
    state: State = field(default_factory=State)
    restored: bool = False

    def run(self) -> None:
        """Until it is stopped."""
        pause = _FIRST_PAUSE
        while not self.stopping.is_set():
            try:
                took = self.step()
            except Exception as error:
                self._failed(error)
                self.stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            self.state.problem = ""
            pause = _FIRST_PAUSE
            if not took:
                self.stopping.wait(_LOOK)

    def step(self) -> int:
        """Bring what waits, one batch at the most; how many entries. Raises what went wrong."""
        if not self.restored:
            self.consumer.restore(self.outbox.state(self.name))
            self.restored = True
        waiting = self.outbox.waiting(self.name, _BATCH)
        if not waiting:
            self.consumer.idle()
            return 0
        took = self.consumer.take([entry for _, entry in waiting])
        if took:
            self.outbox.taken(self.name, waiting[took - 1][0], self.consumer.state())
        return took

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, NovahaError):
            LOG.exception("%s", self.name)
        problem = line(error)
        if not self.state.problem:
            self.state.since = self.clock()
            LOG.warning("%s: %s", self.name, problem)
        self.state.problem = problem


def consumers(settings: Mapping[str, Any]) -> dict[str, Consumer]:
    """By the settings that `wiring.operate` gives."""
    found: dict[str, Consumer] = {}
    if kept := settings.get("history"):
        found[HISTORY] = Keeper(Keep(kept["url"], kept["keep_days"], kept["keep_events"]))
    for kind, options in settings.get("sinks", {}).items():
        found[kind] = Notifier(*made(kind, options))
    return found


def run(settings: Mapping[str, Any], lifeline: IO[bytes], said: IO[str]) -> None:
    """Bring entries until the lifeline is closed, and then what waits, for some seconds.

    said: where how it goes is told each second when it has changed, a line of JSON at a time.
    """
    ended = threading.Event()
    threading.Thread(target=_watch, args=(lifeline, ended), daemon=True).start()
    state_dir, spool = Path(settings["state_dir"]), Path(settings["spool"])
    with _only_one(state_dir, ended) as alone:
        if not alone:
            return
        outbox = Outbox(state_dir / NAME)
        takers = consumers(settings)
        with contextlib.suppress(NovahaError):  # else with the next report
            _subscribe(outbox, takers)
        workers = [Worker(n, c, outbox, ended) for n, c in takers.items()]
        threads = [threading.Thread(target=w.run, name=w.name, daemon=True) for w in workers]
        for thread in threads:
            thread.start()
        told = ""
        while not ended.is_set():
            report = json.dumps(_report(workers, outbox, takers))
            if report != told:
                said.write(f"{report}\n")
                said.flush()
                told = report
            ended.wait(_LOOK)
        _finish(list(zip(threads, workers, strict=True)), outbox, spool)


def _finish(
    running: Sequence[tuple[threading.Thread, Worker]], outbox: Outbox, spool: Path
) -> None:
    """What the evacuator has left, whose next one may run on another controller."""
    with contextlib.suppress(NovahaError, OSError):
        carry_on(outbox, spool)
    last = [threading.Thread(target=_drain, args=pair, daemon=True) for pair in running]
    for thread in last:
        thread.start()
    end = time.monotonic() + _LAST
    for thread in last:
        thread.join(max(0.0, end - time.monotonic()))


def _drain(thread: threading.Thread, worker: Worker) -> None:
    thread.join()
    with contextlib.suppress(NovahaError):
        while worker.step():
            pass


def _report(
    workers: Sequence[Worker], outbox: Outbox, takers: Mapping[str, Consumer]
) -> dict[str, Any]:
    """By consumer: how many entries wait for it, and why it takes none."""
    try:
        behind = outbox.behind()
        if behind.keys() != takers.keys():  # a new one, or a new file in place of a damaged one
            _subscribe(outbox, takers)
            behind = outbox.behind()
    except NovahaError as error:
        return {w.name: {"behind": 0, "problem": str(error)} for w in workers}
    return {
        worker.name: {"behind": behind.get(worker.name, 0), "problem": worker.state.problem}
        for worker in workers
    }


def deliver_once(settings: Mapping[str, Any], seconds: float) -> None:
    """Bring what waits, as far as that is done within some seconds; raises nothing.

    Where a courier runs, it does so.
    """
    state_dir = Path(settings["state_dir"])
    outbox = Outbox(state_dir / NAME)
    end = time.monotonic() + seconds
    with contextlib.suppress(NovahaError, OSError, BlockingIOError), _locked(state_dir):
        takers = consumers(settings)
        _subscribe(outbox, takers)
        for name, consumer in takers.items():
            worker = Worker(name, consumer, outbox, threading.Event())
            with contextlib.suppress(NovahaError):
                while time.monotonic() < end and worker.step():
                    pass


@contextlib.contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """Raises BlockingIOError while a courier runs."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(state_dir / LOCK, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _only_one(state_dir: Path, ended: threading.Event) -> Iterator[bool]:
    """Wait until no other courier runs here: that of a killed evacuator ends by itself.

    Whether this is the only one; it is not where it was ended while it waited.
    """
    with contextlib.ExitStack() as stack:
        alone = False
        while not alone:
            try:
                stack.enter_context(_locked(state_dir))
                alone = True
            except BlockingIOError:
                if ended.wait(_LOOK / 4):
                    break
        yield alone


def _subscribe(outbox: Outbox, takers: Iterable[str]) -> None:
    """The history gets what waits already; whom else one adds is told only what comes."""
    outbox.subscribe({name: name == HISTORY for name in takers})


def _watch(lifeline: IO[bytes], ended: threading.Event) -> None:
    with contextlib.suppress(OSError, ValueError):
        while lifeline.read(1):
            pass
    ended.set()
