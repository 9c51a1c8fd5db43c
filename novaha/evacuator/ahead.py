"""Reading Nova while the cluster writes a record, so that neither waits for the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from novaha.core.errors import NovahaError
from novaha.core.model import ComputeService, Instance, Migration
from novaha.core.ports import Compute

_JUST_NOW = 3.0
"""Seconds for which what was read is as good as new."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was read of Nova for one node's host. at: when that began."""

    node: str
    services: Mapping[str, ComputeService]
    instances: tuple[Instance, ...]
    rows: list[Migration]
    at: float


def by_host(compute: Compute) -> dict[str, ComputeService]:
    """Nova's compute services by their hosts. Raises ComputeApiError."""
    return {service.host: service for service in compute.services()}


def listed(compute: Compute, host: str) -> tuple[tuple[Instance, ...], list[Migration]]:
    """The instances on a host and the evacuations from it.

    In this order: an instance that leaves the host in between then shows in both, the other way
    round in neither. Raises ComputeApiError.
    """
    instances = tuple(compute.instances_on(host))
    return instances, list(compute.evacuations_from(host))


class ReadAhead:
    """One reading at a time: where several hosts are claimed, they are read together later.

    host: Nova's name of a node, given those of all hosts; raises NovahaError.
    """

    def __init__(
        self,
        compute: Compute,
        host: Callable[[str, frozenset[str]], str],
        pool: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._compute = compute
        self._host = host
        self._pool = pool
        self._clock = clock
        self._reading: Future[Ahead | None] | None = None

    def begin(self, node: str) -> None:
        """Begin to read, unless that is under way for another node."""
        if self._reading is None:
            self._reading = self._pool.submit(self._read, node)

    def take(self) -> Ahead | None:
        """What was read, once, and None if that failed, took long, or was not begun."""
        reading, self._reading = self._reading, None
        found = reading.result() if reading else None
        return found if found and self._clock() < found.at + _JUST_NOW else None

    def _read(self, node: str) -> Ahead | None:
        at = self._clock()
        try:
            services = by_host(self._compute)
            instances, rows = listed(self._compute, self._host(node, frozenset(services)))
        except NovahaError:
            return None  # the turn asks again, and says what is wrong
        return Ahead(node, services, instances, rows, at)
