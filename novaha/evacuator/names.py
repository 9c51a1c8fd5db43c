"""From Pacemaker's names of compute hosts to Nova's, as configured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from novaha.core import naming

_FRESH = 60.0
"""Seconds for which the list of the cluster's nodes counts: it is needed when a host has died."""


_WARM = 20.0
"""Seconds before its end in which the list is asked for anew."""

_RETRY = 5.0


def _none() -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Names:
    """How Pacemaker's names become Nova's.

    configured: node to host. domain: of Nova's names. nodes: the cluster's compute nodes; it may
    raise NovahaError.
    """

    configured: Mapping[str, str]
    domain: str = ""
    nodes: Callable[[], Collection[str]] = _none

    def host(self, node: str, hosts: frozenset[str]) -> str:
        """Nova's name of `node`.

        Raises UnknownHostError, AmbiguousHostError, SharedHostError, and what `nodes` raises.
        """
        return naming.nova_host(
            node, hosts, self.configured, domain=self.domain, nodes=self.nodes()
        )


class KnownNodes:
    """The cluster's compute nodes, at most a minute old; safe to ask from several threads.

    ask: raises NovahaError when the cluster does not answer.
    """

    def __init__(
        self,
        ask: Callable[[], frozenset[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._nodes: frozenset[str] = frozenset()
        self._until = float("-inf")
        self._asked_at = float("-inf")

    def keep_warm(self) -> None:
        """Ask before anybody would have to wait for the answer.

        Raises what `ask` raises; then it is asked again after a while.
        """
        now = self._clock()
        if now >= max(self._until - _WARM, self._asked_at + _RETRY):
            self._asked_at = now
            nodes = self._ask()
            with self._lock:
                self._nodes, self._until = nodes, now + _FRESH

    def __call__(self) -> frozenset[str]:
        """The nodes. Raises what `ask` raises."""
        with self._lock:
            now = self._clock()
            if now >= self._until:
                self._nodes = self._ask()
                self._until = now + _FRESH
            return self._nodes
