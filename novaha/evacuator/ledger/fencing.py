"""What was asked of Pacemaker for one host, and what came of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class FencingFacts:
    """requested: Pacemaker was asked for a fencing that has succeeded or is not over.

    failed, failed_at: of those that were asked for, how many failed in a row, and when the last
    did (monotonic seconds). problem: what an operator is told of it.
    """

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _requested: bool = False
    _failed: int = 0
    _failed_at: float = float("-inf")
    _problem: str = ""

    @property
    def requested(self) -> bool:
        with self._lock:
            return self._requested

    @property
    def failed(self) -> tuple[int, float]:
        """How many failed in a row, and when the last did."""
        with self._lock:
            return self._failed, self._failed_at

    @property
    def problem(self) -> str:
        with self._lock:
            return self._problem

    def begin(self) -> None:
        """Pacemaker is being asked."""
        with self._lock:
            self._requested, self._problem = True, ""

    def succeeded(self) -> None:
        """The host was fenced."""
        with self._lock:
            self._failed = 0

    def fail(self, now: float) -> int:
        """It was not; how often that happened in a row. It is not over before `ask_again`."""
        with self._lock:
            self._failed, self._failed_at = self._failed + 1, now
            return self._failed

    def ask_again(self, problem: str = "") -> None:
        """Another fencing may be asked for. problem: what an operator is told of the last one."""
        with self._lock:
            self._requested = False
            self._problem = problem or self._problem
