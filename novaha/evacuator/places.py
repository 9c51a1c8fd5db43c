"""The directories and files of the evacuator: made private, never followed through a link.

They are the evacuator's user's, and group haclient's where Pacemaker's programs use them. What an
earlier version left looser is repaired; what somebody else put there is refused.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Callable, Set
from pathlib import Path

from novaha.evacuator import address

GROUP = "haclient"
"""Pacemaker's group: alert agents run as its user hacluster."""

USER = "novaha"
"""Whom the evacuator runs as, where the packages have made that user."""

_LOG_TAIL = 8192

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No link is followed, no named pipe waited for."""


class EvacuatorError(Exception):
    """The evacuator does not do what was asked of it; the text says why."""


def run_directory(path: Path, uid: int | None = None) -> None:
    """Make the directory of pid file, socket and bell, 0750 of group haclient.

    Nobody else may enter it: who can open the pid file can lock it. What an evacuator of another
    user has left there is removed.

    uid: whom it belongs to, root if it is None.

    Raises EvacuatorError when something else is in its place.
    """
    descriptor = _directory(path, uid)
    try:
        if os.fstat(descriptor).st_uid != (wanted := os.geteuid() if uid is None else uid):
            for name in os.listdir(descriptor):
                with contextlib.suppress(OSError):  # a directory: told when it is in the way
                    os.unlink(name, dir_fd=descriptor)
            give(descriptor, wanted)
        give_group(descriptor)
        os.fchmod(descriptor, 0o750)
    finally:
        os.close(descriptor)


def log_directory(path: Path, uid: int | None = None) -> None:
    """Make the directory of the logs, 0750 of group haclient.

    A group that an administrator gave it stays; nobody but its owner may change it.

    uid: whom it belongs to, root if it is None.

    Raises EvacuatorError when something else is in its place.
    """
    descriptor = _directory(path, uid)
    try:
        give(descriptor, os.geteuid() if uid is None else uid)
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode) & ~0o022
        if status.st_gid == 0:
            give_group(descriptor)
            mode |= 0o050
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def state_directory(path: Path, uid: int) -> None:
    """Make a directory that is the evacuator's alone, 0700, with all that is in it.

    Its parent is root's, so whoever has it was given it by root.

    Raises EvacuatorError when something else is in its place, or it cannot be made.
    """
    descriptor = _opened(path)
    try:
        for name in os.listdir(descriptor):
            with contextlib.suppress(EvacuatorError, OSError):  # told by whoever uses it
                hand_over(path / name, uid)
        give(descriptor, uid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def open_file(path: Path, flags: int, mode: int) -> int:
    """Open a regular file of ours, whose `mode` is at most this; it is repaired if it is looser.

    Raises EvacuatorError when something else is in its place, FileNotFoundError when nothing is
    and `flags` do not create it, PermissionError when it is not for us to open.
    """
    try:
        descriptor = os.open(path, flags | _SAFELY, mode)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise EvacuatorError(_in_place(path, "regular file", error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise EvacuatorError(_in_place(path, "regular file"))
        # Whom root has given the directory to may make files in it.
        _check_owner(path, status, _owner(path.parent))
        if stat.S_IMODE(status.st_mode) & ~mode and os.geteuid() in (0, status.st_uid):
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def give(descriptor: int, uid: int) -> None:
    """Let an open file or directory of ours belong to `uid`."""
    if os.fstat(descriptor).st_uid != uid and os.geteuid() == 0:
        os.fchown(descriptor, uid, -1)


def hand_over(path: Path, uid: int) -> None:
    """Let a file of ours, if it is there, belong to `uid`.

    Raises EvacuatorError when something else is in its place.
    """
    with contextlib.suppress(FileNotFoundError):
        descriptor = open_file(path, os.O_WRONLY | os.O_APPEND, 0o640)
        try:
            give(descriptor, uid)
        finally:
            os.close(descriptor)


def make_way(path: Path) -> None:
    """Remove what an earlier evacuator left at `path`, where a socket or a pipe is to be made.

    Raises EvacuatorError when that is a directory.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EvacuatorError(f"{path} cannot be removed: {error.strerror}") from None


def give_group(place: int | Path) -> bool:
    """Give a file or directory of root's to group haclient; False where that cannot be."""
    try:
        os.chown(place, -1, grp.getgrnam(GROUP).gr_gid)
    except (KeyError, PermissionError):
        return False
    return True


def evacuator_uids() -> frozenset[int]:
    """The users that the evacuator may run as: root, its own, who asks, and whom root has given
    its directory to."""
    return frozenset({0, os.geteuid(), *_own_uid(), *_owner(Path(address.RUN_DIR))})


def has_own_user() -> bool:
    """Whether there is the user that the evacuator runs as by default."""
    return bool(_own_uid())


def _own_uid() -> set[int]:
    try:
        return {pwd.getpwnam(USER).pw_uid}
    except KeyError:
        return set()


def _owner(path: Path) -> set[int]:
    try:
        return {path.lstat().st_uid}
    except OSError:
        return set()


def tail(path: Path, since: int = 0) -> list[str]:
    """The last lines of a log, as far as they were written after its byte `since`.

    Read from its end: a log may be of any size.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _SAFELY), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(min(since, size), size - _LOG_TAIL))
            return file.read(_LOG_TAIL).decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return []


def _opened(path: Path) -> int:
    """The directory, which is made if it is not there. Raises EvacuatorError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | _SAFELY)
    except OSError as error:
        raise EvacuatorError(_in_place(path, "directory", error)) from None


def _directory(path: Path, uid: int | None) -> int:
    """Open the directory, which is made if it is not there, and is ours alone to change."""
    descriptor = _opened(path)
    try:
        may = evacuator_uids() | ({uid} if uid is not None else set())
        _check_owner(path, os.fstat(descriptor), may)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_owner(path: Path, status: os.stat_result, others: Set[int]) -> None:
    if status.st_uid not in {0, os.geteuid(), *others}:
        raise EvacuatorError(
            f"{path} belongs to {user_name(status.st_uid)}, not to root: "
            "find out who made it, and remove it"
        )


def _in_place(path: Path, wanted: str, error: OSError | None = None) -> str:
    """What stands at `path` in place of what is wanted."""
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISLNK, "symbolic link"),
        (stat.S_ISDIR, "directory"),
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISREG, "regular file"),
    )
    try:
        status = path.lstat()
    except OSError as missing:
        return f"{path}: {missing.strerror}"
    kind = next((name for is_one, name in kinds if is_one(status.st_mode)), "device")
    if kind != wanted:
        return f"{path} is a {kind}, no {wanted}: find out who made it, and remove it"
    if error is None:
        return f"{path} has another name, too (a hard link): find out who made it, and remove it"
    return f"{path}: {error.strerror}"


def user_name(uid: int) -> str:
    """A user by its name, or by its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
