"""YAML with the place of each value, so that an error can name line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from novaha.core.errors import NovahaError
from novaha.core.text import line as one_line

_DEEPEST = 20
"""Levels: a deeper one is a mistake, or meant to exhaust who reads it."""

_SHOWN = 20
"""Problems that one error tells."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in a file. line, column: from 1."""

    line: int
    column: int
    text: str


class FileError(NovahaError):
    """A file cannot be used. Each problem is a line of `FILE:LINE:COLUMN: what is wrong`."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems))
        told = [f"{path}:{p.line}:{p.column}: {one_line(p.text)}" for p in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            told.append(f"{path}: there are {len(self.problems) - _SHOWN} more mistakes")
        super().__init__("\n".join(told))


@dataclass(frozen=True, slots=True)
class Item:
    """A value and its place. value: a text, number, boolean or None; for a list its items; for a
    mapping its items by key. keys: of a mapping, the keys with their places."""

    value: Any
    line: int
    column: int
    keys: tuple[Item, ...] = ()

    def wrong(self, text: str) -> Problem:
        """That this is wrong here."""
        return Problem(self.line, self.column, text)

    def get(self, key: str) -> Item | None:
        """What a mapping has for this key."""
        found: Item | None = self.value.get(key)
        return found

    def key(self, name: str) -> Item:
        """The key itself of a mapping."""
        return next(key for key in self.keys if key.value == name)

    def plain(self) -> Any:
        """The same without places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


def parse(path: str, text: str) -> Item:
    """The document. Raises FileError where it is no YAML, or has what is not read here: aliases,
    tags, a key twice, several documents."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise FileError(path, [_at(event, "anchors and aliases are not read here")])
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise FileError(path, [_at(event, "it is nested too deeply")])
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise FileError(path, [Problem(line, 1, "a character that YAML does not allow")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        why = " ".join(filter(None, (_spoken(error.context), _spoken(error.problem))))
        raise FileError(path, [Problem(line, column, f"this is no YAML: {why}")]) from None
    if node is None:
        raise FileError(path, [Problem(1, 1, "it is empty")])
    problems: list[Problem] = []
    item = _item(node, problems)
    if problems:
        raise FileError(path, problems)
    return item


def _spoken(text: str | None) -> str:
    """What PyYAML says of a mistake, without what stands in the file: that may be anything."""
    return "" if text is None else text.partition("'")[0].strip()


def _at(event: Any, text: str) -> Problem:
    return Problem(*_place(event), text)


def _item(node: Any, problems: list[Problem]) -> Item:
    line, column = _place(node)
    if isinstance(node, yaml.SequenceNode):
        return Item([_item(n, problems) for n in node.value], line, column)
    if isinstance(node, yaml.MappingNode):
        keys: list[Item] = []
        found: dict[Any, Item] = {}
        for key, item in _pairs(node, problems):
            keys.append(key)
            if key.value in found:
                problems.append(key.wrong("this key stands here twice"))
            found[key.value] = item
        return Item(found, line, column, tuple(keys))
    return Item(_scalar(node, problems), line, column)


def _pairs(node: Any, problems: list[Problem]) -> Iterator[tuple[Item, Item]]:
    for key_node, value_node in node.value:
        item = _item(value_node, problems)
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(_at(key_node, "a key has to be a text"))
            continue
        # A key is a text, whatever YAML takes it for: `on`, `7`.
        yield Item(key_node.value, *_place(key_node)), item


def _place(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: Any, problems: list[Problem]) -> Any:
    kind = node.tag.rpartition(":")[2]
    if kind == "str":
        return node.value
    if kind == "null":
        return None
    if kind in ("bool", "int", "float"):
        try:
            return yaml.SafeLoader.yaml_constructors[node.tag](_CONSTRUCTOR, node)
        except (ValueError, KeyError):
            problems.append(_at(node, "this is no value"))
            return None
    if kind == "timestamp":
        return float("nan")  # a date is nothing that is asked for; a number is refused, too
    problems.append(_at(node, "tags are not read here"))
    return None


_CONSTRUCTOR = yaml.constructor.SafeConstructor()
