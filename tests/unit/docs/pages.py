"""The pages of the guide as text: their blocks, their tables, and what can be run of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[3] / "docs"

EVERY = {"every controller": "controller", "every compute host": "compute"}
"""Where a block's first line may have it run, besides on one node; and the begin of their names."""

_FENCE = re.compile(r"^```(?P<language>\S+)(?: (?P<mark>[^\n]*))?\n(?P<text>.*?)^```$", re.M | re.S)
_PROMPT = re.compile(r"^root@(?P<node>[\w-]+):~# (?P<command>.*)$")
_WHERE = re.compile(r"^# on (?P<where>.+)\n")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?P<text>.+?)(?<!`)\1(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. mark: what stands behind the language. line: of its first line of text."""

    language: str
    mark: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run, as it stands on a page.

    where: a node, "evacuator" for the controller of nova-evacuate, or a key of EVERY.
    expected: the lines that it prints, with … for anything; None where the page does not show it.
    until: whether it is repeated until it prints that.
    """

    where: str
    script: str
    expected: str | None
    until: bool
    line: int


def pages() -> list[Path]:
    """What people read; the design and the measured facts are not about commands to type."""
    return sorted(
        [DOCS.parent / "README.md", DOCS / "index.md"]
        + [page for part in ("guide", "reference") for page in DOCS.glob(f"{part}/*.md")]
    )


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        yield Block(match["language"], match["mark"] or "", match["text"], line)


def code_spans(text: str) -> Iterator[str]:
    """The code spans of a page, its fenced blocks left out."""
    for match in _CODE.finditer(_FENCE.sub("", text)):
        yield match["text"].strip()


def first_column(text: str) -> list[str]:
    """The code span that each row of the page's tables begins with."""
    found = (_CODE.match(line[2:]) for line in text.splitlines() if line.startswith("| "))
    return [match["text"].strip() for match in found if match]


def commands(text: str, default: str = "controller-1") -> Iterator[Command]:
    """What a page has its reader run, in order: all of its blocks of shell and console."""
    for block in blocks(text):
        if block.language == "sh":
            where = _WHERE.match(block.text)
            yield Command(where["where"] if where else default, block.text, None, False, block.line)
        elif block.language == "console":
            yield from _typed(block)


def _typed(block: Block) -> Iterator[Command]:
    """The commands at prompts, each with the lines that follow it."""
    typed: list[tuple[str, list[str], list[str], int]] = []
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if prompt := _PROMPT.match(line):
            typed.append((prompt["node"], [prompt["command"]], [], number))
        elif not typed:
            raise ValueError(f"line {number}: a block of console begins with a prompt")
        elif typed[-1][1][-1].endswith("\\") and not typed[-1][2]:
            typed[-1][1].append(line)
        else:
            typed[-1][2].append(line)
    for node, command, printed, number in typed:
        expected = "\n".join(printed) if printed else None
        yield Command(node, "\n".join(command), expected, block.mark == "until", number)


def prints(expected: str, printed: str) -> bool:
    """Whether a command printed what the page shows.

    Blanks count as one, empty lines as none; … stands for anything within a line, and alone on a
    line for any lines.
    """
    lines = _lines(expected)
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in lines
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(printed))) is not None


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]
