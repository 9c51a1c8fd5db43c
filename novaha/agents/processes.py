"""Processes of this machine, told apart from later ones of the same id."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One process among all that ever had its id. `started`: clock ticks since boot."""

    pid: int
    started: int

    def lives(self) -> bool:
        """Whether that very process still runs."""
        return started(self.pid) == self.started


def started(pid: int) -> int | None:
    """When this process started, in clock ticks since boot (proc(5)); None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def family(pid: int) -> list[Identity]:
    """A process and all that descend from it now.

    What runs in a container descends from the unit's process, but is in no control group of the
    unit: it outlives systemd's SIGKILL.
    """
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir() if pid else ():
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (entry / "stat").read_bytes()
            parents.setdefault(int(stat[stat.rindex(b")") + 2 :].split()[1]), []).append(
                int(entry.name)
            )
    found: list[Identity] = []
    waiting = [pid] if pid else []
    while waiting:
        one = waiting.pop()
        if (since := started(one)) is not None:
            found.append(Identity(one, since))
        waiting += parents.get(one, ())
    return found


def kill(processes: Sequence[Identity]) -> bool:
    """Kill those that live; whether there were any."""
    living = [p for p in processes if p.lives()]
    for process in living:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return bool(living)
