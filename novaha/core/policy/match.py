"""Whether an instance is one that a rule means: yes, no, or not known yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from fnmatch import fnmatchcase

from novaha.core import truth
from novaha.core.groups import Place
from novaha.core.policy.traits import ImageTraits, Texts, Traits

Pattern = str | bool
"""A shell pattern, case-sensitive; or a boolean, which any spelling of it matches."""


@unique
class Key(StrEnum):
    """What a rule can go by. The values are the keys of the policy file."""

    HOST = "host"
    ZONE = "zone"
    AGGREGATE = "aggregate"
    AGGREGATE_METADATA = "aggregate_metadata"
    PROJECT = "project"
    FLAVOR = "flavor"
    FLAVOR_EXTRA_SPEC = "flavor_extra_spec"
    IMAGE = "image"
    IMAGE_PROPERTY = "image_property"
    IMAGE_TAG = "image_tag"
    SERVER_TAG = "server_tag"
    SERVER_METADATA = "server_metadata"
    NAME = "name"
    INSTANCE = "instance"
    BOOTS_FROM_VOLUME = "boots_from_volume"


OF_PLACE = frozenset({Key.ZONE, Key.AGGREGATE, Key.AGGREGATE_METADATA})
"""What Nova's lists of services and aggregates tell of a host."""

OF_IMAGE = frozenset({Key.IMAGE_PROPERTY, Key.IMAGE_TAG})
"""What only Glance tells."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One instance, as far as a policy goes by it.

    host: the host that it is on, or was when that died. place: where Nova has that host, None
        when that was not read. images: what was read of images, by their ids.
    """

    id: str
    name: str
    host: str
    traits: Traits
    place: Place | None = None
    images: Mapping[str, ImageTraits] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the values that are meant has to match one of the patterns.

    name: of the property, extra spec or metadata item, or a shell pattern of such names; "" for a
        key without names.
    """

    key: Key
    patterns: tuple[Pattern, ...]
    name: str = ""

    def holds(self, subject: Subject) -> bool | None:
        """None when what decides was not read."""
        values = _VALUES[self.key](subject)
        if values is None:
            return None
        found: Iterable[str]
        if self.name:
            found = (text for v in values if isinstance(v, Mapping) for text in self._of(v))
        else:
            found = (v for v in values if isinstance(v, str))
        return any(_matches(value, pattern) for value in found for pattern in self.patterns)

    def _of(self, texts: Texts) -> Iterable[str]:
        """The values that are meant."""
        if "*" in self.name or "?" in self.name:
            return (text for name, text in texts.items() if fnmatchcase(name, self.name))
        return (texts[self.name],) if self.name in texts else ()


Match = tuple[Condition, ...]
"""All of them have to hold; none at all holds for every instance."""


def holds(match: Match, subject: Subject) -> bool | None:
    """Whether all conditions hold, None when it depends on what was not read."""
    unknown = False
    for condition in match:
        answer = condition.holds(subject)
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def any_holds(matches: Iterable[Match], subject: Subject) -> bool | None:
    """Whether one of these holds, None when it depends on what was not read."""
    unknown = False
    for match in matches:
        answer = holds(match, subject)
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def unread(match: Match, subject: Subject) -> tuple[Key, ...]:
    """The keys of which nothing was read."""
    return tuple(dict.fromkeys(c.key for c in match if c.holds(subject) is None))


def covers(wide: Match, narrow: Match) -> bool:
    """Whether `wide` holds wherever `narrow` does, as far as the patterns tell."""
    return all(any(_covers(w, n) for n in narrow) for w in wide)


def _covers(wide: Condition, narrow: Condition) -> bool:
    if (wide.key, wide.name) != (narrow.key, narrow.name):
        return False
    return all(any(p == q or _pattern_covers(p, q) for p in wide.patterns) for q in narrow.patterns)


def _pattern_covers(wide: Pattern, narrow: Pattern) -> bool:
    if wide == "*":
        return True
    if isinstance(narrow, bool) or any(sign in narrow for sign in "*?["):
        return False
    return _matches(narrow, wide)


def _matches(value: str, pattern: Pattern) -> bool:
    if isinstance(pattern, bool):
        return truth.parse(value) is pattern
    return fnmatchcase(value, pattern)


_Values = Iterable[str] | Iterable[Texts] | None


def _one(value: str | None) -> _Values:
    return None if value is None else (value,)


def _named(value: Texts | None) -> _Values:
    return None if value is None else (value,)


def _image(subject: Subject) -> ImageTraits | None:
    """An instance that boots from a volume has no image: nothing of one matches."""
    image = subject.traits.image
    if image == "":
        return _NO_IMAGE
    return (subject.images or {}).get(image) if image is not None else None


_NO_IMAGE = ImageTraits({})


def _image_properties(subject: Subject) -> _Values:
    image = _image(subject)
    return None if image is None else (image.properties,)


def _image_tags(subject: Subject) -> _Values:
    image = _image(subject)
    return None if image is None else image.tags


def _boots_from_volume(subject: Subject) -> _Values:
    image = subject.traits.image
    return None if image is None else ("true" if image == "" else "false",)


def _zone(subject: Subject) -> _Values:
    place = subject.place
    return (place.zone,) if place is not None and place.zone else None


def _aggregates(subject: Subject) -> _Values:
    place = subject.place
    return None if place is None else tuple(a.name for a in place.aggregates)


def _aggregate_metadata(subject: Subject) -> _Values:
    place = subject.place
    return None if place is None else tuple(a.metadata for a in place.aggregates)


_VALUES = {
    Key.HOST: lambda s: (s.host,),
    Key.ZONE: _zone,
    Key.AGGREGATE: _aggregates,
    Key.AGGREGATE_METADATA: _aggregate_metadata,
    Key.PROJECT: lambda s: _one(s.traits.project),
    Key.FLAVOR: lambda s: _one(s.traits.flavor),
    Key.FLAVOR_EXTRA_SPEC: lambda s: _named(s.traits.extra_specs),
    Key.IMAGE: lambda s: _one(s.traits.image),
    Key.IMAGE_PROPERTY: _image_properties,
    Key.IMAGE_TAG: _image_tags,
    Key.SERVER_TAG: lambda s: s.traits.tags,
    Key.SERVER_METADATA: lambda s: _named(s.traits.metadata),
    Key.NAME: lambda s: (s.name,),
    Key.INSTANCE: lambda s: (s.id,),
    Key.BOOTS_FROM_VOLUME: _boots_from_volume,
}
