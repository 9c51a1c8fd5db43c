"""What the cluster is configured to do, as `novaha setup` and `doctor` need to know it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from novaha.cli import placement
from novaha.cli.placement import Answer, Location
from novaha.contract.names import (
    BRAKE_AGENT,
    COMPUTE,
    COMPUTE_AGENT,
    FENCE_AGENT,
    PROVIDER,
    ROLE,
)
from novaha.core import truth
from novaha.pacemaker.devices import host_map

if TYPE_CHECKING:
    from lxml.etree import _Element

WAIT_AGENT = "nova-compute-wait"
"""Takes NovaCompute's place where something else starts nova-compute."""

NO_POWER = frozenset({FENCE_AGENT, BRAKE_AGENT, "fence_evacuate"})
"""Fence agents that cut no power: ours, and one of the older agents that evacuates by itself."""

_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "m": 60.0, "min": 60.0}
_UNITS |= {"us": 1e-6, "usec": 1e-6, "h": 3600.0, "hr": 3600.0}

_ACTION_TIMEOUT = "20s"
"""Pacemaker's own, of actions that do not say."""


@dataclass(frozen=True, slots=True)
class Device:
    """A stonith resource. meta: its meta attributes, the cluster's defaults included.

    nodes: the cluster's, by whose spelling the hosts are told: Pacemaker compares without case.
    """

    id: str
    agent: str
    attributes: Mapping[str, str]
    meta: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    @property
    def hosts(self) -> frozenset[str]:
        """The nodes that it is told to fence, by pcmk_host_list and pcmk_host_map."""
        listed = re.split(r"[\s,;]+", self.attributes.get("pcmk_host_list", ""))
        mapped = (node for node, _ in host_map(self.attributes.get("pcmk_host_map", "")))
        spelled = {node.lower(): node for node in self.nodes}
        return frozenset(spelled.get(n.lower(), n) for n in (*listed, *mapped) if n)

    @property
    def names_hosts(self) -> bool:
        """Whether its configuration says at all what it fences."""
        return bool(self.hosts) or self.attributes.get("pcmk_host_check") == "static-list"


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the fencing topology for one node."""

    id: str
    target: str
    index: int
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """An OCF resource of ours. `clone`: the id of its clone, or its group's; "" without one.

    meta: its meta attributes; what it does not set itself is its clone's or the cluster's default.
    """

    id: str
    agent: str
    clone: str
    attributes: Mapping[str, str]
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connection:
    """The `ocf:pacemaker:remote` resource of a remote node, and the monitor of its connection.

    interval, timeout: of that monitor, in seconds; both are 0 where there is none, and then the
    cluster does not look whether the host still answers.
    """

    id: str
    interval: float
    timeout: float

    @property
    def longest(self) -> float:
        """Seconds after which a host that died without a word is noticed at the latest."""
        return self.interval + self.timeout if self.interval else float("inf")


@dataclass(frozen=True, slots=True)
class LocationRule:
    """A location constraint whose rule is one comparison of a node attribute.

    discovery: where Pacemaker looks for the resource before it starts it; "never": not on these
        nodes, "exclusive": only there, and nowhere else may it run.
    """

    resource: str
    score: str
    attribute: str
    operation: str
    value: str
    discovery: str = "always"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The part of the CIB that matters.

    roles: the node attribute of that name, by node. properties: the cluster's, those that are set.
    attributes: the permanent ones of each node. locations: every location constraint.
    connections: of the remote nodes, by node.
    """

    nodes: Mapping[str, str]
    roles: Mapping[str, str]
    devices: tuple[Device, ...]
    levels: tuple[Level, ...]
    unclear_levels: tuple[str, ...]
    resources: tuple[Resource, ...]
    rules: frozenset[LocationRule]
    alerts: Mapping[str, str]
    ids: frozenset[str]
    properties: Mapping[str, str]
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    locations: tuple[Location, ...] = ()
    connections: Mapping[str, Connection] = field(default_factory=dict)

    @property
    def stonith_enabled(self) -> bool:
        """Whether the cluster fences at all; Pacemaker 3 calls it fencing-enabled, too."""
        return self.is_on("fencing-enabled", default=self.is_on("stonith-enabled", default=True))

    def is_on(self, name: str, *, default: bool) -> bool:
        """The truth of a boolean property of the cluster."""
        return truth.in_cib(self.properties.get(name, ""), default=default)

    def computes(self) -> list[str]:
        """The compute nodes: remote and guest nodes, and what has the role."""
        by_kind = {name for name, kind in self.nodes.items() if kind != "member"}
        by_role = {name for name, role in self.roles.items() if role == COMPUTE}
        return sorted(by_kind | by_role, key=_natural)

    def flag_device(self) -> Device | None:
        """The stonith resource that is ours."""
        return next((d for d in self.devices if d.agent == FENCE_AGENT), None)

    def brake(self) -> Device | None:
        """Our device that holds power-offs."""
        return next((d for d in self.devices if d.agent == BRAKE_AGENT), None)

    def resource(self, agent: str) -> Resource | None:
        """The resource of this agent."""
        return next((r for r in self.resources if r.agent == agent), None)

    def members(self) -> list[str]:
        """The full cluster nodes, which may run the evacuator; compute hosts may be among them."""
        return sorted((n for n, kind in self.nodes.items() if kind == "member"), key=_natural)

    def may_run(
        self, names: Iterable[str], node: str, locations: Sequence[Location] | None = None
    ) -> Answer:
        """Whether location constraints let a resource run on `node`; see placement.may_run.

        locations: these instead of the cluster's own.
        """
        return placement.may_run(
            frozenset(names),
            self.node(node),
            self.locations if locations is None else locations,
            symmetric=self.is_on("symmetric-cluster", default=True),
        )

    def node(self, name: str) -> placement.Node:
        """A node as the rules of constraints see it."""
        return placement.Node(name, self.nodes.get(name, ""), self.attributes.get(name, {}))

    def parameters(self, agent: str) -> dict[str, str]:
        """What is set on the resource of this agent."""
        resource = self.resource(agent)
        return dict(resource.attributes) if resource else {}

    def holder(self) -> Resource | None:
        """The resource that keeps nova-compute down on a host that is held."""
        return self.resource(COMPUTE_AGENT) or self.resource(WAIT_AGENT)

    def levels_of(self, node: str) -> list[Level]:
        """The node's levels, in the order in which they are tried."""
        own = (level for level in self.levels if level.target.lower() == node.lower())
        return sorted(own, key=lambda level: level.index)

    def power_devices(self, node: str) -> list[str]:
        """The devices that cut the node's power: those told to, else those called after it."""
        others = [d for d in self.devices if d.agent not in NO_POWER]
        told = [d.id for d in others if node in d.hosts]
        called = re.compile(rf"(?:^|[-_.]){re.escape(node)}(?:$|[-_.])")
        return told or [d.id for d in others if not d.names_hosts and called.search(d.id)]


