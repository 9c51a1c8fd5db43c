"""Talking to the evacuator on this controller, starting and ending it. Standard library only.

`pidfile` tells which process it is; it answers one-line questions on a Unix socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaha.contract import proc
from novaha.core.text import line
from novaha.evacuator import address, pidfile, places
from novaha.evacuator.places import EvacuatorError

if TYPE_CHECKING:
    from novaha.evacuator.identity import Identity

__all__ = ["EvacuatorError", "ask", "launch", "pid", "ring", "terminate"]

RUN_DIR = Path(address.RUN_DIR)
LOG_DIR = Path("/var/log/novaha")
STATE_DIR = Path("/var/lib/novaha")
SPOOL = Path("/run/novaha-events")
CONFIG = "/etc/novaha/novaha.conf"
PID_FILE = pidfile.NAME
SOCKET = address.SOCKET
JOURNAL = "journal.jsonl"
LOG = "nova-evacuate.log"

HUNG_AFTER = 180.0
"""Seconds without a turn of the loop after which it counts as hung. A turn may have to sit out
several time-outs of a dead Nova."""

SILENT_AFTER = 60.0
"""Seconds without an answer of Nova, or of the cluster, after which an operator is told. What is
restarted or upgraded answers again by then."""

_KEEPS = re.compile(rb"^\[(history|notify)", re.IGNORECASE | re.MULTILINE)
"""A section that needs the directories of the history. oslo.config is not loaded for that."""

_LONGEST = 64 * 1024 * 1024
"""Bytes of an answer: some hundred thousand instances."""


def pid(run_dir: Path = RUN_DIR) -> int | None:
    """The pid of the evacuator that runs on this machine, None when none does.

    Root reads the pid file; who may only ask, asks.

    Raises EvacuatorError for a user who may do neither.
    """
    try:
        process = pidfile.running(run_dir)
    except PermissionError:
        return _asked_pid(run_dir)
    except (EvacuatorError, OSError):
        process = pidfile.find(run_dir)  # `start` tells what is in the file's place
    return process.pid if process is not None else None


def _asked_pid(run_dir: Path) -> int | None:
    try:
        return int(ask("health", run_dir).get("pid") or 0) or None
    except EvacuatorError as error:
        if isinstance(error.__cause__, (ConnectionRefusedError, FileNotFoundError)):
            return None
        if isinstance(error.__cause__, PermissionError):
            raise EvacuatorError(
                f"only root and group {places.GROUP} may ask the evacuator: use sudo"
            ) from None
        raise


def ask(question: str, run_dir: Path = RUN_DIR, timeout: float = 5.0) -> dict[str, Any]:
    """Ask "health" or "status" and return the answer.

    timeout: seconds, for the whole exchange.

    Raises EvacuatorError when there is no answer.
    """
    end = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            _connect(connection, run_dir / SOCKET, end)
            connection.sendall(question.encode() + b"\n")
            answer = json.loads(_line(connection, end))
    except (OSError, ValueError, RecursionError) as error:
        raise EvacuatorError(
            f"the evacuator does not answer on its socket: {line(error)}"
        ) from error
    if not isinstance(answer, dict):
        raise EvacuatorError("the evacuator answers nonsense")
    return answer


def _connect(connection: socket.socket, path: Path, end: float) -> None:
    """Connect; with a full queue a socket that has a time-out is turned away at once."""
    while True:
        try:
            return connection.connect(str(path))
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _line(connection: socket.socket, end: float) -> bytes:
    """One line; raises OSError when it does not end in time, or within bounds."""
    received = bytearray()
    while not received.endswith(b"\n"):
        connection.settimeout(max(0.001, end - time.monotonic()))
        part = connection.recv(65536)
        received += part
        if not part:
            break
        if len(received) > _LONGEST:
            raise ValueError("its answer does not end")
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    return bytes(received)


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
    state_dir: Path = STATE_DIR,
    spool: Path = SPOOL,
    timeout: float = 15.0,
    user: Identity | None = None,
    note: str = "",
) -> int:
    """Start the evacuator and wait until its loop turns; returns its pid.

    parameters: of the resource; they go over standard input, never in arguments (law 9).
    timeout: seconds. user: whom it becomes, None if it stays who it is.
    note: what an operator has to see to as long as it runs.

    Raises EvacuatorError that says why it did not start.
    """
    log = log_dir / LOG
    uid = user.uid if user else os.geteuid()
    try:
        for file in (log, log_dir / JOURNAL):
            places.hand_over(file, uid)
        places.log_directory(log_dir, uid)
        places.run_directory(run_dir, uid)
        descriptor = places.open_file(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        places.give(descriptor, uid)
        began_at = os.fstat(descriptor).st_size
    except OSError as error:
        raise EvacuatorError(f"{error.filename}: {error.strerror}") from None
    end = time.monotonic() + timeout
    with os.fdopen(descriptor, "ab") as output:
        process = subprocess.Popen(
            proc.of_module("novaha.evacuator"),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env=_environment(),
        )
    unkept = _prepare_history(parameters, (state_dir, spool), uid)
    settings = {
        "parameters": dict(parameters),
        "run_dir": str(run_dir),
        "log_dir": str(log_dir),
        "state_dir": str(state_dir),
        "spool": str(spool),
        "unkept": unkept,
        "user": asdict(user) if user else None,
        "note": note,
    }
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(json.dumps(settings).encode())
    while time.monotonic() < end:
        if process.poll() is not None:
            said = places.tail(log, began_at)[-1:] or [f"see {log}"]
            raise EvacuatorError(f"the evacuator ended at once: {line(said[0])}")
        with contextlib.suppress(EvacuatorError):
            if ask("health", run_dir, timeout=1.0).get("pid") == process.pid:
                return process.pid
        time.sleep(0.1)
    process.kill()
    raise EvacuatorError(f"the evacuator did not answer within {timeout:.0f} s, see {log}")


def _prepare_history(parameters: Mapping[str, str], directories: Iterable[Path], uid: int) -> str:
    """Make the directories of the history where the configuration has one; why they cannot be made,
    "" if they are there or not needed. No start fails because of that.
    """
    try:
        raw = Path(parameters.get("config") or CONFIG).read_bytes()
        if not _KEEPS.search(raw):
            return ""
        for directory in directories:
            places.state_directory(directory, uid)
    except FileNotFoundError:
        return ""
    except EvacuatorError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return line(error)
    return ""


def _environment() -> dict[str, str]:
    """The agent's own, without the resource's parameters and anybody's login: what the evacuator
    needs of them it is told over standard input (law 9)."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("OCF_RESKEY_CRM_meta") or not name.startswith(("OCF_RESKEY_", "OS_"))
    }


