"""A daemon by its unit of systemd."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from novaha.agents.processes import family, kill, of_unit
from novaha.agents.service import ServiceError
from novaha.core.errors import ClusterToolError
from novaha.core.text import word
from novaha.pacemaker.runner import Runner

SYSTEMD = Path("/run/systemd/system")
"""A directory where systemd runs (sd_booted(3))."""

_POLL = 0.1
_SHOWN = "LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,MainPID,TriggeredBy"

_ACTIVATION = 5.0
"""Seconds that a unit gets to become active before "activating" is good enough."""


class SystemdUnit:
    """A daemon as a unit of systemd: its own, or one that runs a container."""

    _ALONE = False
    """Whether what the daemon has started is left alone when it is killed."""

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

    def missing(self) -> str:
        match load := self._show()["LoadState"]:
            case "loaded":
                return ""
            case "not-found":
                return (
                    f"systemd knows no unit {self._unit} on this node: name the right one "
                    "(unit=…), or the program (binary=…)"
                )
            case "masked":
                return f"{self._unit} is masked on this node: systemctl unmask {word(self._unit)}"
        return f"systemd cannot load {self._unit} ({load}): systemctl status {word(self._unit)}"

    def running(self) -> bool:
        active = self._show()["ActiveState"]
        return active in ("active", "reloading", "activating", "deactivating")

    def ailing(self) -> str:
        shown = self._show()
        if shown["SubState"] != "auto-restart":
            return ""
        return (
            f"{self._unit} ends again and again ({shown['Result']}; systemd has restarted it "
            f"{shown['NRestarts']} times): {self._journal()}"
        )

    def describe(self) -> str:
        shown = self._show()
        process = f", process {shown['MainPID']}" if shown["MainPID"] not in ("", "0") else ""
        boot = ", started at boot, past Pacemaker" if self.starts_by_itself() else ""
        return f"{self._unit} is {shown['ActiveState']} ({shown['SubState']}){process}{boot}"

    def starts_by_itself(self) -> bool:
        return self._show()["UnitFileState"] in ("enabled", "enabled-runtime")

    def start(self, seconds: float) -> None:
        if self._show()["ActiveState"] == "failed":
            # How often it may fail is Pacemaker's to count: systemd would refuse at its own limit.
            self._run(["systemctl", "reset-failed", self._unit], timeout=seconds)
        # A unit of Type=notify is "activating" until it has reached the conductor, for ever if
        # need be. That is Nova's trouble: waiting for it here would keep others from being fenced.
        self._run(["systemctl", "--no-block", "start", self._unit], timeout=seconds)
        end = self._monotonic() + min(seconds, _ACTIVATION)
        while (shown := self._show())["ActiveState"] != "active":
            state = shown["ActiveState"]
            if state == "failed" or shown["SubState"] == "auto-restart":
                raise ServiceError(f"{self._unit} failed ({shown['Result']}): {self._journal()}")
            if self._monotonic() >= end:
                if state == "activating":
                    return
                raise ServiceError(f"{self._unit} is {state} after its start: {self._journal()}")
            self._sleep(_POLL)

    def stop(self, seconds: float) -> None:
        try:
            self._stop(seconds)
        except ClusterToolError as error:
            self._stop_unasked(seconds, error)

    def _stop_unasked(self, seconds: float, why: ClusterToolError) -> None:
        """systemctl is missing, or systemd does not answer: what does not run needs neither.

        Raises ServiceError when something of the unit lives; what a socket's daemon started for
        others cannot be told from the daemon here, so that is not killed.
        """
        began = killed_at = self._monotonic()
        living = ended = of_unit(self._unit)
        while living or (ended and self._monotonic() < killed_at + seconds / 3):
            if living and (self._ALONE or self._monotonic() >= began + 2 * seconds / 3):
                raise ServiceError(
                    f"{self._unit} runs (process {living[0].pid}) and cannot be stopped: {why}"
                ) from None
            late = self._monotonic() >= began + seconds / 3
            if kill(living, signal.SIGKILL if late else signal.SIGTERM):
                killed_at = self._monotonic()
            self._sleep(_POLL)
            living = of_unit(self._unit)  # systemd may start it again

    def _stop(self, seconds: float) -> None:
        end = self._monotonic() + seconds
        ours = () if self._ALONE else family(int(self._show()["MainPID"] or 0))
        self._run(["systemctl", "--no-block", "stop", self._unit], timeout=seconds)
        killed = False
        while self.running() or (killed and kill(ours)):
            if self._monotonic() >= end:
                raise ServiceError(
                    f"{self._unit} does not end, not even by SIGKILL: {self._journal()}"
                )
            if not killed and self._monotonic() >= end - seconds / 3:
                whom = ["--kill-who=main"] if self._ALONE else []
                self._run(
                    ["systemctl", "kill", *whom, "--signal=SIGKILL", self._unit], timeout=seconds
                )
                killed = True
            self._sleep(_POLL)

    def _journal(self) -> str:
        return f"journalctl --unit {word(self._unit)}"

    def _show(self) -> dict[str, str]:
        shown = self._run(["systemctl", "show", f"--property={_SHOWN}", self._unit])
        properties = dict.fromkeys(_SHOWN.split(","), "")
        for line in shown.stdout.decode("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            properties[name] = value.strip()
        return properties


class ActivatedUnit(SystemdUnit):
    """A daemon that systemd's sockets start, and that ends by itself when nobody needs it.

    It runs as long as the sockets listen, unless it has failed. What it started outlives it.
    """

    _ALONE = True  # its control group may hold virtual machines

    def enabled(self) -> bool:
        """Whether systemd starts it, or a socket of its own, at boot."""
        return self.starts_by_itself() or any(
            socket.starts_by_itself() for socket in map(self._other, self._sockets())
        )

    def running(self) -> bool:
        if super().running():
            return True
        if self._show()["ActiveState"] == "failed":
            return False
        return any(socket.running() for socket in map(self._other, self._sockets()))

    def _stop(self, seconds: float) -> None:
        if sockets := self._sockets():  # first, or they start it again
            self._run(["systemctl", "--no-block", "stop", *sockets], timeout=seconds)
        super()._stop(seconds)

    def _sockets(self) -> list[str]:
        return self._show()["TriggeredBy"].split()

    def _other(self, unit: str) -> SystemdUnit:
        return SystemdUnit(unit, self._run, self._sleep, self._monotonic)


def find_unit(units: Sequence[str], run: Runner | None = None) -> str | None:
    """The first of the units that this node has, masked or not; None without systemd or unit."""
    if not SYSTEMD.is_dir():
        return None
    for unit in units:
        try:
            shown = (run or Runner())(["systemctl", "show", "--property=LoadState", unit])
        except ClusterToolError:
            if of_unit(unit):
                return unit  # systemd does not answer, and that one runs
            continue
        if shown.stdout.strip() != b"LoadState=not-found":
            return unit
    return None
