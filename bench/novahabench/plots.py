"""Plots of a mark's cases as SVG."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from novahabench import data
from novahabench.mark import Case
from novahabench.stats import summary

_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "novaha",  # the same data, the same file
}
_COLOURS = ("#0b6e99", "#c0603a", "#8a8a8a", "#5b8c3a")
_STILL = {"Date": None, "Creator": None}


def draw(mark: dict[str, Any], directory: Path) -> list[str]:
    """Plot the mark; the names of the files."""
    cases = [data.case_from(raw) for raw in mark["cases"]]
    names: list[str] = []
    with mpl.rc_context(_STYLE):
        compared = [c for c in cases if c.beside and c.product and not c.series]
        for unit in dict.fromkeys(c.unit for c in compared):
            bars = [c for c in compared if c.unit == unit]
            names.append(_save(_bars(bars, unit), directory, f"{mark['name']}-{_slug(unit)}"))
        measured = [c for c in cases if c.product]
        for series in dict.fromkeys(c.series for c in measured if c.series):
            grown = [c for c in measured if c.series == series]
            figure = _growth(grown, series)
            names.append(_save(figure, directory, f"{mark['name']}-{_slug(series)}"))
    return names


def _bars(cases: list[Case], unit: str) -> Figure:
    """Medians side by side, with their quartiles."""
    rows = [(c.name, [("novaha", c.product), *c.beside.items()]) for c in cases]
    labels = list(dict.fromkeys(label for _, bars in rows for label, _ in bars))
    figure = Figure(figsize=(7.5, 0.7 + 0.24 * sum(len(bars) + 1 for _, bars in rows)))
    axes = figure.add_subplot()
    at, ticks = 0.0, []
    for name, bars in rows:
        ticks.append((at + (len(bars) - 1) / 2, name))
        for label, samples in bars:
            found = summary(samples)
            spread = [[found.median - found.low], [found.high - found.median]]
            colour = _COLOURS[labels.index(label) % len(_COLOURS)]
            axes.barh(at, found.median, xerr=spread, color=colour, ecolor="#404040", height=0.9)
            at += 1
        at += 1
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    for label, colour in zip(labels, _COLOURS, strict=False):
        axes.barh(0, 0, color=colour, label=label)
    if len(labels) > 1:  # beside the bars, which it would hide
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _growth(cases: list[Case], series: str) -> Figure:
    """Medians over the size, with their quartiles."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.add_subplot()
    lines: dict[str, list[tuple[float, float, float, float]]] = {}
    for case in sorted(cases, key=lambda c: c.size or 0.0):
        for label, samples in (("novaha", case.product), *case.beside.items()):
            found = summary(samples)
            point = (case.size or 0.0, found.median, found.low, found.high)
            lines.setdefault(label, []).append(point)
    for (label, points), colour in zip(lines.items(), _COLOURS, strict=False):
        x, y, low, high = zip(*points, strict=True)
        axes.plot(x, y, marker="o", color=colour, label=label)
        axes.fill_between(x, low, high, color=colour, alpha=0.2)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_title(series)
    axes.set_ylabel(cases[0].unit)
    if len(lines) > 1:
        axes.legend(frameon=False)
    return figure


def _save(figure: Figure, directory: Path, name: str) -> str:
    file = f"{name}.svg"
    figure.savefig(directory / file, bbox_inches="tight", metadata=_STILL)
    return file


def _slug(text: str) -> str:
    words: Iterable[str] = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return "-".join(words)
