"""What the evacuator remembers of a host between two turns. Losing it costs only time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from novaha.core.model import DONE, FAILED, IN_FLIGHT, Instance, Migration, newest
from novaha.core.situation import Attempt, Failure, Outcome

_BEATS = 2


@dataclass
class HostMemory:
    """One flagged host, as long as it has a record.

    attempts, stops: the last request for each instance.
    moved: what was last read of instances that left the host; the settled are not read again.
    """

    first_seen: float
    quiet_until: float = 0.0
    attempts: dict[str, Attempt] = field(default_factory=dict)
    stops: dict[str, Attempt] = field(default_factory=dict)
    moved: dict[str, Instance | None] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    done_since: dict[str, float] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    ended: bool = False
    fencing_requested: bool = False
    owned_fence_id: str = ""
    left: tuple[Instance, ...] | None = None
    _known_failed: set[int] | None = None
    _heartbeat: datetime | None = None
    _beats: int = 0
    _had_unfinished: bool = False
    _alive: bool = False

    def saw_migrations(self, migrations: Iterable[Migration], now: float) -> None:
        """Take note of evacuations that failed or finished since the last turn.

        Those that had failed before this process first looked are history, not a reason to wait.
        """
        failed: set[int] = set()
        for migration in migrations:
            if migration.status == DONE:
                self.done_since.setdefault(migration.instance, now)
            if migration.status not in FAILED:
                continue
            failed.add(migration.id)
            if self._known_failed is None or migration.id in self._known_failed:
                continue
            before = self.failures.get(migration.instance)
            count = before.count + 1 if before else 1
            self.failures[migration.instance] = Failure(count, now)
        self._known_failed = failed | (self._known_failed or set())

    def to_look_up(self, migrations: Iterable[Migration], on_host: set[str]) -> set[str]:
        """The instances that left the host in this recovery and are not settled yet."""
        moving = {
            m.instance
            for m in newest(migrations).values()
            if m.status == DONE or m.status in IN_FLIGHT
        }
        requested = {i for i, a in self.attempts.items() if a.outcome is not Outcome.NOT_SENT}
        return ((moving | requested | set(self.moved)) - on_host) - self.settled

    def saw_heartbeat(self, last_seen: datetime | None) -> bool:
        """Whether nova-compute was seen to run since the recovery was over.

        Compared with itself, so that no two clocks are. Two steps are a beat: one may be any
        change of the service in Nova, by an operator or by ourselves.
        """
        if last_seen is not None and (self._heartbeat is None or last_seen > self._heartbeat):
            self._beats += self._heartbeat is not None
            self._heartbeat = last_seen
        self._alive = self._alive or self._beats >= _BEATS
        return self._alive

    def saw_closed(self, newest: Iterable[Migration]) -> bool:
        """Whether nova-compute was seen to close its finished evacuations, which it does when
        it starts: the quicker sign of life."""
        unfinished = any(m.status == DONE for m in newest)
        self._alive = self._alive or (self._had_unfinished and not unfinished)
        self._had_unfinished = unfinished
        return self._alive

    def fenced_again(self) -> None:
        """The host went down once more: what was known of its nova-compute is void."""
        self._heartbeat = None
        self._beats = 0
        self._had_unfinished = False
        self._alive = False
        self.ended = False
        self.left = None
