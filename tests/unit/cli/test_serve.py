"""`novaha serve`: what it reads, and when it does not begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from novaha.cli import main, serve, site
from novaha.core.errors import NovahaError
from novaha.evacuator import client, inspect
from novaha.web.actions import Order
from tests.unit.cli.test_status import NOTHING

FENCE = "5b0b4f0e-8a3c-4f0a-9d55-3d1c5f7f0b51"

ROOT = Path(serve.__file__).parents[2]


def test_it_does_not_begin_where_strangers_would_be_let_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serve.conf").write_text("[serve]\nlisten = 192.0.2.1:80\n", encoding="utf-8")
    assert main.main(["serve", "--config", str(tmp_path / "serve.conf")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("novaha: ")
    assert "needs TLS" in said


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_it_says_which_library_is_missing(library: str) -> None:
    program = (
        f"import sys; sys.modules['{library}'] = None; from novaha.cli.main import main; "
        "sys.exit(main(['serve', '--listen', '127.0.0.1:0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"and {library} is not installed" in done.stderr
    assert "novaha[serve]" in done.stderr


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


@pytest.mark.parametrize("name", ["retry", "release"])
def test_what_is_asked_for_over_http_is_what_the_command_does(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(serve.operator, "known_nodes", lambda: {"compute-1"})
    monkeypatch.setattr(serve.operator.RecordStore, "read_all", lambda self: {})
    monkeypatch.setattr(serve.operator, "_decide", lambda *args: given.append(args[0]))
    monkeypatch.setattr(serve.operator.RecordStore, "read", lambda self, node: None)
    monkeypatch.setattr(serve.operator, "_ring", lambda: None)
    monkeypatch.setattr(inspect, "look", lambda **more: {"hosts": [], "problem": ""})
    order = Order("COMPUTE-1", FENCE, "why", "alice")
    assert "compute-1" in serve.ACTS[name](order).lower()
    assert given == ["compute-1"]


@pytest.mark.parametrize("name", ["retry", "release", "proceed", "pause"])
def test_an_order_has_all_that_the_command_line_would_have(name: str) -> None:
    argv = [name, "--reason", "x", *([] if name == "pause" else ["compute-1"])]
    parsed = main.parser().parse_args(argv)
    arguments = serve._arguments(Order("compute-1", FENCE, "why", "alice"))
    assert {*vars(parsed)} <= {*vars(arguments), "command", "run", "debug"}
