"""Which node of Pacemaker a name means, and which compute host of Nova a node is.

Never the wrong one: where two could be meant, that is an error, and not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from novaha.core.errors import (
    AmbiguousHostError,
    AmbiguousNodeError,
    SharedHostError,
    UnknownHostError,
    UnknownNodeError,
)

_ADDRESS = re.compile(r"\d+(\.\d+){3}|.*:.*", re.ASCII)
"""An IP address, or what looks like one: its dots separate no domain."""


def short(name: str) -> str:
    """The name without its domain."""
    return name if _ADDRESS.fullmatch(name) else name.partition(".")[0]


def same_name(one: str, other: str) -> bool:
    """Whether Pacemaker takes two names of nodes for one: it compares without case."""
    return one.lower() == other.lower()


def newest_of(node: str, moments: Mapping[str, datetime]) -> datetime | None:
    """The newest moment of `node` where names stand as they were typed; None if there is none."""
    return max((at for name, at in moments.items() if same_name(name, node)), default=None)


def alike(one: str, other: str) -> bool:
    """Whether two names differ by no more than case, and a domain that one of them leaves out.

    Two different domains are two different machines.
    """
    one, other = _plain(one), _plain(other)
    if one == other:
        return True
    return short(one) == short(other) and (short(one) == one or short(other) == other)


def find_node(name: str, nodes: Iterable[str]) -> str | None:
    """The cluster's own spelling of the node `name`; None when it has no such node.

    Raises AmbiguousNodeError when nodes differ from `name` and from each other by case only.
    """
    same = sorted({node for node in nodes if same_name(node, name)})
    if name in same:
        return name
    if len(same) > 1:
        raise AmbiguousNodeError(name, same)
    return same[0] if same else None


def node_named(name: str, nodes: Collection[str]) -> str:
    """The same, where the cluster has to have it.

    Raises UnknownNodeError or AmbiguousNodeError.
    """
    found = find_node(name, nodes)
    if found is None:
        raise UnknownNodeError(name, nodes)
    return found


def nova_host(
    node: str,
    hosts: Collection[str],
    configured: Mapping[str, str] | None = None,
    *,
    domain: str = "",
    nodes: Collection[str] = (),
) -> str:
    """The compute host of Nova that `node` is.

    hosts: the hosts of all of Nova's compute services.
    configured: names that the operator gave, node to host, keys in any case; they win.
    domain: of Nova's names; a host that is called after the node and has that domain comes next.
    nodes: the cluster's other compute nodes; no two of them may be one host.

    Else it is the one host that is alike. Of several none is taken, not even the one that is
    called exactly as the node: it may be what is left of a host that was renamed since.

    Raises UnknownHostError, AmbiguousHostError or SharedHostError.
    """
    given = {key.lower(): value for key, value in (configured or {}).items()}
    host = _host(node, hosts, configured or {}, given, domain)
    _check_not_shared(node, host, hosts, configured or {}, given, domain, nodes)
    return host


def _host(
    node: str,
    hosts: Collection[str],
    configured: Mapping[str, str],
    given: Mapping[str, str],
    domain: str,
) -> str:
    if node.lower() in given:
        wanted = {value for key, value in configured.items() if same_name(key, node)}
        if len(wanted) > 1:
            raise AmbiguousHostError(node, wanted)
        return _existing(node, given[node.lower()], hosts)
    candidates = [h for h in _by_short_name(frozenset(hosts)).get(_key(node), ()) if alike(h, node)]
    domain = domain.strip(".").lower()
    if domain:
        full = _plain(node) if _plain(node).endswith(f".{domain}") else f"{_plain(node)}.{domain}"
        candidates = [host for host in candidates if _plain(host) == full] or candidates
    if len(candidates) > 1:
        others = {value.lower() for value in given.values()}
        candidates = [host for host in candidates if host.lower() not in others] or candidates
    if not candidates:
        raise UnknownHostError(node, hosts)
    if len(candidates) > 1:
        raise AmbiguousHostError(node, candidates)
    return candidates[0]


def _existing(node: str, name: str, hosts: Collection[str]) -> str:
    """The host that configuration names; Nova's own spelling of it."""
    if name in hosts:
        return name
    same = [host for host in hosts if same_name(host, name)]
    if len(same) > 1:
        raise AmbiguousHostError(node, same)
    if not same:
        raise UnknownHostError(node, hosts)
    return same[0]


def _check_not_shared(
    node: str,
    host: str,
    hosts: Collection[str],
    configured: Mapping[str, str],
    given: Mapping[str, str],
    domain: str,
    nodes: Collection[str],
) -> None:
    """No other node may be this host: it may be alive, and would be evacuated as the dead one.

    Only a node that is alike, or that configuration says to be this host, can be.
    """
    by_name = _by_short_name(frozenset(nodes)).get(_key(host), ())
    others = [n for n in by_name if n.lower() not in given and alike(n, host)]
    others += [key for key, value in configured.items() if same_name(value, host)]
    # What is configured for a node that the cluster has not, concerns nobody.
    known = {name.lower(): name for name in nodes}
    sharing = {node}
    for other in others:
        if same_name(other, node) or other.lower() not in known:
            continue
        try:
            if _host(other, hosts, configured, given, domain) == host:
                sharing.add(known[other.lower()])
        except AmbiguousHostError:
            sharing.add(known[other.lower()])
        except UnknownHostError:
            continue
    if len(sharing) > 1:
        raise SharedHostError(node, host, sharing)


@lru_cache(maxsize=8)
def _by_short_name(names: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """Names by what those that are alike have in common; a thousand are looked through once."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(names):
        found[_key(name)] = (*found.get(_key(name), ()), name)
    return found


def _key(name: str) -> str:
    return short(_plain(name))


def _plain(name: str) -> str:
    """In lower case, and without the dot that ends an absolute name."""
    return name.lower().rstrip(".")
