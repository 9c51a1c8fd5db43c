"""What ``lab status`` and ``lab servers list`` show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from novahalab import bmc, cloud, cluster, layout, network
from novahalab.deaths import Kind
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings

_GOOD = {"on", "online", "running", "ACTIVE"}


def gather() -> dict[str, Any]:
    """All that is known of the running lab, as plain data. Raises LabError if none is up."""
    settings = Settings.load()
    cut = network.cut_links()
    now = cluster.status() or cluster.ClusterStatus()
    hosts = []
    for node in settings.nodes:
        on = [name for name, where in now.resources.items() if node in where]
        hosts.append(
            {
                "node": node,
                "power": _power(Sandbox(node)),
                "cluster": now.nodes.get(node, "unknown"),
                "bmc": "running" if bmc.running(node) else "stopped",
                "cut": [n for n in layout.NETWORKS if layout.veth(node, n) in cut],
                "resources": sorted(on),
            }
        )
    services = [] if settings.bare else [asdict(s) for s in cloud.cloud().status()]
    return {
        "computes": settings.computes,
        "pacemaker": settings.pacemaker,
        "bare": settings.bare,
        "complete": (layout.RUN / "complete").exists(),
        "version": now.version,
        "quorum": now.quorum,
        "dc": now.dc,
        "nodes": hosts,
        "services": services,
        "cloud_cut": layout.veth("cloud", "api") in cut,
    }


def _power(sandbox: Sandbox) -> str:
    if not sandbox.running:
        return "off"
    return "frozen" if sandbox.frozen else "on"


def _mark(text: str) -> str:
    return text if text in _GOOD else f"[red]{text}[/]"


def show(status: dict[str, Any]) -> None:
    """Print what ``gather`` found, as tables."""
    out = Console(highlight=False)
    quorum = "quorum" if status["quorum"] else "[red]no quorum[/]"
    out.print(
        f"Pacemaker {status['version'] or 'unknown'} ({status['pacemaker']}), {quorum}, "
        f"DC {status['dc'] or '[red]none[/]'}"
        + ("" if status["complete"] else "  [red]`lab up` has not finished[/]")
    )
    table = Table("node", "power", "cluster", "BMC", "cut", "resources", box=None)
    for node in status["nodes"]:
        table.add_row(
            node["node"],
            _mark(node["power"]),
            _mark(node["cluster"]),
            _mark(node["bmc"]),
            " ".join(node["cut"]),
            " ".join(node["resources"]),
        )
    out.print(table)
    if status["services"]:
        named = [f"{s['service']} {_mark(s['state'])}" for s in status["services"]]
        out.print(
            "cloud: " + ", ".join(named) + (" [red](cut off)[/]" if status["cloud_cut"] else "")
        )


def show_servers(servers: Sequence[cloud.Server], output: str) -> None:
    """Print instances, as a table or as JSON."""
    if output == "json":
        print(json.dumps([asdict(server) for server in servers], indent=2))
        return
    table = Table("name", "status", "task", "host", "id", box=None)
    for server in sorted(servers, key=lambda s: (len(s.name), s.name)):
        table.add_row(
            server.name, _mark(server.status), server.task_state or "", server.host or "", server.id
        )
    Console(highlight=False).print(table)


def show_deaths(kinds: Mapping[str, Kind]) -> None:
    """Print the kinds of death, each with the command that brings it about."""
    table = Table("lab crash NODE --kind", "what happens", "what should follow", box=None)
    for name, kind in kinds.items():
        table.add_row(name, kind.what, kind.then)
    Console(highlight=False).print(table)
