"""Sees, from outside of everything, which guests run where."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class Watcher(threading.Thread):
    """Reads the hypervisors' own files every 100 ms until stopped.

    twice: every moment at which a guest ran on two hosts, with both.
    runs: for each instance the hosts it was seen to run on, in order of time, with the first
    and the last moment (seconds of time.time()).
    """

    def __init__(self, guests: Path) -> None:
        super().__init__(name="watcher", daemon=True)
        self._guests = guests
        self._ended = threading.Event()
        self.twice: list[tuple[float, str, list[str]]] = []
        self.runs: dict[str, list[tuple[str, float, float]]] = {}
        self.samples = 0

    def run(self) -> None:
        while not self._ended.wait(0.1):
            self.look()

    def look(self) -> None:
        """Take one sample."""
        now = time.time()
        seen: dict[str, list[str]] = {}
        for path in self._guests.glob("*/*"):
            if path.parent.name.startswith("."):
                continue
            try:
                state = path.read_text().split()[0]
            except (FileNotFoundError, IndexError):
                continue
            if state == "RUNNING":
                seen.setdefault(path.name, []).append(path.parent.name)
        for instance, hosts in seen.items():
            if len(hosts) > 1:
                self.twice.append((now, instance, sorted(hosts)))
            spans = self.runs.setdefault(instance, [])
            if spans and spans[-1][0] == hosts[0]:
                spans[-1] = (hosts[0], spans[-1][1], now)
            else:
                spans.append((hosts[0], now, now))
        self.samples += 1

    def stop(self) -> None:
        """End; raises AssertionError when it has not watched at all."""
        self._ended.set()
        self.join(10)
        assert self.samples, "the watcher saw nothing"
