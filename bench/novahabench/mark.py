"""What a mark is: something measured, beside something else, with a limit that it is to keep.

A mark is a module of novahabench.marks that has a `MARK`. Its `measure` yields a Case for each
thing that it measures, as soon as it has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[str], None]
"""Tells whoever watches what is being done now."""


class BenchError(Exception):
    """A mark cannot be measured; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Goal:
    """At most `limit`: of the median itself, in its unit, or of its ratio to the median of `of`.

    of: a label of what stands beside; "" for the median itself.
    """

    limit: float
    of: str = ""

    def __str__(self) -> str:
        return f"at most {self.limit:g}" + (f" of {self.of}" if self.of else "")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was measured.

    name: tells it from the mark's other cases. unit: of the samples, "s" for seconds.
    product: samples of novaha. beside: samples of what it is compared with, by label, taken
    alternating with those.
    goal: None for what is only shown.
    size: where the cases of one `series` show a growth: what of (hosts, instances).
    details: whatever else may explain the samples; goes into the raw data.
    missing: what could not be measured, by its label, and why; NOVAHA for the product's samples. A
        goal that is about one of them is not judged.
    """

    name: str
    unit: str
    product: tuple[float, ...]
    beside: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    goal: Goal | None = None
    series: str = ""
    size: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


NOVAHA = "novaha"

Measure = Callable[[bool, Say], Iterable[Case]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark's declaration.

    id: its number, from 1 on; several modules may share one. title: a line. measured, beside: what,
    in a sentence. mark: what is to be reached, in words.
    lab: whether it needs the lab to be up. long: whether it is left out of a quick run,
        unless it is asked for by its name.
    measure: from whether it has to be quick (its share of five minutes for all marks) and Say;
        raises BenchError, or whatever goes wrong.
    """

    id: int
    title: str
    measured: str
    beside: str
    mark: str
    measure: Measure
    lab: bool = False
    long: bool = False
