"""On which nodes location constraints let a resource run, as Pacemaker weighs them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND = "#kind"
"""Pacemaker's own attribute of each node: cluster, remote or container (a guest node)."""

_KINDS = {"member": "cluster", "remote": "remote", "guest": "container"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a location constraint. tests: attribute, operation, value.

    any_of: whether one test is enough. clear: whether all of it is a comparison with a constant.
    """

    score: str
    tests: tuple[tuple[str, str, str], ...]
    any_of: bool = False
    clear: bool = True


@dataclass(frozen=True, slots=True)
class Location:
    """A location constraint: either for `node` with `score`, or by rules.

    resources: the ids that it names. pattern: a regular expression of ids, "" for none.
    """

    id: str
    resources: frozenset[str]
    pattern: str = ""
    node: str = ""
    score: str = ""
    rules: tuple[Rule, ...] = ()
    discovery: str = "always"

    def is_about(self, names: frozenset[str]) -> bool:
        """Whether it names one of these, a resource or its clone."""
        if self.resources & names:
            return True
        try:
            return bool(self.pattern) and any(re.search(self.pattern, name) for name in names)
        except re.error:
            return True


@dataclass(frozen=True, slots=True)
class Node:
    """A node as rules see it. kind: member, remote or guest. attributes: the permanent ones."""

    name: str
    kind: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a resource may run on a node. because: the constraints that keep it away.

    unclear: constraints about it whose meaning is not known here.
    """

    allowed: bool
    because: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


def score(text: str) -> float:
    """Pacemaker's notation of a score; 0 for nonsense."""
    word = text.strip().lstrip("+").lower()
    if word in ("infinity", "-infinity"):
        return math.inf if word == "infinity" else -math.inf
    try:
        return float(int(word))
    except (ValueError, OverflowError):
        return 0.0


def read(root: _Element) -> tuple[Location, ...]:
    """Every location constraint of a CIB."""
    return tuple(_location(e) for e in root.iterfind(".//constraints/rsc_location"))


def may_run(
    names: frozenset[str],
    node: Node,
    locations: Sequence[Location],
    *,
    symmetric: bool = True,
) -> Answer:
    """Whether a resource may run on a node. names: its id and its clone's.

    symmetric: whether it may run where no constraint says anything.
    """
    total, listed = 0.0, symmetric
    exclusive, included = [], False
    against, unclear = [], []
    for location in (one for one in locations if one.is_about(names)):
        scores, doubtful = _scores(location, node)
        if doubtful:
            unclear.append(location.id)
        if location.discovery == "exclusive":
            exclusive.append(location.id)
            included = included or bool(scores)
        listed = listed or bool(scores)
        for each in scores:
            # Minus infinity wins over everything, infinity included.
            total = -math.inf if -math.inf in (total, each) else total + each
        if any(each < 0 for each in scores):
            against.append(location.id)
    if exclusive and not included:
        return Answer(False, tuple(exclusive), tuple(unclear))
    if not listed:
        return Answer(False, (), tuple(unclear))
    return Answer(total >= 0, tuple(against) if total < 0 else (), tuple(unclear))


def looked_for(names: frozenset[str], node: Node, locations: Sequence[Location]) -> bool:
    """Whether Pacemaker probes a resource on a node before it starts it. names: its, its clone's.

    Of several constraints for a node the strongest counts: always, never, exclusive.
    """
    exclusive, modes = False, {"always"}
    for location in (one for one in locations if one.is_about(names)):
        exclusive = exclusive or location.discovery == "exclusive"
        if _scores(location, node)[0]:
            modes.add(location.discovery)
    if exclusive:
        return "exclusive" in modes
    return "never" not in modes


def _scores(location: Location, node: Node) -> tuple[list[float], bool]:
    """What it adds for the node, and whether more may be added that is not known here."""
    if location.node:
        same = location.node.lower() == node.name.lower()
        return ([score(location.score)] if same else []), False
    found, doubtful = [], False
    for rule in location.rules:
        match _holds(rule, node):
            case None:
                doubtful = True
            case True:
                found.append(score(rule.score))
    return found, doubtful


def _holds(rule: Rule, node: Node) -> bool | None:
    """None where that cannot be told."""
    results = [_test(node, *test) for test in rule.tests]
    if not rule.clear:
        results.append(None)
    decisive = rule.any_of
    if decisive in results:
        return decisive
    return None if None in results else not decisive


def _test(node: Node, attribute: str, operation: str, value: str) -> bool | None:
    built_in = {"#uname": node.name, "#id": node.name, KIND: _KINDS.get(node.kind, node.kind)}
    given = built_in.get(attribute, node.attributes.get(attribute))
    match operation:
        case "eq":
            return given is not None and given.lower() == value.lower()
        case "ne":
            return given is None or given.lower() != value.lower()
        case "defined":
            return given is not None
        case "not_defined":
            return given is None
    return None


def _location(element: _Element) -> Location:
    named = {str(element.get("rsc"))} if element.get("rsc") else set()
    named |= {str(ref.get("id")) for ref in element.iterfind("resource_set/resource_ref")}
    return Location(
        id=str(element.get("id")),
        resources=frozenset(named),
        pattern=element.get("rsc-pattern") or "",
        node=element.get("node") or "",
        score=element.get("score") or "",
        rules=tuple(_rules(element)),
        discovery=element.get("resource-discovery") or "always",
    )


def _rules(element: _Element) -> Iterator[Rule]:
    for rule in element.findall("rule"):
        plain = [
            e
            for e in rule
            if e.tag == "expression" and e.get("value-source", "literal") == "literal"
        ]
        yield Rule(
            score=rule.get("score") or "",
            tests=tuple(
                (str(e.get("attribute")), str(e.get("operation")), e.get("value") or "")
                for e in plain
            ),
            any_of=rule.get("boolean-op", "and").lower() == "or",
            clear=len(plain) == len(rule) and rule.get("score") is not None,
        )
