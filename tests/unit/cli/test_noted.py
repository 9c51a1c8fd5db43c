"""Operators' commands are in the history, and are done whether or not that works."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from novaha.cli import noted as module
from novaha.cli.main import _COMMANDS, parser
from novaha.cli.noted import event_of, noted
from novaha.conf.load import load
from novaha.core.errors import NovahaError
from novaha.core.events import OperatorActed
from novaha.operate.database import History, Query
from novaha.operate.outbox import NAME, Outbox
from tests.unit.operate.servers import environment, until


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "who", lambda: "anna@c-2")


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def set_to(text: str) -> None:
        file = tmp_path / "novaha.conf"
        file.write_text(text)
        file.chmod(0o640)
        monkeypatch.setattr(module.wiring, "conf", lambda: load({"config": str(file)}))

    return set_to


def run(tmp_path: Path, *argv: str, code: int = 0) -> int:
    args = parser().parse_args(argv)
    return noted(argv[0], lambda _: code, tmp_path / "state", tmp_path / "spool")(args)


def test_a_command_goes_all_the_way(tmp_path: Path, configure) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    configure(f"[history]\nurl = {url}\n")
    assert run(tmp_path, "retry", "compute-1", "--reason", "the disk is back") == 0
    history = History(url)
    until(lambda: bool(history.find(Query())))
    (entry,) = history.find(Query())
    assert (entry.event, entry.teller) == ("operator", "c-2")
    assert entry.data == {
        "node": "compute-1",
        "action": "retry",
        "who": "anna@c-2",
        "reason": "the disk is back",
        "details": "",
    }


def test_it_is_on_the_disk_while_the_database_is_away(tmp_path: Path, configure) -> None:
    configure(f"[history]\nurl = sqlite:///{tmp_path}/away/history.db\n")
    assert run(tmp_path, "proceed", "--all", "--reason", "x") == 0
    assert run(tmp_path, "resume") == 0
    first, second = Outbox(tmp_path / "state" / NAME).all()
    assert first.data["details"] == "all"
    assert "node" not in first.data
    assert second.data["action"] == "resume"


def test_without_a_history_nothing_is_made(tmp_path: Path, configure) -> None:
    configure("")
    assert run(tmp_path, "retry", "compute-1") == 0
    assert not (tmp_path / "state").exists()


def test_what_failed_is_not_noted(tmp_path: Path, configure) -> None:
    configure(f"[history]\nurl = sqlite:///{tmp_path}/history.db\n")
    assert run(tmp_path, "retry", "compute-1", code=1) == 1

    def fail(_: argparse.Namespace) -> int:
        raise NovahaError("no")

    with pytest.raises(NovahaError, match="no"):
        noted("retry", fail, tmp_path / "state")(argparse.Namespace(host="a"))
    assert not (tmp_path / "state").exists()


def test_a_history_that_does_not_work_makes_no_command_fail(
    tmp_path: Path, configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(f"[history]\nurl = sqlite:///{tmp_path}/history.db\n")
    (tmp_path / "state").write_text("")
    assert run(tmp_path, "retry", "compute-1") == 0
    assert "this is not in the history: " in capsys.readouterr().err
    (tmp_path / "state").unlink()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / NAME).mkdir()
    assert run(tmp_path, "retry", "compute-1") == 0
    assert "the outbox" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "details"),
    [
        (["release", "a", "--force"], "force"),
        (["release", "a"], ""),
        (["proceed", "--group", "rack=1"], "group=rack=1"),
        (["pause", "--reason", "r", "--for", "2h"], "duration=2h"),
    ],
)
def test_what_is_told_of_a_command(argv: list[str], details: str) -> None:
    event = event_of(argv[0], parser().parse_args(argv))
    assert isinstance(event, OperatorActed)
    assert (event.action, event.details) == (argv[0], details)


@pytest.mark.parametrize("name", ["release", "retry", "recover", "proceed", "pause", "resume"])
def test_each_of_operators_commands_is_noted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _COMMANDS[name].__qualname__.startswith("noted.")


def test_the_system_log_has_it_without_a_history(
    tmp_path: Path, configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("")
    written: list[str] = []
    monkeypatch.setattr(module.syslog, "syslog", lambda level, text: written.append(text))
    run(tmp_path, "release", "compute-1", "--force", "--reason", "seen\nto")
    run(tmp_path, "resume")
    run(tmp_path, "retry", "compute-1", code=1)
    assert written == [
        "release compute-1 force, by anna@c-2: seen to",
        "resume, by anna@c-2: no reason given",
    ]
