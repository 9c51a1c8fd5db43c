"""Held hosts that no evacuator looks after: what the brake's monitor does about them.

Pacemaker starts no resource before each lost host is fenced (docs/facts.md). While the brake holds
one, an evacuator that ends is therefore not started again, and nobody would bring hosts back that
live, or have those fenced that are dead. The monitor does it instead, until an evacuator runs. It
asks the cluster and the hosts themselves, never Nova (law 7).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from novaha.core import text
from novaha.core.brake import Host, Limits

if TYPE_CHECKING:
    from novaha.pacemaker.computes import Computes

PATIENCE = timedelta(seconds=60)
"""For which a host is held before the monitor looks after it: an evacuator may just be moving."""


class Relief(Protocol):
    """What is asked of the cluster. Each may raise anything."""

    def held(self) -> Mapping[str, str]:
        """The marks of held hosts, by node: quick, for every monitor."""

    def evacuator_runs(self) -> bool | None:
        """Whether Pacemaker has the evacuator on a node; None when nobody can tell, or there is
        none."""

    def view(self) -> Computes:
        """All compute hosts as the cluster has them."""

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        """The hosts of `view`, with whether those answer that ought to, and `nodes`."""

    def works(self, view: Computes, node: str) -> bool:
        """Whether a process of the host answers, and not only its kernel."""

    def forget_failures(self, node: str, resource: str) -> None:
        """Have Pacemaker forget the failures of a node's connection, and connect again."""

    def fence(self, node: str) -> None:
        """Ask Pacemaker to fence a node. Does not wait: the fencer asks the brake again."""


def relieve(cluster: Relief, limits: Limits, now: datetime, log: Callable[[str], None]) -> None:
    """Look after held hosts once, if no evacuator does. Raises whatever the cluster raises.

    A host whose pacemaker_remote works is brought back into the cluster; a silent one that the
    brake would let go by now is fenced by request; the others wait for an evacuator or an operator.
    """
    if not cluster.held() or cluster.evacuator_runs() is not False:
        return
    view = cluster.view()
    waiting = [n for n, mark in view.held.items() if now - mark.since >= PATIENCE]
    hosts = {host.node: host for host in cluster.look_around(view, waiting)}
    for node in sorted(waiting):
        host = hosts.get(node)
        if host is None or not host.lost:
            continue
        if host.answers:
            if node in view.connections and cluster.works(view, node):
                log(text.line(f"{node}: no evacuator runs; it works: it is brought back"))
                cluster.forget_failures(node, view.connections[node])
        elif host.answers is False and view.judge(node, hosts.values(), limits, now).go:
            log(text.line(f"{node}: no evacuator runs; it is silent: its fencing is requested"))
            cluster.fence(node)
