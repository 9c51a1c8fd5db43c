"""Whether another user may read or execute a file."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

_BITS = {"r": 4, "w": 2, "x": 1}


@dataclass(frozen=True, slots=True)
class User:
    """A user by its numbers."""

    uid: int
    gids: frozenset[int]


def user(name: str) -> User:
    """The user of this name. Raises KeyError when there is none."""
    entry = pwd.getpwnam(name)
    return User(entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))


def denied(path: Path, who: User, wanted: str = "r") -> str:
    """What keeps `who` from `path`, "" when nothing does. wanted: some of r, w and x.

    Only permission bits are looked at, of the file and of every directory above it, also of those
    that a symbolic link leads to.
    """
    for place in dict.fromkeys((path.absolute(), path.resolve())):
        for directory in reversed(place.parents):
            if problem := _denied(directory, who, "x"):
                return problem
        if problem := _denied(place, who, wanted):
            return problem
    return ""


def _denied(path: Path, who: User, wanted: str) -> str:
    try:
        status = path.stat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    if who.uid == 0:
        return ""
    if status.st_uid == who.uid:
        bits = status.st_mode >> 6
    elif status.st_gid in who.gids:
        bits = status.st_mode >> 3
    else:
        bits = status.st_mode
    if all(bits & _BITS[letter] for letter in wanted):
        return ""
    return f"{path} has mode {status.st_mode & 0o7777:04o}"
