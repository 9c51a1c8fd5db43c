"""One reading of the cluster, arranged for the answers that are made of it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from novaha.core import text
from novaha.core.steps import FINAL
from novaha.operate.entries import iso

Data = dict[str, Any]

_LONGEST = 2000
"""Characters of one text."""

_FINAL = frozenset(map(str, FINAL))
_OF_EVACUATOR = ("node", "user", "turn_age", "problem", "failing_for", "nova")


@dataclass(frozen=True)
class State:
    """What was read at one moment. All texts are one line and bounded.

    hosts: every compute host, by name. instances: those of recoveries, by id and host.
    plan: what recoveries have yet to do, in the order in which hosts and instances are taken.
    """

    at: datetime
    health: Data
    hosts: Sequence[Data]
    instances: Sequence[Data]
    recoveries: Sequence[Data]
    plan: Sequence[Data]
    made: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)
    """Answers that were made of it already; whoever asks next gets the same."""


def arrange(read: Mapping[str, Any], at: datetime) -> State:
    """The state of a snapshot with `others` (hosts in no recovery) and the verdict."""
    shown = text.tree(dict(read), longest=_LONGEST)
    flagged = [_host(host) for host in shown["hosts"]]
    others = [{"node": o["node"], "state": o["state"]} for o in shown.get("others", ())]
    hosts = sorted([*flagged, *others], key=_by_node)
    instances = [
        {"host": host["node"], **instance}
        for host in shown["hosts"]
        for instance in host.get("instances", ())
    ]
    return State(
        at=at,
        health=_health(shown, hosts, at),
        hosts=hosts,
        instances=sorted(instances, key=_by_id),
        recoveries=sorted(
            (_recovery(host) for host in flagged if host.get("fence_id")), key=_by_moment
        ),
        plan=[i for i in instances if i["progress"] not in _FINAL],
    )


def _by_node(host: Data) -> str:
    return str(host["node"])


def _by_id(instance: Data) -> tuple[str, str]:
    return str(instance["id"]), str(instance["host"])


def _by_moment(recovery: Data) -> tuple[str, str]:
    return str(recovery["fenced"]), str(recovery["id"])


def _host(host: Data) -> Data:
    return {key: value for key, value in host.items() if key != "instances"}


def _recovery(host: Data) -> Data:
    """A host's recovery: one for each fencing, whose id it has."""
    kept = {key: value for key, value in host.items() if key not in ("node", "fence_id")}
    return {"id": host["fence_id"], "node": host["node"], **kept}


def _health(shown: Data, hosts: Sequence[Data], at: datetime) -> Data:
    own, told = shown.get("evacuator"), shown.get("told")
    evacuator = None
    if own:
        evacuator = {key: own[key] for key in _OF_EVACUATOR}
    return {
        "version": 1,
        "at": iso(at),
        "verdict": shown.get("verdict", ""),
        "summary": shown.get("summary", ""),
        "todo": shown.get("todo", []),
        "hosts": dict(sorted(Counter(host["state"] for host in hosts).items())),
        "evacuator": evacuator,
        "evacuator_on": own["node"] if own else shown.get("evacuator_on", ""),
        "told": told,
        "missing": shown.get("missing", []),
        "problem": "",
    }


def page(
    items: Sequence[Data], key: Callable[[Data], str], marker: str, limit: int
) -> tuple[Sequence[Data], str]:
    """`limit` items after `marker` in items that are sorted by `key`; and the next marker, ""
    for the last page."""
    begin = bisect_right(items, marker, key=key) if marker else 0
    part = items[begin : begin + limit]
    more = begin + limit < len(items)
    return part, key(part[-1]) if more and part else ""
