"""Events on their way to the outbox: nothing that was emitted is lost with the process.

`emit` writes into memory that outlives the process: a file below /run, which is no disk, so that
nobody waits. A thread carries what stands there into the outbox, on the disk. A process that is
killed in between leaves its file, and the next one carries it on. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from novaha.core.events import Event, Lost
from novaha.operate.entries import Entry, dumps, loads
from novaha.operate.outbox import Outbox, OutboxError

LOG = logging.getLogger(__name__)

ROOM = 16 << 20
"""Bytes that may wait for the disk: some 60 000 events."""

_TAIL = ".jsonl"
_BATCH = 500
_KEPT = 1 << 16
"""Bytes of a file that is done with that need not be given back at once."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two tries while the outbox cannot be written to."""


class Recorder:
    """Takes events for the outbox; `emit` neither waits for a disk nor raises."""

    def __init__(self, outbox: Outbox, spool: Path, teller: str, room: int = ROOM) -> None:
        """spool: an existing directory below /run, of this process's user.

        Raises OSError when nothing can be written there.
        """
        self._outbox = outbox
        self._teller = teller
        self._room = room
        self._writer = uuid4().hex
        self._number = 0
        self._lost = 0
        self._problem = ""
        self._spool = spool
        self._changed = threading.Condition()
        self._file = os.open(
            spool / f"{self._writer}{_TAIL}",
            os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
            0o600,
        )
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._size = 0
        self._read = 0
        self._thread = threading.Thread(target=self._serve, name="outbox", daemon=True)
        self._thread.start()

    def emit(self, event: Event) -> None:
        """Take an event of this moment."""
        with self._changed:
            if self._lost and self._append(Lost(self._lost)):
                self._lost = 0
            if self._lost or not self._append(event):
                self._lost += 1
            self._changed.notify_all()

    def problem(self) -> str:
        """Why events do not reach the outbox, "" if they do."""
        with self._changed:
            waiting, lost, problem = self._size - self._read, self._lost, self._problem
        if not problem and not lost:
            return ""
        return (
            f"the history is not written: {problem or 'there is no room'}; {waiting} bytes wait, "
            f"{lost} events are lost; recoveries go on; look at the disk of {self._outbox.path}"
        )

    def close(self, within: float) -> bool:
        """Wait until all is in the outbox, `within` seconds at most; whether it is.

        What is not stays in the spool, and the next process carries it on.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: self._read >= self._size, within)
            if done:
                with contextlib.suppress(OSError):
                    (self._spool / f"{self._writer}{_TAIL}").unlink()
        return done

    def _append(self, event: Event) -> bool:
        entry = Entry(
            f"{self._writer}.{self._number}",
            datetime.now(UTC),
            self._teller,
            event.event,
            event.data(),
        )
        try:
            raw = dumps(entry).encode() + b"\n"
            if self._size + len(raw) > self._room:
                return False
            if os.write(self._file, raw) < len(raw):
                os.ftruncate(self._file, self._size)
                return False
        except OSError as error:
            self._problem = f"{self._spool}: {error.strerror}"
            return False
        except Exception:  # a bug of ours: no recovery ends because of it
            LOG.exception("event %s is not kept", event.event)
            return False
        self._size += len(raw)
        self._number += 1
        return True

    def _serve(self) -> None:
        pause = _FIRST_PAUSE
        inherits = True  # also when nothing happens
        while True:
            with self._changed:
                while self._read >= self._size and not self._problem and not inherits:
                    self._changed.wait()
            try:
                if inherits:
                    carry_on(self._outbox, self._spool)
                    inherits = False
                self._carry()
            except Exception as error:
                if not isinstance(error, (OutboxError, OSError)):
                    LOG.exception("events do not reach the outbox")
                elif not self._problem:
                    LOG.warning("events do not reach the outbox: %s", error)
                with self._changed:
                    self._problem = str(error)
                    self._changed.wait_for(lambda: False, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE

    def _carry(self) -> None:
        """What stands in our file now."""
        with self._changed:
            begin, end = self._read, self._size
        raw = os.pread(self._file, end - begin, begin)
        for batch in _batches(_entries(raw)):
            self._outbox.put(batch)
        with self._changed:
            self._problem = ""
            self._read = end
            if self._read == self._size and self._size > _KEPT:
                os.ftruncate(self._file, 0)
                self._read = self._size = 0
            self._changed.notify_all()


def carry_on(outbox: Outbox, spool: Path) -> None:
    """Carry what killed processes have left in the spool into the outbox.

    Raises OutboxError, and OSError where the spool cannot be read.
    """
    found = [(p.stat().st_mtime_ns, p) for p in spool.iterdir() if p.name.endswith(_TAIL)]
    for _, path in sorted(found):
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            LOG.warning("%s: %s", path, error.strerror)
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(file, "rb", closefd=False) as stream:
                for batch in _batches(_entries(stream.read())):
                    outbox.put(batch)
            path.unlink(missing_ok=True)
        except BlockingIOError:  # of a process that lives
            pass
        finally:
            os.close(file)


def _entries(raw: bytes) -> Iterator[Entry]:
    """Each whole line; the last one may have been cut off with the process."""
    for row in raw.split(b"\n")[:-1]:
        try:
            yield loads(row)
        except ValueError:
            LOG.error("a line of the spool makes no sense and is left out")


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
