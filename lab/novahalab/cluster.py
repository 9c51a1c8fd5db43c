"""The Pacemaker cluster: what its nodes are configured with, and when it stands."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from novahalab import bmc, layout
from novahalab.errors import LabError
from novahalab.process import CommandError
from novahalab.sandbox import Sandbox

AUTHKEY = "the novaha lab is no secret"

_COROSYNC = """\
totem {{
    version: 2
    cluster_name: novaha-lab
    transport: knet
    crypto_cipher: none
    crypto_hash: none
    token: 2000
}}
quorum {{
    provider: corosync_votequorum
}}
logging {{
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    to_syslog: no
    timestamp: hires
}}
nodelist {{
{nodes}}}
"""
_COROSYNC_NODE = """\
    node {{
        ring0_addr: {address}
        name: {name}
        nodeid: {number}
    }}
"""


def corosync_conf() -> str:
    """corosync.conf of the three controllers."""
    nodes = "".join(
        _COROSYNC_NODE.format(address=layout.address(n, "cluster"), name=n, number=i)
        for i, n in enumerate(layout.CONTROLLERS, 1)
    )
    return _COROSYNC.format(nodes=nodes)


def cib(computes: Sequence[str]) -> str:
    """The CIB that the cluster starts with: what an operator has before novaha comes.

    One remote node resource for each compute node and one IPMI fence device for each node.
    """
    root = ET.Element("cib", {"validate-with": "pacemaker-3.9", "admin_epoch": "0"})
    root.attrib |= {"epoch": "1", "num_updates": "0"}
    configuration = ET.SubElement(root, "configuration")
    crm_config = ET.SubElement(configuration, "crm_config")
    options = ET.SubElement(crm_config, "cluster_property_set", id="cib-bootstrap-options")
    # The default of 20 s is how long a lone first node waits for the others before it is DC.
    properties = {"cluster-name": "novaha-lab", "stonith-enabled": "true", "dc-deadtime": "5s"}
    # All nodes see the load of the one machine below them, and would throttle themselves by it.
    properties["load-threshold"] = "1000%"
    _nvpairs(options, properties)
    ET.SubElement(configuration, "nodes")
    resources = ET.SubElement(configuration, "resources")
    for node in (*layout.CONTROLLERS, *computes):
        resources.append(_fence_device(node))
    for node in computes:
        resources.append(_remote_node(node))
    ET.SubElement(configuration, "constraints")
    defaults = ET.SubElement(configuration, "rsc_defaults")
    defaults = ET.SubElement(defaults, "meta_attributes", id="rsc-options")
    _nvpairs(defaults, {"resource-stickiness": "1"})  # as `pcs cluster setup` has it
    ET.SubElement(root, "status")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _nvpairs(parent: ET.Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        ET.SubElement(parent, "nvpair", id=f"{parent.get('id')}-{name}", name=name, value=value)


def _operations(parent: ET.Element, *operations: tuple[str, str, str]) -> None:
    container = ET.SubElement(parent, "operations")
    for name, interval, timeout in operations:
        identifier = f"{parent.get('id')}-{name}-interval-{interval}"
        attributes = {"id": identifier, "name": name, "interval": interval, "timeout": timeout}
        ET.SubElement(container, "op", attributes)


def _fence_device(node: str) -> ET.Element:
    device = ET.Element("primitive", {"id": f"ipmi-{node}", "class": "stonith"})
    device.set("type", "fence_ipmilan")
    attributes = ET.SubElement(device, "instance_attributes")
    attributes.set("id", f"ipmi-{node}-instance_attributes")
    values = {
        "ip": layout.bmc_address(node),
        "username": bmc.USER,
        "password": bmc.PASSWORD,
        "lanplus": "1",
        # Without it each call of ipmitool hangs on a query of the BMC's ciphers.
        "cipher": "3",
        "power_wait": "0",
        "pcmk_host_list": node,
    }
    _nvpairs(attributes, values)
    _operations(device, ("monitor", "60s", "20s"))
    return device


def _remote_node(node: str) -> ET.Element:
    remote = ET.Element("primitive", {"id": node, "class": "ocf", "provider": "pacemaker"})
    remote.set("type", "remote")
    attributes = ET.SubElement(remote, "instance_attributes")
    attributes.set("id", f"{node}-instance_attributes")
    values = {"server": layout.address(node, "cluster"), "reconnect_interval": "5s"}
    _nvpairs(attributes, values)
    # A connection that is being tried holds up the next transition: keep it short.
    # The monitor is the one that pcs gives it; `novaha setup` makes it quicker.
    _operations(remote, ("monitor", "60s", "30s"), ("start", "0s", "15s"), ("stop", "0s", "15s"))
    return remote


@dataclass(frozen=True)
class ClusterStatus:
    """What one controller says of the cluster (``crm_mon``)."""

    quorum: bool = False
    dc: str = ""
    version: str = ""
    nodes: dict[str, str] = field(default_factory=dict)  # name: online, offline, unclean, …
    resources: dict[str, list[str]] = field(default_factory=dict)  # id: nodes that it runs on


def status(controllers: Sequence[str] = layout.CONTROLLERS) -> ClusterStatus | None:
    """Status of the cluster by the first controller that knows a DC; None if none answers."""
    answer = None
    for name in controllers:
        controller = Sandbox(name)
        if not controller.running or controller.frozen:
            continue
        try:
            shown = controller.exec(["crm_mon", "-1", "-n", "-r", "--output-as=xml"], timeout=10)
            answer = _parse(ET.fromstring(shown.stdout))
        except (CommandError, LabError, ET.ParseError):
            continue
        if answer.dc:
            return answer
    return answer


def _parse(root: ET.Element) -> ClusterStatus:
    dc = root.find("summary/current_dc")
    if dc is None or dc.get("present") != "true":
        return ClusterStatus()
    nodes: dict[str, str] = {}
    resources: dict[str, list[str]] = {}
    for node in root.iterfind("nodes/node"):
        name = node.get("name", "")
        nodes[name] = _node_state(node)
        for resource in node.iterfind("resource"):
            if resource.get("active") == "true" and resource.get("failed") != "true":
                resources.setdefault(resource.get("id", ""), []).append(name)
    return ClusterStatus(
        quorum=dc.get("with_quorum") == "true",
        dc=dc.get("name", ""),
        version=dc.get("version", ""),
        nodes=nodes,
        resources=resources,
    )


def _node_state(node: ET.Element) -> str:
    for flag in ("unclean", "pending", "standby", "maintenance"):
        if node.get(flag) == "true":
            return flag
    return "online" if node.get("online") == "true" else "offline"


def wait_for(what: str, met: Callable[[ClusterStatus], str], timeout: float) -> ClusterStatus:
    """Wait until ``met`` returns an empty text; else the text says what is still missing.

    ``timeout`` is in seconds. Raises LabError, with what was missing at the end.
    """
    deadline = time.monotonic() + timeout
    while True:
        now = status()
        missing = met(now) if now else "no controller answers crm_mon"
        if now and not missing:
            return now
        if time.monotonic() > deadline:
            raise LabError(
                f"{what}: not there after {timeout:g} s: {missing}; "
                "see `lab logs controller-1` and `lab status`"
            )
        time.sleep(0.3)


def whole(computes: Sequence[str]) -> Callable[[ClusterStatus], str]:
    """A condition for ``wait_for``: quorum, a DC, every node online, every fence device started."""

    def missing(now: ClusterStatus) -> str:
        if not now.dc:
            return "no DC"
        if not now.quorum:
            return "no quorum"
        nodes = (*layout.CONTROLLERS, *computes)
        states = {n: now.nodes.get(n, "unknown") for n in nodes}
        late = [f"{n} is {s}" for n, s in states.items() if s != "online"]
        late += [f"ipmi-{n} is not started" for n in nodes if f"ipmi-{n}" not in now.resources]
        return ", ".join(late)

    return missing
