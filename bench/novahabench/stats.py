"""Medians with their spread, ratios of medians, and whether a goal is reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from novahabench.mark import NOVAHA, BenchError, Case


@dataclass(frozen=True, slots=True)
class Summary:
    """Median and quartiles of n samples."""

    median: float
    low: float
    high: float
    n: int


def summary(samples: Sequence[float]) -> Summary:
    """Of one sample or more. Raises BenchError when there is none."""
    if not samples:
        raise BenchError("nothing was measured: there is not one sample")
    if len(samples) == 1:
        return Summary(samples[0], samples[0], samples[0], 1)
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Summary(median, low, high, len(samples))


def ratio(case: Case, label: str) -> float | None:
    """The product's median to that of what stands beside; None where that is zero, or the product
    was not measured."""
    if not case.product:
        return None
    beside = summary(case.beside[label]).median
    return summary(case.product).median / beside if beside else None


def reached(case: Case) -> bool | None:
    """Whether the case keeps its goal; None without one, and where it could not be measured.

    Raises BenchError when the goal cannot be judged.
    """
    if case.goal is None or {NOVAHA, case.goal.of} & case.missing.keys():
        return None
    if not case.goal.of:
        return summary(case.product).median <= case.goal.limit
    if case.goal.of not in case.beside:
        raise BenchError(f"{case.name}: no samples of {case.goal.of}, which its goal is about")
    found = ratio(case, case.goal.of)
    if found is None:
        return summary(case.product).median == 0
    return found <= case.goal.limit
