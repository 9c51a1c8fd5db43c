"""Which compute host of Nova a node of Pacemaker is: never the wrong one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from novaha.core.errors import AmbiguousHostError, UnknownHostError


def short(name: str) -> str:
    """The name without its domain."""
    return name.partition(".")[0]


def nova_host(
    node: str, hosts: Collection[str], configured: Mapping[str, str] | None = None
) -> str:
    """The compute host of Nova that `node` is.

    hosts: the hosts of all of Nova's compute services.
    configured: names that the operator gave, node to host; they win.

    The same name wins; else the one host with the same short name, if the node's name or the
    host's has no domain (two different domains are two different machines).

    Raises UnknownHostError or AmbiguousHostError.
    """
    if configured and node in configured:
        if configured[node] in hosts:
            return configured[node]
        raise UnknownHostError(node, hosts)
    if node in hosts:
        return node
    candidates = [
        host
        for host in hosts
        if short(host).lower() == short(node).lower()
        and (host.lower() == node.lower() or "." not in node or "." not in host)
    ]
    if not candidates:
        raise UnknownHostError(node, hosts)
    if len(candidates) > 1:
        raise AmbiguousHostError(node, candidates)
    return candidates[0]
