"""All compute hosts as the cluster has them at one moment: what the brake judges by.

One question to the CIB. Which connection stands and which is lost is read as Pacemaker's scheduler
reads it: from the history of the connection resource (lib/pengine/unpack.c).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from lxml import etree

from novaha.core import truth
from novaha.core.agents import BRAKE_AGENT
from novaha.core.brake import Code, Host, Limits, Site, Verdict, judge
from novaha.core.errors import NovahaError, RecordError
from novaha.core.groups import GROUPS
from novaha.core.record import HOLD, Record, from_attributes, set_id
from novaha.core.recovery import RecoveryState
from novaha.core.steering import (
    HELD,
    PAUSE,
    PROCEED,
    Held,
    Pause,
    Permit,
    SteeringError,
    in_force,
    read_held,
    read_pause,
    read_permit,
)
from novaha.pacemaker.cib import query
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.live import attributes_of_all
from novaha.pacemaker.reach import PORT, Address
from novaha.pacemaker.runner import Runner

ADDRESSES = "novaha-addresses"
"""Node attribute: more addresses of the host, `10.0.2.1:22 10.0.3.1`, on further networks."""

PAUSES = f"//crm_config//nvpair[@name='{PAUSE}']"
"""Where the pause stands in the configuration."""

_OTHER_PORT = 22
"""Asked at a further address that names no port: a refusal is an answer, too."""

Word = TypeVar("Word")


@dataclass(frozen=True, slots=True)
class Computes:
    """The compute hosts, and what concerns them all.

    hosts: by node. addresses: where each can be asked. permits, held: by node.
    connections: the resource by which Pacemaker reaches a host, by node; full members have none.
    settings: the parameters of the brake's own device, empty where there is none.
    devices: the ids of the brake's devices.
    problems: what stands there and cannot be read.
    """

    hosts: Mapping[str, Host]
    addresses: Mapping[str, tuple[Address, ...]]
    quorum: bool
    pause: Pause | None = None
    permits: Mapping[str, Permit] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()

    def canonical(self, name: str) -> str | None:
        """The cluster's spelling of a host's name, None for one that it does not have."""
        return next((node for node in self.hosts if node.lower() == name.lower()), None)

    def paused(self, now: datetime) -> str:
        """Why fencing and recovery are paused at this moment, "" when they are not."""
        return in_force(self.pause, now)

    def permitted(self, node: str, now: datetime) -> str:
        """Who has let the host go, "" when nobody has, or not lately."""
        return in_force(self.permits.get(node), now)

    def judge(self, node: str, hosts: Collection[Host], limits: Limits, now: datetime) -> Verdict:
        """Whether the host may be powered off. hosts: with whether they answer."""
        site, permitted = Site(self.quorum, self.paused(now)), self.permitted(node, now)
        return judge(node, hosts, site, limits, now, permitted=permitted)


def read_computes(run: Runner | None = None) -> Computes:
    """All compute hosts. Raises ClusterToolError, NovahaError when the CIB cannot be read."""
    run = run or Runner()
    roots = list(query(run, "/cib"))
    if len(roots) != 1 or roots[0].tag != "cib":
        raise NovahaError("the cluster's configuration (CIB) cannot be read")
    marks = attributes_of_all(run, HELD)
    try:
        return from_cib(roots[0], marks, FenceHistory(run).history().last_fencings())
    except NovahaError as error:
        found = from_cib(roots[0], marks)
        lost = f"fencings of hosts that are back are not counted: {error}"
        return replace(found, problems=(*found.problems, lost))


def from_cib(
    cib: etree._Element,
    marks: Mapping[str, str] | None = None,
    fencings: Mapping[str, datetime] | None = None,
) -> Computes:
    """All compute hosts in this CIB, the `<cib>` element with its status.

    marks: which power-offs are held, by node, as the attribute manager has them.
    fencings: when each node was fenced last, by its name in lower case. The CIB forgets the
        fencing of a host that is back.
    """
    problems: list[str] = []
    fencings = fencings or {}
    nodes = {str(n.get("uname")): n for n in cib.iterfind("configuration/nodes/node")}
    states = {str(s.get("uname")): s for s in cib.iterfind("status/node_state")}
    connections = dict(_connections(cib))
    members = {
        name
        for name, node in nodes.items()
        if node.get("type") != "remote"
        and name not in connections
        and _attributes(node).get("osprole") == "compute"
    }
    runs = _runs(cib, connections)
    texts = {name: _any_attribute(node, PROCEED) for name, node in nodes.items()}
    permits = _read_words({n: t for n, t in texts.items() if t}, read_permit, problems)
    held = _read_words(marks or {}, read_held, problems)
    hosts = {}
    for name in sorted({*connections, *members}):
        attributes = _attributes(nodes.get(name))
        state = states.get(name)
        record = _record(name, nodes.get(name))
        lost, stopped = runs[name] if name in connections else _membership(state)
        fenced = _fenced(state)
        recovering = record is not None and record.state is not RecoveryState.RECOVERED
        away = record is not None and not record.kept  # fenced, and not back since
        hosts[name] = Host(
            node=name,
            groups=frozenset(f"{g}={attributes[g]}" for g in GROUPS if attributes.get(g)),
            excused=_excused(attributes, connections.get(name)) or (stopped and not away),
            lost=lost and not fenced,
            off=bool(fenced) or (away and (lost or stopped)),
            fenced=max(
                filter(
                    None, (fenced, record.fenced if record else None, fencings.get(name.lower()))
                ),
                default=None,
            ),
            recovering=recovering,
            waits=record is not None and record.state is RecoveryState.PENDING,
            ended=recovering and _has_ended(record),
            held=held[name].since if name in held else None,
            held_alone=name in held and held[name].code in (Code.WORKS, Code.UNPROVEN),
            unproven=name in held and held[name].code == Code.UNPROVEN,
        )
    devices = [
        primitive
        for primitive in cib.iterfind("configuration/resources//primitive[@class='stonith']")
        if primitive.get("type") == BRAKE_AGENT
    ]
    return Computes(
        hosts=hosts,
        addresses={name: _addresses(name, nodes, connections) for name in hosts},
        quorum=truth.in_cib(cib.get("have-quorum", "1")),
        pause=_pause(cib.iterfind(f"configuration/crm_config//nvpair[@name='{PAUSE}']"), problems),
        permits=permits,
        held=held,
        connections={name: connection.resource for name, connection in connections.items()},
        settings=parameters(devices[0]) if devices else {},
        devices=frozenset(str(device.get("id")) for device in devices),
        problems=tuple(problems),
    )


@dataclass(frozen=True, slots=True)
class _Connection:
    """How Pacemaker reaches a remote or guest node."""

    resource: str
    server: str
    port: str
    meta: Mapping[str, str]


def _connections(cib: etree._Element) -> Iterator[tuple[str, _Connection]]:
    """The connection of each remote node, and of each guest node, by node."""
    for primitive in cib.iterfind("configuration/resources//primitive"):
        name, meta = str(primitive.get("id")), _pairs(primitive, "meta_attributes")
        if (primitive.get("provider"), primitive.get("type")) == ("pacemaker", "remote"):
            own = parameters(primitive)
            yield name, _Connection(name, own.get("server") or name, own.get("port", ""), meta)
        elif guest := meta.get("remote-node"):
            server = meta.get("remote-addr") or guest
            yield guest, _Connection(name, server, meta.get("remote-port", ""), meta)


def _runs(
    cib: etree._Element, connections: Mapping[str, _Connection]
) -> dict[str, tuple[bool, bool]]:
    """Whether each connection is lost, and whether it is stopped in peace, by node."""
    histories: dict[str, list[etree._Element]] = {}
    for resource in cib.iterfind("status/node_state/lrm/lrm_resources/lrm_resource"):
        histories.setdefault(str(resource.get("id")), []).extend(resource.iterfind("lrm_rsc_op"))
    return {
        name: _outcome(histories.get(connection.resource, ()))
        for name, connection in connections.items()
    }


def _outcome(history: Iterable[etree._Element]) -> tuple[bool, bool]:
    """The connection's state by its history, of all controllers: (lost, stopped)."""
    failed = started = stopped = -1
    for op in history:
        task, code = op.get("operation"), op.get("rc-code")
        if op.get("op-status") == "-1" or code in ("193", None):
            continue  # under way
        probe = task == "monitor" and op.get("interval", "0") == "0"
        moment = _number(op.get("last-rc-change"))
        if code in ("0", "190") and task in ("start", "migrate_from", "monitor"):
            started = max(started, moment)
        elif code == "0" and task in ("stop", "migrate_to"):
            stopped = max(stopped, moment)
        elif not probe:
            failed = max(failed, moment)
    # A recurring monitor's entry keeps the moment at which its result changed last.
    lost = failed >= 0 and failed >= started
    return lost, not lost and (started < 0 or stopped > started)


