"""The arguments of bench/run and bench/report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novahalab.errors import LabError
from rich.markup import escape

from novahabench.mark import BenchError
from novahabench.progress import console


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0, 1 when a mark was not reached, 2 when there was no proper run."""
    options = _parser().parse_args(argv)
    try:
        return int(options.function(options))
    except (BenchError, LabError) as error:
        console.print(f"[bold red]bench/{options.command}:[/] {escape(str(error))}", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("[red]interrupted[/]")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks of novaha.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    text = "measure the marks, beside what there was before"
    command = commands.add_parser("run", help=text, description=text, prog="bench/run")
    command.add_argument(
        "--quick", action="store_true", help="few samples: five minutes on a lab that is up"
    )
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="MARK",
        help="this mark alone, by its number or its name; may be given again",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="the raw data")
    command.set_defaults(function=_run)
    text = "render docs/benchmarks.md and its plots"
    command = commands.add_parser("report", help=text, description=text, prog="bench/report")
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="raw data; of a mark that is in several, the last is shown",
    )
    command.add_argument("--docs", type=Path, metavar="DIR", help="where to (default: docs)")
    command.set_defaults(function=_report)
    _detect_parser(commands)
    return parser


def _detect_parser(commands: Any) -> None:
    text = "how soon a silent death is noticed, and whether load is taken for one"
    command = commands.add_parser("detect", help=text, description=text, prog="bench/detect")
    command.add_argument("--minutes", type=float, default=60, help="of load (default: 60)")
    command.add_argument(
        "--load", type=int, default=10, metavar="N", help="busy processes a core (default: 10)"
    )
    command.add_argument(
        "--deaths", type=int, default=7, metavar="N", help="on the idle machine, and under load"
    )
    command.add_argument("--computes", type=int, default=12, metavar="N", help="remote nodes")
    command.add_argument("--pacemaker", default="native", metavar="GENERATION")
    command.add_argument(
        "--monitor",
        type=_monitor,
        metavar="INTERVAL,TIMEOUT",
        help="of the connections (default: what `novaha setup` sets)",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="the raw data")
    command.set_defaults(function=_detect)


def _monitor(text: str) -> tuple[str, str]:
    interval, _, timeout = text.partition(",")
    if not interval or not timeout:
        raise argparse.ArgumentTypeError(f"not INTERVAL,TIMEOUT: {text!r}")
    return interval, timeout


def _run(options: argparse.Namespace) -> int:
    from novahabench.run import run

    return run(options.only, quick=options.quick, json_file=options.json)


def _detect(options: argparse.Namespace) -> int:
    from novaha.cli.fencing import MONITOR
    from novahabench import detect

    proven = (f"{MONITOR.interval:g}s", f"{MONITOR.timeout:g}s")
    wanted = detect.Wanted(
        minutes=options.minutes,
        load=options.load,
        deaths=options.deaths,
        monitor=options.monitor or proven,
    )
    return detect.run(
        wanted,
        computes=options.computes,
        generation=options.pacemaker,
        json_file=options.json,
    )


def _report(options: argparse.Namespace) -> int:
    from novahabench.machine import ROOT
    from novahabench.report import render

    render(options.files, options.docs or ROOT / "docs")
    return 0
