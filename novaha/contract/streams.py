"""The standard streams of an agent, which may be closed, full or anything at all."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO

from novaha.contract.parameters import ParameterError

LONGEST_INPUT = 16 * 1024 * 1024
"""Bytes of standard input that are read."""


def lines(stream: TextIO | None) -> list[str]:
    """The lines of standard input, whatever its bytes are; what is longer than bounds is cut.

    Raises ParameterError when what was cut off may have said which action is meant.
    """
    if stream is None:
        return []
    buffer = getattr(stream, "buffer", None)
    text = (
        stream.read(LONGEST_INPUT + 1)
        if buffer is None
        else buffer.read(LONGEST_INPUT + 1).decode("utf-8-sig", "replace")
    )
    found: list[str] = text.split("\n")
    if len(text) > LONGEST_INPUT:
        found = found[:-1]
        if not any(line.partition("=")[0].strip() == "action" for line in found):
            raise ParameterError("action", "is not in the first 16 MiB of standard input")
    return found


def tell(stream: TextIO | None, text: str) -> bool:
    """Write `text` out at once; whether that worked. Nothing is raised."""
    if stream is None:
        return False
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        _abandon(stream)
        return False
    return True


def _abandon(stream: TextIO) -> None:
    """Let go of what is still buffered: Python's own flush at exit would change the exit code."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(descriptor, stream.fileno())
        finally:
            os.close(descriptor)
