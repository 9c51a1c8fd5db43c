"""In which order groups of instances are brought up: a graph, and who waits for whom now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

PRIORITY = 50
"""Of an instance for which the policy has none: 0 comes last, 100 first."""


@dataclass(frozen=True, slots=True)
class Group:
    """Instances that others wait for, or that wait for others.

    after: the groups that have to be ready before this one is begun.
    active_for: seconds for which each of its instances has to have been up elsewhere to be ready.
    delay: seconds from there until those that come after it are begun.
    timeout: seconds after which those go on without it.
    """

    name: str
    priority: int = PRIORITY
    after: tuple[str, ...] = ()
    active_for: float = 0.0
    delay: float = 0.0
    timeout: float = 300.0


def cycle(groups: Mapping[str, Group]) -> tuple[str, ...]:
    """Groups that wait for each other, each after the next, the first once more at the end; ()
    where none do."""
    try:
        TopologicalSorter({name: group.after for name, group in groups.items()}).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def ancestors(name: str, groups: Mapping[str, Group]) -> frozenset[str]:
    """All groups that come before this one, however far."""
    found: set[str] = set()
    ahead = list(groups[name].after) if name in groups else []
    while ahead:
        other = ahead.pop()
        if other not in found and other in groups:
            found.add(other)
            ahead += groups[other].after
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Member:
    """An instance of a group that is to be moved. up_since: when it was seen to be up elsewhere
    (monotonic seconds), None while it is not."""

    group: str
    up_since: float | None = None


def waiting(
    members: Iterable[Member],
    began: Mapping[str, float],
    groups: Mapping[str, Group],
    now: float,
) -> dict[str, tuple[str, ...]]:
    """By group, the groups that it waits for now.

    began: since when each group that others come after has had anything to do (monotonic
    seconds). One that has nothing to do is ready.
    """
    by_group: dict[str, list[Member]] = {}
    for member in members:
        by_group.setdefault(member.group, []).append(member)
    open_ = {
        name
        for name, of in by_group.items()
        if name in groups and not _is_over(groups[name], of, began.get(name, now), now)
    }
    return {
        name: tuple(sorted(ancestors(name, groups) & open_))
        for name in groups
        if ancestors(name, groups) & open_
    }


def _is_over(group: Group, members: Iterable[Member], began: float, now: float) -> bool:
    """Whether those that come after the group may be begun."""
    if now >= began + group.timeout:
        return True
    ready = group.active_for + group.delay
    return all(m.up_since is not None and now >= m.up_since + ready for m in members)
