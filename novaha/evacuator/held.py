"""Hosts whose power-off the brake holds: what becomes of them when the storm is over.

Pacemaker tries to fence a held host ten times and then leaves it as it is, unclean, for as long as
nothing else happens (docs/facts.md). A host that proves to be alive is brought back into the
cluster with its guests untouched; one that proves to be dead is fenced by request; what cannot be
told waits for an operator.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from novaha.core import events, text
from novaha.core.brake import Host, Verdict, read_limits, sentence
from novaha.core.errors import NovahaError
from novaha.core.steering import Pause, in_force
from novaha.pacemaker.computes import Computes

LOG = logging.getLogger(__name__)

_EVERY = 3.0
"""Seconds between two looks at held hosts."""

_WITHOUT = 10.0
"""Seconds between two looks whether there is a brake by now."""

_FRESH = timedelta(seconds=60)
"""Nova has heard from a living nova-compute within this time (its report_interval is 10 s)."""

_STEADY = 10.0
"""Seconds for which a host has to be silent, and the brake content, before it is fenced."""

_AGAIN = 30.0
"""Seconds after which what was asked of Pacemaker without effect is asked again."""


class Storm(Protocol):
    """What is asked of the cluster. Everything raises NovahaError when it cannot be done."""

    def braked(self) -> bool:
        """Whether the cluster has a brake."""

    def held(self) -> Mapping[str, str]:
        """The marks of held hosts, by node: quick, for every turn."""

    def view(self) -> Computes:
        """All compute hosts."""

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        """The hosts of `view`, with whether those answer that ought to, and `nodes`."""

    def forget_failures(self, node: str, resource: str) -> None:
        """Have Pacemaker forget the failures of a node's connection, and connect again."""

    def fence(self, node: str) -> None:
        """Ask Pacemaker to fence a node."""

    def release(self, node: str) -> None:
        """Take the mark of a held host away."""

    def withdraw(self, node: str) -> None:
        """Take away what an operator said to let a host go: it was for this time."""

    def pause(self) -> Pause | None:
        """The pause that an operator has set, in force or not."""


@dataclass
class _Memory:
    """Seconds of the clock, None for never."""

    dead_since: float | None = None
    forgiven: float | None = None
    fenced: float | None = None


@dataclass(frozen=True, slots=True)
class HeldHost:
    """A held host, for people. reason: why it is held, and what it waits for."""

    node: str
    since: datetime
    reason: str


