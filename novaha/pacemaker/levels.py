"""The fencing levels of all nodes: which are a node's, and what their success proves."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from novaha.core.naming import same_name
from novaha.core.text import word
from novaha.pacemaker.devices import POWER_AGENTS, Effect, FenceDevice, declared_agents

_SETUP = "put a device that does into it, before the flag, `novaha setup` shows how"


@dataclass(frozen=True, slots=True)
class Level:
    """One level. target, pattern, attribute: whose it is, the first that is given counts."""

    id: str
    devices: tuple[str, ...]
    target: str | None = None
    pattern: str | None = None
    attribute: tuple[str, str] | None = None

    @classmethod
    def read(cls, element: etree._Element) -> Level:
        """A level as it stands in the CIB."""
        name, value = element.get("target-attribute"), element.get("target-value")
        return cls(
            id=str(element.get("id")),
            devices=tuple(filter(None, re.split(r"[\s,]+", element.get("devices") or ""))),
            target=element.get("target"),
            pattern=element.get("target-pattern"),
            attribute=(name, value) if name is not None and value is not None else None,
        )

    def is_named(self, node: str) -> bool:
        """Whether Pacemaker takes it for the node's without a look at any other level."""
        if self.target is not None:
            return self.target == node
        return self.pattern == node

    def is_for(
        self, node: str, attributes: Callable[[], Collection[tuple[str, str]]]
    ) -> bool | None:
        """Whether it is the node's; None where that cannot be told.

        attributes: the permanent attributes of the node, names and values.
        """
        if self.target is not None:
            return same_name(self.target, node)
        if self.pattern is not None:
            from novaha.pacemaker import patterns  # rare, and asked for by each fencing

            return patterns.matches(self.pattern, node)
        return self.attribute is not None and self.attribute in attributes()


_DEVICES = "//primitive[@class='stonith'] | //template | //primitive[@template]"
IN_CIB = f"{_DEVICES} | //fencing-topology/fencing-level"
"""Where `read` finds what it reads: one question."""


def read(elements: Iterable[etree._Element]) -> tuple[list[FenceDevice], list[Level]]:
    """The stonith resources and the levels; what a resource does not say itself its template
    says."""
    found = list(elements)
    templates = {str(e.get("id")): e for e in found if e.tag == "template"}
    devices = []
    for element in found:
        template = templates.get(str(element.get("template")))
        kind = element if element.get("class") else template
        if element.tag != "primitive" or kind is None or kind.get("class") != "stonith":
            continue
        attributes = {
            str(pair.get("name")): str(pair.get("value"))
            for source in (template, element)
            if source is not None
            for pair in source.iterfind("instance_attributes/nvpair")
        }
        devices.append(FenceDevice(str(element.get("id")), str(kind.get("type")), attributes))
    return devices, [Level.read(e) for e in found if e.tag == "fencing-level" and _counts(e)]


def _counts(level: etree._Element) -> bool:
    """Whether the fencer takes the level: it refuses a number that is not between 1 and 9."""
    return re.fullmatch(r"\+?0*[1-9]", (level.get("index") or "").strip()) is not None


