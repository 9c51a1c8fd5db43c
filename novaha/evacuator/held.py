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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from novaha.core import events, text
from novaha.core.brake import Code, Host, Verdict, read_limits, sentence
from novaha.core.errors import NovahaError
from novaha.core.heartbeats import Heartbeats
from novaha.core.steering import Held, Pause, in_force
from novaha.evacuator.limited import RecoveryLimits
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

_PROVING = 60.0
"""Seconds within which one that is held alone has to prove that it lives, at the most."""

_AGAIN = 30.0
"""Seconds after which what was asked of Pacemaker without effect is asked again."""


class Storm(Protocol):
    """What is asked of the cluster. Everything raises NovahaError when it cannot be done."""

    def brake(self) -> Mapping[str, str] | None:
        """The parameters of the brake's device, None where the cluster has no brake."""

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

    def note(self, node: str, held: Held) -> None:
        """Give a held host another mark."""

    def release(self, node: str) -> None:
        """Take the mark of a held host away."""

    def withdraw(self, node: str) -> None:
        """Take away what an operator said to let a host go: it was for this time."""

    def pause(self) -> Pause | None:
        """The pause that an operator has set, in force or not."""


@dataclass
class _Memory:
    """Seconds of the clock, None for never. beats: since `unproven_since`."""

    dead_since: float | None = None
    unproven_since: float | None = None
    beats: Heartbeats = field(default_factory=Heartbeats)
    forgiven: float | None = None
    fenced: float | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one turn goes by. hosts: with whether they answer. heard: asks Nova, once."""

    view: Computes
    hosts: Mapping[str, Host]
    clock: float
    heard: Callable[[], Callable[[str], datetime | None]]

    def last_seen(self, nodes: Iterable[str]) -> dict[str, datetime | None]:
        """When Nova heard last from each of these, without those that it does not know.

        Raises NovahaError when Nova cannot be asked.
        """
        heard, found = self.heard(), {}
        for node in nodes:
            with suppress(NovahaError):
                found[node] = heard(node)
        return found


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
    _settings: Mapping[str, str] = field(default_factory=dict)
    _memory: dict[str, _Memory] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _failed: str = ""

    def __post_init__(self) -> None:
        self.limits = RecoveryLimits(self.storm, self.journal, self.clock, self.now)

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
            self._read_brake()
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
            self._read_brake()
        paused = in_force((pause or self.storm.pause)(), self.now()) if self._braked else ""
        if paused and paused != self._paused:
            self.journal.emit(events.Paused(paused))
        elif self._paused and not paused:
            self.journal.emit(events.Resumed(self._paused))
        self._paused = paused
        return paused

    def _read_brake(self) -> None:
        settings = self.storm.brake()
        self._braked, self._settings = settings is not None, settings or {}

    def limited(self, nodes: Collection[str]) -> Mapping[str, str]:
        """Why each recovery of these that may not begin is held by the limits.

        nodes: whose recovery has not begun. Raises NovahaError when the cluster cannot be asked.
        """
        return self.limits.ask(nodes, self._settings)

    def notices(self) -> tuple[str, ...]:
        """What an operator has to know and do, one sentence a host."""
        paused = f"fencing and new recoveries are paused: {self._paused}; `novaha resume` ends that"
        return (*([paused] if self._paused else []), *self.limits.notices(), *self._of_hosts())

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
        turn = _Turn(view, hosts, clock, functools.cache(self.heard))
        for gone in self._memory.keys() - view.held.keys():
            del self._memory[gone]
        for node in view.held:
            if node not in view.hosts:
                continue
            try:
                reason = self._one(turn, node)
            except NovahaError as error:
                reason = str(error)
            if reason:
                found.append(HeldHost(node, view.held[node].since, reason))
                if self._told.get(node) != reason:
                    LOG.warning("%s is held: %s", node, reason)
                    self._told[node] = reason
        self.hosts = tuple(found)

    def _one(self, turn: _Turn, node: str) -> str:
        """Look after one; why it is still held, "" when it is not."""
        host, memory = turn.hosts[node], self._memory.setdefault(node, _Memory())
        stopped = memory.forgiven is not None and host.excused
        if host.off or not (host.lost or stopped or host.answers is False):
            # It was fenced, or Pacemaker has it back.
            if node in turn.view.permits:
                self.storm.withdraw(node)
            self.storm.release(node)
            self._told.pop(node, None)
            self.journal.emit(
                events.NoLongerHeld(node, "fenced" if host.off else "back in the cluster")
            )
            return ""
        if host.answers:
            memory.dead_since = None
            return self._alone(turn, node) if host.held_alone else self._alive(turn, node)
        if host.answers is None:
            return "its address cannot be resolved on this controller"
        verdict = self._verdict(turn, node)
        if not verdict.go:
            memory.dead_since = None
            return sentence(verdict)
        memory.dead_since = turn.clock if memory.dead_since is None else memory.dead_since
        if turn.clock - memory.dead_since < _STEADY or _lately(memory.fenced, turn.clock):
            return "it is silent, and the others are not: it is about to be fenced"
        memory.fenced = turn.clock
        self.journal.emit(
            events.FencingRequested(node, f"it is silent on every network; {sentence(verdict)}")
        )
        self.storm.fence(node)
        return "it is being fenced"

    def _alone(self, turn: _Turn, node: str) -> str:
        """Look after one that answers and was held alone: it has to prove that it lives.

        A Nova that is away proves nothing, and keeps no host from being fenced (law 7).
        """
        memory = self._memory[node]
        if memory.unproven_since is None:
            memory.unproven_since, memory.beats = turn.clock, Heartbeats()
        since, silent = memory.unproven_since, False
        away: NovahaError | None = None
        try:
            others = [h.node for h in turn.hosts.values() if h.node != node and _is_in_order(h)]
            memory.beats.note(turn.last_seen([node, *others]))
            silent = memory.beats.show_silence(node, others)
            if memory.beats.of(node) or self._is_fresh(turn, node):
                memory.unproven_since = None
                return self._bring_back(turn, node)
        except NovahaError as error:
            away = error
        if silent or turn.clock - since > _PROVING:
            return self._fence(turn, node)
        if away is not None:
            raise away
        return self._silent(turn, node)

    def _fence(self, turn: _Turn, node: str) -> str:
        """Have a host fenced that was held alone and proves nothing."""
        memory = self._memory[node]
        if not _lately(memory.fenced, turn.clock):
            memory.fenced = turn.clock
            reason = "it answers, and nothing proves that it lives"
            self.journal.emit(events.FencingRequested(node, reason))
            self.storm.note(node, Held(turn.view.held[node].since, Code.UNPROVEN))
            self.storm.fence(node)
        return "it is being fenced"

    def _alive(self, turn: _Turn, node: str) -> str:
        """Look after one that answers and was held with others."""
        return (
            self._bring_back(turn, node) if self._is_fresh(turn, node) else self._silent(turn, node)
        )

    def _is_fresh(self, turn: _Turn, node: str) -> bool:
        """Whether Nova has heard from it since it was held, and lately."""
        seen = turn.heard()(node)
        since = turn.view.held[node].since
        return seen is not None and seen > since and self.now() - seen <= _FRESH

    @staticmethod
    def _silent(turn: _Turn, node: str) -> str:
        seen = turn.heard()(node)
        heard = "never" if seen is None else f"{seen:%H:%M:%S} UTC"
        return f"it answers, but Nova heard last from its nova-compute at {heard}"

    def _bring_back(self, turn: _Turn, node: str) -> str:
        memory, connections = self._memory[node], turn.view.connections
        if node not in connections:
            return "it answers and its nova-compute works: Pacemaker takes it back by itself"
        if not _lately(memory.forgiven, turn.clock):
            memory.forgiven = turn.clock
            self.journal.emit(
                events.BroughtBack(node, "it answers, and Nova hears from its nova-compute")
            )
            self.storm.forget_failures(node, connections[node])
        return "it proves to be alive: it is brought back into the cluster"

    def _verdict(self, turn: _Turn, node: str) -> Verdict:
        limits, _ = read_limits(turn.view.settings)
        return turn.view.judge(node, turn.hosts.values(), limits, self.now())


def _lately(moment: float | None, clock: float) -> bool:
    return moment is not None and clock - moment < _AGAIN


def _is_in_order(host: Host) -> bool:
    """Whether Nova ought to hear from it."""
    return bool(host.answers) and not (
        host.excused or host.lost or host.off or host.recovering or host.held is not None
    )
