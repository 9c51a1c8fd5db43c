"""Whether the fencing of a node, as it is configured, proves that its guests have ended (law 1).

novaha.pacemaker.devices and .levels decide; this asks them about a configuration that was read.
"""

from __future__ import annotations

from collections.abc import Sequence

from novaha.cli.configuration import Configuration
from novaha.pacemaker.devices import FenceDevice
from novaha.pacemaker.levels import Level, Levels


def levels(now: Configuration) -> Levels:
    """The fencing levels of all nodes, which tell whether a success of them proves anything."""
    return Levels(
        [FenceDevice(d.id, d.agent, d.attributes) for d in now.devices],
        [Level(v.id, v.devices, target=v.target) for v in now.levels],
        members=now.members,
        attributes=lambda name: tuple(now.attributes.get(name, {}).items()),
    )


def powerless(now: Configuration, node: str, devices: Sequence[str]) -> str:
    """Why none of these devices can end the node's guests, "" if one does or may.

    An agent that novaha does not know may: once there is our device, that can be declared on it.
    """
    member = now.nodes.get(node) == "member"
    said = []
    for device in (d for d in now.devices if d.id in devices):
        proof = FenceDevice(device.id, device.agent, device.attributes).proof(member=member)
        if proof or proof.declarable:
            return ""
        said.append(f"{device.id} ({device.agent}) {proof.why_not}")
    return "; ".join(said)
