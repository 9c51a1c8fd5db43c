"""JSON schema for what was read with places: as much of it as our schemas use.

The library jsonschema does not know where in a file a value stands. What is not known here is an
error of the schema and raises KeyError, so that no part of one goes unchecked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from novaha.conf.marked import Item, Problem

Schema = Mapping[str, Any]

_SILENT = frozenset({"$schema", "title", "description", "definitions"})

_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "mapping",
}

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
"""What is shown of a key that means nothing: any other may be part of a secret."""


def check(schema: Schema, item: Item) -> list[Problem]:
    """What of `item` the schema does not allow."""
    return _check(schema, schema, item)


def _check(root: Schema, schema: Schema, item: Item) -> list[Problem]:
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if "type" in schema and not _is(schema["type"], item.value):
        return [item.wrong(_wanted(schema["type"], item.value))]
    problems: list[Problem] = []
    for keyword, value in schema.items():
        if keyword not in _SILENT and keyword != "type":
            problems += _KEYWORDS[keyword](root, schema, value, item)
    return problems


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
    return isinstance(value, dict)


def _wanted(kind: str, value: Any) -> str:
    if value is None:
        return f"there is no value; a {_NAMES[kind]} belongs here"
    scalar = not isinstance(value, list | dict | str)
    if kind == "string" and scalar:
        return "this is no text to YAML: put it into quotes"
    return f"this is no {_NAMES[kind]}"


def _any_of(root: Schema, _: Schema, choices: list[Schema], item: Item) -> list[Problem]:
    found = [_check(root, choice, item) for choice in choices]
    if not all(found):
        return []
    # What is meant is the one of the same type; where there is none, what the first wants.
    for choice, problems in zip(choices, found, strict=True):
        kind = (
            root["definitions"][choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice
        )
        if _is(kind["type"], item.value):
            return problems
    return found[0]


def _enum(_: Schema, __: Schema, allowed: list[Any], item: Item) -> list[Problem]:
    if any(item.value == a and type(item.value) is type(a) for a in allowed):
        return []
    some = ", ".join(map(str, allowed))
    return [item.wrong(f"one of these belongs here: {some}")]


def _properties(root: Schema, _: Schema, known: Schema, item: Item) -> list[Problem]:
    given = ((known[k], v) for k, v in item.value.items() if k in known)
    return [problem for schema, value in given for problem in _check(root, schema, value)]


def _additional(root: Schema, schema: Schema, others: Any, item: Item) -> list[Problem]:
    known = schema.get("properties", {})
    problems: list[Problem] = []
    for key in item.keys:
        if key.value in known:
            continue
        if others is not False:
            problems += _check(root, others, item.value[key.value])
            continue
        near = difflib.get_close_matches(key.value, known, n=1)
        hint = f"; is {near[0]} meant?" if near else f"; known are {', '.join(known)}"
        name = f" {key.value}" if _KEY.fullmatch(key.value) else ""
        problems.append(key.wrong(f"there is no key{name} here{hint}"))
    return problems


def _required(_: Schema, __: Schema, names: list[str], item: Item) -> list[Problem]:
    return [item.wrong(f"the key {n} is missing") for n in names if n not in item.value]


def _items(root: Schema, _: Schema, schema: Schema, item: Item) -> list[Problem]:
    return [problem for entry in item.value for problem in _check(root, schema, entry)]


def _at_least(what: str) -> Callable[[Schema, Schema, int, Item], list[Problem]]:
    def compare(_: Schema, __: Schema, least: int, item: Item) -> list[Problem]:
        fits = len(item.value) >= least
        return [] if fits else [item.wrong(f"at least {least} {what} belongs here")]

    return compare


def _at_most(what: str) -> Callable[[Schema, Schema, int, Item], list[Problem]]:
    def compare(_: Schema, __: Schema, most: int, item: Item) -> list[Problem]:
        fits = len(item.value) <= most
        return [] if fits else [item.wrong(f"more than {most} {what} here")]

    return compare


def _minimum(_: Schema, __: Schema, least: float, item: Item) -> list[Problem]:
    return [] if item.value >= least else [item.wrong(f"the least is {least}")]


def _maximum(_: Schema, __: Schema, most: float, item: Item) -> list[Problem]:
    return [] if item.value <= most else [item.wrong(f"the most is {most}")]


_KEYWORDS: Mapping[str, Callable[[Schema, Schema, Any, Item], list[Problem]]] = {
    "anyOf": _any_of,
    "enum": _enum,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "items": _items,
    "minItems": _at_least("entry"),
    "maxItems": _at_most("entries"),
    "minProperties": _at_least("key"),
    "maxProperties": _at_most("keys"),
    "minLength": _at_least("character"),
    "maxLength": _at_most("characters"),
    "minimum": _minimum,
    "maximum": _maximum,
}
