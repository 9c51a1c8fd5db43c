"""The policy file: YAML by a schema, read to the rules that the planner goes by."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from novaha.conf.file import read
from novaha.conf.marked import FileError, Item, Problem, parse
from novaha.conf.schema import check
from novaha.core.errors import ConfigError
from novaha.core.policy.match import Condition, Key, Match, Pattern, covers
from novaha.core.policy.order import PRIORITY, Group, cycle
from novaha.core.policy.presets import PRESETS
from novaha.core.policy.rules import Rule, Rules, Treatment
from novaha.core.text import word

_LONGEST = 1 << 18
"""Characters of a policy: a longer one takes seconds to read."""


@cache
def schema() -> dict[str, Any]:
    """The published JSON schema."""
    text = resources.files("novaha.conf").joinpath("policy.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def load(path: str) -> Rules:
    """The policy that stands in this file.

    Raises FileError, which has line and column of each mistake, ConfigError where the file cannot
    be read, and FileNotFoundError where there is none.
    """
    rules, problems = read_policy(path)
    if problems:
        raise FileError(path, problems)
    return rules


def read_policy(path: str) -> tuple[Rules, list[Problem]]:
    """The policy and what is wrong with it; it may be used where nothing is. Raises as `load`."""
    text = read(path)
    if len(text) > _LONGEST:
        raise ConfigError(f"{path} is longer than a policy may be, {_LONGEST >> 10} KiB")
    document = parse(path, text)
    if os.stat(path).st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"{path} can be written by every user of this machine: chmod o-w {word(path)}"
        )
    if problems := check(schema(), document):
        return Rules(path=path), problems
    reader = _Reader(document)
    rules = reader.read(path)
    return rules, sorted(reader.problems)


def never_matching(rules: Rules) -> list[Problem]:
    """The rules that an earlier one keeps from deciding anything, as far as their patterns tell."""
    problems = []
    for number, rule in enumerate(rules.rules):
        for earlier in rules.rules[:number]:
            if not earlier.unless and covers(earlier.match, rule.match):
                said = f"rule '{rule.name}' can never decide: '{earlier.name}' matches before it"
                problems.append(Problem(rule.line, 1, said))
                break
        else:
            if any(covers(unless, rule.match) for unless in rule.unless):
                said = f"rule '{rule.name}' can never match: its except has all of its match"
                problems.append(Problem(rule.line, 1, said))
    return problems


class _Reader:
    """A document that the schema allows, to rules."""

    def __init__(self, document: Item) -> None:
        self._document = document
        self.problems: list[Problem] = []
        self._trusts = bool(self._plain("tenant_metadata", False))
        self._named: dict[str, int] = {}
        self._known_groups: frozenset[str] = frozenset()

    def read(self, path: str) -> Rules:
        shared = self._document.get("shared_storage")
        rules = self._document.get("rules")
        groups = self._groups(self._document.get("groups"))
        return Rules(
            rules=tuple(
                rule
                for number, item in enumerate(rules.value if rules else (), 1)
                for rule in self._rules(item, number)
            ),
            default=Treatment(self._plain("default", Treatment.EVACUATE)),
            lose_local_disks=self._plain("local_disks", "leave") == "evacuate",
            shared=self._shared(shared),
            path=path,
            groups=groups,
        )

    def _plain(self, key: str, default: Any) -> Any:
        item = self._document.get(key)
        return default if item is None else item.value

    def _shared(self, item: Item | None) -> tuple[Match, ...]:
        if item is None or item.value is False:
            return ()
        if item.value is True:
            return ((),)
        return tuple(self._match(entry) for entry in item.value)

    def _rules(self, item: Item, number: int) -> Iterator[Rule]:
        name, preset, action = item.get("name"), item.get("preset"), item.get("action")
        if preset is not None:
            yield from self._preset(item, preset)
            return
        if action is None:
            self.problems.append(item.wrong("a rule has either an action or a preset"))
            return
        if item.get("match") is None and item.get("except") is None:
            self.problems.append(
                item.wrong("a rule without match matches all: that is what default is for")
            )
            return
        called = name.value if name else f"rule {number}"
        self._note(called, name or item)
        match, unless, disks = item.get("match"), item.get("except"), item.get("local_disks")
        if disks is not None and action.value in (Treatment.LEAVE, Treatment.NOTIFY):
            said = f"local_disks means nothing here: {action.value} moves no instance"
            self.problems.append(item.key("local_disks").wrong(said))
        yield Rule(
            name=called,
            line=item.line,
            match=self._match(match) if match else (),
            unless=self._excepted(unless),
            treatment=Treatment(action.value),
            lose_local_disks=None if disks is None else disks.value == "evacuate",
            **self._order(item, action.value),
        )

    def _preset(self, item: Item, preset: Item) -> Iterator[Rule]:
        for key in item.keys:
            if key.value not in ("preset", "name", "local_disks", "priority", "group"):
                said = f"{key.value} means nothing beside preset, which brings its own rules"
                self.problems.append(key.wrong(said))
        name, disks = item.get("name"), item.get("local_disks")
        for part, match, unless in PRESETS[preset.value]:
            if any(c.key is Key.SERVER_METADATA for c in match):
                self._check_trust(preset)
            called = f"{name.value if name else preset.value}: {part}"
            self._note(called, name or preset)
            lose = None if disks is None else disks.value == "evacuate"
            order = self._order(item, Treatment.EVACUATE)
            yield Rule(called, item.line, match, unless, Treatment.EVACUATE, lose, **order)

    def _order(self, item: Item, action: str) -> dict[str, Any]:
        """Priority and group of a rule."""
        priority, group = item.get("priority"), item.get("group")
        for given in ("priority", "group"):
            if item.get(given) is not None and action in (Treatment.LEAVE, Treatment.NOTIFY):
                said = f"{given} means nothing here: {action} moves no instance"
                self.problems.append(item.key(given).wrong(said))
        if priority is not None and group is not None:
            said = "a rule with a group has the group's priority: give it there"
            self.problems.append(item.key("priority").wrong(said))
        if group is not None and group.value not in self._known_groups:
            self.problems.append(group.wrong("groups has no group of this name"))
        return {
            "priority": priority.value if priority else PRIORITY,
            "group": group.value if group else "",
        }

    def _groups(self, item: Item | None) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        for key in item.keys if item else ():
            given = item.value[key.value] if item else key
            after = given.get("after")
            plain = {k: v for k, v in given.plain().items() if k != "after"}
            before = tuple(entry.value for entry in after.value) if after else ()
            groups[key.value] = Group(key.value, after=before, **plain)
        self._known_groups = frozenset(groups)
        for key in item.keys if item else ():
            self._check_group(groups[key.value], key, groups)
        if names := cycle(groups):
            key = item.key(names[0]) if item else Item("", 1, 1)
            said = f"these groups wait for each other: {' after '.join(names)}"
            self.problems.append(key.wrong(said))
        return groups

    def _check_group(self, group: Group, key: Item, groups: Mapping[str, Group]) -> None:
        for name in group.after:
            if name not in groups:
                said = (
                    f"group '{group.name}' comes after '{name}', and groups has none of this name"
                )
                self.problems.append(key.wrong(said))
            elif groups[name].priority < group.priority:
                said = (
                    f"group '{group.name}' has priority {group.priority} and comes after '{name}' "
                    f"with {groups[name].priority}: a higher priority cannot wait for a lower one"
                )
                self.problems.append(key.wrong(said))

    def _note(self, name: str, item: Item) -> None:
        if name in self._named:
            said = f"a rule in line {self._named[name]} has this name already"
            self.problems.append(item.wrong(said))
        self._named.setdefault(name, item.line)

    def _excepted(self, item: Item | None) -> tuple[Match, ...]:
        if item is None:
            return ()
        entries = item.value if isinstance(item.value, list) else [item]
        return tuple(self._match(entry) for entry in entries)

    def _match(self, item: Item) -> Match:
        conditions: list[Condition] = []
        for key in item.keys:
            kind, value = Key(key.value), item.value[key.value]
            if kind is Key.SERVER_METADATA:
                self._check_trust(key)
            if isinstance(value.value, dict):
                for name in value.keys:
                    if not name.value:
                        self.problems.append(name.wrong("a name belongs here"))
                    patterns = _patterns(value.value[name.value])
                    conditions.append(Condition(kind, patterns, name.value))
            else:
                conditions.append(Condition(kind, _patterns(value)))
        return tuple(conditions)

    def _check_trust(self, item: Item) -> None:
        if not self._trusts:
            self.problems.append(
                item.wrong(
                    "tenants write server_metadata, and could opt in or out by it: set "
                    "tenant_metadata: true at the top of the file where that is wanted"
                )
            )


def _patterns(item: Item) -> tuple[Pattern, ...]:
    entries = item.value if isinstance(item.value, list) else [item]
    return tuple(entry.value for entry in entries)
