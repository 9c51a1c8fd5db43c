"""From Pacemaker's names of compute hosts to Nova's, as configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from novaha.core import naming


@dataclass(frozen=True, slots=True)
class Names:
    """How Pacemaker's names become Nova's. configured: node to host. domain: of Nova's names."""

    configured: Mapping[str, str]
    domain: str = ""

    def host(self, node: str, hosts: frozenset[str]) -> str:
        """Nova's name of `node`. Raises UnknownHostError or AmbiguousHostError."""
        full = f"{node}.{self.domain}"
        configured = dict(self.configured)
        if self.domain and node not in configured and full in hosts:
            configured[node] = full
        return naming.nova_host(node, hosts, configured)
