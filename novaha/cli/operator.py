"""`novaha release`, `retry` and `recover`: what only the operator can decide."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from novaha.cli import asking, site
from novaha.cli.screen import span
from novaha.cli.terminal import say
from novaha.core import naming
from novaha.core.errors import NovahaError, RecordError, UnknownNodeError
from novaha.core.record import Record
from novaha.core.recovery import Event, RecoveryState, holds
from novaha.core.steps import Progress
from novaha.core.text import word as q
from novaha.evacuator import client, confirmed_by_hand, inspect
from novaha.pacemaker.cib import RecordStore, known_nodes
from novaha.pacemaker.fencing import FenceHistory


class NoRecordError(NovahaError):
    """A host is not in recovery."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"{node} has no recovery record: there is nothing to retry or release")


class OtherFencingError(NovahaError):
    """The host was fenced again, or is in no recovery any more."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(
            f"{node} has another fence id by now, or none: it was fenced again, or is back; see "
            f"`novaha status {q(node)}`"
        )


class UnsettledError(NovahaError):
    """A host cannot be released safely now."""

    def __init__(self, node: str, why: str) -> None:
        self.node = node
        super().__init__(
            f"{node} is not released: {why}; with --force it is, at the risk that an instance "
            "that is still being evacuated runs twice"
        )


class NotConfirmedError(NovahaError):
    """Pacemaker knows of no fencing that would allow a recovery."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(
            f"nobody has confirmed that {node} is down, or it was recovered on that word already: "
            f"see whether it lives with `novaha evidence {q(node)}`, make sure that it is switched "
            f"off, then `pcs stonith confirm {q(node)}`; or let Pacemaker fence it, "
            f"`pcs stonith fence {q(node)}`"
        )


def add_parsers(commands: Any) -> None:
    """Add the commands."""
    for name, text in (
        (
            "release",
            "stop the recovery of a fenced host, or let one in that is kept out of service; what "
            "is left of its instances starts there",
        ),
        ("retry", "have a fenced host's recovery done again from the beginning"),
        ("recover", "recover a host that was confirmed by hand to be down"),
    ):
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        command.add_argument("host", metavar="HOST", help="Pacemaker's name of the node")
        asking.add_options(command)
        if name != "recover":
            command.add_argument(
                "--fence-id", metavar="ID", help="only if this is the host's fencing still"
            )
        if name == "release":
            command.add_argument(
                "--force", action="store_true", help="even if evacuations may be under way"
            )


def with_node(
    command: Callable[[argparse.Namespace], int],
) -> Callable[[argparse.Namespace], int]:
    """The command, told the cluster's own spelling of the node that was typed in any case.

    A record may be of a node that the cluster has no more.
    """

    def run(args: argparse.Namespace) -> int:
        nodes = {*known_nodes(), *RecordStore().read_all()}
        args.host = naming.node_named(args.host, nodes)
        return command(args)

    return run


def effect_of_release(args: argparse.Namespace, store: RecordStore | None = None) -> str:
    """What `release` will do with the host as it is, "" where it will refuse."""
    found = _found(args.host, store or RecordStore())
    if found is None:
        return ""
    state, since = found
    if state is RecoveryState.RECOVERED:
        return f"{args.host} is recovered{since}. It is let back into service."
    return (
        f"{args.host} is {state or 'held, its record makes no sense'}{since}. Its recovery is "
        f"stopped: what is left of its instances counts as settled, and starts on {args.host}."
    )


def effect_of_retry(args: argparse.Namespace, store: RecordStore | None = None) -> str:
    """What `retry` will do with the host as it is, "" where it will refuse."""
    found = _found(args.host, store or RecordStore())
    if found is None:
        return ""
    state, since = found
    if state is not None and holds(state):
        return (
            f"{args.host} is {state}{since}. Its recovery begins again: what was given up is tried "
            "once more."
        )
    return (
        f"{args.host} is {state or 'held, its record makes no sense'}{since}. It is fenced once "
        "more, what runs on it ends, and it is recovered from the beginning."
    )


def effect_of_recover(args: argparse.Namespace) -> str:
    """What `recover` will do."""
    return (
        f"The instances of {args.host} are started on other hosts. If {args.host} still runs, they "
        "run twice and their disks are corrupted: make sure that it is off."
    )