def _membership(state: etree._Element | None) -> tuple[bool, bool]:
    """Whether a full member is lost, and whether it left in peace."""
    if state is None:
        return False, True
    present = all(_is_set(state.get(name)) for name in ("in_ccm", "crmd"))
    expected = state.get("expected") == "member"
    return not present and expected, not present and not expected


def _is_set(value: str | None) -> bool:
    """In both forms: true and online, or since Pacemaker 2.1.7 the moment, 0 for never."""
    return (value or "").lower() in ("true", "online") or _number(value) > 0


def _fenced(state: etree._Element | None) -> datetime | None:
    moment = _number(None if state is None else state.get("node_fenced"))
    return datetime.fromtimestamp(moment, UTC) if 0 < moment < 1 << 33 else None


def _record(name: str, node: etree._Element | None) -> Record | None:
    """The recovery record; one that makes no sense is one of a host that was fenced."""
    if node is None:
        return None
    pairs = node.iterfind(f"instance_attributes[@id='{set_id(name)}']/nvpair")
    attributes = {str(p.get("name")): str(p.get("value")) for p in pairs}
    if not attributes:
        return None
    try:
        return from_attributes(name, attributes)
    except RecordError:
        unknown = datetime.fromtimestamp(0, UTC)
        if not truth.in_cib(attributes.get(HOLD, "true"), default=True):
            return None
        return Record(name, RecoveryState.PENDING, "", unknown)


