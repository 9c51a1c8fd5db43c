"""Stand-ins for what the agents work with; they refuse what they were not told about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from novaha.core.errors import NovahaError, RecordError
from novaha.core.record import Record, first_record
from novaha.core.recovery import Event
from novaha.evacuator.client import EvacuatorError

FENCED = datetime(2026, 1, 1, tzinfo=UTC)


def pending(node: str) -> Record:
    return first_record(node, "fence-1", FENCED)


def running(node: str, owner: str = "controller-2#abc") -> Record:
    return pending(node).after(Event.CLAIM, owner=owner)


def recovered(node: str) -> Record:
    return running(node).after(Event.COMPLETE)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeCluster:
    """Two controllers and two computes; `records` may hold errors and sequences of answers."""

    def __init__(self, local: str = "compute-1", **records: Any) -> None:
        self.local = local
        self.nodes = {
            "controller-1": "member",
            "controller-2": "member",
            "compute-1": "remote",
            "compute-2": "remote",
        }
        self.found: dict[str, Any] = {k.replace("_", "-"): v for k, v in records.items()}
        self.flagged: list[str] = []
        self.broken: NovahaError | None = None

    def known_nodes(self) -> Mapping[str, str]:
        self._answer()
        return self.nodes

    def compute_nodes(self) -> frozenset[str]:
        self._answer()
        return frozenset(n for n, kind in self.nodes.items() if kind != "member")

    def local_node(self) -> str:
        return self.local

    def record(self, node: str) -> Record | None:
        self._answer()
        found = self.found.get(node)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, RecordError):
            raise found
        return found

    def records(self) -> Mapping[str, Record | RecordError]:
        self._answer()
        return self.found

    def flag_fenced(self, node: str) -> Record:
        self._answer()
        self.flagged.append(node)
        return pending(node)

    def _answer(self) -> None:
        if self.broken is not None:
            raise self.broken


class FakeService:
    """nova-compute."""

    def __init__(self, *, installed: bool = True, up: bool = False) -> None:
        self.is_installed = installed
        self.up = up
        self.at_boot = False
        self.ails = ""
        self.calls: list[str] = []
        self.given: list[float] = []

    def missing(self) -> str:
        return "" if self.is_installed else "it is not installed"

    def running(self) -> bool:
        return self.up

    def ailing(self) -> str:
        return self.ails

    def describe(self) -> str:
        return "the service"

    def starts_by_itself(self) -> bool:
        return self.at_boot

    def start(self, seconds: float) -> None:
        assert self.is_installed
        assert not self.up
        self.calls.append("start")
        self.given.append(seconds)
        self.up = True

    def stop(self, seconds: float) -> None:
        self.calls.append("stop")
        self.given.append(seconds)
        self.up = False


class FakeEvacuator:
    """The evacuator's process. `silent`: lives, and does not answer."""

    def __init__(self, *, up: bool = False, silent: bool = False) -> None:
        self.up = up
        self.silent = silent
        self.calls: list[str] = []
        self.parameters: Mapping[str, str] = {}
        self.answers: dict[str, dict[str, Any]] = {
            "health": {
                "turn_age": 0.5,
                "problem": "",
                "failing_for": 0.0,
                "nova": {"ok": True, "problem": "", "silent_for": 0.0},
                "attention": [],
            },
            "status": {"hosts": []},
        }
        self.launch_error = ""

    def pid(self) -> int | None:
        return 4711 if self.up else None

    def launch(self, parameters: Mapping[str, str], *, timeout: float) -> int:
        self.calls.append(f"launch {timeout:g}")
        self.parameters = parameters
        if self.launch_error:
            raise EvacuatorError(self.launch_error)
        self.up, self.silent = True, False
        return 4711

    def ask(self, question: str, *, timeout: float) -> dict[str, Any]:
        assert self.up
        if self.silent or question not in self.answers:
            raise EvacuatorError("the evacuator does not answer on its socket: timed out")
        return self.answers[question]

    def terminate(self) -> None:
        self.calls.append("terminate")
        self.up = False
