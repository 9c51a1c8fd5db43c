"""What wakes the evacuator: somebody in this process, or the alert agent through a named pipe."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from novaha.core.text import line
from novaha.evacuator import places
from novaha.evacuator.server import grant_haclient_access

_LONGEST = 4096

_NAME = 255
"""Characters of a node's name."""

_AT_ONCE = 256
"""Nodes of one reading. A wake-up only makes things faster: what is dropped is found in a turn."""


class Wakeup:
    """Wakes the loop when there may be work.

    on_fencing: called at once for each node whose fencing has ended, in the thread that wakes.
    """

    def __init__(self, on_fencing: Callable[[str], None] = lambda node: None) -> None:
        self._on_fencing = on_fencing
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._nodes: set[str] = set()

    def wake(self, node: str = "") -> None:
        """There may be work. node: whose fencing has ended, "" when it is about no single one."""
        with self._lock:
            if node:
                self._nodes.add(node)
            self._woken.set()
        if node:
            self._on_fencing(node)

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether there was a wake-up since the last `drain`."""
        return self._woken.wait(seconds)

    def drain(self) -> frozenset[str]:
        """Whose fencings have ended since the last call. Earlier wake-ups no longer count."""
        with self._lock:
            nodes = frozenset(self._nodes)
            self._nodes.clear()
            self._woken.clear()
            return nodes


def open_pipe(path: Path) -> int:
    """Make the named pipe `path` anew, for root and group haclient; its descriptor.

    A pipe, because a shell can write into it: the alert agent runs for every event of the cluster.

    Raises EvacuatorError or OSError when it cannot be made.
    """
    places.make_way(path)
    os.mkfifo(path, 0o600)
    grant_haclient_access(path)
    # For writing, too: so there is never an end of the file.
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)


def listen(pipe: int, wakeup: Wakeup) -> None:
    """Wake for every line that is written into the pipe, for ever, in a thread of its own."""
    threading.Thread(target=_listen, args=(pipe, wakeup), name="wakeup", daemon=True).start()


def _listen(pipe: int, wakeup: Wakeup) -> None:
    rest = b""
    while True:
        *lines, rest = (rest + os.read(pipe, _LONGEST)).split(b"\n")
        for name in lines[-_AT_ONCE:]:
            wakeup.wake(line(name.decode("utf-8", "replace"), longest=_NAME))
        rest = rest[-_LONGEST:]