@dataclass
class HeldHosts:
    """Looks after held hosts, in every turn.

    heard: asks Nova once; of what it gives one can ask when Nova heard last from each node's
        nova-compute. Both raise NovahaError.
    """

    storm: Storm
    heard: Callable[[], Callable[[str], datetime | None]]
    journal: events.Sink
    clock: Callable[[], float]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    hosts: tuple[HeldHost, ...] = ()
    _paused: str = ""
    _braked: bool | None = None
    _memory: dict[str, _Memory] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _failed: str = ""

    def run(self, stopping: threading.Event) -> None:
        """Look after them until `stopping` is set, in a thread of its own.

        What goes wrong for held hosts, and what takes long, keeps no recovery waiting.
        """
        while not stopping.is_set():
            try:
                self.take()
            except Exception:
                LOG.exception("held hosts cannot be looked after")
            stopping.wait(_EVERY if self._braked else _WITHOUT)

    def take(self) -> None:
        """Look after them once."""
        try:
            self._braked = self.storm.braked()
            self.paused()
            if self._braked and self.storm.held():
                self._look(self.storm.view(), self.clock())
            else:
                self._memory.clear()
                self._told.clear()
                self.hosts = ()
            self._failed = ""
        except NovahaError as error:
            if str(error) != self._failed:
                LOG.warning("held hosts cannot be looked after: %s", error)
            self._failed = str(error)

    def look(self) -> tuple[str, ...]:
        """What an operator is told by somebody who does not look after them: does nothing.

        Raises NovahaError when the cluster cannot be asked.
        """
        self.paused()
        view = self.storm.view() if self._braked and self.storm.held() else None
        held = view.held if view is not None else {}
        self.hosts = tuple(
            HeldHost(node, mark.since, f"the brake says {mark.code}")
            for node, mark in sorted(held.items())
        )
        return self.notices()

    def paused(self, pause: Callable[[], Pause | None] | None = None) -> str:
        """Why fencing and new recoveries are paused at this moment, "" when they are not.

        pause: what an operator has set, where that was read already.

        Raises NovahaError when the cluster cannot be asked.
        """
        if self._braked is None:
            self._braked = self.storm.braked()
        paused = in_force((pause or self.storm.pause)(), self.now()) if self._braked else ""
        if paused and paused != self._paused:
            self.journal.emit(events.Paused(paused))
        elif self._paused and not paused:
            self.journal.emit(events.Resumed(self._paused))
        self._paused = paused
        return paused

    def notices(self) -> tuple[str, ...]:
        """What an operator has to know and do, one sentence a host."""
        paused = f"fencing and new recoveries are paused: {self._paused}; `novaha resume` ends that"
        return (*([paused] if self._paused else []), *self._of_hosts())

    def _of_hosts(self) -> Iterator[str]:
        yield from (
            f"{host.node}: its power-off is held since {host.since:%H:%M:%S} UTC: {host.reason}; "
            f"`novaha evidence {text.word(host.node)}` shows what is known of it, "
            f"`novaha proceed {text.word(host.node)}` lets it be powered off"
            for host in self.hosts
        )

    def _look(self, view: Computes, clock: float) -> None:
        found: list[HeldHost] = []
        hosts = {host.node: host for host in self.storm.look_around(view, view.held.keys())}
        heard = functools.cache(self.heard)
        for gone in self._memory.keys() - view.held.keys():
            del self._memory[gone]
        for node in view.held:
            if node not in view.hosts:
                continue
            try:
                reason = self._one(view, hosts, node, clock, heard)
            except NovahaError as error:
                reason = str(error)
            if reason:
                found.append(HeldHost(node, view.held[node].since, reason))
                if self._told.get(node) != reason:
                    LOG.warning("%s is held: %s", node, reason)
                    self._told[node] = reason
        self.hosts = tuple(found)

    def _one(
        self,
        view: Computes,
        hosts: Mapping[str, Host],
        node: str,
        clock: float,
        heard: Callable[[], Callable[[str], datetime | None]],
    ) -> str:
        """Look after one; why it is still held, "" when it is not."""
        host, memory = hosts[node], self._memory.setdefault(node, _Memory())
        stopped = memory.forgiven is not None and host.excused
        if host.off or not (host.lost or stopped or host.answers is False):
            # It was fenced, or Pacemaker has it back.
            if node in view.permits:
                self.storm.withdraw(node)
            self.storm.release(node)
            self._told.pop(node, None)
            self.journal.emit(
                events.NoLongerHeld(node, "fenced" if host.off else "back in the cluster")
            )
            return ""
        if host.answers:
            memory.dead_since = None
            return self._alive(view, node, memory, clock, heard()(node))
        if host.answers is None:
            return "its address cannot be resolved on this controller"
        verdict = self._verdict(view, hosts, node)
        if not verdict.go:
            memory.dead_since = None
            return sentence(verdict)
        memory.dead_since = clock if memory.dead_since is None else memory.dead_since
        if clock - memory.dead_since < _STEADY or _lately(memory.fenced, clock):
            return "it is silent, and the others are not: it is about to be fenced"
        memory.fenced = clock
        self.journal.emit(
            events.FencingRequested(node, f"it is silent on every network; {sentence(verdict)}")
        )
        self.storm.fence(node)
        return "it is being fenced"

    def _alive(
        self, view: Computes, node: str, memory: _Memory, clock: float, seen: datetime | None
    ) -> str:
        now = self.now()
        if seen is None or seen <= view.held[node].since or now - seen > _FRESH:
            heard = "never" if seen is None else f"{seen:%H:%M:%S} UTC"
            return f"it answers, but Nova heard last from its nova-compute at {heard}"
        if node not in view.connections:
            return "it answers and its nova-compute works: Pacemaker takes it back by itself"
        if not _lately(memory.forgiven, clock):
            memory.forgiven = clock
            self.journal.emit(
                events.BroughtBack(node, "it answers, and Nova hears from its nova-compute")
            )
            self.storm.forget_failures(node, view.connections[node])
        return "it proves to be alive: it is brought back into the cluster"

    def _verdict(self, view: Computes, hosts: Mapping[str, Host], node: str) -> Verdict:
        limits, _ = read_limits(view.settings)
        return view.judge(node, hosts.values(), limits, self.now())


def _lately(moment: float | None, clock: float) -> bool:
    return moment is not None and clock - moment < _AGAIN
