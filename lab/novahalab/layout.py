"""Where the lab keeps its things, and the names and addresses of its hosts.

All paths are below ``NOVAHA_LAB_DIR`` (default ``/var/lib/novaha-lab``). ``RUN`` is a tmpfs
from ``up`` to ``down``; everything else there outlives a run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "scripts"

LAB = Path(os.environ.get("NOVAHA_LAB_DIR") or "/var/lib/novaha-lab")
TOOLS = LAB / "tools"
CLOUD = LAB / "cloud"
ROOTS = LAB / "roots"
REMOTE = LAB / "remote"
PRODUCT = LAB / "product"
PACKAGES = LAB / "packages"
WHEELS = LAB / "wheels"
LAST_LOGS = LAB / "last-logs"

RUN = LAB / "run"
LOGS = RUN / "logs"
SANDBOXES = RUN / "sandboxes"
NODES = RUN / "nodes"
BMC = RUN / "bmc"
GUESTS = RUN / "guests"
SERVICES = RUN / "services"
HOSTS = RUN / "hosts"
STATE = RUN / "lab.json"

# Where a node finds the host's own root: nova-compute runs there on the host's Python.
HOSTROOT = Path("/opt/hostroot")

GENERATIONS = ("native", "trixie", "sid")
NETWORKS = ("cluster", "api", "ipmi")
_SUBNET = {"cluster": "10.77.1", "api": "10.77.2", "ipmi": "10.77.3"}
CONTROLLERS = ("controller-1", "controller-2", "controller-3")
MIN_COMPUTES, MAX_COMPUTES = 2, 20

_NODE = re.compile(r"(controller|compute)-([1-9][0-9]*)")


def computes(count: int) -> tuple[str, ...]:
    """Names of the compute nodes of a lab with ``count`` of them."""
    return tuple(f"compute-{i}" for i in range(1, count + 1))


def is_compute(node: str) -> bool:
    """Whether a node of this name is a compute node."""
    return _kind(node)[0] == "compute"


def _kind(node: str) -> tuple[str, int]:
    match = _NODE.fullmatch(node)
    if match is None:
        raise ValueError(f"not the name of a lab node: {node!r}")
    return match[1], int(match[2])


def prefix(network: str) -> str:
    """The first three octets of a network's addresses; its mask is always /24."""
    return _SUBNET[network]


def address(host: str, network: str) -> str:
    """Address of a node, of ``cloud`` or of the machine itself (``host``) on a network."""
    if host == "host":
        last = 1
    elif host == "cloud":
        last = 2
    else:
        kind, index = _kind(host)
        last = (10 if kind == "controller" else 100) + index
    return f"{_SUBNET[network]}.{last}"


def bmc_address(node: str) -> str:
    """Address of a node's BMC on the ipmi network."""
    kind, index = _kind(node)
    return f"{_SUBNET['ipmi']}.{(50 if kind == 'controller' else 200) + index}"


def spare_address(node: str) -> str:
    """Address of a node's second power switch, where it has one (bmc.start_spare)."""
    kind, index = _kind(node)
    return f"{_SUBNET['ipmi']}.{(60 if kind == 'controller' else 150) + index}"


def networks(host: str) -> tuple[str, ...]:
    """The networks that a host is on."""
    return {"cloud": ("api",), "bmc": ("ipmi",)}.get(host, NETWORKS)


def namespace(host: str) -> str:
    """Name of a host's network namespace, as ``ip netns`` shows it."""
    return f"nhl-{host}"


def bridge(network: str) -> str:
    """Name of a network's bridge on the machine."""
    return f"nhl-{network}"


def veth(host: str, network: str) -> str:
    """The machine's end of a host's link; at most 15 characters, as the kernel wants it."""
    short = host.replace("controller-", "c").replace("compute-", "n")
    return f"nhl-{short}-{network}"
