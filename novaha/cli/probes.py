"""Whose probes hold up the start of a resource: those of all that is ordered before it.

Pacemaker starts nothing before it was looked for on every node on which it may be found. On a
dead remote node that waits for the connection, and so does whatever is ordered after the start.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from novaha.cli.configuration import Configuration, meta
from novaha.cli.placement import looked_for
from novaha.core import truth

if TYPE_CHECKING:
    from lxml.etree import _Element

_STARTS = frozenset({"start", "promote"})
_RESOURCES = ("primitive", "group", "clone", "master", "bundle")


def hold_up(root: _Element, now: Configuration, name: str) -> dict[str, list[str]]:
    """What is probed on which remote compute nodes before `name` starts anywhere.

    Keys are the outermost resources: clones, groups, primitives. `name` itself is left out, as is
    what is disabled.
    """
    resources = {_id(e): e for e in root.iterfind(".//resources//*") if e.tag in _RESOURCES}
    remote = [node for node in now.computes() if now.nodes.get(node, "member") != "member"]
    found: dict[str, list[str]] = {}
    for each in _before(root, resources, name):
        element = resources[each]
        if meta(element).get("target-role", "").lower() == "stopped":
            continue
        nodes = [n for n in remote if any(_is_probed(now, p, n) for p in _primitives(element))]
        if nodes:
            found[each] = nodes
    return found


def _is_probed(now: Configuration, primitive: _Element, node: str) -> bool:
    names = frozenset({_id(primitive), *(_id(e) for e in primitive.iterancestors(*_RESOURCES))})
    return looked_for(names, now.node(node), now.locations)


def _primitives(element: _Element) -> list[_Element]:
    """What of a resource is probed on remote nodes; fence devices and connections never are."""
    every = [element] if element.tag == "primitive" else element.iterfind(".//primitive")
    return [
        e
        for e in every
        if e.get("class") != "stonith"
        and (e.get("provider"), e.get("type")) != ("pacemaker", "remote")
    ]


def _before(root: _Element, resources: dict[str, _Element], name: str) -> list[str]:
    """The outermost resources that start before `name`, directly or by way of others."""
    earlier: dict[str, set[str]] = defaultdict(set)
    for first, then in _orders(root):
        earlier[then].add(first)
    seen: list[str] = []
    queue = _within(resources, name)
    known = {*queue}
    while queue:
        for first in sorted(earlier[queue.pop()]):
            element = resources.get(first)
            outer = _outermost(element) if element is not None else None
            if outer is None or outer in known:
                continue
            # Pacemaker passes over an order that names the inside of a clone.
            if outer != first and resources[outer].tag != "group":
                continue
            seen.append(outer)
            inside = _within(resources, outer)
            known |= {*inside}
            queue += inside
    return seen


def _outermost(element: _Element) -> str:
    return _id([element, *element.iterancestors(*_RESOURCES)][-1])


def _within(resources: dict[str, _Element], name: str) -> list[str]:
    """A resource and all in it."""
    element = resources.get(name)
    inside = element.iterdescendants(*_RESOURCES) if element is not None else ()
    return [name, *(_id(e) for e in inside)]


def _orders(root: _Element) -> Iterator[tuple[str, str]]:
    """Pairs of resources of which the first one starts before the other does."""
    tags = {
        str(tag.get("id")): [str(ref.get("id")) for ref in tag.iterfind("obj_ref")]
        for tag in root.iterfind(".//tags/tag")
    }

    def named(name: str | None) -> list[str]:
        return tags.get(name or "", [name or ""])

    for order in root.iterfind(".//constraints/rsc_order"):
        first_action = order.get("first-action") or "start"
        if {first_action, order.get("then-action") or first_action} <= _STARTS:
            yield from itertools.product(named(order.get("first")), named(order.get("then")))
        yield from _in_sets(order)


def _in_sets(order: _Element) -> Iterator[tuple[str, str]]:
    before: Iterable[str] = ()
    for each in order.iterfind("resource_set"):
        names = [str(ref.get("id")) for ref in each.iterfind("resource_ref")]
        if (each.get("action") or "start") not in _STARTS:
            before = ()
            continue
        if truth.in_cib(each.get("sequential") or "", default=True):
            yield from itertools.pairwise(names)
        yield from itertools.product(before, names)
        before = names


def _id(element: _Element) -> str:
    return str(element.get("id"))
