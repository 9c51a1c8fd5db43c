"""What fits a terminal: text in lines of a width, with every word and every command whole."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta

from novaha.core import text

NARROWEST = 40
"""Columns. On a narrower terminal lines are this long: shorter ones would be unreadable."""

ENDLESS = 100_000
"""Columns of what is in no terminal at all."""

USUAL = (80, 24)
"""Columns and rows where there is no terminal."""

_LONGEST = 2000
_PIECE = re.compile(r"`[^`]*`[^\s`]*|'novaha [^']*'[^\s']*|\S+")
"""A word, or a command in quotes: both stay in one line."""


def size() -> tuple[int, int]:
    """Columns and rows of the terminal; COLUMNS and LINES win, 80 and 24 where there is none."""
    columns, rows = shutil.get_terminal_size(USUAL)
    return max(columns, NARROWEST), rows


def cells(shown: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(map(_cells, shown))


def _cells(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def padded(shown: str, room: int) -> str:
    """The text with blanks up to `room` columns."""
    return shown + " " * (room - cells(shown))


def shortened(shown: str, room: int) -> str:
    """The text in at most `room` columns; what is cut off is shown by an ellipsis."""
    if cells(shown) <= room:
        return shown
    kept, used = [], 1
    for char in shown:
        used += _cells(char)
        if used > room:
            break
        kept.append(char)
    return f"{''.join(kept)}…"


def wrapped(said: object, width: int, first: str = "", others: str | None = None) -> list[str]:
    """`said` in lines of at most `width` columns. A longer word has a line that is too long.

    first, others: what the first line, and each other one, begins with; blanks by default.
    """
    head, tail = first, " " * cells(first) if others is None else others
    lines: list[str] = []
    words: list[str] = []
    used = cells(head)
    for piece in _pieces(text.line(said, longest=_LONGEST), width - len(tail)):
        needed = cells(piece) + (1 if words else 0)
        helps = cells(tail) + cells(piece) <= width  # else it is too long there as well
        if words and used + needed > width and helps:
            lines.append(head + " ".join(words))
            head, words, used, needed = tail, [], cells(tail), cells(piece)
        words.append(piece)
        used += needed
    return [*lines, (head + " ".join(words)).rstrip()]


def _pieces(line: str, room: int) -> Iterable[str]:
    for piece in _PIECE.findall(line):
        if cells(piece) <= room:
            yield piece
        else:
            yield from piece.split()


def sheet(rows: Iterable[tuple[str, object]], width: int) -> list[str]:
    """Names, and beside each what is said of it; below it where a word would not fit beside it."""
    known = [(text.line(name), said) for name, said in rows]
    room = max((cells(name) for name, _ in known), default=0) + 2
    shown: list[str] = []
    for name, said in known:
        lines = wrapped(said, width, padded(name, room))
        shown += lines if fits(lines, width) else [name, *wrapped(said, width, "  ")]
    return shown


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their cells below each other, two blanks apart."""
    if not rows:
        return []
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(padded(cell, room) for cell, room in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def fits(lines: Iterable[str], width: int) -> bool:
    """Whether each line has its place."""
    return all(cells(line) <= width for line in lines)


def span(time: timedelta | None) -> str:
    """A span of time in its two largest units, "-" for none: 42s, 3m12s, 2h05m, 3d04h."""
    if time is None:
        return "-"
    seconds = int(time.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes % 60:02}m"
    return f"{minutes}m{seconds % 60:02}s" if minutes else f"{seconds}s"
