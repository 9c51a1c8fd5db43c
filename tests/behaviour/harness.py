"""A Nova with three compute hosts, as the behaviour tests handle it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

HOSTS = ("compute-1", "compute-2", "compute-3")
SOURCE, SECOND, THIRD = HOSTS

NEWEST_RUNNING = "2.94"
"""The newest microversion at which an evacuated instance comes back running."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance as Nova shows it; power_state 1 is running, 4 is off."""

    vm_state: str
    task_state: str | None
    host: str
    power_state: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Evacuation:
    """One evacuation record."""

    status: str
    destination: str | None


class NovaUnderTest(Protocol):
    """Answers are HTTP status codes: 200 for everything that was accepted."""

    def casualties(self, forms: Iterable[str], host: str) -> Mapping[str, str]:
        """An instance in each of these forms (tests.fakes.servers) on a host that died; ids."""

    def crash(self, host: str) -> None:
        """The power of a host is cut."""

    def start(self, host: str) -> None:
        """The host is on again and its nova-compute starts; returns when it has worked."""

    def force_down(self, host: str, down: bool) -> int: ...

    def close(self, *hosts: str) -> None:
        """No instance is scheduled to these hosts any more."""

    def spawn_delay(self, seconds: float) -> None:
        """How long guests take to boot from now on."""

    def evacuate(
        self, instance: str, microversion: str = NEWEST_RUNNING, target: str | None = None
    ) -> int: ...

    def act(self, instance: str, action: str) -> int:
        """An action by its name in novaha.core.model.Action."""

    def delete(self, instance: str) -> None: ...

    def seen(self, instance: str) -> Seen | None: ...

    def evacuations(self, instance: str) -> list[Evacuation]:
        """Oldest first."""

    def evacuating_since(self, seconds: float) -> list[str]:
        """The instances of all hosts that were evacuated in the last `seconds`, as the product
        asks for them; newest first."""

    def changed_since(self, seconds: float) -> dict[str, tuple[str, str]]:
        """vm_state and host of the instances that changed so many seconds ago or later."""

    def fault(self, instance: str) -> str:
        """Why its newest evacuation failed at its destination, as the product asks for it."""

    def guests(self, instance: str) -> set[str]:
        """The hosts on which it really runs."""

    def up(self, host: str) -> bool:
        """Whether Nova believes that the host's nova-compute runs."""

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Until `condition` holds. Raises AssertionError if it never does."""

    def pass_time(self, seconds: float) -> None: ...
