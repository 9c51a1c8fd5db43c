"""`novaha status`: hosts, their recovery, and every instance."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from novaha.cli.table import columns
from novaha.cli.terminal import as_json, say, warn
from novaha.core import text
from novaha.core.errors import NovahaError

CLEAR = "\x1b[H\x1b[2J"
NOT_SET_UP = 3
"""Exit code: a part of novaha without which no host is recovered is not in this cluster."""

_BAR = 20
_SHORTEST, _LONGEST = 0.1, 86400.0
_DETAIL = 2000
_LATE = 600
"""Seconds after which the evacuator should have told again: twice the pause between two."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="show the hosts in recovery and their instances",
        description="Show every host that is flagged, how far its recovery is, and where each "
        "of its instances stands. Hosts without a record are healthy and not shown.",
    )
    parser.add_argument("--config", metavar="FILE", help="configuration instead of the default")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "--watch",
        nargs="?",
        const=1.0,
        type=_seconds,
        metavar="SECONDS",
        help="show again every SECONDS (default 1) until interrupted",
    )
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    """Between two looks, each of which asks Nova."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not _SHORTEST <= found <= _LONGEST:
        raise argparse.ArgumentTypeError(f"is no number from {_SHORTEST:g} to {_LONGEST:g} seconds")
    return found


def run(args: argparse.Namespace) -> int:
    """Print once, or for ever with --watch; the exit code."""
    from novaha.cli import site
    from novaha.evacuator.inspect import look

    parameters = {"config": args.config} if args.config else {}
    while True:
        try:
            answer = look(parameters)
            if answer.get("evacuator") is None:
                answer |= site.look()
        except NovahaError as error:
            if args.watch is None:
                raise
            warn(f"novaha: {text.line(error)}")
        else:
            if args.watch is not None and sys.stdout.isatty():
                print(CLEAR, end="")
            say(
                as_json(text.tree(answer, longest=_DETAIL))
                if args.output == "json"
                else table(answer)
            )
        if args.watch is None:
            return NOT_SET_UP if answer.get("missing") else 0
        try:
            time.sleep(args.watch)
        except KeyboardInterrupt:
            return 0


def table(answer: Mapping[str, Any]) -> str:
    """The answer as people read it."""
    parts = [
        _head(answer),
        *(f"Notice: {text.line(notice, longest=_DETAIL)}" for notice in answer.get("notices", [])),
        *(f"Attention: {text.line(said, longest=_DETAIL)}" for said in _attention(answer)),
    ]
    missing = answer.get("missing", ())
    if missing:
        parts.append(
            f"novaha does not protect this cluster: it has no {', no '.join(missing)}. When a host "
            "dies, nothing is recovered.\nTo set novaha up: novaha setup"
        )
    hosts = answer["hosts"]
    if not hosts:
        if not missing:
            parts.append("No host is flagged: nothing to recover.")
        return "\n".join(parts)
    parts.append(
        columns(
            ("HOST", "STATE", "OWNER", "FENCED", "PROGRESS", "DETAIL"),
            (
                _row(
                    host["node"],
                    host["state"],
                    host.get("owner") or "-",
                    host.get("fenced", "-"),
                    _bar(host),
                    host["detail"],
                )
                for host in hosts
            ),
        )
    )
    for host in hosts:
        if host.get("instances"):
            parts += ["", f"Instances of {text.line(host['node'])}:", _instances(host["instances"])]
    return "\n".join(parts)


def _attention(answer: Mapping[str, Any]) -> Iterator[str]:
    """What an operator has to see to, and is not told as a notice."""
    evacuator = answer.get("evacuator") or answer.get("told") or {}
    notices = answer.get("notices", ())
    yield from (said for said in evacuator.get("attention", ()) if said not in notices)


def _head(answer: Mapping[str, Any]) -> str:
    return "\n".join(text.line(row, longest=_DETAIL) for row in _heads(answer))


def _heads(answer: Mapping[str, Any]) -> Iterator[str]:
    evacuator = answer.get("evacuator")
    if evacuator is None:
        where = answer.get("evacuator_on", "")
        line = "Evacuator: does not run on this node; read from the CIB and Nova."
        if where:
            line = (
                f"Evacuator: runs on {where}; read from the CIB and Nova. To see what it waits for "
                f"and what needs you, run 'novaha status' on {where}."
            )
        told = answer.get("told")
        yield _told(told, where) if told else line
        if answer["problem"]:
            yield (
                f"Nova does not answer here, fewer instances shown: {answer['problem']}"
                if told
                else f"No instances shown: {answer['problem']}"
            )
        if told and told["problem"]:
            yield f"Problem: {told['problem']}"
        return
    nova = _nova(evacuator["nova"])
    yield f"Evacuator: pid {evacuator['pid']} on {evacuator['node']}. Nova: {nova}."
    if evacuator["problem"]:
        yield f"Problem: {evacuator['problem']}"


def _nova(nova: Mapping[str, Any]) -> str:
    if nova["ok"] is None:
        return "not asked yet"
    return "answers" if nova["ok"] else f"does not answer: {nova['problem']}"


def _told(told: Mapping[str, Any], runs_on: str) -> str:
    """What is said of the one who told it. runs_on: where Pacemaker has the evacuator now."""
    where, at, nova = told["node"], told["at"], _nova(told["nova"])
    if where != runs_on:
        now = f"runs on {runs_on}" if runs_on else "Pacemaker shows it on no node"
        return (
            f"Evacuator: {now}. What is shown is what the one on {where} told at {at}, "
            f"{told['age']} s ago: it may be over."
        )
    if told["age"] > _LATE:
        return (
            f"Evacuator: runs on {where}, but has told nothing for {told['age']} s. What is shown "
            f"was so at {at}, and may be over: run 'novaha status' on {where}."
        )
    line = f"Evacuator: runs on {where}, what it told at {at} is shown. Nova: {nova}."
    if told["left_out"]:
        line += f" There is more to see on {where}: run 'novaha status' there."
    return line


def _row(*cells: object) -> list[str]:
    """Names and details are others' texts: one line each."""
    return [text.line(cell, longest=_DETAIL) for cell in cells]


def _bar(host: Mapping[str, Any]) -> str:
    total = host.get("total", 0)
    if not total:
        return "-"
    filled = _BAR * host["settled"] // total
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {host['settled']} of {total}"


def _instances(instances: Iterable[Mapping[str, str]]) -> str:
    return columns(
        ("INSTANCE", "NAME", "PROGRESS", "WHERE", "DETAIL"),
        (
            _row(i["id"], i["name"] or "-", i["progress"], i["where"] or "-", i["detail"])
            for i in instances
        ),
    )
