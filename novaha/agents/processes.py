"""Processes of this machine, told apart from later ones of the same id."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from novaha.contract.proc import owner, shares, started


@dataclass(frozen=True, slots=True)
class Identity:
    """One process among all that ever had its id. `started`: clock ticks since boot."""

    pid: int
    started: int

    def lives(self) -> bool:
        """Whether that very process still runs."""
        return started(self.pid) == self.started


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


def sessions(
    fits: Callable[[Path], bool], users: Collection[int] = frozenset({0})
) -> Iterator[Identity]:
    """The processes that lead a session of their own, are one of these users', and fit.

    fits: given a process's directory in /proc; its OSError means no. Of other users' processes
    nothing is believed: they may look like anything. Nor of those in another PID namespace, a
    container's for one.
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or (since := started(int(entry.name))) is None:
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (entry / "stat").read_bytes()
            leads = stat[stat.rindex(b")") + 2 :].split()[3] == entry.name.encode()
            pid = int(entry.name)
            if leads and owner(pid) in users and shares(pid, "pid") and fits(entry):
                yield Identity(pid, since)


def of_unit(unit: str) -> list[Identity]:
    """The processes in the control group of a unit of systemd, without asking systemd."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            groups = (entry / "cgroup").read_text(errors="replace").splitlines()
            inside = any(unit in group.partition("/")[2].split("/") for group in groups)
            if inside and (since := started(int(entry.name))) is not None:
                found.append(Identity(int(entry.name), since))
    return found


def kill(processes: Sequence[Identity], number: signal.Signals = signal.SIGKILL) -> bool:
    """Kill those that live; whether there were any."""
    living = [p for p in processes if p.lives()]
    for process in living:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
    return bool(living)
