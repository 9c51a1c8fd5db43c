"""One run: every chosen mark, one after the other, and its raw data."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from novahabench import data, lab, machine, marks
from novahabench.data import Outcome
from novahabench.mark import NOVAHA, BenchError, Case, Mark
from novahabench.progress import Progress, console
from novahabench.report import NOT_MEASURED, bare, samples_of, shown, verdict, whole
from novahabench.stats import ratio, reached, summary


def run(only: Iterable[str], *, quick: bool, json_file: Path | None) -> int:
    """Measure; 0 when every mark was reached, else 1. Raises BenchError, LabError."""
    named = set(only)
    chosen = {
        name: mark
        for name, mark in marks.choose(named).items()
        if not (quick and mark.long) or name in named
    }
    about = {
        "began": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "quick": quick,
        "commit": machine.commit(),
        "machine": machine.machine(),
        "versions": machine.versions(),
    }
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        if any(mark.lab for mark in chosen.values()):
            stack.enter_context(lab.up())
        progress = stack.enter_context(Progress(len(chosen)))
        for name, mark in chosen.items():
            outcomes.append(_measure(name, mark, quick=quick, progress=progress))
            if json_file is not None:  # after each: a later one may break the run
                _write(json_file, json.dumps(data.to_json(outcomes, about), indent=1) + "\n")
    show(outcomes)
    return 0 if all(outcome.reached for outcome in outcomes) else 1


def _measure(name: str, mark: Mark, *, quick: bool, progress: Progress) -> Outcome:
    outcome = Outcome(name, mark)
    began = time.monotonic()
    progress.begin(f"{mark.id} {name}")
    try:
        for case in mark.measure(quick, progress.say):
            reached(case)  # raises now what would spoil the data later
            outcome.cases.append(case)
            progress.line(f"{mark.id} {escape(name)}: {escape(line(case))}")
        if not outcome.cases:
            raise BenchError("nothing was measured")
    except Exception as error:  # the other marks can still be measured
        outcome.problem = f"{type(error).__name__}: {error}"
        progress.line(f"[red]{mark.id} {name}: {escape(outcome.problem)}[/]")
        if not isinstance(error, BenchError):
            console.print_exception()
    outcome.seconds = time.monotonic() - began
    progress.end()
    return outcome


def line(case: Case) -> str:
    """The case in a line."""
    parts = [f"{case.name}: {samples_of(case)}"]
    for label, samples in case.beside.items():
        found = ratio(case, label)
        times = "" if found is None else f", ratio {found:.2f}"
        parts.append(f"{label} {shown(summary(samples), case.unit)}{times}")
    parts += [f"{label} {NOT_MEASURED}" for label in case.missing if label != NOVAHA]
    return "; ".join([*parts, verdict(case)] if case.goal else parts)


def show(outcomes: Iterable[Outcome]) -> None:
    """The outcome of every mark, on standard output."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("mark", justify="right")
    for column in ("title", "worst case", "to reach", "reached"):
        table.add_column(column, overflow="fold")
    for outcome in outcomes:
        worst = _worst(outcome.cases)
        table.add_row(
            str(outcome.mark.id),
            outcome.mark.title,
            escape(outcome.problem or (bare(worst) if worst else "")),
            outcome.mark.mark,
            whole(outcome.reached, outcome.unjudged),
        )
    console.file.flush()
    console.__class__(highlight=False).print(table)


def _worst(cases: Iterable[Case]) -> Case | None:
    """The one that comes nearest to its limit, or is furthest over it."""

    def used(case: Case) -> float:
        assert case.goal is not None
        value = ratio(case, case.goal.of) if case.goal.of else summary(case.product).median
        return (value or 0.0) / case.goal.limit if case.goal.limit else (value or 0.0)

    return max((case for case in cases if reached(case) is not None), key=used, default=None)


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    os.replace(temporary, path)
