"""Events reach the journal and the log, and keep no recovery waiting."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from novaha.core.events import Claimed, Event, Lost, Requested, Returned
from novaha.evacuator.journal import Journal, log
from novaha.evacuator.stream import Stream

LONG = 30.0
"""Seconds that a test waits at most for what takes none."""


class Reader:
    """A consumer that hangs until it is let go."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.told: list[Event] = []
        self.moments: list[datetime] = []
        self.began = threading.Event()
        self.goes_on = threading.Event()
        if not hangs:
            self.goes_on.set()

    def __call__(self, moment: datetime, event: Event) -> None:
        self.began.set()
        self.goes_on.wait()
        self.moments.append(moment)
        self.told.append(event)


@pytest.fixture
def hung() -> Iterator[Reader]:
    reader = Reader(hangs=True)
    yield reader
    reader.goes_on.set()


def nodes(numbers: range) -> list[Event]:
    return [Returned(f"compute-{number}") for number in numbers]


def test_each_consumer_gets_all_in_order() -> None:
    readers = Reader(), Reader()
    stream = Stream(readers)
    for event in nodes(range(100)):
        stream.emit(event)
    assert stream.close(LONG) == 0
    assert readers[0].told == readers[1].told == nodes(range(100))
    assert readers[0].moments == sorted(readers[0].moments)


def test_one_that_hangs_keeps_nobody_waiting(hung: Reader) -> None:
    stream = Stream([hung])
    for event in nodes(range(100)):
        stream.emit(event)
    before = datetime.now(UTC)
    assert stream.close(0.01) == 100
    hung.goes_on.set()
    assert stream.close(LONG) == 0
    assert hung.told == nodes(range(100))
    assert max(hung.moments) <= before, "the time is that of the event, not that of its telling"


def test_what_finds_no_room_is_told_of(hung: Reader) -> None:
    """Neither silently lost, nor kept at any cost."""
    stream = Stream([hung], room=3)
    stream.emit(Returned("first"))
    assert hung.began.wait(LONG)
    for event in nodes(range(10)):
        stream.emit(event)
    assert "3 events wait, 7 are lost" in stream.problem()
    hung.goes_on.set()
    assert stream.close(LONG) == 0
    stream.emit(Returned("last"))
    assert stream.close(LONG) == 0
    assert hung.told == [Returned("first"), *nodes(range(3)), Lost(7), Returned("last")]
    assert stream.problem() == ""


def test_the_loss_stands_before_what_comes_after_it(hung: Reader) -> None:
    one_at_a_time = threading.Semaphore(0)

    def take(moment: datetime, event: Event) -> None:
        hung(moment, event)
        one_at_a_time.acquire()

    stream = Stream([take], room=1)
    stream.emit(Returned("first"))
    assert hung.began.wait(LONG)
    stream.emit(Returned("second"))
    stream.emit(Returned("lost"))
    hung.began.clear()
    hung.goes_on.set()
    one_at_a_time.release()
    assert hung.began.wait(LONG)  # with the second: there is room now
    stream.emit(Returned("third"))
    one_at_a_time.release(9)
    assert stream.close(LONG) == 0
    assert hung.told == [Returned("first"), Returned("second"), Lost(1), Returned("third")]


def test_one_that_fails_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def fail(moment: datetime, event: Event) -> None:
        raise RuntimeError("no")

    reader = Reader()
    stream = Stream([fail, reader])
    for event in nodes(range(2)):
        stream.emit(event)
    assert stream.close(LONG) == 0
    assert reader.told == nodes(range(2))
    assert caplog.text.count("event returned is not told") == 2


def test_an_operator_is_told_of_a_disk_that_hangs(hung: Reader) -> None:
    now = 0.0
    stream = Stream([hung], clock=lambda: now)
    stream.emit(Returned("compute-1"))
    assert hung.began.wait(LONG)
    assert stream.problem() == ""
    now = 60.0
    assert "for 60 s: 0 events wait, 0 are lost" in stream.problem()
    hung.goes_on.set()
    assert stream.close(LONG) == 0
    assert stream.problem() == ""


def test_the_journal_has_a_line_for_each(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    moment = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
    Journal(file).write(moment, Requested("n", "vm", "not sent", ""))
    Journal(file).emit(Claimed("n", "id", ""))
    first, second = file.read_text().splitlines()
    assert first == (
        '{"time": "2026-01-02T03:04:05.678+00:00", "event": "requested", "node": "n", '
        '"instance": "vm", "outcome": "not sent", "message": ""}'
    )
    assert list(json.loads(second)) == ["time", "event", "node", "fence_id", "before"]


def test_a_journal_that_cannot_be_written_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Journal(tmp_path / "missing" / "journal").emit(Returned("compute-1"))
    assert "No such file or directory" in caplog.text
    Journal(None).emit(Returned("compute-1"))


def test_the_log_leaves_out_what_is_empty(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log(datetime.now(UTC), Claimed("compute-1", "id", ""))
    assert caplog.messages == ["claimed node=compute-1 fence_id=id"]
