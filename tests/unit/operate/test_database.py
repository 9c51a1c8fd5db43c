"""The history in SQLite; tests/contract/test_history.py has the same on servers."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from novaha.core.errors import ConfigError
from novaha.operate import database
from novaha.operate.database import EVENT, VERSIONS, History, HistoryError, Query
from tests.unit.operate.servers import BEGAN, entries, entry


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History(f"sqlite:///{tmp_path}/history.db")
    made.upgrade()
    return made


def test_each_entry_is_there_once_in_order(history: History) -> None:
    history.add(entries(1100))
    history.add(entries(1300))
    assert history.find(Query()) == entries(1300)
    assert history.find(Query(most=3)) == entries(1300)[-3:]


def test_what_is_asked_for(history: History) -> None:
    told = [
        entry(0, event="claimed", node="a", fence_id="f1", before=""),
        entry(1, event="requested", node="a", instance="i1", outcome="accepted", message=""),
        entry(2, event="settled", node="a", instance="i1", name="vm", to="b", state="ACTIVE"),
        entry(3, event="settled", node="b", instance="i2", name="vm", to="a", state="ACTIVE"),
    ]
    history.add(told)
    at = [e.time for e in told]
    for query, wanted in (
        (Query(nodes=frozenset({"a"})), told[:3]),
        (Query(nodes=frozenset({"a", "b"})), told),
        (Query(nodes=frozenset({"nobody"})), []),
        (Query(instances=frozenset({"i1"})), told[1:3]),
        (Query(events=frozenset({"settled"})), told[2:]),
        (Query(fence_id="f1"), told[:1]),
        (Query(since=at[1], until=at[3]), told[1:3]),
        (Query(nodes=frozenset({"a"}), most=1), told[2:3]),
    ):
        assert history.find(query) == wanted, query
    assert history.instances_named("vm") == {"i1", "i2"}
    assert history.instances_named("another") == frozenset()


def test_any_text_and_any_length_is_kept(history: History) -> None:
    odd = entry(0, node="n" * 999 + "\x00\ud800", unmoved={str(n): "why" * 99 for n in range(999)})
    history.add([odd])
    assert history.find(Query()) == [odd]


def test_what_is_too_old_or_too_much_goes(history: History) -> None:
    history.add(entries(100))
    now = BEGAN + timedelta(seconds=100)
    assert history.trim(timedelta(seconds=60), 1000, now) == 40
    assert history.find(Query()) == entries(100)[40:]
    assert history.trim(timedelta(days=1), 10, now) == 50
    assert history.find(Query()) == entries(100)[90:]
    assert history.trim(timedelta(days=1), 10, now) == 0


def test_the_tables_are_those_that_the_migrations_make(history: History, tmp_path: Path) -> None:
    with history._engine.connect() as connection:
        looked = sa.inspect(connection)
        made = {c["name"]: (str(c["type"]), c["nullable"]) for c in looked.get_columns(EVENT.name)}
        indexes = {i["name"]: i["column_names"] for i in looked.get_indexes(EVENT.name)}
        dialect = connection.dialect
    declared = {c.name: (c.type.compile(dialect), c.nullable) for c in EVENT.columns}
    assert made == declared
    assert indexes == {i.name: [c.name for c in i.columns] for i in EVENT.indexes}


def test_a_migration_that_was_killed_is_done_again(tmp_path: Path) -> None:
    """SQLite commits each statement of it."""
    for cut in range(7):
        path = tmp_path / f"{cut}.db"
        whole = History(f"sqlite:///{path}")
        whole.upgrade()
        with sqlite3.connect(path) as db:
            db.execute(f"DELETE FROM {VERSIONS}")
            for index in list(EVENT.indexes)[:cut]:
                db.execute(f"DROP INDEX {index.name}")
            if cut == 6:
                db.execute(f"DROP TABLE {EVENT.name}")
        assert not whole.is_current()
        whole.upgrade()
        assert whole.is_current()
        whole.add(entries(3))
        with whole._engine.connect() as connection:
            assert len(sa.inspect(connection).get_indexes(EVENT.name)) == len(EVENT.indexes)


def test_one_of_a_newer_novaha_is_left_alone(history: History, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute(f"UPDATE {VERSIONS} SET version_num = '9999'")
    with pytest.raises(HistoryError, match="newer novaha"):
        history.upgrade()
    assert not history.is_current()


def test_readers_keep_no_writer_waiting(history: History) -> None:
    history.add(entries(10))
    reading = history._engine.connect()
    result = reading.execute(sa.select(EVENT.c.uid))
    result.fetchone()
    done = threading.Event()
    threading.Thread(target=lambda: (history.add(entries(20)), done.set())).start()
    assert done.wait(4)
    reading.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url s3cret", "is no URL of a database"),
        ("sqlitee:///s3cret", "needs|is no URL"),
        ("mysql+nodriver://u:s3cret@h/d", "needs|is no URL"),
        ("postgresql+psycopg2://u:s3cret@h:port/d", "is no URL"),
    ],
)
def test_a_url_that_is_none_is_refused_without_being_told(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        History(url)
    assert "s3cret" not in str(raised.value)


def test_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/missing/h.db", "mysql+pymysql://u:s3cret@127.0.0.1:1/d"):
        with pytest.raises(HistoryError, match="does not do its work: ") as raised:
            History(url).upgrade()
        assert "s3cret" not in str(raised.value)


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'pymysql'", name="pymysql")

    monkeypatch.setattr(database.sa, "create_engine", missing)
    with pytest.raises(ConfigError, match="needs the Python module pymysql"):
        History("mysql+pymysql://u:p@h/d")
