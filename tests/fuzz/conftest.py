"""Agents write nothing into the checkout by a relative path; the table of what was tried."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The kinds that were tried and that held, by area."""
    tried: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            area = dict(getattr(report, "user_properties", ())).get("area")
            if area is not None and report.when == "call":
                tried[area] += 1
                held[area] += outcome == "passed"
    if not tried:
        return
    terminalreporter.write_line("")
    rows = [(area, tried[area], held[area]) for area in sorted(tried)]
    for name, number, good in (*rows, ("all", sum(tried.values()), sum(held.values()))):
        row = f"{name:<20} {number:>7} kinds tried {good:>7} held"
        terminalreporter.write_line(row)