def _found(host: str, store: RecordStore) -> tuple[RecoveryState | None, str] | None:
    """State of the host's record, None for nonsense; and since when, to be put into a sentence.

    None for a host without a record.
    """
    try:
        record = store.read(host)
    except RecordError:
        return None, ""
    if record is None:
        return None
    return record.state, f" since {span(datetime.now(UTC) - record.fenced)}"


def release(
    args: argparse.Namespace,
    store: RecordStore | None = None,
    look: Callable[[], dict[str, Any]] = lambda: inspect.look(given=site.parameters),
) -> int:
    """Record → recovered, and let in.

    Raises NovahaError when the record or the recovery does not allow it.
    """
    if not args.force:
        _check_nothing_moves(args.host, look())
    _decide(args.host, Event.RELEASE, store or RecordStore(), args.fence_id)
    say(f"{args.host}: what is left there counts as settled; it may return to service")
    return 0


def retry(args: argparse.Namespace, store: RecordStore | None = None) -> int:
    """Record → pending. Raises NovahaError when the record does not allow it.

    A host that was let go may run again: its recovery then begins with another fencing.
    """
    store = store or RecordStore()
    try:
        record = store.read(args.host)
    except RecordError:
        _check_fencing(args.host, None, args.fence_id)
        store.flag_fenced(args.host)  # nonsense is written anew
    else:
        if record is not None and record.state is RecoveryState.RECOVERED:
            _check_fencing(args.host, record, args.fence_id)
            store.flag_fenced(args.host)
        else:
            _decide(args.host, Event.RETRY, store, args.fence_id)
    _ring()
    say(f"{args.host}: will be recovered again from the beginning")
    return 0


def recover(
    args: argparse.Namespace,
    store: RecordStore | None = None,
    history: FenceHistory | None = None,
) -> int:
    """No record → pending, for a host that an administrator has confirmed to be down.

    Raises NovahaError when nobody has.
    """
    store, history = store or RecordStore(), history or FenceHistory()
    moments = history.history().confirmed_by_hand()
    moment = naming.newest_of(args.host, moments)
    used = moment is not None and store.seen_confirmation(args.host) == confirmed_by_hand.text(
        moment
    )
    if moment is None or used or history.is_online(args.host):
        raise NotConfirmedError(args.host)
    store.flag_fenced(args.host, fenced=moment)
    store.note_confirmation(args.host, confirmed_by_hand.text(moment))
    _ring()
    say(f"{args.host}: its instances will be recovered; see `novaha status`")
    return 0


def _check_nothing_moves(host: str, status: dict[str, Any]) -> None:
    if status.get("problem"):
        raise UnsettledError(host, f"Nova cannot be asked ({status['problem']})")
    for found in status["hosts"]:
        moving = found.get("counts", {}).get(str(Progress.MOVING), 0)
        if found["node"] == host and moving:
            raise UnsettledError(host, f"{moving} of its instances are being evacuated")


def _check_fencing(host: str, record: Record | None, fence_id: str | None) -> None:
    if fence_id is not None and (record is None or record.fence_id != fence_id):
        raise OtherFencingError(host)


def _decide(host: str, event: Event, store: RecordStore, fence_id: str | None = None) -> None:
    """One step of the recovery by compare-and-swap, so that nobody's news is lost.

    fence_id: of the fencing that is meant, None for whichever it is.
    """
    try:
        record = store.read(host)
    except RecordError:
        _check_fencing(host, None, fence_id)
        record = store.flag_fenced(host)  # nonsense is written anew
    if record is None:
        nodes = known_nodes()
        raise NoRecordError(host) if host in nodes else UnknownNodeError(host, nodes)
    _check_fencing(host, record, fence_id)
    store.swap(record, record.after(event, owner=""))
    _ring()


def _ring() -> None:
    with contextlib.suppress(client.EvacuatorError):  # it may run on another controller
        client.ring()


RELEASE = with_node(
    asking.asked(effect_of_release, "stop the recovery, and let {host} in?", release)
)
RETRY = with_node(asking.asked(effect_of_retry, "begin the recovery of {host} again?", retry))
RECOVER = with_node(asking.asked(effect_of_recover, "recover {host}, is it off?", recover))
"""As they are typed: with what they will do, and a question."""