def _has_ended(record: Record | None) -> bool:
    """Whether the record proves that a fencing has ended the guests."""
    return record is not None and not (record.unproven or record.doubted or not record.fence_id)


def _excused(attributes: Mapping[str, str], connection: _Connection | None) -> bool:
    """Whether an operator has taken the host out: in maintenance, standby, or disabled."""
    if any(truth.in_cib(attributes.get(name, "")) for name in ("maintenance", "standby")):
        return True
    if connection is None:
        return False
    meta = connection.meta
    unmanaged = not truth.in_cib(meta.get("is-managed", "true"), default=True)
    in_maintenance = truth.in_cib(meta.get("maintenance", ""))
    return meta.get("target-role", "").lower() == "stopped" or unmanaged or in_maintenance


def _addresses(
    name: str, nodes: Mapping[str, etree._Element], connections: Mapping[str, _Connection]
) -> tuple[Address, ...]:
    found = []
    if connection := connections.get(name):
        found.append(Address(connection.server, _port(connection.port, PORT)))
    else:
        found.append(Address(name, _OTHER_PORT))
    for text in _attributes(nodes.get(name)).get(ADDRESSES, "").replace(",", " ").split():
        host, separator, port = text.rpartition(":")
        plain = not separator or (":" in host and not host.endswith("]"))  # a bare IPv6 address
        host = text if plain else host
        found.append(Address(host.strip("[]"), _port("" if plain else port, _OTHER_PORT)))
    return tuple(found)


def _port(text: str, default: int) -> int:
    number = _number(text)
    return number if 0 < number < 1 << 16 else default


def paused(run: Runner | None = None) -> Pause | None:
    """The pause that is in the cluster's configuration, in force or not.

    Raises ClusterToolError when the CIB cannot be read.
    """
    return pause_in(query(run or Runner(), PAUSES))


def pause_in(pairs: Iterable[etree._Element]) -> Pause | None:
    """The pause by what stands at `PAUSES`."""
    return _pause(pairs, [])


def _pause(pairs: Iterable[etree._Element], problems: list[str]) -> Pause | None:
    for pair in pairs:
        if pair.get("value"):
            try:
                return read_pause(str(pair.get("value")))
            except SteeringError as error:
                problems.append(str(error))
    return None


def _read_words(
    texts: Mapping[str, str], reader: Callable[[str], Word], problems: list[str]
) -> dict[str, Word]:
    """What operators, or the brake, have written about each node."""
    found = {}
    for node, text in texts.items():
        try:
            found[node] = reader(text)
        except SteeringError as error:
            problems.append(f"{node}: {error}")
    return found


def _attributes(node: etree._Element | None) -> dict[str, str]:
    return {} if node is None else _pairs(node, "instance_attributes")


def _any_attribute(node: etree._Element, name: str) -> str:
    """An attribute of any of the node's sets, "" without one."""
    pairs = node.iterfind(f"instance_attributes/nvpair[@name='{name}']")
    return next((str(pair.get("value")) for pair in pairs if pair.get("value")), "")


def parameters(primitive: etree._Element) -> dict[str, str]:
    """The parameters of a resource or device."""
    return _pairs(primitive, "instance_attributes")


def _pairs(element: etree._Element, kind: str) -> dict[str, str]:
    pairs = element.iterfind(f"{kind}/nvpair")
    return {str(pair.get("name")): str(pair.get("value")) for pair in pairs}


def _number(text: str | None) -> int:
    with contextlib.suppress(TypeError, ValueError):
        return int(text or "")
    return -1
