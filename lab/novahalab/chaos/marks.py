"""The operator's own marks on compute services (law 6), and who took them off when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from novahalab.chaos.history import History
from novahalab.errors import LabError

OPERATOR = "maintenance, by the operator of the chaos run"
DISABLE = "operator-disable"
DOWN = "operator-down"
_RECOVERED_IN = 240.0
"""Seconds that a marked host gets to be recovered before its mark is taken off all the same."""


class Services(Protocol):
    """What is needed of the lab's client of Nova. Raises LabError."""

    def update_service(self, host: str, **changes: Any) -> None: ...


@dataclass(frozen=True)
class _Mark:
    """happening: where the history has it; None for one of which nobody knows whether it is on."""

    kind: str
    happening: int | None


class Marks:
    """Puts marks on hosts and takes them off. Each is in the history until it is taken off.

    began, ended: note a happening in the history; `began` returns what `ended` is told.
    """

    def __init__(
        self,
        nova: Services,
        history: History,
        began: Callable[[str, str, float], int],
        ended: Callable[[int], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._nova = nova
        self._history = history
        self._began = began
        self._ended = ended
        self._sleep = sleep
        self._marks: dict[str, _Mark] = {}

    def __contains__(self, host: str) -> bool:
        return host in self._marks

    def put(self, host: str, kind: str) -> None:
        """Mark a host as an operator does. Raises LabError when Nova refuses."""
        self._marks[host] = _Mark(kind, None)  # it may be on though Nova's answer is lost
        if kind == DISABLE:
            self._nova.update_service(host, status="disabled", disabled_reason=OPERATOR)
        else:
            self._nova.update_service(host, forced_down=True)
        self._marks[host] = _Mark(kind, self._began(f"mark {kind}", host, time.time()))

    def take_off(self, hosts: Iterable[str]) -> None:
        """Take off the marks of these hosts, each as soon as its host is recovered.

        One that cannot be taken off stops no other. Raises LabError with all that went wrong.
        """
        problems = []
        for host in hosts:
            self._wait_until_recovered(host)
            try:
                self._take_off(host)
            except LabError as error:  # the calm tries again
                problems.append(f"{host}: {error}")
        if problems:
            raise LabError("; ".join(problems))

    def take_off_all(self) -> None:
        """Take off what is left, except of hosts in recovery. Raises LabError as `take_off`."""
        self.take_off([host for host in self._marks if not self._flagged(host)])

    def _take_off(self, host: str) -> None:
        mark = self._marks.get(host)
        if mark is None:
            return
        if mark.happening is not None:
            # From here on it may be off though Nova's answer is lost.
            self._ended(mark.happening)
            self._marks[host] = _Mark(mark.kind, None)
        if mark.kind == DISABLE:
            self._nova.update_service(host, status="enabled")
        else:
            self._nova.update_service(host, forced_down=False)
        del self._marks[host]

    def _wait_until_recovered(self, host: str) -> None:
        """While the host is being recovered its state in Nova is novaha's to keep."""
        deadline = time.monotonic() + _RECOVERED_IN
        while self._flagged(host) and time.monotonic() < deadline:
            self._sleep(0.5)

    def _flagged(self, host: str) -> bool:
        """Whether it has a recovery record, or nobody knows."""
        timeline = self._history.records.get(host)
        return timeline is None or not timeline.spans or timeline.spans[-1].value is not None
