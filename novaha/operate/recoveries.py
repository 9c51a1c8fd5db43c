"""Recoveries as they stand in the events of the history. No I/O.

An event names its host, not its recovery. A recovery begins with the first `claimed` of a fence
id; what was told of the host since the recovery before belongs to it, too. It ends with
`returned`, or with the first claim of another fencing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from novaha.operate.entries import Entry, iso

_ACTIONS = frozenset(
    {"stop", "pause", "suspend", "reset to error", "confirm resize", "hard reboot"}
)


@dataclass
class Moved:
    """One instance in a recovery. settled: when it was up elsewhere, None if it was not.

    requests: outcomes of the evacuations that were asked for. unmoved: why it was not moved.
    """

    id: str
    name: str = ""
    to: str = ""
    state: str = ""
    asked: datetime | None = None
    settled: datetime | None = None
    unmoved: str = ""
    requests: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)


@dataclass
class Recovery:
    """One recovery of a host, oldest event first."""

    node: str
    fence_id: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def instances(self) -> dict[str, Moved]:
        """By id, in the order in which they were first told of."""
        found: dict[str, Moved] = {}
        for entry in self.entries:
            if entry.event == "recovered":
                unmoved = entry.data.get("unmoved")
                for id, why in unmoved.items() if isinstance(unmoved, Mapping) else ():
                    found.setdefault(id, Moved(id)).unmoved = str(why)
            elif instance := entry.text("instance"):
                _note(found.setdefault(instance, Moved(instance)), entry)
        return found

    @property
    def phases(self) -> dict[str, datetime]:
        """What has happened by now, and when; in the order of a recovery."""
        found: dict[str, datetime] = {}
        for entry in self.entries:
            if entry.event == "fenced":
                try:
                    found["fenced"] = datetime.fromisoformat(entry.text("at"))
                except ValueError:
                    continue
            elif name := _FIRST.get(entry.event):
                found.setdefault(name, entry.time)
            if entry.event in ("settled", "recovered", "returned"):
                found[_LAST[entry.event]] = entry.time
        return {name: found[name] for name in PHASES if name in found}

    @property
    def began(self) -> datetime:
        """When the host was fenced, as far as that is known; else the first event."""
        return self.phases.get("fenced", self.entries[0].time)

    @property
    def state(self) -> str:
        """`running`, `recovered` or `returned`."""
        phases = self.phases
        return next((name for name in ("returned", "recovered") if name in phases), "running")

    def outage(self, instance: Moved) -> float | None:
        """Seconds from the fencing until the instance was up elsewhere; None if it was not."""
        if instance.settled is None:
            return None
        return max(0.0, (instance.settled - self.began).total_seconds())

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "node": self.node,
            "fence_id": self.fence_id,
            "state": self.state,
            "began": iso(self.began),
            "phases": {name: iso(moment) for name, moment in self.phases.items()},
            "instances": [
                {
                    "id": one.id,
                    "name": one.name,
                    "to": one.to,
                    "state": one.state,
                    "requested": iso(one.asked) if one.asked else None,
                    "settled": iso(one.settled) if one.settled else None,
                    "outage": self.outage(one),
                    "requests": one.requests,
                    "actions": one.actions,
                    "unmoved": one.unmoved,
                }
                for one in self.instances.values()
            ],
            "events": [entry.plain() for entry in self.entries],
        }


PHASES = {
    "fenced": "its power was off",
    "claimed": "an evacuator has begun",
    "forced down": "Nova was told that it is down",
    "requested": "the first evacuation was asked for",
    "settled": "the last instance was up elsewhere",
    "recovered": "nothing was left to do",
    "returned": "the host was back in service",
}
"""The phases of a recovery in their order, and what each means."""

_FIRST = {"claimed": "claimed", "forcedown": "forced down", "requested": "requested"}
_LAST = {"settled": "settled", "recovered": "recovered", "returned": "returned"}


def recoveries(entries: Iterable[Entry]) -> list[Recovery]:
    """The recoveries in these events, which are in the order of time; oldest first.

    Events of a host of which no recovery was claimed are in none.
    """
    found: list[Recovery] = []
    current: dict[str, Recovery] = {}
    before: dict[str, list[Entry]] = {}
    for entry in entries:
        node = entry.text("node")
        if not node:
            continue
        fence_id = entry.text("fence_id")
        recovery = current.get(node)
        if fence_id and (recovery is None or recovery.fence_id != fence_id):
            recovery = Recovery(node, fence_id, before.pop(node, []))
            current[node] = recovery
            found.append(recovery)
        if recovery is None:
            before.setdefault(node, []).append(entry)
            continue
        recovery.entries.append(entry)
        if entry.event == "returned":
            del current[node]
    return found


def named(found: Sequence[Recovery], name: str) -> Recovery | None:
    """The recovery of this fence id, or its beginning, if it is one; else the host's last one."""
    by_id = [r for r in found if r.fence_id.startswith(name)]
    if len({r.fence_id for r in by_id}) == 1:
        return by_id[-1]
    return next((r for r in reversed(found) if r.node == name), None)


def _note(one: Moved, entry: Entry) -> None:
    one.name = entry.text("name") or one.name
    if entry.event == "requested":
        one.asked = one.asked or entry.time
        one.requests.append(": ".join(filter(None, (entry.text("outcome"), entry.text("message")))))
    elif entry.event == "settled":
        one.settled, one.to, one.state = entry.time, entry.text("to"), entry.text("state")
    elif entry.event in _ACTIONS:
        one.actions.append(entry.event)
