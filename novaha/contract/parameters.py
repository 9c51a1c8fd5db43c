"""A parameter of an agent, declared once: parsing, validation and metadata all read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from novaha.core import truth
from novaha.core.errors import NovahaError

ParameterType = Literal["string", "boolean", "integer", "second"]

Number = TypeVar("Number", int, float)


class ParameterError(NovahaError):
    """A parameter has a value that it cannot have."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"parameter {name}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter.

    deprecated: still accepted; `replaced_by` names what took its place ("" when it means nothing
        any more).
    advanced: for tuning only; said in the metadata.
    secret: its value is never shown (law 9).
    reloadable: a change of it takes effect without a restart (reload-agent).
    letter, longopt: the options of a fence agent, without dashes.
    aliases: older names under which a fence agent still takes it on standard input.
    """

    name: str
    shortdesc: str
    longdesc: str = ""
    type: ParameterType = "string"
    default: str | None = None
    required: bool = False
    unique: bool = False
    deprecated: bool = False
    replaced_by: str = ""
    advanced: bool = False
    secret: bool = False
    reloadable: bool = False
    letter: str = ""
    longopt: str = ""
    aliases: tuple[str, ...] = ()

    def check(self, value: str) -> None:
        """Raise ParameterError unless `value` is one of this parameter's type."""
        if "\0" in value or "\n" in value:
            raise ParameterError(self.name, "must be one line of text")
        if self.type == "boolean":
            to_bool(self.name, value)
        elif self.type == "integer":
            to_number(self.name, value, int)
        elif self.type == "second":
            to_number(self.name, value, float)


def to_bool(name: str, value: str) -> bool:
    """The truth that a user's text means; raises ParameterError when it means none."""
    found = truth.parse(value) if value.strip() else False
    if found is None:
        raise ParameterError(name, "is neither true nor false")
    return found


def to_number(name: str, value: str, kind: Callable[[str], Number]) -> Number:
    """The non-negative number in a user's text; raises ParameterError when there is none."""
    try:
        number = kind(value.strip().removesuffix("s"))
    except ValueError:
        raise ParameterError(name, "is not a number") from None
    if number < 0 or number != number:  # NaN is not equal to itself
        raise ParameterError(name, "is negative or no number")
    return number


def validate(declared: Iterable[Parameter], given: Mapping[str, str]) -> None:
    """Check what the operator gave against what is declared, without any outside help.

    Raises ParameterError for the first parameter that is missing or cannot be read.
    """
    for parameter in declared:
        value = given.get(parameter.name)
        if not value:
            if parameter.required:
                raise ParameterError(parameter.name, "is required and not set")
            continue
        parameter.check(value)


def ignored(declared: Iterable[Parameter], given: Iterable[str]) -> tuple[str, ...]:
    """The names of given parameters that no longer mean anything, in declared order."""
    names = frozenset(given)
    return tuple(p.name for p in declared if p.deprecated and not p.replaced_by and p.name in names)
