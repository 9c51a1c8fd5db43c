"""Whether there is room for the instances of hosts that die, by Placement's numbers.

Instances are put in the order of the policy onto the host with most free memory, as Nova's
scheduler does by default: what finds no place so would find none there. What the numbers do not
tell (NUMA, PCI devices, traits) is told as such.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique

VCPU, MEMORY, DISK = "VCPU", "MEMORY_MB", "DISK_GB"
"""Placement's names."""


@unique
class Outcome(StrEnum):
    """What would become of one instance."""

    FITS = "fits"
    NO_ROOM = "no room"
    UNCLEAR = "cannot tell"
    STAYS = "stays"
    """The policy leaves it with its host."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An instance that has to be put somewhere.

    needs: of each resource, by Placement's names.
    unclear: why numbers do not decide, "" where they do.
    apart: the server group that keeps its members on different hosts, "" for none.
    zone: the only one that it may be in, "" for any.
    """

    id: str
    host: str
    needs: Mapping[str, int]
    unclear: str = ""
    apart: str = ""
    zone: str = ""
    priority: int = 50


@dataclass(frozen=True, slots=True)
class Free:
    """A host that takes instances. free: of each resource, what is left."""

    host: str
    free: Mapping[str, int]
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an instance would go, "" for nowhere. why: a sentence, "" for one that fits."""

    wanted: Wanted
    outcome: Outcome
    host: str = ""
    why: str = ""


@dataclass
class Room:
    """The hosts, and who is where.

    members: of each server group that keeps its members apart, the hosts that have one.
    """

    hosts: Mapping[str, Free]
    members: Mapping[str, Collection[str]] = field(default_factory=dict)

    def place(self, wanted: Iterable[Wanted], dead: Collection[str]) -> list[Placed]:
        """What would become of these if the hosts `dead` were no more."""
        left = {h: dict(f.free) for h, f in self.hosts.items() if h not in dead}
        heap = [(-free.get(MEMORY, 0), host) for host, free in left.items()]
        heapq.heapify(heap)
        taken = {g: {h for h in hosts if h not in dead} for g, hosts in self.members.items()}
        order = sorted(wanted, key=lambda w: (-w.priority, -w.needs.get(MEMORY, 0), w.id))
        return [self._place(one, left, heap, taken) for one in order]

    def _place(
        self,
        one: Wanted,
        left: dict[str, dict[str, int]],
        heap: list[tuple[int, str]],
        taken: dict[str, set[str]],
    ) -> Placed:
        if one.unclear:
            return Placed(one, Outcome.UNCLEAR, why=one.unclear)
        aside: list[tuple[int, str]] = []
        chosen = ""
        while heap and not chosen:
            memory, host = heapq.heappop(heap)
            if self._may_go(one, host, left[host], taken):
                chosen = host
            else:
                aside.append((memory, host))
        if chosen:
            for resource, amount in one.needs.items():
                left[chosen][resource] = left[chosen].get(resource, 0) - amount
            aside.append((-left[chosen].get(MEMORY, 0), chosen))
            if one.apart:
                taken.setdefault(one.apart, set()).add(chosen)
        for entry in aside:
            heapq.heappush(heap, entry)
        if chosen:
            return Placed(one, Outcome.FITS, chosen)
        return Placed(one, Outcome.NO_ROOM, why=self._why(one, left, taken))

    def _may_go(
        self, one: Wanted, host: str, free: Mapping[str, int], taken: Mapping[str, set[str]]
    ) -> bool:
        if one.zone and self.hosts[host].zone != one.zone:
            return False
        if one.apart and host in taken.get(one.apart, ()):
            return False
        return all(has(free, resource) >= amount for resource, amount in one.needs.items())

    def _why(
        self, one: Wanted, left: Mapping[str, Mapping[str, int]], taken: Mapping[str, set[str]]
    ) -> str:
        """The first reason that leaves no host."""
        hosts = [h for h in left if not one.zone or self.hosts[h].zone == one.zone]
        if not hosts:
            return f"no host of zone {one.zone} takes instances" if one.zone else "no host is left"
        for resource, amount in one.needs.items():
            hosts = [h for h in hosts if has(left[h], resource) >= amount]
            if not hosts:
                return f"no host has {amount} {resource} free"
        apart = [h for h in hosts if h not in taken.get(one.apart, ())]
        if one.apart and not apart:
            return "its server group is on every host that has room"
        return "no host has all of it"


def has(free: Mapping[str, int], resource: str) -> float:
    """How much there is. A host that has no disk of its own in Placement gets it from a provider
    that is shared: that is not counted here."""
    return free.get(resource, float("inf") if resource == DISK else 0)


def worst(room: Room, by_host: Mapping[str, Sequence[Wanted]]) -> dict[str, list[Placed]]:
    """Host by host what finds no place if that host alone dies, where there is anything."""
    found = {}
    for host, wanted in by_host.items():
        lost = [p for p in room.place(wanted, {host}) if p.outcome is Outcome.NO_ROOM]
        if lost:
            found[host] = lost
    return found


def failures_left(
    room: Room, by_host: Mapping[str, Sequence[Wanted]], most: int
) -> tuple[int, tuple[str, ...], list[Placed]]:
    """How many hosts may die one after another, the fullest first, until something finds no place;
    `most` at the most. Then the hosts of the failure that is too many, and what it loses."""
    fullest = sorted(by_host, key=lambda h: (-sum(w.needs.get(MEMORY, 0) for w in by_host[h]), h))
    for count in range(1, min(most, len(fullest)) + 1):
        # One host may lose what the fullest does not: a zone, a server group.
        if count == 1 and (alone := worst(room, by_host)):
            host = max(alone, key=lambda h: (len(alone[h]), h))
            return 0, (host,), alone[host]
        dead = fullest[:count]
        placed = room.place([w for h in dead for w in by_host[h]], dead)
        if lost := [p for p in placed if p.outcome is Outcome.NO_ROOM]:
            return count - 1, tuple(dead), lost
    return min(most, len(fullest)), (), []
