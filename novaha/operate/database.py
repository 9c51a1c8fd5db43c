"""The history: every event in a database, SQLite's or the site's MariaDB or PostgreSQL.

The only user of SQLAlchemy and Alembic, within what Debian 12's and today's releases share.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.pool import NullPool

from novaha.core.errors import ConfigError, NovahaError
from novaha.core.text import line
from novaha.operate.entries import Entry, milliseconds, moment

LOG = logging.getLogger(__name__)

VERSIONS = "novaha_alembic_version"
"""Alembic's table: the database may be shared with others who have one."""

_CONNECT, _ANSWER = 5, 30
"""Seconds for a connection, and for an answer."""

_NAME, _UID = 255, 80
"""Most characters of a name, and of an id."""

_AT_ONCE = 500
"""Rows of one statement: SQLite of Debian 12 and MariaDB take many more."""

METADATA = sa.MetaData()

EVENT = sa.Table(
    "novaha_event",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("uid", sa.String(_UID), nullable=False),
    sa.Column("time", sa.BigInteger(), nullable=False),
    sa.Column("teller", sa.String(_NAME), nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("node", sa.String(_NAME)),
    sa.Column("instance", sa.String(64)),
    sa.Column("name", sa.String(_NAME)),
    sa.Column("fence_id", sa.String(64)),
    sa.Column(
        "data",
        sa.Text()
        .with_variant(mysql.MEDIUMTEXT(), "mysql")
        .with_variant(mysql.MEDIUMTEXT(), "mariadb"),
        nullable=False,
    ),
    sa.UniqueConstraint("uid", name="novaha_event_uid"),
    sa.Index("novaha_event_time", "time"),
    sa.Index("novaha_event_node", "node", "time"),
    sa.Index("novaha_event_instance", "instance", "time"),
    sa.Index("novaha_event_name", "name"),
    sa.Index("novaha_event_fence_id", "fence_id"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
    mariadb_charset="utf8mb4",
    mariadb_engine="InnoDB",
)
"""time: milliseconds since 1970, UTC. data: the event's fields, as JSON in ASCII."""


class HistoryError(NovahaError):
    """The database does not do what was asked of it; the text says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which events. fence_id: its beginning. since, until: from then, and before then.

    most: the newest ones.
    """

    nodes: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    fence_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    most: int | None = None


class History:
    """The events in one database. Everything raises HistoryError.

    Each call has a connection of its own: one that has died while nothing happened harms nobody.
    """

    def __init__(self, url: str) -> None:
        """Nothing is connected to yet. Raises ConfigError, which repeats nothing of the URL."""
        self._url = parsed(url)
        self._secrets = tuple(filter(None, [str(self._url.password or "")]))
        try:
            self._engine = sa.create_engine(
                self._url, poolclass=NullPool, connect_args=_arguments(self._url), future=True
            )
        except ImportError as error:
            raise ConfigError(
                f"[history] url needs the Python module {error.name or 'of its driver'}, which is "
                "not installed: see the guide, page The history"
            ) from None
        except (sa.exc.ArgumentError, TypeError, ValueError):
            raise ConfigError("[history] url is no URL of a database") from None
        if self._url.get_backend_name() == "sqlite":
            sa.event.listen(self._engine, "connect", _safe)

    def upgrade(self) -> None:
        """Make the tables, or bring those of an older novaha up to date."""
        with self._connection() as connection:
            script = ScriptDirectory.from_config(_alembic(connection))
            wanted = script.get_current_head()
            if _version(connection) != wanted:
                command.upgrade(_alembic(connection), "head")

    def is_current(self) -> bool:
        """Whether the tables are those of this novaha."""
        with self._connection() as connection:
            script = ScriptDirectory.from_config(_alembic(connection))
            return bool(_version(connection) == script.get_current_head())

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep these, in this order: all of them or none. What is there already is passed over."""
        with self._connection() as connection:
            for begin in range(0, len(entries), _AT_ONCE):
                part = entries[begin : begin + _AT_ONCE]
                ids = [entry.id for entry in part]
                found = connection.execute(sa.select(EVENT.c.uid).where(EVENT.c.uid.in_(ids)))
                there = set(found.scalars())
                rows = {e.id: _row(e) for e in part if e.id not in there}
                if rows:
                    connection.execute(sa.insert(EVENT), list(rows.values()))

    def trim(self, keep: timedelta, most: int, now: datetime) -> int:
        """Forget what is older than `keep`, and the oldest of more than `most`; how many went."""
        gone = 0
        with self._connection() as connection:
            limit = milliseconds(now - keep)
            gone += connection.execute(sa.delete(EVENT).where(EVENT.c.time < limit)).rowcount
            first_kept = connection.execute(
                sa.select(EVENT.c.seq).order_by(EVENT.c.seq.desc()).limit(1).offset(most - 1)
            ).scalar()
            if first_kept is not None:
                older = sa.delete(EVENT).where(EVENT.c.seq < first_kept)
                gone += connection.execute(older).rowcount
        return int(gone)

    def find(self, query: Query) -> list[Entry]:
        """What was asked for, oldest first."""
        c = EVENT.c
        wanted = sa.select(c.uid, c.time, c.teller, c.event, c.data)
        for column, values in (
            (c.node, query.nodes),
            (c.instance, query.instances),
            (c.event, query.events),
        ):
            if values:
                wanted = wanted.where(column.in_(sorted(values)))
        if query.fence_id:
            wanted = wanted.where(c.fence_id.startswith(query.fence_id, autoescape=True))
        if query.since is not None:
            wanted = wanted.where(c.time >= milliseconds(query.since))
        if query.until is not None:
            wanted = wanted.where(c.time < milliseconds(query.until))
        # By time, since several controllers may write; then in the order of the writer.
        wanted = wanted.order_by(c.time.desc(), c.seq.desc())
        if query.most is not None:
            wanted = wanted.limit(query.most)
        with self._connection() as connection:
            rows = connection.execute(wanted).all() if _version(connection) else []
        return [
            Entry(uid, moment(time), teller, event, json.loads(data))
            for uid, time, teller, event, data in reversed(rows)
        ]

    def instances_named(self, name: str) -> frozenset[str]:
        """The ids of the instances that have had this name."""
        wanted = sa.select(EVENT.c.instance).where(EVENT.c.name == name).distinct()
        with self._connection() as connection:
            there = _version(connection)  # no table before the first event
            return frozenset(filter(None, connection.execute(wanted).scalars() if there else ()))

    def _connection(self) -> _Transaction:
        return _Transaction(self)

    def explain(self, error: Exception) -> str:
        """What went wrong, in one line without a secret."""
        original = getattr(error, "orig", None) or error
        return line(original, self._secrets)


class _Transaction:
    """A connection, committed at the end; errors become HistoryError."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._context: Any = history._engine.begin()

    def __enter__(self) -> Connection:
        try:
            connection: Connection = self._context.__enter__()
        except Exception as error:
            raise self._told(error) from None
        return connection

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._context.__exit__(kind, error, trace)
        except Exception as failed:
            raise self._told(failed) from None
        if isinstance(error, Exception):
            raise self._told(error) from None

    def _told(self, error: Exception) -> HistoryError:
        if isinstance(error, CommandError):
            return HistoryError(
                "the history was made by a newer novaha than this one: upgrade novaha here, or "
                "let [history] url name another database"
            )
        return HistoryError(
            f"the history's database does not do its work: {self._history.explain(error)}"
        )


def parsed(url: str) -> URL:
    """Raises ConfigError, which repeats nothing of it."""
    try:
        made: URL = make_url(url)
        made.get_backend_name()
    except (sa.exc.ArgumentError, ValueError, TypeError, AttributeError):
        raise ConfigError(
            "[history] url is no URL of a database, such as sqlite:////var/lib/novaha/history.db"
        ) from None
    return made


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "uid": entry.id,
        "time": milliseconds(entry.time),
        "teller": _cut(entry.teller) or "",
        "event": entry.event,
        "node": _cut(entry.text("node")),
        "instance": _cut(entry.text("instance"), 64),
        "name": _cut(entry.text("name")),
        "fence_id": _cut(entry.text("fence_id"), 64),
        "data": json.dumps(dict(entry.data)),
    }


def _cut(value: str, most: int = _NAME) -> str | None:
    """As a column takes it; the whole is in the data."""
    return line(value, longest=most) or None


def _arguments(url: URL) -> dict[str, Any]:
    """What keeps a database that hangs from being waited for without end."""
    driver = url.get_driver_name()
    if url.get_backend_name() == "sqlite":
        return {"timeout": _CONNECT}
    if driver in ("pymysql", "mysqldb"):
        return {
            "connect_timeout": _CONNECT,
            "read_timeout": _ANSWER,
            "write_timeout": _ANSWER,
            "charset": "utf8mb4",
        }
    if driver in ("psycopg2", "psycopg"):
        return {
            "connect_timeout": _CONNECT,
            "options": f"-c statement_timeout={_ANSWER * 1000}",
            "keepalives_idle": _ANSWER,
            "tcp_user_timeout": _ANSWER * 1000,
        }
    return {}


def _safe(connection: Any, _: Any) -> None:
    """What is committed to SQLite's file is on the disk, and readers keep no writer waiting."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _alembic(connection: Connection) -> Config:
    place = os.fspath(Path(__file__).parent / "migrations")
    config = Config()
    config.set_main_option("script_location", place.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _version(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})
    found: str | None = context.get_current_revision()
    return found