class Levels:
    """The fencing levels of all nodes, and what their devices do, at one moment.

    members: the full members of the cluster. attributes: a node's permanent attributes, names and
    values. Both are asked only where they matter, and may raise ClusterToolError.
    """

    def __init__(
        self,
        devices: Iterable[FenceDevice],
        levels: Iterable[Level],
        members: Callable[[], Collection[str]] = tuple,
        attributes: Callable[[str], Collection[tuple[str, str]]] = lambda node: (),
    ) -> None:
        self._devices: Mapping[str, FenceDevice] = {device.id: device for device in devices}
        self._levels = tuple(levels)
        self._members = members
        self._attributes = attributes
        self._declared = declared_agents(self._devices.values())

    def without_power_device(self, node: str) -> str:
        """Why a success in the history does not prove that `node` is down, "" if it does.

        A level succeeds when all its devices have: one of them has to end the guests. Without a
        level Pacemaker takes any device that can fence the node, one alone: so all of them have to.
        """
        certain, doubtful = self._of(node)
        for level in (*certain, *doubtful):
            if why := self._why_not(level, node):
                return why
        if certain:
            return ""
        for level in doubtful:
            from novaha.pacemaker import patterns

            return (
                f"whether the fencing level {level.id} is for {node} cannot be told, its "
                f"target-pattern is too hard ({patterns.problem(level.pattern or '')}): add levels "
                "for the node itself, `novaha setup` shows how"
            )
        return self._without_level(node)

    def _of(self, node: str) -> tuple[list[Level], list[Level]]:
        """The levels that are the node's, and those that may be.

        Pacemaker takes those that have the exact name; else any that match, in no certain order.
        """
        named = [level for level in self._levels if level.is_named(node)]
        if named:
            return named, []
        cache: list[Collection[tuple[str, str]]] = []

        def attributes() -> Collection[tuple[str, str]]:
            if not cache:
                cache.append(self._attributes(node))
            return cache[0]

        answers = [(level, level.is_for(node, attributes)) for level in self._levels]
        return (
            [level for level, answer in answers if answer],
            [level for level, answer in answers if answer is None],
        )

    def _why_not(self, level: Level, node: str) -> str:
        """Why the level's success proves nothing."""
        devices = [self._devices.get(name) for name in level.devices]
        others = [d for d in devices if d is None or d.effect is not Effect.FLAG]
        if not others:
            return (
                f"a fencing level of {node} has no power device beside {', '.join(level.devices)}: "
                "put one before it, `novaha setup` shows how"
            )
        if any(device is not None and self._proves(device, node) for device in others):
            return ""
        missing = [name for name in level.devices if name not in self._devices]
        said = [f"there is no device {name}" for name in missing]
        said += self._said([device for device in others if device is not None], node)
        return f"a fencing level of {node} cuts no power: {'; '.join(said)}: {_SETUP}" + (
            self._declaration([device for device in others if device is not None])
        )

    def _without_level(self, node: str) -> str:
        powerless = [d for d in self._devices.values() if not self._proves(d, node)]
        if any(device.effect is Effect.FLAG for device in powerless):
            return f"{node} has no fencing level: `novaha setup` shows how to add it"
        if not powerless:
            return ""
        said = "; ".join(self._said(powerless, node))
        return (
            f"{node} has no fencing level, and what cuts no power may act alone: {said}: "
            "`novaha setup` shows how to add levels" + self._declaration(powerless)
        )

    def _proves(self, device: FenceDevice, node: str) -> bool:
        return bool(device.proof(member=self._is_member(device, node), declared=self._declared))

    def _is_member(self, device: FenceDevice, node: str) -> bool:
        """Asked only for a device whose word depends on it."""
        if device.effect is not Effect.WATCHDOG:
            return False
        return any(same_name(member, node) for member in self._members())

    def _said(self, devices: Iterable[FenceDevice], node: str) -> Iterator[str]:
        for device in devices:
            proof = device.proof(member=self._is_member(device, node), declared=self._declared)
            yield f"{device.id} ({device.agent}) {proof.why_not}"

    def _declaration(self, devices: Iterable[FenceDevice]) -> str:
        """How an administrator says that an agent cuts power, where that may be."""
        agents = sorted(
            {
                proof.declarable
                for device in devices
                if (proof := device.proof(member=False, declared=self._declared)).declarable
            }
        )
        flag = next((d.id for d in self._devices.values() if d.effect is Effect.FLAG), None)
        if not agents or flag is None:
            return ""
        value = word(f"{POWER_AGENTS}={' '.join(sorted({*self._declared, *agents}))}")
        return (
            f"; or, if {' and '.join(agents)} certainly ends what runs on the host: "
            f"pcs stonith update {word(flag)} {value}"
        )
