"""`novaha history` and `novaha report`: what happened, from the history's database."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from novaha import wiring
from novaha.cli import screen
from novaha.cli.table import columns
from novaha.cli.terminal import as_json, say, warn
from novaha.core import text
from novaha.core.errors import NovahaError
from novaha.evacuator.client import STATE_DIR
from novaha.operate import html
from novaha.operate.entries import Entry, iso
from novaha.operate.recoveries import PHASES, Recovery, named, recoveries

_MOST = 100
_LONGEST = 2000
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class NoHistoryError(NovahaError):
    """There is nothing to show; the text says why."""


def add_parsers(commands: Any) -> None:
    """Add the commands."""
    history = commands.add_parser(
        "history",
        help="show what happened",
        description="Show what was done, oldest first: of everything, of one host, or of one "
        "instance. It needs a history: [history] url in novaha.conf.",
    )
    history.add_argument(
        "what", metavar="HOST|INSTANCE", nargs="?", help="a node, or an instance's id or name"
    )
    for name, help in (("--since", "from then on"), ("--until", "before then")):
        history.add_argument(
            name, metavar="TIME", help=f"only what happened {help}: 30m, 2h, 7d, or a date (UTC)"
        )
    history.add_argument(
        "--event", action="append", default=[], metavar="NAME", help="only these events"
    )
    history.add_argument(
        "--limit", type=int, default=_MOST, metavar="N", help=f"the newest N (default {_MOST})"
    )
    report = commands.add_parser(
        "report",
        help="show one recovery from its beginning to its end",
        description="Show one recovery: its phases, and what became of each instance. It needs "
        "a history: [history] url in novaha.conf.",
    )
    report.add_argument(
        "recovery",
        metavar="RECOVERY",
        help="the fence id, as `novaha history` and `novaha status --output json` show it, or a "
        "node for its last recovery",
    )
    for parser, forms in ((history, ("table", "json")), (report, ("table", "json", "html"))):
        parser.add_argument("--output", choices=forms, default="table")
        parser.add_argument("--config", metavar="FILE", help="configuration instead of the default")


def history(args: argparse.Namespace, state_dir: Path = STATE_DIR) -> int:
    """Print events. Raises NovahaError."""
    source = _Source(args.config, state_dir)
    since, until = (_moment(t) if t else None for t in (args.since, args.until))
    if args.limit < 1:
        raise NoHistoryError("--limit is a number from 1 on")
    chosen = source.read(args.what or "", frozenset(args.event), since, until, args.limit)
    if args.output == "json":
        say(as_json(text.tree([entry.plain() for entry in chosen], longest=_LONGEST)))
        return 0
    if not chosen:
        say("Nothing of that is in the history.")
        return 0
    rows = [(iso(e.time), e.text("node") or "-", e.event, _told(e)) for e in chosen]
    say(_table(("TIME", "HOST", "EVENT", "WHAT"), rows))
    return 0


def report(args: argparse.Namespace, state_dir: Path = STATE_DIR) -> int:
    """Print one recovery. Raises NovahaError."""
    source = _Source(args.config, state_dir)
    recovery = named(recoveries(source.of_recovery(args.recovery)), args.recovery)
    if recovery is None:
        raise NoHistoryError(
            f"the history has no recovery {text.line(args.recovery, longest=100)}: "
            "`novaha history --event claimed` shows their fence ids"
        )
    if args.output == "json":
        say(as_json(text.tree(recovery.plain(), longest=_LONGEST)))
    elif args.output == "html":
        say(html.page(recovery))
    else:
        say(_report(recovery))
    return 0


class _Source:
    """The database, and what waits in this controller's outbox for it."""

    def __init__(self, config: str | None, state_dir: Path) -> None:
        """Raises NoHistoryError where none is kept."""
        wanted = wiring.operate(wiring.conf({"config": config} if config else {}))
        if "history" not in wanted:
            raise NoHistoryError(
                "no history is kept: name a database in novaha.conf ([history] url); until then "
                "/var/log/novaha/journal.jsonl on each controller has what was done there"
            )
        become_owner(state_dir)
        try:
            from novaha.operate.database import History
        except ImportError as error:
            raise NoHistoryError(
                f"the history needs the Python module {error.name}: apt install "
                "python3-sqlalchemy python3-alembic, or pip install 'novaha[history]'"
            ) from None
        self._history = History(wanted["history"]["url"])
        self._waiting = _waiting(state_dir)

    def read(
        self,
        what: str,
        events: frozenset[str],
        since: datetime | None,
        until: datetime | None,
        most: int | None,
    ) -> list[Entry]:
        """The events of a host or an instance, oldest first; of many the newest ones."""
        from novaha.operate.database import Query

        nodes, instances = self._meant(what)
        found: list[Entry] = []
        with _told_of_absence():
            ways = [Query(nodes=nodes)] if not what else []
            if nodes:
                ways.append(Query(nodes=nodes))
            if instances:
                ways.append(Query(instances=instances))
            for way in ways:
                found += self._history.find(
                    Query(way.nodes, way.instances, events, "", since, until, most)
                )
        here = [
            e
            for e in self._waiting
            if (not what or e.text("node") in nodes or e.text("instance") in instances)
            and (not events or e.event in events)
            and (since is None or e.time >= since)
            and (until is None or e.time < until)
        ]
        merged = _merged(found, here)
        return merged if most is None else merged[-most:]

    def of_recovery(self, name: str) -> list[Entry]:
        """All events of the host that the recovery of this name is of."""
        from novaha.operate.database import Query

        nodes = {e.text("node") for e in self._waiting if e.text("fence_id").startswith(name)}
        with _told_of_absence():
            nodes |= {e.text("node") for e in self._history.find(Query(fence_id=name))}
        asked = sorted(nodes) or [name]
        return _merged(*(self.read(node, frozenset(), None, None, None) for node in asked))

    def _meant(self, what: str) -> tuple[frozenset[str], frozenset[str]]:
        """The nodes and the instances that are called like this."""
        if not what:
            return frozenset(), frozenset()
        if _UUID.fullmatch(what):
            return frozenset(), frozenset({what.lower(), what})
        instances = {e.text("instance") for e in self._waiting if e.text("name") == what}
        with suppress(NovahaError):
            instances |= self._history.instances_named(what)
        return frozenset({what, what.lower()}), frozenset(instances - {""})


