"""What becomes of one host's instances over several turns."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from novaha.core.faults import Fault
from novaha.core.model import (
    DONE,
    FAILED,
    IN_FLIGHT,
    EvacuationLog,
    Instance,
    Migration,
    newest,
)
from novaha.core.situation import Failure
from novaha.core.view import Evacuations

_LONGEST_TURN = 10.0
"""Seconds between two readings that count as watched."""


@dataclass
class EvacuationFacts:
    """receivers: the live migrations of instances that were being migrated, None for the others.

    dead_migrations: ids of migrations of either kind of which nothing comes any more: their
        destination was fenced since, or Nova's log says that they ended.
    faults: why evacuations failed at their destination, by their ids; fault_asked: how often Nova
        was asked.
    logs: what Nova's log of actions tells of evacuations that stand still now.
    destinations: where evacuations went that do not say so themselves, by Nova's own log.
    moved: what was last read of instances that left the host; the settled are not read again.
    unchanged: what each instance and its evacuation showed last, and for how many seconds.
    """

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _receivers: dict[str, Migration | None] = field(default_factory=dict)
    _dead_migrations: set[int] = field(default_factory=set)
    _faults: dict[int, Fault] = field(default_factory=dict)
    _fault_asked: dict[int, int] = field(default_factory=dict)
    _logs: dict[str, EvacuationLog] = field(default_factory=dict)
    _destinations: dict[int, str] = field(default_factory=dict)
    _moved: dict[str, Instance | None] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)
    _done_since: dict[str, float] = field(default_factory=dict)
    _failures: dict[str, Failure] = field(default_factory=dict)
    _known_failed: set[int] | None = None
    _unchanged: dict[str, tuple[object, float]] = field(default_factory=dict)
    _begun: set[int] = field(default_factory=set)
    _queue_stands: float = 0.0
    _watched_at: float = float("-inf")

    @property
    def receivers(self) -> Mapping[str, Migration | None]:
        with self._lock:
            return dict(self._receivers)

    @property
    def dead_migrations(self) -> frozenset[int]:
        with self._lock:
            return frozenset(self._dead_migrations)

    @property
    def faults(self) -> Mapping[int, Fault]:
        with self._lock:
            return dict(self._faults)

    @property
    def failures(self) -> Mapping[str, Failure]:
        with self._lock:
            return dict(self._failures)

    @property
    def moved(self) -> Mapping[str, Instance | None]:
        with self._lock:
            return dict(self._moved)

    @property
    def settled(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._settled)

    @property
    def unchanged_for(self) -> Mapping[str, float]:
        """Seconds for which each instance on the host and its evacuation stood still."""
        with self._lock:
            return {
                instance: min(seconds, self._queue_stands)
                for instance, (_, seconds) in self._unchanged.items()
            }

    def view(self) -> Evacuations:
        """All that decides about the host's instances."""
        with self._lock:
            receivers = {
                instance: live.destination
                for instance, live in self._receivers.items()
                if live is not None and live.destination and live.id not in self._dead_migrations
            }
            return Evacuations(
                receivers=receivers,
                dead_migrations=self.dead_migrations,
                faults=self.faults,
                failures=self.failures,
                done_since=dict(self._done_since),
                unchanged_for=self.unchanged_for,
                logs=dict(self._logs),
            )

    def saw_migrations(self, migrations: Iterable[Migration], now: float) -> None:
        """These are the host's evacuations: some failed or finished since the last turn.

        Those that had failed before this process first looked are history, not a reason to wait.
        """
        with self._lock:
            failed: set[int] = set()
            for migration in migrations:
                if migration.status == DONE:
                    self._done_since.setdefault(migration.instance, now)
                if migration.status not in FAILED:
                    continue
                failed.add(migration.id)
                if self._known_failed is None or migration.id in self._known_failed:
                    continue
                before = self._failures.get(migration.instance)
                count = before.count + 1 if before else 1
                self._failures[migration.instance] = Failure(count, now)
            self._known_failed = failed | (self._known_failed or set())

    def watch(
        self,
        instances: Iterable[Instance],
        last: Mapping[str, Migration],
        now: float,
        *,
        works: bool,
    ) -> None:
        """What has changed since the last turn, and what has not.

        One that waits while others of the host are taken up or arrive only waits for its turn.

        last: the newest evacuation of each instance.
        works: whether anybody in Nova works on requests. Only such time counts: otherwise
        nothing can be seen to move, and it may all move later.
        """
        with self._lock:
            passed = min(_LONGEST_TURN, max(0.0, now - self._watched_at)) if works else 0.0
            self._watched_at = now
            seen: dict[str, tuple[object, float]] = {}
            for instance in instances:
                key = (last.get(instance.id), instance.task_state)
                before, seconds = self._unchanged.get(instance.id, (None, 0.0))
                seen[instance.id] = (key, seconds + passed if before == key else 0.0)
            self._unchanged = seen
            begun = {row.id for row in last.values() if row.status == DONE or row.destination}
            self._queue_stands = 0.0 if begun - self._begun else self._queue_stands + passed
            self._begun = begun

    def with_destinations(self, rows: Iterable[Migration]) -> tuple[Migration, ...]:
        """The evacuations, with the destinations that only Nova's log of actions tells."""
        with self._lock:
            return tuple(
                replace(row, destination=self._destinations[row.id])
                if row.destination is None and row.id in self._destinations
                else row
                for row in rows
            )

    def to_look_up(
        self, migrations: Iterable[Migration], on_host: set[str], requested: Collection[str]
    ) -> set[str]:
        """The instances that left the host in this recovery and are not settled yet.

        requested: those of which an evacuation was asked for that may have reached Nova.
        """
        moving = {
            m.instance
            for m in newest(migrations).values()
            if m.status == DONE or m.status in IN_FLIGHT or m.problem
        }
        with self._lock:
            return ((moving | {*requested} | set(self._moved)) - on_host) - self._settled

    def note_receivers(self, found: Mapping[str, Migration | None]) -> None:
        """Where instances were being migrated when the host died; None for one that was not."""
        with self._lock:
            self._receivers |= found

    def note_dead(self, migration: int) -> None:
        """Nothing comes of this migration any more."""
        with self._lock:
            self._dead_migrations.add(migration)

    def asked_for_fault(self, migration: int) -> int:
        """Nova was asked why this evacuation failed; how often by now."""
        with self._lock:
            asked = self._fault_asked[migration] = self._fault_asked.get(migration, 0) + 1
            return asked

    def note_fault(self, migration: int, fault: Fault) -> None:
        """Why this evacuation failed."""
        with self._lock:
            self._faults[migration] = fault

    def note_moved(self, instance: str, shown: Instance | None) -> None:
        """What Nova shows of an instance that left the host; None if it is no more."""
        with self._lock:
            self._moved[instance] = shown

    def begin_logs(self) -> None:
        """Nova's log of actions is about to be read again, but not of what is settled."""
        with self._lock:
            self._logs = {i: log for i, log in self._logs.items() if i in self._settled}

    def note_log(self, instance: str, log: EvacuationLog, migration: int | None) -> None:
        """What Nova's log of actions tells of the instance, and of its newest evacuation."""
        with self._lock:
            self._logs[instance] = log
            if log.destination and migration is not None:
                self._destinations[migration] = log.destination

    def settle(self, instance: str) -> bool:
        """The instance needs nothing more. Whether that is new, of one that left the host."""
        with self._lock:
            if instance in self._settled or instance not in self._moved:
                return False
            self._settled.add(instance)
            return True
