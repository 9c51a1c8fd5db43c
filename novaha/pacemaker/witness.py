"""What can be seen of the compute hosts from this controller: asked only when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from novaha.core.brake import Host
from novaha.pacemaker.computes import Computes
from novaha.pacemaker.reach import Address, answering, speaks

PROBE_SECONDS = 0.4
"""A host that lives answers in milliseconds. All are asked at once: a death costs no more."""

_SPEAK_SECONDS = 0.5
"""For pacemaker_remote's answer: it is one thread, and may be at work. A host that hangs, alone,
is fenced so much later."""

_SAMPLE = 4000
"""Hosts that are asked at the most."""

Reach = Callable[[Mapping[str, Sequence[Address]], float], dict[str, bool]]


def look_around(
    computes: Computes,
    nodes: Collection[str],
    seconds: float = PROBE_SECONDS,
    reach: Reach = answering,
) -> list[Host]:
    """All compute hosts, with whether those answer that ought to, and `nodes`.

    seconds: until an answer counts as missing.
    """
    groups = frozenset(g for n in nodes if n in computes.hosts for g in computes.hosts[n].groups)
    wanted = [
        host
        for host in computes.hosts.values()
        if host.node in nodes or not (host.excused or host.off)
    ]
    # Where not all can be asked: those that matter, then the hosts of their groups.
    wanted.sort(key=lambda host: (host.node not in nodes, not host.groups & groups))
    addresses = {host.node: computes.addresses[host.node] for host in wanted[:_SAMPLE]}
    answers = reach(addresses, seconds)
    return [
        replace(host, answers=answers.get(name)) for name, host in sorted(computes.hosts.items())
    ]


def works(
    computes: Computes,
    node: str,
    seconds: float = _SPEAK_SECONDS,
    speaks: Callable[[Address, float], bool] = speaks,
) -> bool:
    """Whether the node's pacemaker_remote answers; False for a node that has none."""
    return node in computes.connections and speaks(computes.addresses[node][0], seconds)
