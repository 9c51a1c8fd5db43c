"""The durable queue: what was told is on this disk before anybody else is told of it.

An SQLite file that several processes use: the evacuator and the `novaha` command put entries in,
the courier takes them out. Each consumer (the history, each sink) has its own place in the queue.
Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from novaha.core.errors import NovahaError
from novaha.core.text import line
from novaha.operate.entries import Entry, milliseconds, moment

LOG = logging.getLogger(__name__)

NAME = "outbox.db"

ROOM = 500_000
"""Entries that are kept for consumers that take none: some hundred megabytes."""

_BUSY = 10.0
"""Seconds in which other processes have to be done with the file."""

_WRITERS = 1000
"""Processes that are remembered, so that nothing of theirs is put in twice."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, time INTEGER NOT NULL,
    teller TEXT NOT NULL, event TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS writer (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS consumer (
    name TEXT PRIMARY KEY, taken INTEGER NOT NULL, state TEXT NOT NULL DEFAULT '');
"""


class OutboxError(NovahaError):
    """The queue cannot be used; the text says why."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"the outbox {path} cannot be used: {why}")


class FullError(OutboxError):
    """No room: a consumer has not taken its entries for long."""


class Outbox:
    """The queue in one file. Each method is a transaction of its own, safe from any thread.

    Everything raises OutboxError.
    """

    def __init__(self, path: Path, room: int = ROOM) -> None:
        """Nothing is opened yet. room: entries that may wait."""
        self.path = path
        self._room = room

    def put(self, entries: Sequence[Entry]) -> None:
        """Append what is not there yet, in this order; it is on the disk when this returns.

        What its writer has put in before is passed over, also when it has left the queue. Raises
        FullError when there is no room; then nothing is appended.
        """
        with self._transaction() as db:
            lasts = _lasts(db, {entry.writer for entry in entries})
            new = []
            for entry in entries:
                if entry.number > lasts[entry.writer]:
                    lasts[entry.writer] = entry.number
                    new.append(entry)
            low, high = db.execute("SELECT min(seq), max(seq) FROM entry").fetchone()
            there = 0 if high is None else high - low + 1
            if new and there + len(new) > self._room:
                raise FullError(self.path, f"{there} entries wait, there is no room")
            db.executemany(
                "INSERT INTO entry (id, time, teller, event, data) VALUES (?, ?, ?, ?, ?)",
                [
                    (e.id, milliseconds(e.time), e.teller, e.event, json.dumps(dict(e.data)))
                    for e in new
                ],
            )
            db.executemany(
                "INSERT INTO writer VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET last = excluded.last",
                lasts.items(),
            )
            db.execute(
                "DELETE FROM writer WHERE rowid NOT IN "
                "(SELECT rowid FROM writer ORDER BY rowid DESC LIMIT ?)",
                (_WRITERS,),
            )

    def subscribe(self, consumers: Mapping[str, bool]) -> None:
        """Who takes entries from now on; whoever else did does no more, and what nobody wants goes.

        consumers: by name, whether one that is new is given also what waits already.
        """
        with self._transaction() as db:
            end = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
            known = {row[0] for row in db.execute("SELECT name FROM consumer")}
            for name in known - consumers.keys():
                db.execute("DELETE FROM consumer WHERE name = ?", (name,))
            for name in consumers.keys() - known:
                taken = 0 if consumers[name] else end
                db.execute("INSERT INTO consumer (name, taken) VALUES (?, ?)", (name, taken))
            _drop_taken(db)

    def waiting(self, consumer: str, most: int) -> list[tuple[int, Entry]]:
        """The next entries for a consumer, oldest first, each with its place in the queue.

        An entry stays until every consumer has taken it.
        """
        with self._transaction(write=False) as db:
            row = db.execute("SELECT taken FROM consumer WHERE name = ?", (consumer,)).fetchone()
            return [] if row is None else _read(db, row[0], most)

    def all(self) -> list[Entry]:
        """Everything that is in the queue, oldest first."""
        with self._transaction(write=False) as db:
            return [entry for _, entry in _read(db, 0, -1)]

    def taken(self, consumer: str, place: int, state: str = "") -> None:
        """The consumer has everything up to this place for good. state: what it knows by then."""
        with self._transaction() as db:
            db.execute(
                "UPDATE consumer SET taken = ?, state = ? WHERE name = ? AND taken < ?",
                (place, state, consumer, place),
            )
            _drop_taken(db)

    def state(self, consumer: str) -> str:
        """What the consumer knew when it last took something, "" if nothing."""
        with self._transaction(write=False) as db:
            asked = "SELECT state FROM consumer WHERE name = ?"
            row = db.execute(asked, (consumer,)).fetchone()
            return "" if row is None else str(row[0])

    def behind(self) -> dict[str, int]:
        """How many entries wait for each consumer."""
        with self._transaction(write=False) as db:
            return dict(
                db.execute(
                    "SELECT name, (SELECT count(*) FROM entry WHERE seq > taken) FROM consumer"
                ).fetchall()
            )

    @contextlib.contextmanager
    def _transaction(self, write: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(self._open()) as db:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield db
                except BaseException:
                    db.rollback()
                    raise
                db.commit()
        except sqlite3.Error as error:
            # Others of its kind: busy, no space, a disk that fails. This very one: no database.
            damaged = type(error) is sqlite3.DatabaseError
            why = self._put_aside(error) if damaged else line(error)
            raise OutboxError(self.path, why) from None
        except OSError as error:
            raise OutboxError(self.path, error.strerror or "no reason is known") from None

    def _open(self) -> sqlite3.Connection:
        if self.path.is_symlink():
            raise OutboxError(self.path, "it is a symbolic link: find out who made it")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None)
        try:
            # A commit is on the disk, also when the power goes.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
        except BaseException:
            db.close()
            raise
        return db

    def _put_aside(self, error: sqlite3.Error) -> str:
        """A file that is damaged is kept for people; the next use begins with a new one."""
        aside = f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%d%H%M%S}"
        with contextlib.suppress(OSError):
            os.replace(self.path, self.path.with_name(aside))
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(
                        self.path.with_name(self.path.name + tail),
                        self.path.with_name(aside + tail),
                    )
            LOG.error("the outbox %s is damaged (%s): kept as %s", self.path, line(error), aside)
        return f"it was damaged ({line(error)}), and is kept as {aside}"


def _lasts(db: sqlite3.Connection, writers: Iterable[str]) -> dict[str, int]:
    """The number of the last entry of each writer, -1 for one that has none."""
    asked = "SELECT coalesce(max(last), -1) FROM writer WHERE name = ?"
    return {name: db.execute(asked, (name,)).fetchone()[0] for name in writers}


def _read(db: sqlite3.Connection, after: int, most: int) -> list[tuple[int, Entry]]:
    rows = db.execute(
        "SELECT seq, id, time, teller, event, data FROM entry WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, most),
    )
    return [
        (seq, Entry(id, moment(time), teller, event, json.loads(data)))
        for seq, id, time, teller, event, data in rows
    ]


def _drop_taken(db: sqlite3.Connection) -> None:
    """What every consumer has. AUTOINCREMENT never gives a place a second time."""
    db.execute("DELETE FROM entry WHERE seq <= (SELECT coalesce(min(taken), 0) FROM consumer)")
