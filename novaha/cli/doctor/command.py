"""`novaha doctor`: the command itself."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from novaha.cli import table
from novaha.cli.doctor import reading
from novaha.cli.doctor.cloud import CLOUD
from novaha.cli.doctor.cluster import FENCING, OPTIONS
from novaha.cli.doctor.finding import Finding, Verdict, examine
from novaha.cli.doctor.live import LIVE
from novaha.cli.doctor.node import NODE
from novaha.cli.doctor.records import RECORDS
from novaha.cli.doctor.resources import RESOURCES
from novaha.cli.terminal import as_json, say
from novaha.core import text
from novaha.pacemaker.runner import Runner

AREAS = ("cluster", "node", "cloud", "recovery")

_LONGEST = 2000
_NARROWEST = 40
"""Columns: what is said is not broken into shorter lines than that."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "doctor",
        help="examine this node, the cluster and the cloud, and say what to fix",
        description="Examine the cluster's configuration and state, this node, the cloud and the "
        "recoveries. Say what is wrong and which command fixes it; change nothing. Run it as root "
        "on a controller and on a compute host. The exit code is 0 if nothing is worse than a "
        "warning, else 1.",
    )
    command.add_argument("--output", choices=("table", "json"), default="table")
    command.add_argument(
        "--only", nargs="+", choices=AREAS, default=AREAS, help="what to examine (default: all)"
    )


def run(args: argparse.Namespace, runner: Runner | None = None) -> int:
    """Print the findings; 1 if one of them is an error."""
    logging.getLogger("keystoneauth").addHandler(logging.NullHandler())  # findings tell it all
    progress = Progress()
    findings = list(diagnose(args.only, runner or Runner(), progress))
    progress.done()
    if args.output == "json":
        say(as_json([finding.as_dict() for finding in findings], indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        say(shown(findings, width))
        if os.geteuid():
            say("Not run as root: some of this may only look wrong.")
    return int(any(finding.verdict is Verdict.ERROR for finding in findings))


def diagnose(areas: Sequence[str], run_tool: Runner, say: Progress) -> Iterator[Finding]:
    """Every finding in these areas, read as late as possible."""
    say("reading the cluster's configuration")
    site = reading.site(run_tool)
    cluster = site.cluster
    if cluster is None and {"cluster", "recovery"} & {*areas}:
        yield Finding(
            "cluster",
            Verdict.ERROR,
            "",
            f"it cannot be read: {site.problem}",
            "systemctl status pacemaker pacemaker_remote",
        )
    if cluster is not None and "cluster" in areas:
        for checks in (FENCING, RESOURCES, OPTIONS):
            yield from examine(checks, cluster)
        say("asking the cluster what runs")
        running = reading.running(site, cluster, run_tool)
        yield from examine(LIVE, running)
    if "node" in areas:
        say("looking around on this node")
        yield from examine(NODE, reading.node(site, run_tool))
    if "cloud" in areas:
        outlook = reading.outlook(site, say)
        if cluster is not None and outlook.services:
            now = reading.running(site, cluster, run_tool).live
            online = now.online if now is not None and now.dc else {}
            outlook = replace(outlook, online=frozenset(n for n, up in online.items() if up))
        yield from examine(CLOUD, outlook)
    if cluster is not None and "recovery" in areas:
        say("reading the recoveries")
        yield from examine(RECORDS, reading.recoveries(site, cluster, run_tool))


def shown(findings: Sequence[Finding], width: int = 0) -> str:
    """The findings as people read them. width: of the terminal, 0 for one without end."""
    names = ("CHECK", "VERDICT", "SUBJECT", "FINDING -> FIX")
    rows = [[f.check, str(f.verdict), text.line(f.subject) or "-"] for f in findings]
    used = sum(max(map(len, column)) + 2 for column in zip(names[:3], *rows, strict=True))
    room = max(width - used, _NARROWEST) if width else 0
    shown = table.columns(
        names, ([*row, _text(f, room)] for row, f in zip(rows, findings, strict=True))
    )
    counts = Counter(finding.verdict for finding in findings)
    sums = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{shown}\n\n{len(findings)} findings: {sums}."


def _text(finding: Finding, room: int) -> str:
    """The detail, and under it the remedy: its lines are whole, for they are to be copied."""
    detail = text.line(finding.detail, longest=_LONGEST)
    rows = textwrap.wrap(detail, room) if room else [detail]
    return "\n".join([*rows, *(f"-> {line}" for line in finding.remedy.split("\n") if line)])


class Progress:
    """Says on a terminal what is being done, and takes it back."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text} ...", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Take the last line back."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
