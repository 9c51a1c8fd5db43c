"""The declared policy, and what it says of one instance.

The first rule that matches decides; where none does, the default. What was not read is neither a
match nor none: the decision then waits for it, unless it comes out the same either way. So a
look-up that fails makes neither "all" nor "none" of "some".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique

from novaha.core.policy.match import Key, Match, Subject, any_holds, holds, unread
from novaha.core.policy.order import PRIORITY, Group


@unique
class Treatment(StrEnum):
    """What is done about an instance whose host has died. The values are the policy file's."""

    EVACUATE = "evacuate"
    """It is brought up on another host, as it was."""
    LEAVE = "leave"
    """It comes back with its host."""
    STOPPED = "stopped"
    """It is moved to another host, and is shut off there."""
    NOTIFY = "notify"
    """As `leave`, and an operator is told."""


_REMEMBERED = 20_000
"""Instances whose decisions are remembered."""

MOVES = frozenset({Treatment.EVACUATE, Treatment.STOPPED})


@dataclass(frozen=True, slots=True)
class Rule:
    """Instances that match `match` and none of `unless`.

    name: for people. line: where it stands in the file, from 1.
    lose_local_disks: whether disks that are lost by an evacuation are no reason against it; None
        for what the policy has for all.
    priority: 100 comes first, 0 last. group: its name, which has the priority then.
    """

    name: str
    line: int
    match: Match
    unless: tuple[Match, ...] = ()
    treatment: Treatment = Treatment.EVACUATE
    lose_local_disks: bool | None = None
    priority: int = PRIORITY
    group: str = ""

    def means(self, subject: Subject) -> bool | None:
        """None when it depends on what was not read."""
        matched = holds(self.match, subject)
        if matched is False:
            return False
        excepted = any_holds(self.unless, subject)
        if excepted:
            return False
        return None if matched is None or excepted is None else True

    def unread(self, subject: Subject) -> tuple[Key, ...]:
        """What it depends on and was not read."""
        return tuple(k for match in (self.match, *self.unless) for k in unread(match, subject))


@dataclass(frozen=True, slots=True)
class Decision:
    """treatment: what is to be done. rule: by which rule, "" for the default.

    keeps_disks: it would be moved, but that would lose its local disks: so it stays.
    priority: among all instances of all hosts that have died. group: that it belongs to, "" for
        none.
    """

    treatment: Treatment
    rule: str = ""
    keeps_disks: bool = False
    priority: int = PRIORITY
    group: str = ""

    @property
    def moves(self) -> bool:
        return self.treatment in MOVES


@dataclass(frozen=True, slots=True)
class Undecided:
    """Nothing is decided before these were read. rule: the first that depends on them."""

    keys: tuple[str, ...]
    rule: str = ""


FLAVOR_DISKS = "disks of the flavor"
"""What is told as unread where Nova does not show the flavor of an instance."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A whole policy.

    shared: hosts and instances whose local disks are on storage that is proven to be shared.
    lose_local_disks: for rules that do not say.
    path: of its file, for people.
    groups: by name; those that others come after, or that come after others.
    unusable: why there is none that could be used, though there has to be one; "" when there is.
        Nothing is decided then.
    """

    rules: tuple[Rule, ...] = ()
    default: Treatment = Treatment.EVACUATE
    lose_local_disks: bool = False
    shared: tuple[Match, ...] = ()
    path: str = ""
    groups: Mapping[str, Group] = field(default_factory=dict)
    unusable: str = ""
    keys: frozenset[Key] = field(init=False)
    """What it goes by: nothing else has to be read."""
    treatments: frozenset[Treatment] = field(init=False)
    """What may be done about any instance."""
    _decided: dict[str, tuple[Subject, Decision | Undecided]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        matches = [*self.shared, *(m for r in self.rules for m in (r.match, *r.unless))]
        object.__setattr__(self, "keys", frozenset(c.key for m in matches for c in m))
        treatments = frozenset({self.default, *(rule.treatment for rule in self.rules)})
        object.__setattr__(self, "treatments", treatments)

    def decide(self, subject: Subject) -> Decision | Undecided:
        """What is to be done about this instance.

        It is asked for each instance in every turn, and nearly always by the same facts.
        """
        known = self._decided.get(subject.id)
        if known is not None and known[0] == subject:
            return known[1]
        if len(self._decided) >= _REMEMBERED:
            self._decided.clear()
        found = self._decide(subject)
        self._decided[subject.id] = (subject, found)
        return found

    def _decide(self, subject: Subject) -> Decision | Undecided:
        if self.unusable:
            return Undecided((self.unusable,))
        possible: list[Decision | Undecided] = []
        missing: list[str] = []
        first = ""
        for rule in self.rules:
            answer = rule.means(subject)
            if answer is False:
                continue
            possible.append(self._with_disks(rule.treatment, rule, subject))
            if answer:
                break
            first = first or rule.name
            missing += rule.unread(subject)
        else:
            possible.append(self._with_disks(self.default, None, subject))
        if not missing or _are_alike(possible):
            return possible[-1]
        keys = [k for d in possible if isinstance(d, Undecided) for k in d.keys]
        return Undecided(tuple(dict.fromkeys([*missing, *keys])), first)

    def _with_disks(
        self, treatment: Treatment, rule: Rule | None, subject: Subject
    ) -> Decision | Undecided:
        given = rule.lose_local_disks if rule else None
        lose = self.lose_local_disks if given is None else given
        decided = Decision(treatment, rule.name if rule else "")
        if treatment not in MOVES:
            return decided
        if rule is not None:
            group = self.groups.get(rule.group)
            priority = group.priority if group else rule.priority
            decided = replace(decided, priority=priority, group=rule.group)
        if lose or subject.traits.local_disk is False:
            return decided
        shared = any_holds(self.shared, subject)
        if shared:
            return decided
        if subject.traits.local_disk is None or shared is None:
            keys = [k for match in self.shared for k in unread(match, subject)]
            missing = [FLAVOR_DISKS] if subject.traits.local_disk is None else []
            return Undecided(tuple(dict.fromkeys([*missing, *map(str, keys)])), decided.rule)
        return Decision(Treatment.LEAVE, decided.rule, keeps_disks=True)


def _are_alike(possible: Iterable[Decision | Undecided]) -> bool:
    """Whether the same is to be done, whichever rule it is."""
    found = {(d.treatment, d.keeps_disks) if isinstance(d, Decision) else None for d in possible}
    return len(found) == 1 and None not in found
