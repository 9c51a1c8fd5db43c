"""What was emitted is in the outbox, whatever is killed; and nobody waits for the disk."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from novaha.core.events import Lost, Recovered, Returned
from novaha.operate.entries import Entry, dumps
from novaha.operate.outbox import Outbox, OutboxError
from novaha.operate.recorder import Recorder, carry_on
from tests.unit.operate.servers import LONG, entries, environment, until


class Hung(Outbox):
    """One whose disk hangs until it is let go, or that fails."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.goes_on = threading.Event()
        self.tried = threading.Event()
        self.fails = False

    def put(self, entries: Sequence[Entry]) -> None:
        self.tried.set()
        if self.fails:
            raise OutboxError(self.path, "no space")
        assert self.goes_on.wait(LONG)
        super().put(entries)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Hung]:
    outbox = Hung(tmp_path / "outbox.db")
    yield outbox
    outbox.fails = False
    outbox.goes_on.set()


def told(outbox: Outbox) -> list[str]:
    return [entry.text("node") or f"{entry.event} {entry.data['count']}" for entry in outbox.all()]


def test_all_arrive_in_order(tmp_path: Path, spool: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    recorder = Recorder(outbox, spool, "c-1")
    nodes = [f"compute-{n}" for n in range(2000)]
    for node in nodes:
        recorder.emit(Returned(node))
    assert recorder.close(LONG)
    assert told(outbox) == nodes
    assert {entry.teller for entry in outbox.all()} == {"c-1"}
    assert recorder.problem() == ""
    assert list(spool.iterdir()) == []


def test_a_disk_that_hangs_keeps_nobody_waiting(hung: Hung, spool: Path) -> None:
    recorder = Recorder(hung, spool, "c-1")
    for number in range(100):
        recorder.emit(Returned(str(number)))
    assert hung.tried.wait(LONG)
    assert not recorder.close(0.01)
    hung.goes_on.set()
    assert recorder.close(LONG)
    assert told(hung) == [str(n) for n in range(100)]


def test_an_outbox_that_fails_is_told_of_and_tried_again(hung: Hung, spool: Path) -> None:
    hung.fails = True
    recorder = Recorder(hung, spool, "c-1")
    recorder.emit(Returned("a"))
    assert hung.tried.wait(LONG)
    until(lambda: bool(recorder.problem()))
    assert "no space" in recorder.problem()
    hung.fails = False
    hung.goes_on.set()
    assert recorder.close(LONG)
    assert told(hung) == ["a"]
    assert recorder.problem() == ""


def test_what_finds_no_room_is_counted_where_it_would_have_stood(hung: Hung, spool: Path) -> None:
    recorder = Recorder(hung, spool, "c-1", room=350)
    for number in range(10):
        recorder.emit(Returned(str(number)))
    kept = len(next(spool.iterdir()).read_bytes().splitlines())
    assert 0 < kept < 10
    assert f"{10 - kept} events are lost" in recorder.problem()
    hung.goes_on.set()
    assert recorder.close(LONG)
    recorder._room = 10_000
    recorder.emit(Returned("last"))
    until(lambda: recorder._read >= recorder._size)
    assert told(hung) == [*map(str, range(kept)), f"{Lost.event} {10 - kept}", "last"]


def test_an_event_that_cannot_be_written_raises_nothing_and_is_counted(
    tmp_path: Path, spool: Path
) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    recorder = Recorder(outbox, spool, "c-1")
    recorder.emit(Recovered("a", {"vm": object()}))  # type: ignore[dict-item]
    recorder.emit(Returned("b"))
    assert recorder.close(LONG)
    assert told(outbox) == [f"{Lost.event} 1", "b"]


def test_a_spool_that_is_full_raises_nothing_and_is_told_of(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    outbox = Outbox(tmp_path / "outbox.db")
    recorder = Recorder(outbox, spool, "c-1")
    real = os.write

    def write(file: int, raw: bytes) -> int:
        if file != recorder._file:
            return real(file, raw)
        if mood == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, raw[: len(raw) // 2] if mood == "short" else raw)

    monkeypatch.setattr("novaha.operate.recorder.os.write", write)
    for mood in ("full", "short", ""):
        recorder.emit(Returned(mood or "whole"))
    assert recorder.close(LONG)
    assert told(outbox) == [f"{Lost.event} 2", "whole"]


def test_what_a_killed_process_has_left_comes_first_and_once(tmp_path: Path, spool: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    rows = [dumps(entry) for entry in entries(5)]
    (spool / "w.jsonl").write_text("\n".join([*rows, dumps(entries(6)[5])[:-9]]))
    outbox.put(entries(3))  # the process had come so far
    recorder = Recorder(outbox, spool, "c-1")
    recorder.emit(Returned("new"))
    assert recorder.close(LONG)
    assert outbox.all()[:-1] == entries(5), "and the line that was cut off is none"
    assert outbox.all()[-1].text("node") == "new"
    assert list(spool.iterdir()) == []


def test_what_a_living_process_has_is_left_to_it(tmp_path: Path, spool: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    hung = Hung(tmp_path / "another.db")
    recorder = Recorder(hung, spool, "c-1")
    recorder.emit(Returned("its own"))
    carry_on(outbox, spool)
    assert outbox.all() == []
    assert len(list(spool.iterdir())) == 1
    hung.goes_on.set()
    assert recorder.close(LONG)


EMITS = """
import sys
from pathlib import Path
from novaha.core.events import Returned
from novaha.operate.outbox import Outbox
from novaha.operate.recorder import Recorder
recorder = Recorder(Outbox(Path(sys.argv[1])), Path(sys.argv[2]), "c-1")
number = int(sys.argv[3])
while True:
    recorder.emit(Returned(str(number)))
    print(number, flush=True)
    number += 1
"""


def test_sigkill_at_any_moment_loses_nothing_and_doubles_nothing(
    tmp_path: Path, spool: Path
) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    number = 0
    for after in (1, 40, 300, 900, 2000):
        process = subprocess.Popen(
            [sys.executable, "-c", EMITS, str(outbox.path), str(spool), str(number)],
            env=environment(),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(after):
            number = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split(b"\n")[:-1]
        number = int(rest[-1]) if rest else number
        process.wait()
        number += 1
        carry_on(outbox, spool)
        seen = [int(node) for node in told(outbox)]
        # The last one may have been emitted without its word having come out.
        assert seen in (list(range(number)), list(range(number + 1)))
        number = len(seen)
    assert list(spool.iterdir()) == []


def test_the_file_is_given_back(tmp_path: Path, spool: Path) -> None:
    """A process that lives for a year does not fill the memory below /run."""
    outbox = Outbox(tmp_path / "outbox.db")
    recorder = Recorder(outbox, spool, "c-1")
    for _ in range(5):
        for number in range(1000):
            recorder.emit(Returned(f"compute-{number}"))
        with recorder._changed:
            assert recorder._changed.wait_for(lambda: recorder._read == recorder._size, LONG)
    assert sum(path.stat().st_size for path in spool.iterdir()) <= 1 << 16
    with sqlite3.connect(outbox.path) as db:
        assert db.execute("SELECT count(*) FROM entry").fetchone()[0] == 5000
