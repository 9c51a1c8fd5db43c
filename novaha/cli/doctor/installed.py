"""What stands where an agent of ours should."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from novaha.cli.install import MARK, SHELL

_EXECUTABLE = 0o555


class AgentState(Enum):
    """How far a file is the agent that it should be."""

    MISSING = auto()
    """There is nothing that can be read."""
    FOREIGN = auto()
    """Somebody else's, a distribution's for example."""
    OUTDATED = auto()
    """Ours, but not this version's, or not to be executed by everyone."""
    CURRENT = auto()


@dataclass(frozen=True, slots=True)
class Installed:
    """An agent's file. python: the interpreter of one that is ours and in Python, else ""."""

    state: AgentState
    python: str = ""


def inspect(target: Path, source: bytes) -> Installed:
    """What stands at `target`, where `source` should, whatever its interpreter is."""
    try:
        first, _, rest = target.read_bytes().partition(b"\n")
        everyone = target.stat().st_mode & _EXECUTABLE == _EXECUTABLE
    except OSError:
        return Installed(AgentState.MISSING)
    if not rest.startswith(MARK):
        return Installed(AgentState.FOREIGN)
    same = rest == source.partition(b"\n")[2] and everyone
    words = first.removeprefix(b"#!").decode("utf-8", "replace").split()
    python = words[0] if words and first != SHELL else ""
    return Installed(AgentState.CURRENT if same else AgentState.OUTDATED, python)
