"""The lab's networks: three bridges on the machine, a link from each host to each of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress

from novahalab import layout
from novahalab.errors import LabError
from novahalab.process import run


def _ip(*argv: str, batch: Sequence[str] | None = None) -> str:
    if batch is None:
        return run(["ip", *argv], timeout=20).stdout
    return run(["ip", *argv, "-batch", "-"], input="\n".join(batch) + "\n", timeout=60).stdout


def up(hosts: Sequence[str], bmc_addresses: Iterable[str] = ()) -> None:
    """Make the bridges, and for each host its network namespace and links.

    ``hosts`` are node names, ``cloud`` and ``bmc``; the last one carries ``bmc_addresses``.
    Raises CommandError, also when a part is there already: call ``down`` first.
    """
    batch = []
    for network in layout.NETWORKS:
        bridge = layout.bridge(network)
        batch += [
            f"link add {bridge} type bridge stp_state 0 forward_delay 0",
            f"address add {layout.address('host', network)}/24 dev {bridge}",
            f"link set {bridge} up",
        ]
    for host in hosts:
        namespace = layout.namespace(host)
        batch.append(f"netns add {namespace}")
        for network in layout.networks(host):
            veth = layout.veth(host, network)
            batch += [
                f"link add {veth} type veth peer name {network} netns {namespace}",
                f"link set {veth} master {layout.bridge(network)} up",
            ]
    _ip(batch=batch)
    for host in hosts:
        batch = ["link set lo up"]
        addresses = list(bmc_addresses) if host == "bmc" else None
        for network in layout.networks(host):
            for address in addresses or [layout.address(host, network)]:
                batch.append(f"address add {address}/24 dev {network}")
            batch.append(f"link set {network} up")
        _ip("-n", layout.namespace(host), batch=batch)


def namespaces() -> list[str]:
    """The lab's network namespaces that exist, by their ``nhl-`` names."""
    lines = _ip("netns", "list").splitlines()
    return [line.split()[0] for line in lines if line.startswith("nhl-")]


def links() -> list[str]:
    """The lab's links that exist on the machine: bridges, and ends of links to hosts."""
    shown = json.loads(_ip("-json", "link", "show") or "[]")
    return [link["ifname"] for link in shown if link["ifname"].startswith("nhl-")]


def pids(namespace: str) -> list[int]:
    """Numbers of the processes in one of the lab's network namespaces."""
    return [int(pid) for pid in _ip("netns", "pids", namespace).split()]


def down() -> None:
    """Remove every namespace and link of the lab; what is in them must have ended."""
    for link in links():
        # Each end takes the other one with it.
        run(["ip", "link", "delete", link], timeout=20, check=False)
    for namespace in namespaces():
        _ip("netns", "delete", namespace)


def _links_of(host: str, network: str | None) -> list[str]:
    if network is not None and network not in layout.networks(host):
        raise LabError(
            f"{host} is not on a network {network!r}; its networks: "
            + ", ".join(layout.networks(host))
        )
    return [layout.veth(host, n) for n in layout.networks(host) if network in (None, n)]


def cut(host: str, network: str) -> None:
    """Pull a host's cable: it still has its address, but nothing goes in or out."""
    for veth in _links_of(host, network):
        _ip("link", "set", veth, "down")


def heal(host: str | None = None, network: str | None = None) -> None:
    """Put cables back: one, all of a host's, or all of the lab's."""
    bridges = {layout.bridge(n) for n in layout.NETWORKS}
    veths = _links_of(host, network) if host else [v for v in links() if v not in bridges]
    for veth in veths:
        _ip("link", "set", veth, "up")


_NOBODY = "02:00:00:00:00:01"


def deafen(host: str, others: Sequence[str], network: str) -> None:
    """What the host sends to these others on this network is lost, to all else it is not.

    They answer whatever is sent, so that each takes the other for silent.
    """
    for other in others:
        target = ["replace", layout.address(other, network), "lladdr", _NOBODY]
        _neighbour(host, [*target, "nud", "permanent", "dev", network])


def undeafen(host: str, others: Sequence[str], network: str) -> None:
    """Undo it. A host that was off meanwhile has forgotten it."""
    for other in others:
        with suppress(LabError):
            _neighbour(host, ["delete", layout.address(other, network), "dev", network])


def _neighbour(host: str, arguments: list[str]) -> None:
    _ip("-n", layout.namespace(host), "neighbour", *arguments)


def cut_links() -> set[str]:
    """The machine's ends of links that are cut now."""
    shown = json.loads(_ip("-json", "link", "show") or "[]")
    return {
        link["ifname"]
        for link in shown
        if link["ifname"].startswith("nhl-") and "UP" not in link["flags"]
    }
