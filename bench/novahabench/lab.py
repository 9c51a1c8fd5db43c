"""The lab for the marks that need it: the one that is up, or one of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from novahalab import layout
from novahalab.settings import Settings

from novahabench.machine import ROOT
from novahabench.mark import BenchError

_FIVE = ("--computes", "5")
"""Four compute nodes can die at once."""


@contextmanager
def up(*options: str) -> Iterator[Settings]:
    """The lab that is up, or one that is started now (`lab up OPTIONS`) and ended afterwards.

    Raises BenchError when it does not start.
    """
    started = not (layout.RUN / "complete").exists()
    try:
        if started:
            _lab("up", *(options or _FIVE))
        yield Settings.load()
    finally:
        if started:
            _lab("down")


def _lab(*arguments: str) -> None:
    if subprocess.run([ROOT / "lab" / "lab", *arguments], check=False).returncode:
        raise BenchError(f"lab/lab {' '.join(arguments)} failed; it said why above")