def read(root: _Element, nodes: Mapping[str, str]) -> Configuration:
    """The configuration in a whole CIB. nodes: name to kind, as known_nodes() has them."""
    attributes = {
        str(node.get("uname")): _instance_attributes(node)
        for node in root.iterfind(".//nodes/node")
    }
    levels = list(root.iterfind(".//fencing-topology/fencing-level"))
    # The containers of a bundle are guest nodes, too, and run no instances.
    bundles = {str(bundle.get("id")) for bundle in root.iterfind(".//resources//bundle")}
    return Configuration(
        nodes={n: kind for n, kind in nodes.items() if re.sub(r"-\d+$", "", n) not in bundles},
        roles={node: given[ROLE] for node, given in attributes.items() if ROLE in given},
        devices=tuple(
            Device(
                str(e.get("id")), str(e.get("type")), _instance_attributes(e), meta(e), tuple(nodes)
            )
            for e in root.iterfind(".//resources//primitive[@class='stonith']")
        ),
        levels=tuple(
            Level(
                str(e.get("id")),
                str(e.get("target")),
                integer(e.get("index")),
                tuple(filter(None, re.split(r"[\s,]+", e.get("devices") or ""))),
            )
            for e in levels
            if e.get("target")
        ),
        unclear_levels=tuple(str(e.get("id")) for e in levels if not e.get("target")),
        resources=tuple(_resources(root)),
        rules=frozenset(_rules(root)),
        alerts={str(e.get("id")): str(e.get("path")) for e in root.iterfind(".//alerts/alert")},
        ids=frozenset(str(e.get("id")) for e in root.iter() if e.get("id")),
        properties=_attributes(root.iterfind(".//crm_config/cluster_property_set/nvpair")),
        attributes=attributes,
        locations=placement.read(root),
        connections={found.id: found for found in _connections(root)},
    )


