"""The places of this machine where novaha puts things: tests have no business there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

PLACES = (
    "/etc/logrotate.d/novaha-agents",
    "/etc/novaha",
    "/etc/openstack",
    "/run/novaha",
    "/run/novaha-brake",
    "/run/resource-agents",
    "/usr/lib/novaha",
    "/usr/lib/ocf/resource.d/openstack",
    "/usr/sbin/fence_compute",
    "/usr/sbin/fence_heuristics_compute",
    "/usr/sbin/novaha",
    "/usr/share/bash-completion/completions/novaha",
    "/usr/share/novaha",
    "/usr/share/pacemaker/alerts/novaha_alert",
    "/var/lib/novaha",
    "/var/lib/pacemaker/cib",
    "/var/log/novaha",
)

_ALIVE = ("/run/", "/var/")
"""Below these, files change where novaha or Pacemaker runs; only that they are there counts."""


def seen(places: Iterable[str] = PLACES) -> dict[str, str]:
    """What is there, by path: kind, mode and owner, and a digest of what stays the same."""
    found = {}
    for place in places:
        for path in _below(Path(place)):
            with contextlib.suppress(OSError):  # it went meanwhile
                found[str(path)] = _looks(path)
    with contextlib.suppress(KeyError):
        found["the user novaha"] = str(pwd.getpwnam("novaha"))
    return found


def left(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What came, changed or went, with which of the three."""
    return [
        f"{path} ({'made' if path not in before else 'changed' if path in after else 'removed'})"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def _looks(path: Path) -> str:
    status = path.lstat()
    looks = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    constant = stat.S_ISREG(status.st_mode) and not str(path).startswith(_ALIVE)
    if constant and os.access(path, os.R_OK):
        looks += f" {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return looks


def _below(path: Path) -> Iterator[Path]:
    if not os.path.lexists(path):
        return
    yield path
    if path.is_dir() and not path.is_symlink() and os.access(path, os.R_OK | os.X_OK):
        for entry in sorted(path.iterdir()):
            yield from _below(entry)
