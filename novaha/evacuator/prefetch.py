"""Reading Nova while the cluster is read and written, so that neither waits for the other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from novaha.core.errors import ComputeApiError, NovahaError
from novaha.core.model import ComputeService
from novaha.core.ports import Compute
from novaha.evacuator.destinations import closed_by_return
from novaha.evacuator.inventory import JUST_NOW, Elsewhere, HostInventory, read_inventory

AT_ONCE = 8
"""Readings ahead that are under way at once: one for each node, and some of the services."""

_LATELY = timedelta(minutes=10)
"""How old an evacuation may be that the death of its source may concern once more."""

_TOGETHER = 1.0
"""Seconds in which one list of the services serves all nodes."""


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What was read of Nova for one node's host. at: when that began, by the clock."""

    services: Mapping[str, ComputeService]
    lists: HostInventory
    at: float


def by_host(compute: Compute) -> dict[str, ComputeService]:
    """Nova's compute services by their hosts. Raises ComputeApiError."""
    return {service.host: service for service in compute.services()}


def moment(services: Mapping[str, ComputeService]) -> datetime | None:
    """The newest that Nova's clock is known to have shown."""
    return max((s.last_seen for s in services.values() if s.last_seen), default=None)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is on its way. host: what Nova calls the node, None if that was not known."""

    host: str | None
    services: Future[dict[str, ComputeService]]
    lists: Future[HostInventory]
    at: float


class Prefetch:
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
        self._lock = threading.Lock()
        self._readings: dict[str, _Reading] = {}
        self._begun: list[Future[Any]] = []

    def begin(self, node: str, hosts: frozenset[str], within: float = JUST_NOW) -> None:
        """Begin to read, unless that has begun within so many seconds.

        hosts: those that Nova had when it was asked last.
        """
        host = self._known(node, hosts)
        with self._lock:
            self._begin(node, host, within)

    def _known(self, node: str, hosts: frozenset[str]) -> str | None:
        try:
            return self._host(node, hosts)
        except NovahaError:
            return None

    def _begin(self, node: str, host: str | None, within: float) -> None:
        now = self._clock()
        self._readings = {n: r for n, r in self._readings.items() if now < r.at + JUST_NOW}
        self._begun = [future for future in self._begun if not future.done()]
        begun = self._readings.get(node)
        if (begun and now < begun.at + within) or len(self._begun) > AT_ONCE - 2:
            return
        services = self._services(now)
        lists = self._pool.submit(self._lists, host, services, node)
        self._readings[node] = _Reading(host, services, lists, now)
        self._begun += [lists] if services in self._begun else [services, lists]

    def _lists(
        self, host: str | None, services: Future[dict[str, ComputeService]], node: str
    ) -> HostInventory:
        # It may be new to Nova since that was asked, or Nova was not asked yet.
        host = host or self._host(node, frozenset(services.result()))
        found = read_inventory(self._compute, host)
        now = moment(services.result())
        returned = [
            row.created
            for row in closed_by_return(found.instances, found.rows)
            if row.created and now and row.created >= now - _LATELY
        ]
        if not returned:
            return found
        since = min(returned)
        with contextlib.suppress(ComputeApiError):  # who needs it asks once more
            found = replace(
                found, elsewhere=Elsewhere(since, self._compute.evacuations_since(since))
            )
        return found

    def _services(self, now: float) -> Future[dict[str, ComputeService]]:
        for reading in self._readings.values():
            if now < reading.at + _TOGETHER:
                return reading.services
        return self._pool.submit(by_host, self._compute)

    def pop(self, node: str) -> Prefetched | None:
        """What was read, once, and None if that failed, took long, or was not begun."""
        with self._lock:
            reading = self._readings.pop(node, None)
        if reading is None:
            return None
        end = reading.at + JUST_NOW
        try:
            services = reading.services.result(timeout=max(0.0, end - self._clock()))
            lists = reading.lists.result(timeout=max(0.0, end - self._clock()))
            host = self._host(node, frozenset(services))
        except (NovahaError, TimeoutError):
            return None  # the turn asks again, and says what is wrong
        if reading.host not in (host, None) or self._clock() >= end:
            return None
        return Prefetched(services, lists, reading.at)
