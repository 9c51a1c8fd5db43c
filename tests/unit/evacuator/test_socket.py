"""The evacuator's socket and pid file."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from novaha.evacuator import client
from novaha.evacuator.process import _lock
from novaha.evacuator.server import Server


def test_answers_and_doorbell(tmp_path: Path) -> None:
    rung: list[int] = []
    Server(
        tmp_path / client.SOCKET,
        {"health": lambda: {"pid": 7}, "ring": lambda: rung.append(1) or {"ok": True}},
    ).start()
    assert client.ask("health", tmp_path) == {"pid": 7}
    client.ring(tmp_path)
    assert rung == [1]
    assert "error" in client.ask("nonsense", tmp_path)


def test_law_9_nobody_but_root_and_the_cluster_may_ask(tmp_path: Path) -> None:
    path = tmp_path / client.SOCKET
    Server(path, {})
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(client.EvacuatorError, match="does not answer"):
        client.ring(tmp_path)


def test_a_pid_file_without_its_lock_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / client.PID_FILE).write_text("1\n")
    assert client.pid(tmp_path) is None
    client.terminate(tmp_path)  # and init is not killed


def test_the_lock_is_the_life(tmp_path: Path) -> None:
    file = _lock(tmp_path / client.PID_FILE)
    assert client.pid(tmp_path) == os.getpid()
    with pytest.raises(BlockingIOError, match="another evacuator"):
        _lock(tmp_path / client.PID_FILE)
    fcntl.flock(file, fcntl.LOCK_UN)
    assert client.pid(tmp_path) is None
