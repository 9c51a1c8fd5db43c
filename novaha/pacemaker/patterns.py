"""Whether a pattern of fencing levels matches a node, as Pacemaker's own test does.

Pacemaker asks `regcomp(REG_EXTENDED)` and `regexec` of the C library: POSIX extended expressions,
with case, anywhere in the name, and none that matches where the pattern is invalid. Python's are
others: they refuse some, read others in another way, and take for ever for a few. These states are
gone through side by side, so that the time grows with pattern and name only; what would take more
than that is not decided, for fencing may not wait (law 7).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_MOST_STATES = 2000
"""Of a pattern. With the longest name that is a third of a second, and a million times more than a
pattern of names needs."""

_LONGEST_NAME = 256
_LONGEST_PATTERN = 4096
_DEEPEST = 50
_MOST_REPEATS = 0x7FFF  # RE_DUP_MAX


class InvalidPatternError(ValueError):
    """The C library refuses the pattern: Pacemaker passes the level over."""


class UndecidedPatternError(ValueError):
    """Nobody here can tell what the pattern matches in a bounded time."""


def matches(pattern: str, name: str) -> bool | None:
    """Whether Pacemaker takes `name` for a match; None where that cannot be told."""
    try:
        return _search(pattern, name)
    except InvalidPatternError:
        return False
    except UndecidedPatternError:
        return None


def problem(pattern: str) -> str:
    """What is wrong with a pattern, "" if nothing is."""
    try:
        _search(pattern, "")
    except InvalidPatternError:
        return "it is no extended regular expression, so Pacemaker passes the level over"
    except UndecidedPatternError:
        return "it is too large, refers back, or depends on the locale"
    return ""


# The pattern as a tree

_Has = Callable[[str], bool]
_At = Callable[[str, int], bool]


@dataclass(frozen=True, slots=True)
class _Char:
    """One character that is in a set."""

    has: _Has


@dataclass(frozen=True, slots=True)
class _Where:
    """A place in the name, and no character."""

    at: _At


@dataclass(frozen=True, slots=True)
class _All:
    """One after the other; of no parts, nothing."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Any:
    """One of these."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    """From `least` to `most` times; without end if that is None."""

    part: _Node
    least: int
    most: int | None


_Node = _Char | _Where | _All | _Any | _Repeat


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _boundary(text: str, at: int) -> tuple[bool, bool]:
    """Whether a character of a word comes before and after this place."""
    return at > 0 and _is_word(text[at - 1]), at < len(text) and _is_word(text[at])


_PLACES: dict[str, _At] = {
    "^": lambda text, at: at == 0,
    "$": lambda text, at: at == len(text),
    "\\`": lambda text, at: at == 0,
    "\\'": lambda text, at: at == len(text),
    "\\<": lambda text, at: _boundary(text, at) == (False, True),
    "\\>": lambda text, at: _boundary(text, at) == (True, False),
    "\\b": lambda text, at: len({*_boundary(text, at)}) == 2,
    "\\B": lambda text, at: len({*_boundary(text, at)}) == 1,
}

_SETS: dict[str, _Has] = {
    ".": lambda char: True,
    "\\w": _is_word,
    "\\W": lambda char: not _is_word(char),
    "\\s": str.isspace,
    "\\S": lambda char: not char.isspace(),
}

_CLASSES: dict[str, _Has] = {
    "alpha": str.isalpha,
    "digit": lambda char: char in string.digits,
    "alnum": str.isalnum,
    "upper": str.isupper,
    "lower": str.islower,
    "space": str.isspace,
    "blank": lambda char: char in " \t",
    "punct": lambda char: char in string.punctuation,
    "print": str.isprintable,
    "graph": lambda char: char.isprintable() and char != " ",
    "cntrl": lambda char: char < " " or char == "\x7f",
    "xdigit": lambda char: char in string.hexdigits,
}


class _Parser:
    """A pattern by the grammar of the C library."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._groups = 0
        self._closed: set[int] = set()

    def parse(self) -> _Node:
        return self._either(0)

    def _next(self) -> str:
        """The next character, one with a backslash before it with that; "" at the end."""
        mark = self._text[self._at : self._at + 1]
        return self._text[self._at : self._at + 2] if mark == "\\" else mark

    def _ends(self, depth: int) -> bool:
        mark = self._next()
        return mark in ("", "|") or (mark == ")" and depth > 0)

    def _either(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise UndecidedPatternError
        branches = [self._branch(depth)]
        while self._next() == "|":
            self._at += 1
            branches.append(self._branch(depth))
        return branches[0] if len(branches) == 1 else _Any(tuple(branches))

    def _branch(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while not self._ends(depth):
            part, repeatable = self._one(depth)
            while repeatable and self._next() in ("*", "+", "?", "{"):
                part = self._repeated(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else _All(tuple(parts))

    def _one(self, depth: int) -> tuple[_Node, bool]:
        """One element, and whether it may be repeated."""
        mark = self._next()
        if mark in ("*", "+", "?", "{"):
            raise InvalidPatternError
        if mark == "\\":
            raise InvalidPatternError
        self._at += len(mark)
        if mark in _PLACES:
            return _Where(_PLACES[mark]), False
        if mark in _SETS:
            return _Char(_SETS[mark]), True
        if mark == "[":
            return _Char(self._bracket()), True
        if mark == "(":
            return self._group(depth), True
        if len(mark) == 2 and mark[1] in "123456789":
            if int(mark[1]) not in self._closed:
                raise InvalidPatternError
            raise UndecidedPatternError
        return _Char(mark[-1].__eq__), True

    def _group(self, depth: int) -> _Node:
        self._groups += 1
        number = self._groups
        inner: _Node = _All(()) if self._next() == ")" else self._either(depth + 1)
        if self._next() != ")":
            raise InvalidPatternError
        self._at += 1
        self._closed.add(number)
        return inner

    def _repeated(self, part: _Node) -> _Node:
        mark = self._next()
        self._at += 1
        if mark != "{":
            return _Repeat(part, int(mark == "+"), 1 if mark == "?" else None)
        end = self._text.find("}", self._at)
        if end < 0:
            raise InvalidPatternError
        first, comma, last = self._text[self._at : end].partition(",")
        self._at = end + 1
        if not all(number.isascii() and number.isdigit() for number in (first, last) if number):
            raise InvalidPatternError
        if not first and not comma:
            raise InvalidPatternError
        least = _bounded(first) if first else 0
        most = (_bounded(last) if last else None) if comma else least
        if most is not None and least > most:
            raise InvalidPatternError
        return _Repeat(part, least, most)

    def _bracket(self) -> _Has:
        negated = self._text.startswith("^", self._at)
        self._at += negated
        members: list[_Has] = []
        first = True
        while first or not self._text.startswith("]", self._at):
            if self._text.startswith("-", self._at) and not first and not self._last_dash():
                raise InvalidPatternError
            members.append(self._member())
            first = False
        self._at += 1
        return lambda char: negated != any(has(char) for has in members)

    def _last_dash(self) -> bool:
        """Whether the - here is the last in its brackets."""
        return self._text.startswith("]", self._at + 1)

    def _member(self) -> _Has:
        kind, text = self._element()
        if kind == ":":
            if text not in _CLASSES:
                raise InvalidPatternError
            if self._is_range():
                raise InvalidPatternError
            return _CLASSES[text]
        if kind == "=" and self._is_range():
            raise InvalidPatternError
        if not self._is_range():
            return text.__eq__
        self._at += 1
        kind, last = self._element()
        if kind in (":", "="):
            raise InvalidPatternError
        if last < text:
            raise InvalidPatternError
        return lambda char: text <= char <= last

    def _is_range(self) -> bool:
        return self._text.startswith("-", self._at) and not self._last_dash()

    def _element(self) -> tuple[str, str]:
        """A character, or what stands in [: :], [= =] or [. .], with the sign of that."""
        char = self._text[self._at : self._at + 1]
        sign = self._text[self._at + 1 : self._at + 2]
        if not char:
            raise InvalidPatternError
        if char != "[" or sign not in (".", "=", ":"):
            self._at += 1
            return "", char
        end = self._text.find(f"{sign}]", self._at + 2)
        if end < 0:
            raise InvalidPatternError
        name = self._text[self._at + 2 : end]
        self._at = end + 2
        if sign != ":" and len(name) != 1:
            raise UndecidedPatternError
        return sign, name


def _bounded(number: str) -> int:
    value = int(number[:6])
    if value > _MOST_REPEATS or len(number) > 6:
        raise InvalidPatternError
    return value


# The tree as states

_END = 0


class _Machine:
    """States of a pattern, each with what has to be so and which come next."""

    def __init__(self, tree: _Node) -> None:
        self._chars: list[_Has | None] = [None]
        self._places: list[_At | None] = [None]
        self._next: list[list[int]] = [[]]
        self._work = 0
        self._start = self._build(tree, _END)

    def _state(
        self, following: Iterable[int], has: _Has | None = None, at: _At | None = None
    ) -> int:
        self._chars.append(has)
        self._places.append(at)
        self._next.append(list(following))
        return len(self._next) - 1

    def _build(self, node: _Node, following: int) -> int:
        """The state in which `node` begins, where `following` comes after it."""
        self._work += 1
        if self._work > _MOST_STATES:
            raise UndecidedPatternError
        if isinstance(node, _Char):
            return self._state([following], has=node.has)
        if isinstance(node, _Where):
            return self._state([following], at=node.at)
        if isinstance(node, _All):
            for part in reversed(node.parts):
                following = self._build(part, following)
            return following
        if isinstance(node, _Any):
            return self._state([self._build(part, following) for part in node.parts])
        return self._build_repeat(node, following)

    def _build_repeat(self, node: _Repeat, following: int) -> int:
        if node.most is None:
            loop = self._state([following])
            self._next[loop].append(self._build(node.part, loop))
            following = loop
        else:
            end = following
            for _ in range(node.most - node.least):
                following = self._state([end, self._build(node.part, following)])
        for _ in range(node.least):
            following = self._build(node.part, following)
        return following

    def finds(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
        states: set[int] = set()
        for at in range(len(text) + 1):
            states = self._reached({*states, self._start}, text, at)
            if _END in states:
                return True
            if at < len(text):
                states = {
                    following
                    for state in states
                    if (has := self._chars[state]) is not None and has(text[at])
                    for following in self._next[state]
                }
        return False

    def _reached(self, states: set[int], text: str, at: int) -> set[int]:
        """These states and all that follow without a character."""
        reached, new = set(states), list(states)
        while new:
            state = new.pop()
            place = self._places[state]
            if self._chars[state] is not None or (place is not None and not place(text, at)):
                continue
            fresh = [following for following in self._next[state] if following not in reached]
            reached.update(fresh)
            new += fresh
        return reached


def _search(pattern: str, name: str) -> bool:
    if len(pattern) > _LONGEST_PATTERN or len(name) > _LONGEST_NAME:
        raise UndecidedPatternError
    return _Machine(_Parser(pattern).parse()).finds(name)
