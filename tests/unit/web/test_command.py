"""The life of `novaha serve` as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from novaha.cli import serve

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
