"""Host views by their fields, whichever part these are in: a table's row names what it changes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from novaha.core.record import Record
from novaha.core.view import Evacuations, HostView, Inventory, Presence, Requests, Standing

_PARTS: dict[str, type[Any]] = {
    "standing": Standing,
    "presence": Presence,
    "inventory": Inventory,
    "evacuations": Evacuations,
    "requests": Requests,
}
_PART = {field.name: part for part, kind in _PARTS.items() for field in fields(kind)}
_OWN = tuple(field.name for field in fields(HostView) if field.name not in _PARTS)

FIELDS = (*_OWN, *_PART)
"""All fields of a view: its own, and those of its parts."""


def changed(view: HostView, **changes: Any) -> HostView:
    """The view with other values in these fields."""
    own = {name: changes.pop(name) for name in _OWN if name in changes}
    by_part: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        by_part.setdefault(_PART[name], {})[name] = value
    parts = {part: replace(getattr(view, part), **values) for part, values in by_part.items()}
    return replace(view, **own, **parts)


def view_of(record: Record, **values: Any) -> HostView:
    """A view of which all other fields have their default."""
    return changed(HostView(record), **values)


def value(view: HostView, field: str) -> Any:
    """What stands in this field."""
    return getattr(getattr(view, _PART[field]) if field in _PART else view, field)


assert all(is_dataclass(kind) for kind in _PARTS.values())
assert len(set(FIELDS)) == len(FIELDS), "two parts have a field of the same name"
