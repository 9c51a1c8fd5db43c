"""The groups of compute hosts, as the brake limits them, from what Nova knows of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

ZONE, RACK, GROUP = "novaha-zone", "novaha-rack", "novaha-group"

GROUPS = (ZONE, RACK, GROUP)
"""Node attributes that put a host into groups."""

METADATA = {RACK: "rack", GROUP: "novaha-group"}
"""The metadata of an aggregate that names a group of its hosts."""

_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One of Nova's host aggregates."""

    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where Nova has a host. zone: its availability zone, "" when Nova does not tell."""

    zone: str = ""
    aggregates: tuple[Aggregate, ...] = ()


@dataclass(frozen=True, slots=True)
class Groups:
    """attributes: by node, those that Nova tells. problems: what it tells that is of no use."""

    attributes: Mapping[str, Mapping[str, str]]
    problems: tuple[str, ...] = ()


def groups(places: Mapping[str, Place], racks: str = "") -> Groups:
    """The groups of each node.

    racks: a shell pattern; an aggregate that is called so is a rack. An aggregate's metadata
        (METADATA) come before that.

    One zone for all hosts is no group: its limit would be that of all hosts.
    """
    problems: list[str] = []
    zones = {place.zone for place in places.values()} - {""}
    attributes: dict[str, dict[str, str]] = {}
    for node, place in places.items():
        found = {ZONE: {place.zone} - {""} if len(zones) > 1 else set()}
        for name, key in METADATA.items():
            found[name] = {a.metadata[key] for a in place.aggregates if a.metadata.get(key)}
        if racks and not found[RACK]:
            found[RACK] = {a.name for a in place.aggregates if fnmatchcase(a.name, racks)}
        attributes[node] = {}
        for name, values in found.items():
            if len(values) > 1:
                which = ", ".join(sorted(values))
                problems.append(f"{node} is in several groups of {name}: {which}; none is taken")
            for value in values if len(values) == 1 else ():
                if value.isprintable() and len(value) <= _LONGEST:
                    attributes[node][name] = value
                else:
                    problems.append(f"{node}: what Nova has for {name} is no name of a group")
    return Groups(attributes, tuple(problems))
