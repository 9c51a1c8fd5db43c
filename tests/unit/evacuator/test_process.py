"""How the evacuator's process begins."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import pytest

from novaha.core.errors import NovahaError
from novaha.core.events import Returned
from novaha.evacuator import process
from novaha.evacuator.journal import Journal
from novaha.evacuator.publish import Publisher
from novaha.evacuator.stream import Stream
from tests.unit.evacuator.test_digest import own, report
from tests.unit.evacuator.test_publish import Board


def test_it_asks_pacemakers_tools_about_all_nodes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Its resource's start has the node in its environment, and attrd_updater would heed that."""
    seen = []

    def conf(parameters: object) -> None:
        seen.append("OCF_RESKEY_CRM_meta_on_node" in os.environ)
        raise NovahaError("no further")

    settings = {"parameters": {}, "run_dir": str(tmp_path), "log_dir": str(tmp_path)}
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "controller-1")
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(settings)))
    monkeypatch.setattr(process.pidfile, "hold", lambda run_dir: io.BytesIO())
    monkeypatch.setattr(process, "local_node", lambda: "controller-1")
    monkeypatch.setattr(process.wiring, "conf", conf)
    assert process.main() == 1
    assert seen == [False]


class EndedError(Exception):
    """Instead of the end of this process."""


@pytest.fixture
def goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise EndedError(code)

    monkeypatch.setattr(process.os, "_exit", end)
    monkeypatch.setattr(process.logging, "shutdown", lambda: None)


def told(board: Board) -> Publisher:
    publisher = Publisher(board, "controller-1", lambda: own(report()))
    publisher.publish()
    return publisher


@pytest.mark.usefixtures("goes_on")
def test_its_last_events_reach_the_journal_and_what_it_told_goes(tmp_path: Path) -> None:
    board = Board()
    began = threading.Event()

    def slow(*_: object) -> None:
        began.wait(0.05)

    events = Stream((slow, Journal(tmp_path / "journal").write))
    for number in range(3):
        events.emit(Returned(f"compute-{number}"))
    with pytest.raises(EndedError, match="7"):
        process._leave(7, (tmp_path / "lock").open("wb"), events, told(board))
    assert (tmp_path / "journal").read_text().count("returned") == 3
    assert (board.values, board.calls) == ({}, 2)


@pytest.mark.usefixtures("goes_on")
def test_a_disk_that_hangs_does_not_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board()
    board.fails = True
    monkeypatch.setattr(process, "_LAST_EVENTS", 0.01)
    hangs = threading.Event()
    events = Stream((lambda *_: hangs.wait() and None,))
    for number in range(3):
        events.emit(Returned(f"compute-{number}"))
    with pytest.raises(EndedError, match="0"):
        process._leave(0, (tmp_path / "lock").open("wb"), events, told(board))
    assert "3 events are not in the journal" in caplog.text
    hangs.set()
