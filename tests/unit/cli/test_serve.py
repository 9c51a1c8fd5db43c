"""`novaha serve`: what it reads, and when it does not begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novaha.cli import main, serve, site
from novaha.core.errors import NovahaError
from novaha.evacuator import client, inspect
from tests.unit.cli.test_status import NOTHING


def test_it_does_not_begin_where_strangers_would_be_let_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serve.conf").write_text("[serve]\nlisten = 192.0.2.1:80\n", encoding="utf-8")
    assert main.main(["serve", "--config", str(tmp_path / "serve.conf")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("novaha: ")
    assert "needs TLS" in said


def test_it_reads_what_status_reads_without_nova(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def look(*args: Any, **more: Any) -> dict[str, Any]:
        asked.append((args, more))
        return dict(NOTHING)

    monkeypatch.setattr(inspect, "look", look)
    monkeypatch.setattr(site, "look", lambda: {"missing": [], "evacuator_on": "controller-2"})
    monkeypatch.setattr(site, "others", lambda flagged: [{"node": "c", "state": "healthy"}])
    found = serve.read()
    assert asked == [((), {"without_nova": True})]
    assert found["verdict"] == "OK"
    assert found["others"] == [{"node": "c", "state": "healthy"}]
    assert found["evacuator_on"] == "controller-2"


def test_without_nova_means_that_no_credentials_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_here(*_: Any) -> Any:
        raise AssertionError("the configuration is read")

    monkeypatch.setattr(inspect.wiring, "conf", not_here)
    monkeypatch.setattr(client, "pid", lambda: None)
    monkeypatch.setattr(inspect.RecordStore, "read_all", lambda self: {})

    def no_tool(*_: Any, **__: Any) -> Any:
        raise NovahaError("no tool here")

    monkeypatch.setattr(inspect.HeldHosts, "look", no_tool)
    monkeypatch.setattr(inspect.Digests, "read", no_tool)
    found = inspect.look(without_nova=True)
    assert (found["problem"], found["hosts"]) == (inspect.NOT_ASKED, [])
    with pytest.raises(AssertionError):
        inspect.look()
