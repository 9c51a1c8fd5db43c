"""`novaha release` and `novaha retry`: what only the operator can decide."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from novaha.core.errors import NovahaError, UnknownNodeError
from novaha.core.recovery import Event
from novaha.evacuator import client
from novaha.pacemaker.cib import RecordStore, known_nodes


class NoRecordError(NovahaError):
    """A host is not in recovery."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"{node} is not in recovery: there is nothing to decide")


def add_parsers(commands: Any) -> None:
    """Add both commands."""
    for name, text in (
        (
            "release",
            "declare what is left on a fenced host as settled and let nova-compute start there; "
            "be sure that no instance of it is still being evacuated",
        ),
        ("retry", "have a fenced host's recovery done again from the beginning"),
    ):
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        command.add_argument("host", metavar="HOST", help="Pacemaker's name of the node")


def release(args: argparse.Namespace, store: RecordStore | None = None) -> int:
    """Record → recovered. Raises NovahaError when the record does not allow it."""
    _decide(args.host, Event.RELEASE, store or RecordStore())
    print(f"{args.host}: what is left there counts as settled; it may return to service")
    return 0


def retry(args: argparse.Namespace, store: RecordStore | None = None) -> int:
    """Record → pending. Raises NovahaError when the record does not allow it."""
    _decide(args.host, Event.RETRY, store or RecordStore())
    print(f"{args.host}: will be recovered again from the beginning")
    return 0


def _decide(host: str, event: Event, store: RecordStore) -> None:
    """One step of the recovery by compare-and-swap, so that nobody's news is lost."""
    record = store.read(host)
    if record is None:
        nodes = known_nodes()
        raise NoRecordError(host) if host in nodes else UnknownNodeError(host, nodes)
    store.swap(record, record.after(event, owner=""))
    with contextlib.suppress(client.EvacuatorError):  # it may run on another controller
        client.ring()
