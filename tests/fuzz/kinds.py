"""What a kind of input is, what has to come of it, and how that is judged.

A kind is one input that somebody or something may give to novaha, with the outcome that it has to
have: an exit code, or what a call returns or raises, and a sentence. Besides, whatever the kind:
nothing secret, no control character, no line without end and no traceback gets out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from novaha.core.errors import NovahaError

SECRET = "C4nary$Secret&Part"
"""Stands wherever a kind has a place for a secret."""

VALUE = "value"
"""The outcome of a call that returns something."""

_FINE = "\n\t"
"""What lays out metadata and tables; no text of others' has any in it, see core.text."""

_LONGEST = 2200
_EVERY = 9
"""Of each table's kinds the sample has one in so many, and always the first."""

_INSIDE = re.compile(r"Traceback|internal error|unexpected \w*Error|object at 0x")
_PARTS = ("C4nary", "Secret&Part", "Secret%26Part", "Secret&amp;Part")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. ended: the exit code, VALUE, or the name of what was raised.

    said: all that went out, on whichever way.
    """

    ended: int | str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. table: which belong together.

    ended: every outcome that is right. says: a pattern that what is said has to match.
    """

    area: str
    table: str
    name: str
    run: Callable[[Path], Outcome]
    ended: frozenset[int | str]
    says: str = ""

    def __str__(self) -> str:
        name = re.sub(r"[^A-Za-z0-9=.,:+-]+", "_", self.name).strip("_")[:60]
        return f"{self.area}/{self.table}/{name}".replace(" ", "_")


def kind(
    area: str,
    table: str,
    name: object,
    run: Callable[[Path], Outcome],
    ended: int | str | Iterable[int | str],
    says: str = "",
) -> Kind:
    """A Kind; of one right outcome or of several."""
    right = {ended} if isinstance(ended, (int, str)) else set(ended)
    return Kind(area, table, str(name), run, frozenset(right), says)


def call(function: Callable[[], object]) -> Outcome:
    """What came of a call: only NovahaError, and what is declared, may leave it."""
    try:
        value = function()
    except NovahaError as error:
        return Outcome("NovahaError", str(error))
    except Exception as error:
        return Outcome(type(error).__name__, f"{error}")
    return Outcome(VALUE, repr(value)[:0])


def wrong(of: Kind, outcome: Outcome) -> list[str]:
    """Everything that is wrong with an outcome, none if it is right."""
    found = []
    shown = repr(outcome.said[:1000])
    if outcome.ended not in of.ended:
        right = " or ".join(map(str, sorted(of.ended, key=str)))
        found.append(f"ended with {outcome.ended}, right is {right}: {shown}")
    if not re.search(of.says, outcome.said, re.S):
        found.append(f"does not say {of.says!r}: {shown}")
    if any(part in outcome.said for part in _PARTS):
        found.append(f"says the secret: {shown}")
    if bad := {c for c in outcome.said if not c.isprintable() and c not in _FINE}:
        found.append(f"has control characters {bad}: {shown}")
    if any(len(line) > _LONGEST for line in outcome.said.splitlines()):
        found.append("has a line without end")
    if _INSIDE.search(outcome.said):
        found.append(f"says what only a programmer understands: {shown}")
    return found


def chosen(kinds: Iterable[Kind]) -> list[Kind]:
    """All kinds for `make fuzz`; else a sample that has some of each table."""
    everything = list(kinds)
    if os.environ.get("NOVAHA_FUZZ") == "all":
        return everything
    counted: dict[tuple[str, str], int] = {}
    sample = []
    for one in everything:
        number = counted.setdefault((one.area, one.table), 0)
        counted[one.area, one.table] += 1
        if number % _EVERY == 0:
            sample.append(one)
    return sample