def terminate(run_dir: Path = RUN_DIR, patience: float = 3.0, log_dir: Path = LOG_DIR) -> bool:
    """End the evacuator if one runs: SIGTERM, and SIGKILL after `patience` seconds.

    Whether it is gone two seconds after that. One that is not hangs in the kernel and does nothing
    any more, whenever the kernel lets go of it.

    Raises EvacuatorError for a user who may not end it.
    """
    try:
        try:
            process = pidfile.running(run_dir)
        except (EvacuatorError, OSError):
            process = None
        process = process or pidfile.find(run_dir)
        gone = process is None or pidfile.end(process, patience, certainly=2.0)
        if gone:
            _take_back(run_dir, log_dir)
        return gone
    except PermissionError:
        raise EvacuatorError("only root may end the evacuator: use sudo") from None


def _take_back(run_dir: Path, log_dir: Path) -> None:
    """What the evacuator's user had is root's again, for whoever the next one is: a parameter may
    change, and so may the version."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError, EvacuatorError):
        if log_dir.lstat().st_uid != 0:
            for file in (log_dir / LOG, log_dir / JOURNAL):
                places.hand_over(file, 0)
            places.log_directory(log_dir)
    with contextlib.suppress(OSError, EvacuatorError):  # last: its owner is the user's proof
        if run_dir.lstat().st_uid != 0:
            places.run_directory(run_dir)
