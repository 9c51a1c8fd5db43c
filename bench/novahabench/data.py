"""The raw data of a run as JSON. Format 1; fields are added, never changed.

A mark may have a `note`, written by hand, about what a reader of its results has to know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from novahabench.mark import BenchError, Case, Goal, Mark
from novahabench.stats import ratio, reached, summary

FORMAT = 1


@dataclass(slots=True)
class Outcome:
    """What came of one mark. seconds: how long it took. problem: why it was not measured whole."""

    name: str
    mark: Mark
    cases: list[Case] = field(default_factory=list)
    seconds: float = 0.0
    problem: str = ""

    @property
    def reached(self) -> bool:
        """Whether it was measured and every case keeps its goal, as far as that can be judged."""
        judged = [reached(case) for case in self.cases]
        if self.problem or not judged or False in judged:
            return False
        return self.unjudged == 0 or True in judged

    @property
    def unjudged(self) -> int:
        """How many goals could not be judged."""
        return sum(case.goal is not None and reached(case) is None for case in self.cases)


def to_json(outcomes: Iterable[Outcome], about: dict[str, Any]) -> dict[str, Any]:
    """The run: `about` it, and every mark with its raw samples."""
    return {"format": FORMAT, **about, "marks": [_mark(outcome) for outcome in outcomes]}


def _mark(outcome: Outcome) -> dict[str, Any]:
    mark = outcome.mark
    return {
        "id": mark.id,
        "name": outcome.name,
        "title": mark.title,
        "measured": mark.measured,
        "beside": mark.beside,
        "mark": mark.mark,
        "lab": mark.lab,
        "reached": outcome.reached,
        "unjudged": outcome.unjudged,
        "seconds": round(outcome.seconds, 1),
        "problem": outcome.problem,
        "cases": [_case(case) for case in outcome.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "name": case.name,
        "unit": case.unit,
        "series": case.series,
        "size": case.size,
        "goal": None if case.goal is None else asdict(case.goal),
        "reached": reached(case),
        "ratio": {label: ratio(case, label) for label in case.beside},
        "product": _samples(case.product) if case.product else None,
        "beside": {label: _samples(samples) for label, samples in case.beside.items()},
        "details": dict(case.details),
        "missing": dict(case.missing),
    }


def _samples(samples: Sequence[float]) -> dict[str, Any]:
    return {**asdict(summary(samples)), "samples": list(samples)}


def read(path: Path) -> dict[str, Any]:
    """A run's raw data. Raises BenchError when the file is none."""
    try:
        run = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}") from error
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise BenchError(f"{path} is no result of bench/run in format {FORMAT}")
    return run


def case_from(raw: dict[str, Any]) -> Case:
    """The case that was written as this."""
    return Case(
        name=raw["name"],
        unit=raw["unit"],
        product=tuple(raw["product"]["samples"]) if raw["product"] else (),
        beside={label: tuple(found["samples"]) for label, found in raw["beside"].items()},
        goal=None if raw["goal"] is None else Goal(**raw["goal"]),
        series=raw["series"],
        size=raw["size"],
        details=raw["details"],
        missing=raw.get("missing", {}),
    )
