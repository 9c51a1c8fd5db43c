"""`novaha metrics`: what Prometheus scrapes, in its text format."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from novaha import __version__
from novaha.cli.terminal import say
from novaha.core import text
from novaha.core.brake import HOLDS
from novaha.core.errors import NovahaError, RecordError
from novaha.core.recovery import RecoveryState, holds
from novaha.evacuator import client
from novaha.evacuator.metrics import Family, Labels, as_data
from novaha.pacemaker.cib import RecordStore
from novaha.pacemaker.computes import Computes, read_computes

Data = Mapping[str, Any]
Sample = tuple[str, Labels, float]

BUILD = Family("novaha_build_info", "gauge", "Always 1; the version of novaha on this node.")
RUNNING = Family(
    "novaha_evacuator_running", "gauge", "Whether the evacuator runs and answers on this node."
)
READ = Family("novaha_source_up", "gauge", "Whether what is told here could be read, by source.")
HOSTS = Family("novaha_hosts", "gauge", "Hosts with a recovery record, by its state.")
FENCED = Family(
    "novaha_host_fenced_timestamp_seconds",
    "gauge",
    "When a host with a recovery record was flagged, by its state.",
)
OLDEST = Family(
    "novaha_oldest_unrecovered_host_timestamp_seconds",
    "gauge",
    "When the host was flagged that has waited longest for the end of its recovery, 0 for none.",
)
COMPUTES = Family("novaha_compute_hosts", "gauge", "Compute hosts that the cluster has.")
LOST = Family("novaha_lost_hosts", "gauge", "Compute hosts that are lost and not fenced yet.")
HELD = Family("novaha_held_hosts", "gauge", "Hosts whose power-off is held, by reason.")

_UNREADABLE = "unreadable"


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "metrics",
        help="print metrics for Prometheus",
        description="Print metrics in Prometheus' text format, or write them to a file for "
        "node_exporter's textfile collector. Run it on each controller, four times a minute.",
    )
    command.add_argument(
        "--textfile",
        metavar="FILE",
        help="replace this file, all at once; its name has to end with .prom",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write. Raises NovahaError when the file cannot be written."""
    shown = rendered(families())
    if not args.textfile:
        say(shown)
        return 0
    if not args.textfile.endswith(".prom"):
        raise NovahaError(f"{args.textfile}: node_exporter reads files that end with .prom alone")
    try:
        _replace(Path(args.textfile), f"{shown}\n")
    except OSError as error:
        raise NovahaError(f"{args.textfile} cannot be written: {error.strerror}") from error
    return 0


def _replace(file: Path, content: str) -> None:
    """The file is there as a whole at any time, and everybody may read it."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(content)
            os.fchmod(descriptor, 0o644)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def families(
    ask: Callable[[str], Data] = client.ask,
    store: RecordStore | None = None,
    computes: Callable[[], Computes] = read_computes,
) -> list[Data]:
    """All metrics of this node. What cannot be read is left out, and `novaha_source_up` says so."""
    found = [as_data(BUILD, [("", {"version": __version__}, 1)])]
    up: dict[str, int] = {"records": 1, "cluster": 1}
    evacuator: list[Data] = []
    running = 0
    with contextlib.suppress(client.EvacuatorError):
        answer = ask("metrics")
        if "families" in answer:
            evacuator, running = answer["families"], 1
    found.append(as_data(RUNNING, [("", {}, running)]))
    try:
        found += _of_records((store or RecordStore()).read_all())
    except NovahaError:
        up["records"] = 0
    try:
        found += _of_computes(computes())
    except NovahaError:
        up["cluster"] = 0
    found.append(as_data(READ, [("", {"source": name}, one) for name, one in up.items()]))
    return [*found, *evacuator]


def _of_records(records: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    states: Counter[str] = Counter()
    opened: list[Sample] = []
    oldest: list[float] = []
    for node, record in sorted(records.items()):
        if isinstance(record, RecordError):
            states[_UNREADABLE] += 1
            continue
        states[str(record.state)] += 1
        at = record.fenced.astimezone(UTC).timestamp()
        opened.append(("", {"host": node, "state": str(record.state)}, at))
        if holds(record.state):
            oldest.append(at)
    known = [str(state) for state in RecoveryState if state is not RecoveryState.ABSENT]
    yield as_data(HOSTS, [("", {"state": s}, states[s]) for s in (*known, _UNREADABLE)])
    yield as_data(FENCED, opened)
    yield as_data(OLDEST, [("", {}, min(oldest, default=0.0))])


def _of_computes(view: Computes) -> Iterator[dict[str, Any]]:
    held = Counter(str(mark.code) for mark in view.held.values())
    yield as_data(COMPUTES, [("", {}, len(view.hosts))])
    yield as_data(LOST, [("", {}, sum(host.lost for host in view.hosts.values()))])
    reasons = dict.fromkeys([*map(str, HOLDS), *held])
    yield as_data(HELD, [("", {"reason": reason}, held[reason]) for reason in reasons])


def rendered(found: Collection[Data]) -> str:
    """Families in Prometheus' text format (version 0.0.4), without the last line's end."""
    lines: list[str] = []
    for family in found:
        name = family["name"]
        lines += [f"# HELP {name} {_escaped(family['about'])}", f"# TYPE {name} {family['kind']}"]
        for suffix, labels, value in family["samples"]:
            told = ",".join(f'{key}="{_label(said)}"' for key, said in labels.items())
            lines.append(f"{name}{suffix}{told and f'{{{told}}}'} {value!r}")
    return "\n".join(lines)


def _escaped(said: object) -> str:
    return text.line(said).replace("\\", "\\\\")


def _label(said: object) -> str:
    return _escaped(said).replace('"', '\\"')
