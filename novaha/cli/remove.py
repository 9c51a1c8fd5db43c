"""What takes novaha out of a cluster's configuration, as pcs commands. Decides, does nothing.

nova-compute runs on: Pacemaker lets go of it first, then forgets that it runs, and only then it is
deleted. A resource that Pacemaker knows to run is stopped when it is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from novaha.cli.configuration import WAIT_AGENT, Configuration, Resource
from novaha.cli.placement import looked_for
from novaha.cli.steps import LayoutError, Step
from novaha.contract.names import (
    ALERT,
    BRAKE_AGENT,
    COMPUTE,
    COMPUTE_AGENT,
    CONTROLLER,
    EVACUATE_AGENT,
    FENCE_AGENT,
    ROLE,
)
from novaha.core import truth
from novaha.core.errors import RecordError
from novaha.core.record import HOLD, Record
from novaha.core.steering import PAUSE, PROCEED
from novaha.core.text import word as q

if TYPE_CHECKING:
    from lxml.etree import _Element

_KEPT_RUNNING = (COMPUTE_AGENT, WAIT_AGENT, "libvirtd")
"""Agents whose daemons go on without Pacemaker."""

_SEEN = "novaha-seen-confirmation"


@dataclass(frozen=True, slots=True)
class Removal:
    """first: nothing is fenced, flagged or held by novaha any more, and its daemons are let go.

    forgotten: resources whose history Pacemaker has to forget then. last: what is deleted at last.
    """

    first: tuple[Step, ...]
    forgotten: tuple[str, ...]
    last: tuple[Step, ...]


def plan(
    root: _Element, now: Configuration, records: Mapping[str, Record | RecordError]
) -> Removal:
    """How novaha is taken out of this configuration; nothing in it when nothing of ours is there.

    Raises LayoutError that names everything that is in the way, hosts in recovery first.
    """
    kept = [resource for resource in now.resources if resource.agent in _KEPT_RUNNING]
    if problems := [*_recoveries(records), *_levels_by_pattern(root, now), *_exclusive(now, kept)]:
        raise LayoutError(problems, "cleared of novaha")
    first = [
        *_alerts(now),
        *_levels(now),
        *_evacuators(now),
        *(step for resource in kept for step in _let_go(root, now, resource)),
    ]
    last = [
        *(_delete("resource", _outer(resource)) for resource in kept),
        *_holds(now, {_outer(resource) for resource in kept}),
        *(_delete("stonith", device) for device in sorted(_ours(now))),
        *_pause(now),
        *_attributes(now),
    ]
    return Removal(tuple(first), tuple(resource.id for resource in kept), tuple(last))


def _recoveries(records: Mapping[str, Record | RecordError]) -> Iterator[str]:
    for node, record in sorted(records.items()):
        if isinstance(record, RecordError):
            yield f"{node} has a record that makes no sense, and is held: 'novaha retry {q(node)}'"
        elif record.hold:
            yield (
                f"{node} is in recovery ({record.state}), and nobody would finish it: wait until "
                f"'novaha status' shows no host, or decide: 'novaha release {q(node)}'"
            )
        else:
            yield (
                f"{node} is recovered and not back in service, and nobody would lift its "
                "force-down in Nova: wait until it is back, or take it out of the cluster, "
                f"'crm_node --force --remove {q(node)}' at last"
            )


def _levels_by_pattern(root: _Element, now: Configuration) -> Iterator[str]:
    flags = _ours(now)
    for level in root.iterfind(".//fencing-topology/fencing-level"):
        if not level.get("target") and flags & _devices(level.get("devices") or ""):
            yield (
                f"the fencing level {level.get('id')} is for a pattern or an attribute of nodes: "
                "take novaha's devices out of it by hand ('pcs stonith level remove', then 'add')"
            )


def _exclusive(now: Configuration, kept: list[Resource]) -> Iterator[str]:
    for resource in kept:
        for location in now.locations:
            if location.discovery == "exclusive" and location.is_about(_names(resource)):
                yield (
                    f"the constraint {location.id} has Pacemaker look for {resource.id} again as "
                    f"soon as it is let go: 'pcs constraint delete {q(location.id)}'"
                )


def _alerts(now: Configuration) -> Iterator[Step]:
    for name, path in now.alerts.items():
        if PurePath(path).name == ALERT:
            yield Step("no alert wakes the evacuator", ("alert", "delete", name))


def _levels(now: Configuration) -> Iterator[Step]:
    """The levels lose our devices before those go: one that names no device fails."""
    flags = _ours(now)
    for level in now.levels:
        if not flags & set(level.devices):
            continue
        power = [device for device in level.devices if device not in flags]
        where = ("stonith", "level", "remove", str(level.index), "target", level.target)
        title = f"{level.target}: level {level.index} without novaha's devices"
        yield Step(title, (*where, "stonith", *level.devices))
        if power:
            add = ("stonith", "level", "add", str(level.index), level.target, *power)
            yield Step(title, add)


def _evacuators(now: Configuration) -> Iterator[Step]:
    for resource in now.resources:
        if resource.agent == EVACUATE_AGENT:
            yield _delete("resource", _outer(resource))


def _let_go(root: _Element, now: Configuration, resource: Resource) -> Iterator[Step]:
    """Nothing depends on it, nobody looks for it, and Pacemaker does not touch it."""
    names = _names(resource)
    for tag in ("rsc_order", "rsc_colocation"):
        for constraint in root.iterfind(f".//constraints/{tag}"):
            named = {*constraint.attrib.values()}
            named |= {str(ref.get("id")) for ref in constraint.iterfind(".//resource_ref")}
            if names & named:
                title = f"nothing is ordered or placed by {_outer(resource)}"
                yield Step(title, ("constraint", "delete", str(constraint.get("id"))))
    outer = _outer(resource)
    rule = ("constraint", "location", outer, "rule", "resource-discovery=never", "score=0")
    for operation, nodes in (("eq", now.computes()), ("ne", [*now.nodes.keys() - now.computes()])):
        if any(looked_for(names, now.node(node), now.locations) for node in nodes):
            yield Step(f"{outer}: nobody looks for it", (*rule, ROLE, operation, COMPUTE))
    if truth.in_cib(resource.meta.get("is-managed", ""), default=True):
        title = f"{outer}: Pacemaker lets go of it, it runs on"
        yield Step(title, ("resource", "unmanage", outer))


def _holds(now: Configuration, gone: set[str]) -> Iterator[Step]:
    """The rules on the hold of what is not ours, as of nova-compute's unit."""
    for location in now.locations:
        on_hold = [rule for rule in location.rules if any(t[0] == HOLD for t in rule.tests)]
        if on_hold and len(location.rules) == 1 and not location.resources & gone:
            yield Step("the rule on the hold goes", ("constraint", "delete", location.id))


