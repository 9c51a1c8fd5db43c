"""`novaha serve`: the page and the API, by a process without credentials of Nova."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from novaha.cli import brake, operator, site
from novaha.cli.terminal import say
from novaha.cli.verdict import judge
from novaha.core.errors import NovahaError
from novaha.evacuator import inspect

if TYPE_CHECKING:
    from novaha.web.actions import Order


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
    parser.add_argument("--config", metavar="FILE", help="serve.conf instead of the default")
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
    from novaha.conf.serve import DEFAULT_FILE, load  # oslo.config: no other command waits for it

    settings = load(args.config or DEFAULT_FILE, args.listen)
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
    made = app.create(settings, shared, acts=ACTS)
    server.run(made, settings, shared.close, _ready)
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


def _of_host(command: Callable[[argparse.Namespace], int], said: str) -> Callable[[Order], str]:
    """One of the operator's commands about a host, as an action."""

    def act(order: Order) -> str:
        operator.with_node(command)(_arguments(order))
        return said.format(host=order.host)

    return act


def _arguments(order: Order) -> argparse.Namespace:
    """As the command line would give them."""
    return argparse.Namespace(
        host=order.host,
        fence_id=order.fence_id,
        reason=f"{order.reason} ({order.by}, over HTTP)",
        yes=True,
        force=False,
        group=None,
        all=False,
        duration=order.duration or None,
    )


def _release(args: argparse.Namespace) -> int:
    return operator.release(args, look=lambda: inspect.look(without_nova=True))


def _pause(order: Order) -> str:
    brake.pause(_arguments(order))
    return "fencing and new recoveries are paused"


def _resume(order: Order) -> str:
    brake.resume(_arguments(order))
    return "fencing and new recoveries go on"


ACTS: Mapping[str, Callable[[Order], str]] = {
    "retry": _of_host(operator.retry, "{host} will be recovered again from the beginning"),
    "release": _of_host(_release, "what is left on {host} counts as settled"),
    "proceed": _of_host(brake.proceed, "{host} is powered off, and recovered"),
    "pause": _pause,
    "resume": _resume,
}
"""What can be done over HTTP, where serve.conf lets it."""
