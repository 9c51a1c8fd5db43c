"""Processes: how ours are started, and what /proc tells of any (proc(5), namespaces(7)).

Standard library only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def of_module(name: str) -> list[str]:
    """The command that runs a module of ours by this interpreter, isolated if this one is (-I)."""
    return [sys.executable, *(["-I"] if sys.flags.isolated else []), "-m", name]


def started(pid: int) -> int | None:
    """When this process started, in clock ticks since boot; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def owner(pid: int) -> int | None:
    """The real user id of this process; None if it has ended."""
    try:
        rows = Path(f"/proc/{pid}/status").read_bytes().splitlines()
    except OSError:
        return None
    return next((int(row.split()[1]) for row in rows if row.startswith(b"Uid:")), None)


def shares(pid: int, namespace: str) -> bool:
    """Whether this process is in our namespace of that kind: `pid`, `mnt`. Raises OSError."""
    ours, its = (os.stat(f"/proc/{who}/ns/{namespace}") for who in ("self", pid))
    return (ours.st_dev, ours.st_ino) == (its.st_dev, its.st_ino)
