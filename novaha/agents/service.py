"""Starting and stopping a daemon: by its systemd unit, or directly.

Directly means: in a session of its own with its standard streams away from the executor, and
known by process id and start time, so that a process id that was used again is never trusted and
never killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from novaha.agents.runtime import ActionError
from novaha.contract.ocf import ExitCode
from novaha.core.errors import ClusterToolError, NovahaError
from novaha.pacemaker.runner import Runner

UNITS = ("nova-compute.service", "openstack-nova-compute.service")
"""Of nova-compute: Debian's and Ubuntu's, then Red Hat's and SUSE's name."""

SYSTEMD = Path("/run/systemd/system")
"""A directory where systemd runs (sd_booted(3))."""

_POLL = 0.1
_ACTIVATION = 5.0
"""Seconds that a unit gets to become active before "activating" is good enough."""

_WATCH = 1.0
"""Seconds a process is watched after its start: most wrong configurations end it at once."""


class ServiceError(NovahaError):
    """A daemon does not do what it is told."""


class Service(Protocol):
    """A daemon on this node."""

    def installed(self) -> bool:
        """Whether there is anything to start."""

    def running(self) -> bool:
        """Whether it runs."""

    def start(self, seconds: float) -> None:
        """Start it and see it run; raises NovahaError after `seconds` at the latest."""

    def stop(self, seconds: float) -> None:
        """End it, by force if need be; raises NovahaError when it lives after `seconds`."""

    def starts_by_itself(self) -> bool:
        """Whether something else starts it at boot, past Pacemaker (law 4)."""


class SystemdUnit:
    """A daemon as a unit of systemd."""

    _KILL: tuple[str, ...] = ()

    def __init__(
        self,
        unit: str,
        run: Runner | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit = unit
        self._run = run or Runner()
        self._sleep = sleep
        self._monotonic = monotonic

    def installed(self) -> bool:
        return self._show("LoadState") == "loaded"

    def running(self) -> bool:
        return self._show("ActiveState") in ("active", "reloading", "activating", "deactivating")

    def starts_by_itself(self) -> bool:
        return self._show("UnitFileState") in ("enabled", "enabled-runtime")

    def start(self, seconds: float) -> None:
        # A unit of Type=notify is "activating" until it has reached the conductor, for ever if
        # need be. That is Nova's trouble: waiting for it here would keep others from being fenced.
        self._run(["systemctl", "--no-block", "start", self._unit], timeout=seconds)
        end = self._monotonic() + min(seconds, _ACTIVATION)
        while (state := self._show("ActiveState")) != "active":
            if state == "failed" or self._show("SubState") == "auto-restart":
                raise ServiceError(f"{self._unit} failed ({self._show('Result')}); see its journal")
            if self._monotonic() >= end:
                if state == "activating":
                    return
                raise ServiceError(f"{self._unit} is '{state}' after its start; see its journal")
            self._sleep(_POLL)

    def stop(self, seconds: float) -> None:
        end = self._monotonic() + seconds
        self._run(["systemctl", "--no-block", "stop", self._unit], timeout=seconds)
        killed = False
        while self.running():
            if self._monotonic() >= end:
                raise ServiceError(f"{self._unit} does not end, not even by SIGKILL")
            if not killed and self._monotonic() >= end - seconds / 3:
                kill = ["systemctl", "kill", *self._KILL, "--signal=SIGKILL", self._unit]
                self._run(kill, timeout=seconds)
                killed = True
            self._sleep(_POLL)

    def _show(self, name: str) -> str:
        shown = self._run(["systemctl", "show", "--value", f"--property={name}", self._unit])
        return shown.stdout.decode().strip()


class ActivatedUnit(SystemdUnit):
    """A daemon that systemd's sockets start, and that ends by itself when nobody needs it.

    It runs as long as the sockets listen, unless it has failed. What it started outlives it.
    """

    _KILL = ("--kill-who=main",)  # its control group may hold virtual machines

    def enabled(self) -> bool:
        """Whether systemd starts it, or a socket of its own, at boot."""
        return self.starts_by_itself() or any(
            socket.starts_by_itself() for socket in map(self._other, self._sockets())
        )

    def running(self) -> bool:
        if super().running():
            return True
        if self._show("ActiveState") == "failed":
            return False
        return any(socket.running() for socket in map(self._other, self._sockets()))

    def stop(self, seconds: float) -> None:
        if sockets := self._sockets():  # first, or they start it again
            self._run(["systemctl", "--no-block", "stop", *sockets], timeout=seconds)
        super().stop(seconds)

    def _sockets(self) -> list[str]:
        return self._show("TriggeredBy").split()

    def _other(self, unit: str) -> SystemdUnit:
        return SystemdUnit(unit, self._run, self._sleep, self._monotonic)


@dataclass(frozen=True, slots=True)
class _Identity:
    """One process among all that ever had its id. `started`: clock ticks since boot."""

    pid: int
    started: int


class DirectProcess:
    """A daemon as a child that is left behind."""

    def __init__(self, argv: Sequence[str], pidfile: Path, log: Path, user: str = "") -> None:
        self.argv = tuple(argv)
        self._pidfile = pidfile
        self._log = log
        self._user = user

    def installed(self) -> bool:
        return os.access(self.argv[0], os.X_OK)

    def running(self) -> bool:
        return self._identity() is not None

    def starts_by_itself(self) -> bool:
        return False

    def start(self, seconds: float) -> None:
        if not self.installed():
            raise ActionError(ExitCode.ERR_INSTALLED, f"{self.argv[0]} cannot be executed")
        identity = _user(self._user)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
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
                    env=_clean_environment(),
                    user=identity.user,
                    group=identity.group,
                    extra_groups=identity.groups,
                )
            except OSError as error:
                raise ServiceError(f"{self.argv[0]} cannot be started: {error}") from None
        self._remember(process.pid)
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
        self._pidfile.unlink(missing_ok=True)

    def _end(self, identity: _Identity, signum: signal.Signals, seconds: float) -> bool:
        """Send the signal; True when the process is gone within `seconds`."""
        try:
            if signum is signal.SIGKILL:
                os.killpg(identity.pid, signum)  # its workers too: the session is its own
            else:
                os.kill(identity.pid, signum)
        except ProcessLookupError:
            return True
        end = time.monotonic() + seconds
        while _started(identity.pid) == identity.started:
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL)
        return True

    def _identity(self) -> _Identity | None:
        """The process in the pid file, if that very process still lives."""
        try:
            pid, started = (int(word) for word in self._pidfile.read_text().split())
        except (OSError, ValueError):
            return None
        return _Identity(pid, started) if _started(pid) == started else None

    def _remember(self, pid: int) -> None:
        self._pidfile.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._pidfile.with_name(f".{self._pidfile.name}.{os.getpid()}")
        temporary.write_text(f"{pid} {_started(pid) or 0}\n")
        temporary.replace(self._pidfile)

    def _last_words(self, offset: int) -> str:
        with open(self._log, "rb") as log:
            log.seek(max(offset, os.fstat(log.fileno()).st_size - 4096))
            lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "(nothing)")


def _started(pid: int) -> int | None:
    """When this process started, in clock ticks since boot (proc(5)); None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


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


def find_unit(run: Runner | None = None) -> str | None:
    """The unit under which nova-compute is installed here, None without one or without systemd."""
    if not SYSTEMD.is_dir():
        return None
    for unit in UNITS:
        try:
            if SystemdUnit(unit, run).installed():
                return unit
        except ClusterToolError:
            continue
    return None
