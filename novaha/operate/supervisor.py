"""Keeps the courier running beside the evacuator. Standard library only."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from novaha.contract import proc

LOG = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a courier that has ended is started again."""

_LIVED = 300.0
"""Seconds after which its end is no reason to wait longer."""

_PATIENCE = 600.0
"""Seconds for which a consumer may take nothing before an operator is told: the entries wait."""


class Supervisor:
    """Starts the courier, and starts it again; it ends with this process, however that ends."""

    def __init__(
        self, settings: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """settings: for the courier; see `courier.run`."""
        self._settings = json.dumps(dict(settings)).encode() + b"\n"
        self._clock = clock
        self._report: dict[str, Any] = {}
        self._failing: dict[str, float] = {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, stopping: threading.Event) -> None:
        """Until it is stopped."""
        pause = _FIRST_PAUSE
        while not stopping.is_set():
            began = self._clock()
            why = "it ended"
            try:
                why = self._one()
            except OSError as error:
                why = error.strerror or why
            if stopping.is_set():
                return
            LOG.warning("the courier is started again in %.0f s: %s", pause, why)
            self.heed({"courier": {"behind": 0, "problem": f"it does not run: {why}"}})
            stopping.wait(pause)
            long = self._clock() - began > _LIVED
            pause = _FIRST_PAUSE if long else min(2 * pause, _LONGEST_PAUSE)

    def _one(self) -> str:
        """One courier from its start to its end; why it ended."""
        process = subprocess.Popen(
            proc.of_module("novaha.operate"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={name: os.environ[name] for name in os.environ if not name.startswith("OCF_")},
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout, contextlib.suppress(BrokenPipeError):
            process.stdin.write(self._settings)
            process.stdin.flush()
            for row in process.stdout:
                with contextlib.suppress(ValueError):
                    self.heed(json.loads(row))
        return f"exit code {process.wait()}"

    def end(self) -> None:
        """End the courier as the end of this process does."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def heed(self, report: Mapping[str, Any]) -> None:
        """Take note of how the consumers are."""
        now = self._clock()
        with self._lock:
            self._report = dict(report)
            failing = [name for name, state in report.items() if state["problem"]]
            self._failing = {name: self._failing.get(name, now) for name in failing}

    def report(self) -> dict[str, Any]:
        """By consumer: `behind`, how many entries wait for it, and `problem`."""
        with self._lock:
            return dict(self._report)

    def problem(self) -> str:
        """What an operator has to see to, "" if there is nothing."""
        now = self._clock()
        with self._lock:
            late = [n for n, since in self._failing.items() if now - since >= _PATIENCE]
            told = [
                f"{name} takes nothing for {now - self._failing[name]:.0f} s "
                f"({self._report[name]['problem']}), {self._report[name]['behind']} events wait"
                for name in late
            ]
        return f"{'; '.join(told)}; recoveries go on" if told else ""
