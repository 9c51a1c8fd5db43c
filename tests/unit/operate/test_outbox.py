"""The queue on the disk: in order, nothing twice, nothing gone before everybody has it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from novaha.operate.entries import dumps, loads
from novaha.operate.outbox import FullError, Outbox, OutboxError
from tests.unit.operate.servers import entries, entry


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db")


def test_an_entry_is_the_same_after_its_way_through_a_line() -> None:
    told = entry(7, unmoved={"vm": "why"}, count=3, name="ä\u2028\ud800\x00")
    assert "\n" not in dumps(told)
    assert loads(dumps(told)) == told


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "[1,2,3,4,5]", '["w.x",0,"","",{}]', '["",0,"","",{}]', "[" * 9999]
)
def test_a_line_that_is_none(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        loads(line)


def test_consumers_have_places_of_their_own(outbox: Outbox) -> None:
    outbox.put(entries(2))
    outbox.subscribe({"history": True, "mail": False})
    outbox.put(entries(5))  # the first two again
    assert [e for _, e in outbox.waiting("history", 99)] == entries(5)
    assert [e for _, e in outbox.waiting("mail", 99)] == entries(5)[2:]
    assert outbox.behind() == {"history": 5, "mail": 3}
    outbox.taken("history", outbox.waiting("history", 4)[-1][0])
    assert [e for _, e in outbox.waiting("history", 99)] == entries(5)[4:]
    assert len(outbox.all()) == 3, "what everybody has is gone, what one has not is there"
    outbox.taken("history", 1)
    assert outbox.behind()["history"] == 1, "no place is given back"


def test_nothing_comes_twice_even_when_it_has_left(outbox: Outbox) -> None:
    outbox.subscribe({"history": True})
    outbox.put(entries(5))
    outbox.taken("history", outbox.waiting("history", 99)[-1][0])
    assert outbox.all() == []
    outbox.put(entries(6))
    assert outbox.all() == entries(6)[5:]
    outbox.put(entries(3, "another"))
    assert outbox.all() == [*entries(6)[5:], *entries(3, "another")]


def test_whom_nobody_wants_any_more_holds_up_nothing(outbox: Outbox) -> None:
    outbox.subscribe({"history": True, "mail": True})
    outbox.put(entries(3))
    outbox.taken("history", outbox.waiting("history", 99)[-1][0])
    assert len(outbox.all()) == 3
    outbox.subscribe({"history": True})
    assert outbox.all() == []
    assert outbox.waiting("mail", 99) == []


def test_without_room_nothing_of_a_batch_is_taken(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", room=4)
    outbox.put(entries(3))
    with pytest.raises(FullError, match="3 entries wait, there is no room"):
        outbox.put(entries(5))
    assert outbox.all() == entries(3)
    outbox.put(entries(4))
    assert outbox.all() == entries(4)


def test_a_damaged_file_is_put_aside(outbox: Outbox) -> None:
    outbox.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(OutboxError, match="damaged"):
        outbox.put(entries(1))
    outbox.put(entries(1))
    assert outbox.all() == entries(1)
    (aside,) = outbox.path.parent.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"no database")


def test_one_that_is_busy_is_not_damaged(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaha.operate.outbox._BUSY", 0.01)
    outbox.put(entries(1))
    other = sqlite3.connect(outbox.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OutboxError, match="locked"):
        outbox.put(entries(2))
    other.execute("ROLLBACK")
    other.close()
    outbox.put(entries(2))
    assert outbox.all() == entries(2)


def test_only_its_user_reads_it_and_no_link_is_followed(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(entries(1))
    assert outbox.path.stat().st_mode & 0o077 == 0
    (tmp_path / "link.db").symlink_to(outbox.path)
    with pytest.raises(OutboxError, match="symbolic link"):
        Outbox(tmp_path / "link.db").all()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="No such file"):
        Outbox(tmp_path / "missing" / "o.db").put(entries(1))
