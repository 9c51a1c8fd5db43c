"""Which process the evacuator of this machine is, and ending it. Standard library only.

The file holds the process's id, when it started (clock ticks since boot) and the boot's id; an
earlier version wrote the process's id alone. Neither is believed by itself: the process has to be
an evacuator by its command line and its user, and a signal reaches it through a pidfd that was
opened before it was looked at, so a reused id is never signalled.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from novaha.contract.proc import owner, shares, started
from novaha.evacuator import places
from novaha.evacuator.places import EvacuatorError

NAME = "evacuator.pid"

_GUARD = ".evacuator.pid.lock"

_MODULE = b"novaha.evacuator"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LONGEST = 200

_HELD = 1.0
"""Seconds in which an evacuator that ends lets go of the lock."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as the pid file names it. started, boot: None and "" in an older file."""

    pid: int
    started: int | None
    boot: str

    def is_evacuator(self) -> bool:
        """Whether this very process runs, and is an evacuator."""
        now = started(self.pid)
        if now is None or not is_evacuator(self.pid):
            return False
        return self.started is None or (self.started == now and self.boot == _boot())


def running(run_dir: Path) -> Process | None:
    """The evacuator that the pid file names, None when it names none that runs.

    Raises PermissionError for a user who may not read it, EvacuatorError when something else is
    in its place.
    """
    try:
        descriptor = places.open_file(run_dir / NAME, os.O_RDONLY, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        process = _parse(file.read(_LONGEST))
    return process if process is not None and process.is_evacuator() else None


def hold(run_dir: Path) -> IO[bytes]:
    """Take the pid file and write this process into it; it is held as long as the process lives.

    Raises EvacuatorError when another evacuator holds it, or something else is in its place.
    """
    end = time.monotonic() + _HELD
    while True:
        with _one_at_a_time(run_dir) as first:
            file = _attempt(run_dir) if first else None
        if file is not None:
            return file
        if time.monotonic() > end:
            raise EvacuatorError(f"another evacuator holds {run_dir / NAME}")
        time.sleep(0.05)


@contextlib.contextmanager
def _one_at_a_time(run_dir: Path) -> Iterator[bool]:
    """Whether this is the only process that looks at the pid file to take it.

    By a file that no version ever made readable for others, so that nobody else can lock it.
    """
    descriptor = places.open_file(run_dir / _GUARD, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _attempt(run_dir: Path) -> IO[bytes] | None:
    """The pid file, locked and written; None while an evacuator has it.

    An earlier version's file could be read by anybody, so anybody may have locked it: one that
    is locked while there is no evacuator is replaced, whatever its mode is by now.
    """
    path = run_dir / NAME
    while True:
        file = os.fdopen(places.open_file(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", 0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            if (running(run_dir) or find(run_dir)) is not None:
                return None
            path.unlink(missing_ok=True)
            continue
        if _is_at(path, file):
            break
        file.close()
    file.truncate(0)
    file.write(f"{os.getpid()} {started(os.getpid())} {_boot()}\n".encode())
    return file


def find(run_dir: Path) -> Process | None:
    """The evacuator of this directory by what it has open, for when its pid file is lost."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            if is_evacuator(pid) and shares(pid, "pid") and _has_open(pid, run_dir):
                return Process(pid, started(pid), _boot())
    return None


def _has_open(pid: int, run_dir: Path) -> bool:
    """Whether it has a file of the directory open. Raises OSError.

    In another mount namespace the same name may be another directory: of another device then.
    """
    links = [link for link in Path(f"/proc/{pid}/fd").iterdir() if _is_below(link, run_dir)]
    if not links or shares(pid, "mnt"):
        return bool(links)
    nearest = next(path for path in (run_dir, *run_dir.parents) if path.exists())
    return any(link.stat().st_dev == nearest.stat().st_dev for link in links)


def _is_below(link: Path, run_dir: Path) -> bool:
    with contextlib.suppress(OSError):  # closed meanwhile
        return os.readlink(link).startswith(f"{run_dir}/")
    return False


def end(process: Process, patience: float, certainly: float) -> bool:
    """SIGTERM, and SIGKILL after `patience` seconds; whether it is gone `certainly` s after that.

    Raises PermissionError for a user who may not end it.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) != errno.ENOSYS:
            raise
        return _end_by_id(process, patience, certainly)
    try:
        if not process.is_evacuator():
            return True
        gone = select.poll()
        gone.register(descriptor, select.POLLIN)
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, certainly)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if gone.poll(1000 * seconds):
                return True
        return False
    finally:
        os.close(descriptor)


def _end_by_id(process: Process, patience: float, certainly: float) -> bool:
    """As `end`, where the kernel has no pidfd: looked at just before each signal."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, certainly)):
        if not process.is_evacuator():
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        until = time.monotonic() + seconds
        while process.is_evacuator():
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        else:
            return True
    return False


def is_evacuator(pid: int) -> bool:
    """Whether this is a process that runs `novaha.evacuator` as one of the users that may."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return (b"-m", _MODULE) in pairwise(words) and owner(pid) in places.evacuator_uids()


def _parse(text: bytes) -> Process | None:
    """What the file says, None when that makes no sense."""
    match text.split():
        case [pid] if _is_number(pid):
            return Process(int(pid), None, "")
        case [pid, started, boot] if _is_number(pid) and _is_number(started):
            return Process(int(pid), int(started), boot.decode("ascii", "replace"))
    return None


def _is_number(word: bytes) -> bool:
    return word.isdigit() and 0 < len(word) < 16 and int(word) > 0


def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "-"


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether the file that was locked is still the one at `path`."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except OSError:
        return False
