"""The processes of the lab's nodes: which nova-compute runs, and who shows a secret."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from novahalab.chaos.history import History, NovaCompute
from novahalab.process import Process
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings

_TICK = os.sysconf("SC_CLK_TCK")


def in_nodes(nodes: tuple[str, ...]) -> Iterator[tuple[str, int, list[str]]]:
    """Node, number on this machine and arguments of each process on these nodes."""
    spaces = {}
    for node in nodes:
        pid = Sandbox(node).pid
        if pid is not None:
            try:
                spaces[os.readlink(f"/proc/{pid}/ns/pid")] = node
            except OSError:
                continue
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            node = spaces.get(os.readlink(f"/proc/{entry}/ns/pid"), "")
            if node:
                text = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
                yield node, int(entry), text.split("\0")
        except OSError:
            continue


def is_nova_compute(argv: list[str]) -> bool:
    """Whether these are the arguments of nova-compute itself, not of what starts or asks it."""
    return any(arg.endswith("/bin/nova-compute") for arg in argv[:2]) and "python" in argv[0]


def is_evacuator(argv: list[str]) -> bool:
    """Whether these are the arguments of novaha's evacuator."""
    return "novaha.evacuator" in argv


def is_agent(argv: list[str]) -> bool:
    """Whether these are the arguments of one action of one of novaha's agents."""
    names = ("NovaCompute", "NovaEvacuate", "fence_compute", "novaha_alert")
    return not is_evacuator(argv) and any(arg.rsplit("/", 1)[-1] in names for arg in argv[:4])


class Processes:
    """Looks at every process of the lab's nodes and of its cloud.

    secret: must be in no process's arguments.
    """

    def __init__(self, lab: Settings, secret: str) -> None:
        self._nodes = (*lab.nodes, "cloud")
        self._secret = secret

    def look(self, history: History) -> None:
        """Add what runs now to the history."""
        now = time.time()
        # Both of the same clock: when the machine booted, in time.time().
        booted = now - time.clock_gettime(time.CLOCK_BOOTTIME)
        for node, pid, argv in in_nodes(self._nodes):
            if self._secret and any(self._secret in arg for arg in argv):
                found = f"arguments of a process on {node}: {' '.join(argv[:4])}"
                if found not in history.secrets:
                    history.secrets.append(found)
            if is_nova_compute(argv):
                process = Process.of(pid)
                if process is not None:
                    # To a tenth: equal for every look at one process.
                    started = round(booted + process.started / _TICK, 1)
                    self._note(history, NovaCompute(node, pid, started), now)

    @staticmethod
    def _note(history: History, seen: NovaCompute, now: float) -> None:
        for known in history.computes:
            same = known.node == seen.node and known.pid == seen.pid
            if same and abs(known.started - seen.started) < 0.5:
                history.computes[known] = now
                return
        history.computes[seen] = now