def _attributes(now: Configuration) -> Iterator[Step]:
    """The role goes where nothing but ours looks at it."""
    ours = {name for resource in now.resources for name in _names(resource)}
    used = any(
        test[0] == ROLE
        for location in now.locations
        if not location.resources <= ours
        for rule in location.rules
        for test in rule.tests
    )
    for node, attributes in sorted(now.attributes.items()):
        if not used and attributes.get(ROLE) in (COMPUTE, CONTROLLER):
            yield Step(f"{node}: no role", ("node", "attribute", node, f"{ROLE}="))
        for name in (_SEEN, PROCEED):
            if name in attributes:
                yield Step(f"{node}: no memory of it", ("node", "attribute", node, f"{name}="))


def _delete(kind: str, name: str) -> Step:
    return Step(f"{name} is deleted", (kind, "delete", name, "--force"))


def _outer(resource: Resource) -> str:
    return resource.clone or resource.id


def _names(resource: Resource) -> frozenset[str]:
    return frozenset(filter(None, (resource.id, resource.clone)))


def _ours(now: Configuration) -> set[str]:
    return {device.id for device in now.devices if device.agent in (FENCE_AGENT, BRAKE_AGENT)}


def _pause(now: Configuration) -> Iterator[Step]:
    if PAUSE in now.properties:
        yield Step("nothing is paused", ("property", "set", f"{PAUSE}=", "--force"))


def _devices(text: str) -> set[str]:
    return {*filter(None, re.split(r"[\s,]+", text))}