def seconds(text: str) -> float:
    """Pacemaker's notation of a time, as 20, 20s, 100ms, 1min, PT1M30S; 0 for nonsense."""
    plain = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if plain:
        return float(plain[1]) * _UNITS.get(plain[2], 0.0)
    iso = re.fullmatch(r"P?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", text.strip().upper())
    hours, minutes, rest = map(integer, iso.groups()) if iso else (0, 0, 0)
    return 3600.0 * hours + 60.0 * minutes + rest


def integer(text: str | None) -> int:
    """A number of at most 18 digits; 0 for nonsense."""
    found = re.fullmatch(r"\s*([0-9]{1,18})\s*", text or "")
    return int(found[1]) if found else 0


def meta(element: _Element) -> dict[str, str]:
    """The meta attributes of a resource: its own, else its group's or clone's, else the defaults.

    Sets of defaults that hold only by a rule are left out.
    """
    merged: dict[str, str] = {}
    found: _Element | None = element
    while found is not None and found.tag in ("primitive", "group", "clone", "master", "bundle"):
        merged = _attributes(found.iterfind("meta_attributes/nvpair")) | merged
        found = found.getparent()
    defaults = element.getroottree().iterfind(".//rsc_defaults/meta_attributes")
    for attributes in (s for s in defaults if s.find("rule") is None):
        merged = _attributes(attributes.iterfind("nvpair")) | merged
    return merged


def _resources(root: _Element) -> Iterator[Resource]:
    for element in root.iterfind(f".//resources//primitive[@provider='{PROVIDER}']"):
        parent = element.getparent()
        if parent is not None and parent.tag == "group":
            parent = parent.getparent()
        clone = str(parent.get("id")) if parent is not None and parent.tag == "clone" else ""
        yield Resource(
            str(element.get("id")),
            str(element.get("type")),
            clone,
            _instance_attributes(element),
            meta(element),
        )


def _connections(root: _Element) -> Iterator[Connection]:
    path = ".//resources//primitive[@class='ocf'][@provider='pacemaker'][@type='remote']"
    defaults = root.iterfind(".//op_defaults/meta_attributes")
    default = _attributes(
        pair for s in defaults if s.find("rule") is None for pair in s.iterfind("nvpair")
    )
    for element in root.iterfind(path):
        monitors = []
        for op in element.iterfind("operations/op[@name='monitor']"):
            own = _attributes(op.iterfind("meta_attributes/nvpair"))
            options = {**default, **own, **{str(k): str(v) for k, v in op.attrib.items()}}
            if truth.in_cib(options.get("enabled", ""), default=True):
                timeout = options.get("timeout", _ACTION_TIMEOUT)
                monitors.append((seconds(options.get("interval", "0")), seconds(timeout)))
        quickest = min((m for m in monitors if m[0]), key=sum, default=(0.0, 0.0))
        yield Connection(str(element.get("id")), *quickest)


def _rules(root: _Element) -> Iterator[LocationRule]:
    for location in root.iterfind(".//constraints/rsc_location"):
        for rule in location.findall("rule"):
            expressions = rule.findall("expression")
            if len(expressions) == 1 == len(rule):
                found = expressions[0]
                yield LocationRule(
                    str(location.get("rsc")),
                    str(rule.get("score")),
                    str(found.get("attribute")),
                    str(found.get("operation")),
                    str(found.get("value")),
                    location.get("resource-discovery") or "always",
                )


def _instance_attributes(element: _Element) -> dict[str, str]:
    return _attributes(element.iterfind("instance_attributes/nvpair"))


def _attributes(pairs: Iterator[_Element]) -> dict[str, str]:
    return {str(pair.get("name")): str(pair.get("value")) for pair in pairs}


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sort key by which compute-2 comes before compute-10."""
    parts = filter(None, re.split(r"([0-9]{1,18})", name))
    return [(bool(integer(p)) or p.isdigit(), integer(p), p) for p in parts]
