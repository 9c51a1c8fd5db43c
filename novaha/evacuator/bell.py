"""What wakes the evacuator: somebody in this process, or the alert agent through a named pipe."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from novaha.core.text import line
from novaha.evacuator import places
from novaha.evacuator.server import share

_LONGEST = 4096

_NAME = 255
"""Characters of a node's name."""

_AT_ONCE = 256
"""Nodes of one reading. The bell only makes things faster: what is dropped is found in a turn."""


class Bell:
    """Rung when there may be work.

    hear: called at once for each node whose fencing has ended, by whoever rings.
    """

    def __init__(self, hear: Callable[[str], None] = lambda node: None) -> None:
        self._hear = hear
        self._rung = threading.Event()
        self._lock = threading.Lock()
        self._nodes: set[str] = set()

    def ring(self, node: str = "") -> None:
        """There may be work. node: whose fencing has ended, "" when it is about no single one."""
        with self._lock:
            if node:
                self._nodes.add(node)
            self._rung.set()
        if node:
            self._hear(node)

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether it was rung since the nodes were taken."""
        return self._rung.wait(seconds)

    def take(self) -> frozenset[str]:
        """Whose fencings have ended since this was asked last; it counts as not rung then."""
        with self._lock:
            nodes = frozenset(self._nodes)
            self._nodes.clear()
            self._rung.clear()
            return nodes


def open_pipe(path: Path) -> int:
    """Make the named pipe `path` anew, for root and group haclient; its descriptor.

    A pipe, because a shell can write into it: the alert agent runs for every event of the cluster.

    Raises EvacuatorError or OSError when it cannot be made.
    """
    places.make_way(path)
    os.mkfifo(path, 0o600)
    share(path)
    # For writing, too: so there is never an end of the file.
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)


def listen(pipe: int, bell: Bell) -> None:
    """Ring for every line that is written into the pipe, for ever, in a thread of its own."""
    threading.Thread(target=_listen, args=(pipe, bell), name="bell", daemon=True).start()


def _listen(pipe: int, bell: Bell) -> None:
    rest = b""
    while True:
        *lines, rest = (rest + os.read(pipe, _LONGEST)).split(b"\n")
        for name in lines[-_AT_ONCE:]:
            bell.ring(line(name.decode("utf-8", "replace"), longest=_NAME))
        rest = rest[-_LONGEST:]
