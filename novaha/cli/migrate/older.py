"""What of the older agents stands in a cluster's configuration. Reads, judges nothing.

The forms are those of Red Hat's Instance HA (up to OSP 9 by hand, then by director), of SUSE
OpenStack Cloud, and of whoever put `fence_evacuate` into a fencing level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from novaha.agents.fence_parameters import PARAMETERS
from novaha.cli.configuration import WAIT_AGENT, Configuration, Resource
from novaha.contract.names import COMPUTE, COMPUTE_AGENT, EVACUATE_AGENT, FENCE_AGENT, ROLE
from novaha.core.naming import short

if TYPE_CHECKING:
    from lxml.etree import _Element

_ROLES = ((ROLE, COMPUTE), ("OpenStack-role", COMPUTE), ("compute-instanceha-role", "true"))
"""Node attributes that tell compute nodes: Red Hat's by hand, SUSE's, and director's."""

_UNITS = frozenset({"nova-compute", "openstack-nova-compute", "tripleo_nova_compute"})

_MEANINGLESS = frozenset(
    name.replace("_", dash)
    for parameter in PARAMETERS
    if parameter.deprecated
    for name in (parameter.name, *parameter.aliases)
    for dash in ("_", "-")
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A recurring check. level: its OCF_CHECK_LEVEL."""

    id: str
    interval: str
    timeout: str
    level: str


@dataclass(frozen=True, slots=True)
class Older:
    """What there is.

    found: for people. flag_parameters: of our fence device, those that mean nothing any more.
    provides: whether it promises unfencing; requires: who asks for that, beside the triggers.
    triggers: resources that do nothing but ask for it. evacuate_devices: of fence_evacuate.
    units: clones that run nova-compute's systemd unit, and whether each waits for the holder.
    waits: order constraints that keep the evacuator from running without nova-compute.
    sets: the same as sets of resources. exclusive: location constraints by which Pacemaker looks
    for nova-compute's clones on dead hosts. computes: by their role, or by who is to be fenced.
    host_names: nodes that Nova knows under another name. monitors: the evacuator's checks.
    masakari: resources of Masakari's.
    """

    found: tuple[str, ...]
    flag_parameters: tuple[str, ...]
    provides: bool
    requires: tuple[str, ...]
    triggers: tuple[str, ...]
    evacuate_devices: tuple[str, ...]
    units: Mapping[str, bool]
    waits: tuple[str, ...]
    sets: tuple[str, ...]
    exclusive: tuple[str, ...]
    computes: tuple[str, ...]
    host_names: Mapping[str, str]
    monitors: tuple[Operation, ...]
    masakari: tuple[str, ...]


def read(root: _Element, now: Configuration) -> Older:
    """What of the older agents is in a whole CIB. now: the same, as novaha understands it."""
    evacuate, holder, flag = now.resource(EVACUATE_AGENT), now.holder(), now.flag_device()
    requires = [
        primitive
        for primitive in root.iterfind(".//resources//primitive")
        if _own_meta(primitive, "requires") == "unfencing"
    ]
    triggers = [p for p in requires if (p.get("provider"), p.get("type")) == ("pacemaker", "Dummy")]
    units = dict(_units(root, holder))
    held = {*units, *({holder.clone, holder.id} - {""} if holder else ())}
    evacuators = {evacuate.id, evacuate.clone} if evacuate else set[str]()
    mapped = flag.attributes.get("pcmk_host_map", "") if flag else ""
    return Older(
        found=tuple(_found(root, now)),
        flag_parameters=tuple(n for n in flag.attributes if n in _MEANINGLESS) if flag else (),
        provides=flag is not None and flag.meta.get("provides") == "unfencing",
        requires=tuple(_id(p) for p in requires if p not in triggers),
        triggers=tuple(_id(p) for p in triggers),
        evacuate_devices=tuple(d.id for d in now.devices if d.agent == "fence_evacuate"),
        units=units,
        waits=tuple(
            _id(order)
            for order in root.iterfind(".//constraints/rsc_order[@first]")
            if order.get("first") in held and order.get("then") in evacuators
        ),
        sets=tuple(_sets(root, held, evacuators)),
        exclusive=tuple(
            _id(location)
            for location in root.iterfind(".//constraints/rsc_location")
            if location.get("rsc") in held and location.get("resource-discovery") == "exclusive"
        ),
        computes=_computes(root, now),
        host_names=_host_names(mapped),
        monitors=tuple(_monitors(root, evacuate)),
        masakari=tuple(
            _id(p)
            for p in root.iterfind(".//resources//primitive")
            if "masakari" in f"{p.get('id')} {p.get('type')}".lower()
        ),
    )


def _found(root: _Element, now: Configuration) -> Iterator[str]:
    for resource in now.resources:
        if resource.agent in (EVACUATE_AGENT, COMPUTE_AGENT, WAIT_AGENT):
            yield f"{resource.id} (ocf:openstack:{resource.agent})"
    for device in now.devices:
        if device.agent in (FENCE_AGENT, "fence_evacuate"):
            yield f"{device.id} (stonith:{device.agent})"


def _computes(root: _Element, now: Configuration) -> tuple[str, ...]:
    """Director's clusters have remote nodes that are no compute nodes: the role tells."""
    by_role = {
        str(node.get("uname"))
        for node in root.iterfind(".//nodes/node")
        for name, value in _ROLES
        for pair in node.iterfind(f"instance_attributes/nvpair[@name='{name}']")
        if pair.get("value") == value
    }
    flag = now.flag_device()
    known = by_role or (set(flag.hosts) if flag else set()) & set(now.nodes)
    return tuple(node for node in now.computes() if node in known) or tuple(now.computes())


def _host_names(mapped: str) -> dict[str, str]:
    """Pacemaker's name to Nova's, where more than a domain tells them apart."""
    pairs = [entry.partition(":") for entry in re.split(r"[\s;]+", mapped) if entry]
    return {n: h for n, _, h in pairs if h and short(n).lower() != short(h).lower()}


def _units(root: _Element, holder: Resource | None) -> Iterator[tuple[str, bool]]:
    for primitive in root.iterfind(".//resources/clone//primitive[@class='systemd']"):
        if str(primitive.get("type")).removesuffix(".service") not in _UNITS:
            continue
        clone = next(e for e in primitive.iterancestors("clone"))
        path = f".//constraints/rsc_order[@then='{_id(clone)}']"
        before = {order.get("first") for order in root.iterfind(path)}
        yield _id(clone), holder is not None and bool({holder.clone, holder.id} & before)


def _sets(root: _Element, held: set[str], evacuators: set[str]) -> Iterator[str]:
    for order in root.iterfind(".//constraints/rsc_order"):
        named = {str(ref.get("id")) for ref in order.iterfind("resource_set/resource_ref")}
        if named & held and named & evacuators:
            yield _id(order)


def _monitors(root: _Element, evacuate: Resource | None) -> Iterator[Operation]:
    if evacuate is None:
        return
    path = f".//primitive[@id='{evacuate.id}']/operations/op[@name='monitor']"
    for op in root.iterfind(path):
        level = op.find("instance_attributes/nvpair[@name='OCF_CHECK_LEVEL']")
        yield Operation(
            _id(op),
            str(op.get("interval")),
            str(op.get("timeout") or ""),
            str(level.get("value")) if level is not None else "0",
        )


def _own_meta(primitive: _Element, name: str) -> str:
    pair = primitive.find(f"meta_attributes/nvpair[@name='{name}']")
    parent = primitive.getparent()
    if pair is None and parent is not None and parent.tag == "clone":
        pair = parent.find(f"meta_attributes/nvpair[@name='{name}']")
    return str(pair.get("value")) if pair is not None else ""


def _id(element: _Element) -> str:
    return str(element.get("id"))
