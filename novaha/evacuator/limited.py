"""Recoveries that the brake's limits hold: of hosts that are fenced already.

Where hosts are fenced by what asks no brake (a watchdog, an administrator), many recoveries at once
may be as wrong as many power-offs. Off unless the brake's device says `hold_recoveries=true`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from novaha.core import events, text, truth
from novaha.core.brake import Host, judge_recovery, read_limits, sentence
from novaha.core.errors import NovahaError
from novaha.core.steering import HOLD_RECOVERIES
from novaha.pacemaker.computes import Computes

LOG = logging.getLogger(__name__)

_EVERY = 3.0
"""Seconds for which an answer about the same hosts is good."""


class Cluster(Protocol):
    """What is asked of the cluster. Everything raises NovahaError when it cannot be done."""

    def view(self) -> Computes:
        """All compute hosts."""

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        """The hosts of `view`, with whether those answer that ought to, and `nodes`."""

    def withdraw(self, node: str) -> None:
        """Take away what an operator said to let a host go: it was for this time."""


@dataclass
class RecoveryLimits:
    """Tells which recoveries may not begin. held: why, by node, as it was told last."""

    cluster: Cluster
    journal: events.Sink
    clock: Callable[[], float]
    now: Callable[[], datetime]
    held: Mapping[str, str] = field(default_factory=dict)
    _nodes: frozenset[str] = frozenset()
    _asked: float | None = None
    _let_go: set[str] = field(default_factory=set)

    def ask(self, nodes: Collection[str], settings: Mapping[str, str]) -> Mapping[str, str]:
        """Why the recovery of each of these may not begin yet; those that may are missing.

        nodes: whose recovery has not begun. settings: the parameters of the brake's device.
        Raises NovahaError when the cluster cannot be asked.
        """
        wanted = (
            frozenset(nodes) if truth.is_true(settings.get(HOLD_RECOVERIES, "")) else frozenset()
        )
        for node in sorted(self._let_go - wanted):
            with suppress(NovahaError):  # it expires
                self.cluster.withdraw(node)
            self._let_go.discard(node)
        clock = self.clock()
        fresh = self._asked is not None and clock - self._asked < _EVERY
        if wanted != self._nodes or not fresh:
            self.held = self._judge(wanted, self.held) if wanted else {}
            self._nodes, self._asked = wanted, clock
        return self.held

    def _judge(self, nodes: Collection[str], before: Mapping[str, str]) -> dict[str, str]:
        view = self.cluster.view()
        hosts = self.cluster.look_around(view, ())
        limits, _ = read_limits(view.settings)
        held = {}
        now = self.now()
        for node in sorted(nodes):
            verdict = judge_recovery(node, hosts, limits, now, permitted=view.permitted(node, now))
            if not verdict.go:
                held[node] = sentence(verdict)
                if held[node] != before.get(node):
                    self.journal.emit(events.RecoveryHeld(node, held[node]))
            elif node in view.permits:
                self._let_go.add(node)
        return held

    def notices(self) -> Iterator[str]:
        """What an operator has to know and do, one sentence a host."""
        for node, reason in sorted(self.held.items()):
            yield (
                f"{node}: its recovery is held: {reason}; "
                f"`novaha proceed {text.word(node)}` lets it be recovered"
            )
