"""What an operator does is in the history and the system log: who, when, what, and why."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import subprocess
import syslog
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from novaha import wiring
from novaha.cli.asking import Command
from novaha.cli.brake import who
from novaha.cli.terminal import warn
from novaha.contract import proc
from novaha.core import text
from novaha.core.errors import NovahaError
from novaha.core.events import OperatorActed
from novaha.evacuator import identity, places
from novaha.evacuator.client import SPOOL, STATE_DIR
from novaha.operate.entries import Entry, dumps

KEPT = "kept"
"""What the process says that puts an entry into the outbox when it is there."""

_OPTIONS = ("group", "all", "force", "duration")


def noted(name: str, command: Command, state_dir: Path = STATE_DIR, spool: Path = SPOOL) -> Command:
    """The command, which is told to the history when it was done. That never makes it fail."""

    def run(args: argparse.Namespace) -> int:
        code = command(args)
        if code == 0:
            event = event_of(name, args)
            _log(event)
            try:
                _note(event, state_dir, spool)
            except (NovahaError, places.EvacuatorError, OSError, ValueError) as error:
                warn(f"novaha: this is not in the history: {text.line(error)}")
        return code

    return run


def event_of(name: str, args: argparse.Namespace) -> OperatorActed:
    """The event of a command that was done."""
    given = {option: getattr(args, option, None) for option in _OPTIONS}
    details = [f"{k}={v}" if v is not True else k for k, v in given.items() if v]
    reason = getattr(args, "reason", "") or ""
    return OperatorActed(getattr(args, "host", None), name, who(), reason, " ".join(details))


def _log(event: OperatorActed) -> None:
    """Into the system log, which is there where no history is kept; it knows when."""
    did = " ".join(filter(None, (event.action, event.node, event.details)))
    said = text.line(f"{did}, by {event.who}: {event.reason or 'no reason given'}")
    syslog.openlog("novaha", syslog.LOG_PID, syslog.LOG_USER)
    syslog.syslog(syslog.LOG_NOTICE, said)


def _note(event: OperatorActed, state_dir: Path, spool: Path) -> None:
    """Put it into this controller's outbox, and return when it is on the disk.

    It is delivered after that, by a process that nobody waits for, or by the courier if it runs.
    """
    wanted = wiring.operate(wiring.conf())
    if not wanted:
        return
    node = event.who.rpartition("@")[2]
    entry = Entry(f"{uuid4().hex}.0", datetime.now(UTC), node, event.event, event.data())
    settings = {
        **wanted,
        "state_dir": str(state_dir),
        "spool": str(spool),
        "entries": [dumps(entry)],
    }
    process = subprocess.Popen(
        proc.of_module("novaha.operate"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
        **_owner(state_dir),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, process.stdin as stdin:
        with suppress(BrokenPipeError):
            stdin.write(json.dumps(settings).encode() + b"\n")
            stdin.flush()
        said = ""
        for row in process.stdout:
            said = row.decode("utf-8", "replace").strip()
            if said == KEPT:
                return
    raise NovahaError(said or "the process that writes it ended at once")


def _owner(state_dir: Path) -> dict[str, Any]:
    """Whom the directory belongs to, and who writes there: the evacuator's user."""
    if os.geteuid() != 0:
        return {}
    if not state_dir.is_dir():
        user = identity.chosen()
        places.state_directory(state_dir, user.uid if user else 0)
    uid = state_dir.stat().st_uid
    if uid == 0:
        return {}
    return {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": []}
