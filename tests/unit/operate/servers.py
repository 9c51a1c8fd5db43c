"""Entries, and processes that may be killed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from novaha.operate.entries import Entry

ROOT = Path(__file__).resolve().parents[3]
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG = 60.0
"""Seconds that a test waits at most for what takes few."""


def entry(number: int, writer: str = "w", event: str = "returned", **data: object) -> Entry:
    """One of a writer's, a second after the one before."""
    fields = {"node": f"compute-{number % 3}", **data}
    return Entry(f"{writer}.{number}", BEGAN + timedelta(seconds=number), "c-1", event, fields)


def entries(count: int, writer: str = "w") -> list[Entry]:
    return [entry(number, writer) for number in range(count)]


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
