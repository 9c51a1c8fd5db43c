"""The life of `novaha serve` as a process, and what is done for who asks over HTTP."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from novaha.cli import main, serve
from novaha.evacuator import inspect
from novaha.web.actions import Order
from tests.unit.web.serving import FENCE

ROOT = Path(serve.__file__).parents[2]


def run(*argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "novaha.cli.main", "serve", *argv]
    return subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )


def test_it_ends_at_sigterm_and_leaves_no_socket(tmp_path: Path) -> None:
    (tmp_path / "serve.conf").write_text(
        f"[serve]\nlisten = {tmp_path}/n.sock\ngroup = root\n", encoding="utf-8"
    )
    process = run("--config", str(tmp_path / "serve.conf"))
    assert process.stdout is not None
    assert process.stdout.readline() == f"novaha serve: listens on {tmp_path}/n.sock\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(f"{tmp_path}/n.sock")
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    assert not (tmp_path / "n.sock").exists()


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
