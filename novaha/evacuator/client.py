"""Talking to the evacuator on this controller, starting and ending it. Standard library only.

The process holds a lock on its pid file as long as it lives, so no reused pid is ever mistaken
for it, and answers one-line questions on a Unix socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novaha.evacuator import address

RUN_DIR = Path(address.RUN_DIR)
LOG_DIR = Path("/var/log/novaha")
PID_FILE = "evacuator.pid"
SOCKET = address.SOCKET

HUNG_AFTER = 180.0
"""Seconds without a turn of the loop after which it counts as hung. A turn may have to sit out
several time-outs of a dead Nova."""


class EvacuatorError(Exception):
    """The evacuator does not do what was asked of it; the text says why."""


def pid(run_dir: Path = RUN_DIR) -> int | None:
    """The pid of the evacuator that runs on this machine, None when none does."""
    try:
        with open(run_dir / PID_FILE) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0) or None
    except FileNotFoundError:
        pass
    return None


def ask(question: str, run_dir: Path = RUN_DIR, timeout: float = 5.0) -> dict[str, Any]:
    """Ask "health" or "status" and return the answer.

    timeout: seconds, for the whole exchange.

    Raises EvacuatorError when there is no answer.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(run_dir / SOCKET))
            connection.sendall(question.encode() + b"\n")
            with connection.makefile() as lines:
                answer = json.loads(lines.readline())
    except (OSError, ValueError) as error:
        raise EvacuatorError(f"the evacuator does not answer on its socket: {error}") from error
    if not isinstance(answer, dict):
        raise EvacuatorError("the evacuator answers nonsense")
    return answer


def ring(run_dir: Path = RUN_DIR, timeout: float = 1.0) -> None:
    """Wake the evacuator up: there may be work.

    Raises EvacuatorError when there is none to be woken on this machine.
    """
    ask("ring", run_dir, timeout)


def launch(
    parameters: Mapping[str, str],
    *,
    run_dir: Path = RUN_DIR,
    log_dir: Path = LOG_DIR,
    timeout: float = 15.0,
) -> int:
    """Start the evacuator and wait until its loop turns; returns its pid.

    parameters: of the resource; they go over standard input, never in arguments (law 9).
    timeout: seconds.

    Raises EvacuatorError that says why it did not start.
    """
    for directory, mode in ((run_dir, 0o755), (log_dir, 0o750)):
        directory.mkdir(mode=mode, parents=True, exist_ok=True)
    log = log_dir / "nova-evacuate.log"
    end = time.monotonic() + timeout
    isolated = ["-I"] if sys.flags.isolated else []
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    with os.fdopen(descriptor, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, *isolated, "-m", "novaha.evacuator"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    settings = {
        "parameters": dict(parameters),
        "run_dir": str(run_dir),
        "log_dir": str(log_dir),
    }
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(json.dumps(settings).encode())
    while time.monotonic() < end:
        if process.poll() is not None:
            raise EvacuatorError(f"the evacuator ended at once: {_last_line(log)}")
        with contextlib.suppress(EvacuatorError):
            if ask("health", run_dir, timeout=1.0).get("pid") == process.pid:
                return process.pid
        time.sleep(0.1)
    process.kill()
    raise EvacuatorError(f"the evacuator did not answer within {timeout:.0f} s, see {log}")


def terminate(run_dir: Path = RUN_DIR, patience: float = 3.0) -> None:
    """End the evacuator if one runs: SIGTERM, and SIGKILL after `patience` seconds.

    Raises EvacuatorError when it is still there two seconds after that.
    """
    for sent, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        running = pid(run_dir)
        if running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(running, sent)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if pid(run_dir) is None:
                return
            time.sleep(0.05)
    raise EvacuatorError(f"process {pid(run_dir)} survives SIGKILL")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {log}"
