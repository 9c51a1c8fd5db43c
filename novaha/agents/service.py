"""Starting and stopping a daemon: by its systemd unit (units.py), or directly.

Directly means: in a session of its own with its standard streams away from the executor, and
known by process id and start time, so that a process id that was used again is never trusted and
never killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from novaha.agents.processes import Identity, sessions
from novaha.agents.runtime import ActionError
from novaha.contract.ocf import ExitCode
from novaha.contract.proc import started
from novaha.core.errors import NovahaError

_POLL = 0.1
_MARK = "NOVAHA_PIDFILE"
"""In the environment of what is started, and of what that starts in turn."""

_LONGEST = 200
"""Bytes of a pid file."""

_WATCH = 1.0
"""Seconds a process is watched after its start: most wrong configurations end it at once."""


class ServiceError(NovahaError):
    """A daemon does not do what it is told."""


class Service(Protocol):
    """A daemon on this node."""

    def missing(self) -> str:
        """Why there is nothing to start, and what to do about it; "" if there is."""

    def running(self) -> bool:
        """Whether anything of it runs, so that there is something to stop."""

    def ailing(self) -> str:
        """Why what runs is of no use, "" if it is."""

    def describe(self) -> str:
        """What is found of it, for people."""

    def start(self, seconds: float) -> None:
        """Start it and see it run; raises NovahaError after `seconds` at the latest."""

    def stop(self, seconds: float) -> None:
        """End it, if it is there, by force if need be; raises NovahaError when it lives after
        `seconds`."""

    def starts_by_itself(self) -> bool:
        """Whether something else starts it at boot, past Pacemaker (law 4)."""


class DirectProcess:
    """A daemon as a child that is left behind."""

    def __init__(self, argv: Sequence[str], pidfile: Path, log: Path, user: str = "") -> None:
        self.argv = tuple(argv)
        self._pidfile = pidfile
        self._log = log
        self._user = user

    def missing(self) -> str:
        if os.access(self.argv[0], os.X_OK):
            return ""
        return f"there is no program {self.argv[0]} on this node that could be executed"

    def running(self) -> bool:
        return self._identity() is not None

    def ailing(self) -> str:
        return ""

    def describe(self) -> str:
        identity = self._identity()
        running = f"runs as process {identity.pid}" if identity else "does not run"
        return f"{' '.join(self.argv)} {running}"

    def starts_by_itself(self) -> bool:
        return False

    def start(self, seconds: float) -> None:
        if missing := self.missing():
            raise ActionError(ExitCode.ERR_INSTALLED, missing)
        identity = _user(self._user)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # No link is followed: the directory may be the evacuator's user's.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._log, flags, 0o640)
        with open(descriptor, "ab") as log:
            offset = log.tell()
            try:
                process = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd="/",
                    umask=0o022,
                    env={**_clean_environment(), _MARK: str(self._pidfile)},
                    user=identity.user,
                    group=identity.group,
                    extra_groups=identity.groups,
                )
            except OSError as error:
                raise ServiceError(f"{self.argv[0]} cannot be started: {error}") from None
        try:
            self._remember(process.pid)
        except OSError as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise ServiceError(
                f"{self._pidfile} cannot be written ({error.strerror}), "
                f"so {self.argv[0]} was ended again: mend or remove it"
            ) from None
        try:
            returncode = process.wait(min(_WATCH, seconds))
        except subprocess.TimeoutExpired:
            return
        self._pidfile.unlink(missing_ok=True)
        raise ServiceError(
            f"{self.argv[0]} ended at once with exit code {returncode}; "
            f"{self._log} ends with: {self._last_words(offset)}"
        )

    def stop(self, seconds: float) -> None:
        identity = self._identity()
        if identity is not None and not (
            self._end(identity, signal.SIGTERM, seconds / 2)
            or self._end(identity, signal.SIGKILL, seconds / 2)
        ):
            raise ServiceError(f"{self.argv[0]} (process {identity.pid}) does not end by SIGKILL")
        with contextlib.suppress(OSError):  # it names nobody who lives
            self._pidfile.unlink(missing_ok=True)

    def _end(self, identity: Identity, signum: signal.Signals, seconds: float) -> bool:
        """Send the signal; True when the process is gone within `seconds`."""
        try:
            if signum is signal.SIGKILL:
                os.killpg(identity.pid, signum)  # its workers too: the session is its own
            else:
                os.kill(identity.pid, signum)
        except ProcessLookupError:
            return True
        end = time.monotonic() + seconds
        while identity.lives():
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL)
        return True

    def _identity(self) -> Identity | None:
        """The process in the pid file, if that very process still lives.

        A file that is lost or cannot be read says nothing: the process is then looked for, so that
        no second one is started beside it (law 4), and `stop` ends it.

        Raises ServiceError where that cannot be told.
        """
        try:
            identity = _parse(self._pidfile)
        except (FileNotFoundError, NotADirectoryError):
            return next(sessions(self._is_called_so, self._uids()), None)
        except (OSError, ValueError) as error:
            if found := next(sessions(self._is_called_so, self._uids()), None):
                return found
            if other := next(sessions(self._is_marked, self._uids()), None):
                raise ServiceError(
                    f"{self._pidfile} cannot be read ({error}), and process {other.pid} may be "
                    f"{self.argv[0]}: see what it is, end it, and remove the file"
                ) from None
            return None
        return identity if identity.lives() else None

    def _is_called_so(self, process: Path) -> bool:
        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        argv = [os.fsencode(word) for word in self.argv]
        return words[-len(argv) :] == argv  # a script's interpreter comes before it

    def _is_marked(self, process: Path) -> bool:
        """Whether it, or what has started it, was started as this service."""
        mark = f"{_MARK}={self._pidfile}".encode()
        return mark in (process / "environ").read_bytes().split(b"\0")

    def _uids(self) -> frozenset[int]:
        """Whom the process may belong to."""
        found = {0, os.geteuid()}
        with contextlib.suppress(ActionError):
            if (uid := _user(self._user).user) is not None:
                found.add(uid)
        return frozenset(found)

    def _remember(self, pid: int) -> None:
        self._pidfile.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._pidfile.with_name(f".{self._pidfile.name}.{os.getpid()}")
        temporary.write_text(f"{pid} {started(pid) or 0}\n")
        temporary.replace(self._pidfile)

    def _last_words(self, offset: int) -> str:
        with open(self._log, "rb") as log:
            log.seek(max(offset, os.fstat(log.fileno()).st_size - 4096))
            lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "(nothing)")


def _parse(pidfile: Path) -> Identity:
    """Who stands in the file. Raises OSError, and ValueError where that makes no sense."""
    descriptor = os.open(pidfile, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe
    with open(descriptor, "rb") as file:
        words = file.read(_LONGEST).split()
    if len(words) != 2:
        raise ValueError("it names no process")
    return Identity(int(words[0]), int(words[1]))


def _clean_environment() -> dict[str, str]:
    """Nothing of the resource's parameters, which hold a password, nor of the agent's Python."""
    kept = {k: v for k, v in os.environ.items() if k in ("LANG", "LC_ALL", "TZ")}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, **kept}


@dataclass(frozen=True, slots=True)
class _User:
    """Whom a process is to run as; None is whoever runs this."""

    user: int | None = None
    group: int | None = None
    groups: list[int] | None = None


def _user(name: str) -> _User:
    if not name:
        return _User()
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ActionError(ExitCode.ERR_INSTALLED, f"there is no user '{name}' here") from None
    return _User(entry.pw_uid, entry.pw_gid, os.getgrouplist(name, entry.pw_gid))
