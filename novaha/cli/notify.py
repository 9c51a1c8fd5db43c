"""`novaha notify test`: a notice to each sink, to see that it arrives."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from novaha import wiring
from novaha.cli.history import become_owner
from novaha.cli.table import columns
from novaha.cli.terminal import say
from novaha.core import text
from novaha.core.errors import NovahaError
from novaha.evacuator.client import STATE_DIR
from novaha.operate.notices import trial
from novaha.operate.sinks import KINDS, made
from novaha.pacemaker.cib import local_node


class NotNotifiedError(NovahaError):
    """A sink has not taken the notice, or there is none."""


def add_parsers(commands: Any) -> None:
    """Add the command."""
    about = "see that notices arrive"
    notify = commands.add_parser("notify", help=about, description=f"{about.capitalize()}.")
    verbs = notify.add_subparsers(dest="verb", required=True, metavar="VERB")
    test = verbs.add_parser(
        "test",
        help="send a test to each receiver",
        description="Send a test notice from this controller to each receiver that novaha.conf "
        "names, as the evacuator's user, and show which of them takes it.",
    )
    test.add_argument("--sink", choices=sorted(KINDS), help="only this one")
    test.add_argument("--config", metavar="FILE", help="configuration instead of the default")


def run(args: argparse.Namespace, state_dir: Path = STATE_DIR) -> int:
    """Send and tell. Raises NotNotifiedError unless each sink has taken it, NovahaError."""
    wanted = wiring.operate(wiring.conf({"config": args.config} if args.config else {}))
    sinks = wanted.get("sinks", {})
    if args.sink:
        sinks = {name: options for name, options in sinks.items() if name == args.sink}
    if not sinks:
        raise NotNotifiedError(
            "nobody is notified: set url, path or to in a section [notify_…] of novaha.conf"
        )
    notice = trial(_here(), datetime.now(UTC), str(uuid4()))
    become_owner(state_dir)  # after the configuration: from here on as the evacuator
    results = {name: _result(name, options, notice) for name, options in sorted(sinks.items())}
    say(columns(("SINK", "RESULT"), ((n, text.line(r or "taken")) for n, r in results.items())))
    if failed := [name for name, why in results.items() if why]:
        raise NotNotifiedError(f"{len(failed)} of {len(results)} receivers have not taken it")
    return 0


def _result(name: str, options: Any, notice: Any) -> str:
    """Why the sink has not taken the notice, "" if it has."""
    try:
        sink, _ = made(name, options)
        sink.send(notice)
    except NovahaError as error:
        return str(error)
    return ""


def _here() -> str:
    try:
        return local_node()
    except NovahaError:
        return "this controller"