def become_owner(state_dir: Path) -> None:
    """Root becomes the user whose directory it is: no file there is made as root."""
    with suppress(FileNotFoundError):
        owner = state_dir.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.setgroups([])
            os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
            os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)


def _waiting(state_dir: Path) -> list[Entry]:
    from novaha.operate.outbox import NAME, Outbox

    path = state_dir / NAME
    try:
        return Outbox(path).all() if path.exists() else []
    except (NovahaError, OSError) as error:
        warn(f"novaha: {text.line(error)}")
        return []


@contextmanager
def _told_of_absence() -> Iterator[None]:
    """A database that is away: what waits here is shown all the same."""
    try:
        yield
    except NovahaError as error:
        warn(f"novaha: {text.line(error)}", "Only what waits on this controller is shown.")


def _merged(*parts: Sequence[Entry]) -> list[Entry]:
    """By time; of one id the first."""
    known = {entry.id: entry for part in reversed(parts) for entry in part}
    return sorted(known.values(), key=lambda e: (e.time, e.writer, e.number))


def _moment(given: str) -> datetime:
    """30m, 2h, 7d ago, or a date and time, which is UTC where it names no zone."""
    if match := re.fullmatch(r"([0-9]{1,5})([mhd])", given.strip()):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        found = datetime.fromisoformat(given.strip())
    except ValueError:
        raise NoHistoryError(
            "that is no time: write 30m, 2h, 7d, 2026-01-31 or 2026-01-31T12:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _told(entry: Entry) -> str:
    """The event's data in one line, without the host."""
    shown = {k: v for k, v in entry.data.items() if k != "node" and v != ""}
    return text.line(" ".join(f"{k}={_value(v)}" for k, v in shown.items()), longest=_LONGEST)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {v}" for k, v in value.items()) or "-"
    return str(value)


def _lines(said: str) -> list[str]:
    """A sentence, on a terminal in lines that fit."""
    return screen.wrapped(said, screen.size()[0] if sys.stdout.isatty() else screen.ENDLESS)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned; on a terminal that is too narrow for that a block of lines for each row."""
    kept = list(rows)
    whole = columns(names, kept)
    width, _ = screen.size()
    if not sys.stdout.isatty() or screen.fits(whole.splitlines(), width):
        return whole
    lines: list[str] = []
    for *head, last in kept:
        lines += screen.wrapped("  ".join(head), width)
        lines += screen.wrapped(last, width, "    ", "    ") if last else []
    return "\n".join(lines)


def _report(recovery: Recovery) -> str:
    began = recovery.began
    parts = [
        *_lines(f"Recovery of {recovery.node}, fence id {recovery.fence_id}"),
        *_lines(html.summary(recovery)),
        "",
        _table(
            ("TIME", "AFTER", "PHASE"),
            (
                (iso(at), f"{(at - began).total_seconds():.1f} s", PHASES[name])
                for name, at in recovery.phases.items()
            ),
        ),
    ]
    if instances := recovery.instances:
        rows = []
        for one in instances.values():
            outage = recovery.outage(one)
            state = f"{one.to} {one.state}".strip() if one.settled else "not moved"
            rows.append(
                (
                    text.line(one.name or one.id),
                    "-" if outage is None else f"{outage:.1f} s",
                    text.line(state),
                    text.line(one.unmoved or "; ".join(one.requests[1:]), longest=_LONGEST),
                )
            )
        parts += ["", _table(("INSTANCE", "OUTAGE", "WHERE", "DETAIL"), rows)]
    acted = [e for e in recovery.entries if e.event in ("operator", "attention", "doubted")]
    if acted:
        seen = [(iso(e.time), e.event, _told(e)) for e in acted]
        parts += ["", _table(("TIME", "EVENT", "WHAT"), seen)]
    return "\n".join(parts)
