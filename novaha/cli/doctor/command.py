"""`novaha doctor`: the command itself."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from novaha.cli import formats, screen
from novaha.cli.doctor import reading, report
from novaha.cli.doctor.cloud import CLOUD
from novaha.cli.doctor.cluster import FENCING, OPTIONS
from novaha.cli.doctor.finding import Finding, Verdict, examine
from novaha.cli.doctor.live import LIVE
from novaha.cli.doctor.node import NODE
from novaha.cli.doctor.records import RECORDS
from novaha.cli.doctor.resources import RESOURCES
from novaha.cli.terminal import as_json, say
from novaha.core.errors import NovahaError
from novaha.pacemaker.cib import local_node
from novaha.pacemaker.runner import Runner

shown = report.shown

AREAS = ("cluster", "node", "cloud", "recovery")


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "doctor",
        help="examine this node, the cluster and the cloud, and say what to fix",
        description="Examine the cluster's configuration and state, this node, the cloud and the "
        "recoveries. Say what is wrong and which command fixes it; change nothing. Problems come "
        "first, and a fault that many hosts have is told once. Run it as root "
        "on a controller and on a compute host. The exit code is 0 if nothing is worse than a "
        "warning, else 1.",
    )
    command.add_argument(
        "--output",
        choices=("table", "json", "object"),
        default="table",
        help="json: a list of findings; object: that list with version, time and node",
    )
    formats.add_options(command, "one a finding")
    command.add_argument(
        "--problems", action="store_true", help="show errors and warnings, and nothing else"
    )
    command.add_argument(
        "--only", nargs="+", choices=AREAS, default=AREAS, help="what to examine (default: all)"
    )


def run(args: argparse.Namespace, runner: Runner | None = None) -> int:
    """Print the findings; 1 if one of them is an error."""
    logging.getLogger("keystoneauth").addHandler(logging.NullHandler())  # findings tell it all
    progress = Progress()
    columns = formats.chosen(report.COLUMNS, args.column)
    every = list(diagnose(args.only, runner or Runner(), progress))
    progress.done()
    found = report.problems(every) if args.problems else every
    findings = report.ordered(found)
    if args.format or args.column:
        say(formats.rendered(args.format or "table", columns, report.rows(findings)))
    elif args.output == "json":
        say(as_json([finding.as_dict() for finding in found], indent=2))  # as it always was
    elif args.output == "object":
        say(as_json(report.as_object(findings, _node(), datetime.now(UTC)), indent=2))
    else:
        width = screen.size()[0] if sys.stdout.isatty() else 0
        if findings or not args.problems:
            say(report.shown(findings, width, every))
        else:
            say(f"No problem. {report.counted(every)}")
        if os.geteuid():
            say("Not run as root: some of this may only look wrong.")
    return int(any(finding.verdict is Verdict.ERROR for finding in every))


def _node() -> str:
    """Pacemaker's name of this node; the machine's own where there is no cluster."""
    try:
        return local_node()
    except NovahaError:
        return socket.gethostname()


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
