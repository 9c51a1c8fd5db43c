"""`novaha history` and `novaha report`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novaha.cli import history as command
from novaha.cli.history import NoHistoryError
from novaha.cli.main import parser
from novaha.core.errors import NovahaError
from novaha.operate.database import History
from novaha.operate.entries import Entry
from novaha.operate.outbox import NAME, Outbox
from tests.unit.operate.test_recoveries import one

ID = "c0ffee00-0000-4000-8000-000000000001"


class Desk:
    """A controller with a history."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.dir = tmp_path
        self.state = tmp_path / "state"
        self.state.mkdir()
        self.url = f"sqlite:///{tmp_path}/history.db"
        self.configure(self.url)
        self._capsys = capsys

    def configure(self, url: str) -> None:
        file = self.dir / "novaha.conf"
        file.write_text(f"[history]\nurl = {url}\n" if url else "")
        file.chmod(0o640)

    def keep(self, *entries: Entry) -> None:
        history = History(self.url)
        history.upgrade()
        history.add(entries)

    def run(self, *argv: str) -> str:
        args = parser().parse_args([*argv, "--config", str(self.dir / "novaha.conf")])
        run: Any = {"history": command.history, "report": command.report}[argv[0]]
        assert run(args, self.state) == 0
        return self._capsys.readouterr().out

    def json(self, *argv: str) -> Any:
        return json.loads(self.run(*argv, "--output", "json"))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_events_oldest_first_in_one_line_each(desk: Desk) -> None:
    desk.keep(*one())
    rows = desk.run("history").splitlines()
    assert rows[0].split() == ["TIME", "HOST", "EVENT", "WHAT"]
    assert len(rows) == 14
    assert rows[3].split(maxsplit=3) == [
        *("2026-01-02T03:04:06.001Z", "a", "claimed", "fence_id=f-1"),
    ]
    assert "unmoved=i3: is PAUSED" in rows[11]


def test_of_a_host_of_an_instance_of_a_time_of_a_kind(desk: Desk) -> None:
    other = Entry("x.0", datetime.now(UTC), "c-2", "settled", {"node": "b", "instance": ID})
    desk.keep(*one(), other)
    assert len(desk.json("history")) == 14
    assert len(desk.json("history", "a")) == len(desk.json("history", "A")) == 13
    assert [e["on"] for e in desk.json("history", "b")] == ["c-2"]
    assert desk.json("history", ID) == desk.json("history", ID.upper()) == desk.json("history", "b")
    assert [e["event"] for e in desk.json("history", "one")] == ["requested", "settled"]
    assert desk.json("history", "nobody") == []
    assert desk.json("history", "--since", "1h") == desk.json("history", "b")
    assert len(desk.json("history", "--until", "2026-01-02T03:04:07Z")) == 4
    assert len(desk.json("history", "--since", "2026-01-02", "--until", "2026-01-03")) == 13
    events = desk.json("history", "--event", "settled", "--event", "claimed", "a")
    assert [e["event"] for e in events] == ["claimed", "settled", "settled"]
    assert [e["event"] for e in desk.json("history", "a", "--limit", "2")] == ["enable", "returned"]
    assert desk.run("history", "nobody") == "Nothing of that is in the history.\n"


def test_what_waits_on_this_controller_is_shown_too_and_once(desk: Desk) -> None:
    desk.keep(*one()[:5])
    Outbox(desk.state / NAME).put(one()[3:])
    assert [e["event"] for e in desk.json("history")] == [e.event for e in one()]
    assert [e["event"] for e in desk.json("history", "one")] == ["requested", "settled"]


def test_while_the_database_is_away(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.configure(f"sqlite:///{desk.dir}/away/history.db")
    Outbox(desk.state / NAME).put(one())
    args = parser().parse_args(["history", "a", "--config", str(desk.dir / "novaha.conf")])
    assert command.history(args, desk.state) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 14
    assert "unable to open database file" in said.err
    assert "Only what waits on this controller is shown." in said.err
    assert desk.json("report", "a")["state"] == "returned"


def test_before_the_first_event_there_is_nothing(desk: Desk) -> None:
    assert desk.json("history") == []
    assert desk.json("history", "a") == []
    with pytest.raises(NoHistoryError, match="the history has no recovery a"):
        desk.run("report", "a")


def test_without_a_history_it_says_how_to_get_one(desk: Desk) -> None:
    desk.configure("")
    for argv in (["history"], ["report", "a"]):
        with pytest.raises(NoHistoryError, match=r"name a database in novaha\.conf"):
            desk.run(*argv)


@pytest.mark.parametrize("given", ["", "soon", "5", "2026-13-01", "-1h"])
def test_a_time_that_is_none(desk: Desk, given: str) -> None:
    with pytest.raises(NovahaError, match="that is no time"):
        desk.run("history", f"--until={given or ' '}")


def test_the_report_of_a_recovery(desk: Desk) -> None:
    desk.keep(*one(), *one("a", "f-2", 1000))
    text = desk.run("report", "f-1")
    assert text.splitlines()[0] == "Recovery of a, fence id f-1"
    assert "returned; 2 instances are up elsewhere, the last one 7.0 s after" in text
    assert "is PAUSED" in text
    assert "attention" in text
    assert desk.json("report", "a")["fence_id"] == "f-2", "the last one of a host"
    assert desk.json("report", "f-1")["phases"]["settled"] == "2026-01-02T03:04:12.000Z"
    page = desk.run("report", "f-1", "--output", "html")
    assert page.startswith("<!DOCTYPE html>")
    assert "</html>" in page


@pytest.mark.parametrize("argv", [["history"], ["report", "f-1"]])
def test_on_a_terminal_no_line_is_too_long_and_no_word_is_broken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    entries = one()
    why = " ".join(f"word{n}" for n in range(60))
    entries[-3] = Entry(
        entries[-3].id, entries[-3].time, "c-1", "recovered", {"node": "a", "unmoved": {ID: why}}
    )
    desk.keep(*entries)
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, desk.run(*argv).splitlines())) > 80, "a file, or grep, gets whole lines"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = desk.run(*argv)
    assert max(map(len, shown.splitlines())) <= 80
    assert {f"word{n}" for n in range(60)} <= set(shown.split())


def test_a_reader_as_root_leaves_no_file_of_roots(desk: Desk) -> None:
    """Root becomes whom the directory belongs to; its own it stays."""
    desk.keep(*one())
    before = {p.name for p in desk.state.iterdir()}
    desk.run("history")
    assert {p.name for p in desk.state.iterdir()} == before


def test_a_long_time_ago_is_no_error(desk: Desk) -> None:
    desk.keep(*one())
    assert len(desk.json("history", "--since", "99999d")) == 13
    assert datetime.now(UTC) - timedelta(days=99999) < datetime(1800, 1, 1, tzinfo=UTC)
