"""What a policy means for the instances that Nova has now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from novaha.core.errors import ConfigError, NovahaError
from novaha.core.groups import Place
from novaha.core.model import Instance
from novaha.core.policy.match import OF_IMAGE, OF_PLACE, Condition, Key, Subject
from novaha.core.policy.order import PRIORITY
from novaha.core.policy.rules import Rule, Rules, Undecided
from novaha.core.policy.traits import ImageTraits
from novaha.core.sentences import sentence
from novaha.core.treatment import answer

if TYPE_CHECKING:
    from novaha.conf.marked import Problem
    from novaha.nova.compute import Nova
    from novaha.nova.images import Catalogue

UNDECIDED = "undecided"

_WITH_HOSTS = {
    Key.HOST: "compute host",
    Key.ZONE: "zone with a compute host",
    Key.AGGREGATE: "aggregate with a compute host",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One instance. action: of the policy, or UNDECIDED. rule: "" for the default. why: a
    sentence."""

    instance: Instance
    action: str
    moves: bool
    rule: str
    why: str
    priority: int = PRIORITY


@dataclass
class Known:
    """Nova, Glance and Keystone as a policy sees them; each thing is asked for once.

    problems: what could not be read, as sentences.
    """

    rules: Rules
    nova: Nova
    catalogue: Catalogue
    problems: list[str] = field(default_factory=list)
    _places: Mapping[str, Place] | None = None
    _images: dict[str, ImageTraits | None] = field(default_factory=dict)

    def instance(self, number: str) -> Instance:
        """Raises ConfigError where Nova has none, ComputeApiError."""
        found = self.nova.instance(number)
        if found is None:
            raise ConfigError(f"Nova has no instance {number}: name it by its id")
        if found.problem:
            raise ConfigError(f"instance {number} cannot be read: {found.problem}")
        return found

    def instances(self, host: str | None) -> list[Instance]:
        """Those that are on a host. Raises ComputeApiError."""
        found = self.nova.instances_on(host) if host else self.nova.all_instances()
        return [i for i in found if i.host and not i.problem]

    def judge(self, instance: Instance) -> Judged:
        """What would be done about it if its host died now."""
        found = self.rules.decide(self._subject(instance))
        held = answer(found)
        why = sentence(held) if held is not None else f"moved, by {_by(found.rule)}"
        if isinstance(found, Undecided):
            return Judged(instance, UNDECIDED, False, found.rule, why)
        treatment, moves = str(found.treatment), found.moves and held is None
        return Judged(instance, treatment, moves, found.rule, why, found.priority)

    def trail(self, instance: Instance) -> list[tuple[Rule, bool | None]]:
        """The rules up to the one that decides, and whether each means the instance."""
        subject = self._subject(instance)
        found: list[tuple[Rule, bool | None]] = []
        for rule in self.rules.rules:
            found.append((rule, rule.means(subject)))
            if found[-1][1]:
                break
        return found

    def places(self) -> Mapping[str, Place]:
        """Raises ComputeApiError."""
        if self._places is None:
            self._places = self.catalogue.places()
        return self._places

    def _subject(self, instance: Instance) -> Subject:
        keys, image = self.rules.keys, instance.traits.image
        place = None
        if keys & OF_PLACE:
            place = self.places().get(instance.host)
        if keys & OF_IMAGE and image and image not in self._images:
            self._images[image] = self._image(image)
        images = {i: traits for i, traits in self._images.items() if traits is not None}
        host = instance.host
        return Subject(instance.id, instance.name, host, instance.traits, place, images)

    def _image(self, image: str) -> ImageTraits | None:
        try:
            return self.catalogue.image(image)
        except NovahaError as error:
            self.problems.append(str(error))
            return None


def connect(rules: Rules) -> Known:
    """Nothing is sent yet. Raises ConfigError."""
    from novaha import wiring

    conf = wiring.conf()
    nova = wiring.nova(conf)
    return Known(rules, nova, wiring.catalogue(conf, nova))


def missing(rules: Rules, known: Known) -> list[Problem]:
    """The zones, aggregates, hosts and projects that a rule names and that do not exist.

    Raises ComputeApiError.
    """
    from novaha.conf.marked import Problem

    places = known.places()
    exists: dict[Key, Callable[[str], bool]] = {
        Key.HOST: lambda name: name in places,
        Key.ZONE: lambda name: name in {p.zone for p in places.values()},
        Key.AGGREGATE: lambda name: any(
            name == a.name for p in places.values() for a in p.aggregates
        ),
        Key.PROJECT: known.catalogue.has_project,
    }
    problems: list[Problem] = []
    conditions: list[tuple[int, Condition]] = [
        (rule.line, c) for rule in rules.rules for m in (rule.match, *rule.unless) for c in m
    ]
    conditions += [(1, c) for match in rules.shared for c in match]
    for line, condition in conditions:
        for pattern in condition.patterns:
            literal = isinstance(pattern, str) and not any(sign in pattern for sign in "*?[")
            if literal and condition.key in exists and not exists[condition.key](str(pattern)):
                what = _WITH_HOSTS.get(condition.key, str(condition.key))
                problems.append(Problem(line, 1, f"there is no {what} '{pattern}'"))
    return list(dict.fromkeys(problems))


def _by(rule: str) -> str:
    return f"rule '{rule}'" if rule else "the default"
