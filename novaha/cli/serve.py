"""`novaha serve`: the page and the API, by a process without credentials of Nova."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from novaha.cli import site
from novaha.cli.terminal import say
from novaha.cli.verdict import judge
from novaha.conf.serve import DEFAULT_FILE, load
from novaha.core.errors import NovahaError
from novaha.evacuator import inspect


class MissingError(NovahaError):
    """A library that only this command needs is not there."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "serve",
        help="serve the page and the HTTP API",
        description="Serve what `novaha status` shows as a page and an HTTP API, until it is "
        "ended. Where, and for whom, is said in serve.conf; without that file it is a Unix socket "
        "for root and group haclient. It needs no credentials of Nova.",
    )
    parser.add_argument(
        "--config", metavar="FILE", default=DEFAULT_FILE, help="serve.conf instead of the default"
    )
    parser.add_argument(
        "--listen",
        metavar="WHERE",
        default="",
        help="a path or ADDRESS:PORT, instead of the file's",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises NovahaError when it cannot begin.
    """
    settings = load(args.config, args.listen)
    try:
        from novaha.web import app, server
        from novaha.web.shared import Shared
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        raise MissingError(
            f"novaha serve needs Starlette and uvicorn, and {missing} is not installed: "
            "apt install python3-starlette python3-uvicorn, or pip install 'novaha[serve]'"
        ) from None
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s"
    )
    shared = Shared(read, settings.refresh)
    server.run(app.create(settings, shared), settings, shared.close, _ready)
    return 0


def _ready(where: str) -> None:
    say(f"novaha serve: listens on {where}")
    sys.stdout.flush()


def read() -> Mapping[str, Any]:
    """The snapshot, the other compute hosts, and the verdict; see web.state.arrange.

    Raises NovahaError when the cluster cannot be read.
    """
    found = inspect.look(without_nova=True)
    if found.get("evacuator") is None:
        found |= site.look()
    found["others"] = site.others({str(host["node"]) for host in found["hosts"]})
    return found | judge(found, datetime.now(UTC)).data()
