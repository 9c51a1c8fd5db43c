"""Reading Nova while the cluster is read and written, so that neither waits for the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from novaha.core.errors import NovahaError
from novaha.core.model import ComputeService, Instance, Migration
from novaha.core.ports import Compute

AT_ONCE = 8
"""Requests that are read ahead at once, two for each node."""

_JUST_NOW = 3.0
"""Seconds for which what was read is as good as new."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was read of Nova for one node's host."""

    services: Mapping[str, ComputeService]
    instances: tuple[Instance, ...]
    rows: list[Migration]


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


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is on its way. host: what Nova calls the node, as far as was known."""

    host: str
    services: Future[dict[str, ComputeService]]
    listed: Future[tuple[tuple[Instance, ...], list[Migration]]]
    at: float


class ReadAhead:
    """What is on its way, by node. No more than a few readings are, whatever Nova does.

    pool: of its own, so that nobody else waits where Nova does not answer.
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
        self._readings: dict[str, _Reading] = {}
        self._begun: list[Future[Any]] = []

    def begin(self, node: str, hosts: frozenset[str]) -> None:
        """Begin to read, unless that has just begun.

        hosts: those that Nova had when it was asked last.
        """
        now = self._clock()
        self._readings = {n: r for n, r in self._readings.items() if now < r.at + _JUST_NOW}
        self._begun = [future for future in self._begun if not future.done()]
        if node in self._readings or len(self._begun) >= AT_ONCE:
            return
        try:
            host = self._host(node, hosts)
        except NovahaError:
            return  # the turn asks Nova, and says what is wrong
        services = self._pool.submit(by_host, self._compute)
        instances = self._pool.submit(listed, self._compute, host)
        self._readings[node] = _Reading(host, services, instances, now)
        self._begun += [services, instances]

    def take(self, node: str) -> Ahead | None:
        """What was read, once, and None if that failed, took long, or was not begun."""
        reading = self._readings.pop(node, None)
        if reading is None or self._clock() >= reading.at + _JUST_NOW:
            return None
        try:
            services = reading.services.result()
            instances, rows = reading.listed.result()
            host = self._host(node, frozenset(services))
        except NovahaError:
            return None  # the turn asks again, and says what is wrong
        if host != reading.host or self._clock() >= reading.at + _JUST_NOW:
            return None
        return Ahead(services, instances, rows)
