"""`novaha status`: the verdict, what has to be done, and how far each recovery is."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum, unique
from typing import Any

from novaha.cli import formats, overview, screen
from novaha.cli.terminal import as_json, say, warn
from novaha.cli.verdict import age, judge
from novaha.core import text
from novaha.core.errors import NovahaError
from novaha.core.naming import same_name

_SHORTEST, _LONGEST = 0.1, 86400.0
_DETAIL = 2000

_HERE, _ELSEWHERE = 1.0, 10.0
"""Seconds between two looks with --watch: where the evacuator answers, and where Nova is asked.
What the evacuator tells the other controllers does not change faster than that."""

_TOP, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
"""For a terminal: begin at the top; clear what is left of a line, and below it."""


@unique
class Code(IntEnum):
    """Exit codes of `novaha status` beside those of every command. They never change."""

    OK = 0
    NOT_SET_UP = 3
    """A part of novaha without which no host is recovered is not in this cluster."""
    RECOVERING = 4
    ATTENTION = 5


NOT_SET_UP = Code.NOT_SET_UP

HOST_COLUMNS = (
    *("Host", "State", "Age", "Settled", "Total", "Refused", "Held", "Owner", "Fenced"),
    *("Fence ID", "Nova Host", "Detail"),
)
INSTANCE_COLUMNS = ("ID", "Name", "Progress", "Where", "Host", "Code", "Detail")


class NotFoundError(NovahaError):
    """What was named is neither a host nor an instance that is known here."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{text.line(name)} is no compute host of this cluster, and no instance of a host in "
            "recovery: `novaha status --all` shows the hosts"
        )


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="show the verdict, what has to be done, and the hosts in recovery",
        description="Show first whether all is well: OK, RECOVERING, or ATTENTION; then what has "
        "to be done, and by which command; then every host that is flagged, how far its recovery "
        "is, and where its instances stand. Hosts without a record are healthy and not shown. "
        "The exit code is 0 for OK, 4 for RECOVERING, 5 for ATTENTION, 3 if novaha is not set up; "
        "with --output json it is 0 for the first three.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="show all about this host, or this instance (by id or name) of a host in recovery",
    )
    parser.add_argument("--config", metavar="FILE", help="configuration instead of the default")
    parser.add_argument(
        "--all", action="store_true", help="show the compute hosts that are healthy, too"
    )
    parser.add_argument(
        "--output",
        choices=("table", "json"),
        default="table",
        help="json: all that is known as one object, for programs",
    )
    formats.add_options(parser, "one a host, or one an instance of the host that is named")
    parser.add_argument(
        "--watch",
        nargs="?",
        const=0.0,
        type=_seconds,
        metavar="SECONDS",
        help="show again every SECONDS until interrupted (default: 1 where the evacuator runs, "
        "10 elsewhere)",
    )
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    """Between two looks, each of which may ask Nova."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not _SHORTEST <= found <= _LONGEST:
        raise argparse.ArgumentTypeError(f"is no number from {_SHORTEST:g} to {_LONGEST:g} seconds")
    return found


def run(args: argparse.Namespace) -> int:
    """Print once, or for ever with --watch; the exit code."""
    if args.column and not args.format:
        args.format = "table"
    args.column = formats.chosen(_columns(args), args.column)
    if args.watch is None:
        return _once(args)
    while True:
        pause = args.watch or _ELSEWHERE
        try:
            answer = look(args)
            pause = args.watch or (_HERE if answer.get("evacuator") else _ELSEWHERE)
            shown = _shown(args, answer)
            if sys.stdout.isatty() and not args.format and args.output == "table":
                _draw(shown)
            else:
                say(shown)
        except NovahaError as error:
            warn(f"novaha: {text.line(error)}")
        try:
            time.sleep(pause)
        except KeyboardInterrupt:
            return Code.OK


def _once(args: argparse.Namespace) -> int:
    answer = look(args)
    say(_shown(args, answer))
    if answer.get("missing"):
        return Code.NOT_SET_UP
    if args.output == "json":
        return Code.OK  # the object says it; scripts rely on the 0
    return Code[judge(answer, datetime.now(UTC)).level.name]


def look(args: argparse.Namespace) -> dict[str, Any]:
    """The snapshot, with what the cluster tells where the evacuator does not answer here."""
    from novaha.cli import site
    from novaha.evacuator.inspect import look as snapshot

    parameters = {"config": args.config} if args.config else {}
    answer = snapshot(parameters, site.parameters)
    if answer.get("evacuator") is None:
        answer |= site.look()
    if args.all or args.name:
        answer["healthy"] = site.others({host["node"] for host in answer["hosts"]})
    return answer


def _shown(args: argparse.Namespace, answer: dict[str, Any]) -> str:
    """What is printed. Raises NotFoundError."""
    now = datetime.now(UTC)
    host, instances = _named(args.name, answer) if args.name else (None, [])
    if args.format:
        return formats.rendered(args.format, args.column, _rows(args, answer, now))
    if args.output == "json":
        answer = {**answer, **judge(answer, now).data()}
        if not args.all:
            answer.pop("healthy", None)
        if args.name:
            answer["hosts"] = [{**host, "instances": instances}] if host else []
        return as_json(text.tree(answer, longest=_DETAIL))
    width, _ = screen.size()
    if not args.name:
        return table(answer, width)
    if host is None:
        others = [other for other in answer["healthy"] if same_name(other["node"], args.name)]
        return "\n".join(overview.of_other(others[0], width))
    if instances and not _is_of(host, args.name):
        return "\n\n".join("\n".join(overview.of_instance(host, i, width)) for i in instances)
    return "\n".join(overview.of_host(answer, host, width, now))


def table(answer: Mapping[str, Any], width: int = screen.ENDLESS) -> str:
    """The answer as people read it, in lines of `width` columns."""
    return "\n".join(overview.overview(answer, width))


def _draw(shown: str) -> None:
    """One picture of the live display: over the last one, and no longer than the terminal."""
    _, rows = screen.size()
    lines = text.plain(shown).split("\n")
    if len(lines) >= rows:
        more = len(lines) - rows + 2
        lines = [*lines[: rows - 2], f"... {more} more lines: make the terminal taller"]
    picture = "".join(f"{line}{_REST_OF_LINE}\n" for line in lines)
    print(f"{_TOP}{picture}{_REST}", end="", flush=True)


def _columns(args: argparse.Namespace) -> Sequence[str]:
    return INSTANCE_COLUMNS if args.name else HOST_COLUMNS


def _is_of(host: Mapping[str, Any], name: str) -> bool:
    return any(known and same_name(known, name) for known in (host["node"], host.get("host")))


def _named(
    name: str, answer: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, list[Mapping[str, Any]]]:
    """The host that is meant and the instances of it that are; None for a healthy host.

    Raises NotFoundError.
    """
    for host in answer["hosts"]:
        if _is_of(host, name):
            return host, list(host.get("instances", ()))
    for key in ("id", "name"):
        for host in answer["hosts"]:
            found = [i for i in host.get("instances", ()) if i[key] == name]
            if found:
                return host, found
    if any(same_name(other["node"], name) for other in answer["healthy"]):
        return None, []
    raise NotFoundError(name)


def _rows(
    args: argparse.Namespace, answer: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    if args.name:
        host, instances = _named(args.name, answer)
        node = host["node"] if host else ""
        return [_instance_row(node, instance) for instance in instances]
    rows = [_host_row(host, now) for host in answer["hosts"]]
    empty = dict.fromkeys(HOST_COLUMNS)
    others = answer.get("healthy", ()) if args.all else ()
    return rows + [{**empty, "Host": o["node"], "State": o["state"]} for o in others]


def _host_row(host: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    since = age(host, now)
    return {
        "Host": host["node"],
        "State": host["state"],
        "Age": None if since is None else int(since.total_seconds()),
        "Settled": host.get("settled"),
        "Total": host.get("total"),
        "Refused": host.get("counts", {}).get("refused", 0),
        "Held": host["held"],
        "Owner": host.get("owner", ""),
        "Fenced": host.get("fenced", ""),
        "Fence ID": host.get("fence_id", ""),
        "Nova Host": host.get("host"),
        "Detail": host["detail"],
    }


def _instance_row(node: str, instance: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ID": instance["id"],
        "Name": instance["name"],
        "Progress": instance["progress"],
        "Where": instance["where"],
        "Host": node,
        "Code": instance.get("code", ""),
        "Detail": instance["detail"],
    }
