"""What the evacuator remembers of a host between two turns. Losing it costs only time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from novaha.core.faults import Fault
from novaha.core.model import (
    CLOSED,
    DONE,
    FAILED,
    IN_FLIGHT,
    ComputeService,
    EvacuationLog,
    Instance,
    Migration,
    newest,
)
from novaha.core.situation import Attempt, Failure, OtherRequest, Outcome

_BEATS = 2

_LONGEST_TURN = 10.0
"""Seconds between two readings that count as watched."""


@dataclass
class HostMemory:
    """One flagged host, as long as it has a record.

    owned_fence_id, owned_at: the fencing whose recovery this process has claimed, and when.
    from_the_start: the one that it claimed before anybody had asked Nova for anything in it.
    attempts, nudges: the last request for each instance, to evacuate it and other ones.
    receivers: the live migrations of instances that were being migrated, None for the others.
    lost: ids of migrations of either kind of which nothing comes any more: their destination was
        fenced since, or Nova's log says that they ended.
    faults: why evacuations failed at their destination, by their ids; fault_asked: how often
        Nova was asked.
    logs: what Nova's log of actions tells of evacuations that stand still now.
    destinations: where evacuations went that do not say so themselves, by Nova's own log.
    restarted_at: when nova-compute was last restarted on request.
    unanswered_at: when Nova last gave no answer to a request about the host itself.
    unanswered_resets: the same for instances whose state was to be reset.
    online_since: since when Pacemaker has had the node online, None while it has not.
    rows: the evacuations of a recovered host, as they were last read.
    fencing_requested: Pacemaker was asked for a fencing that has succeeded or is not over.
    fencings_failed, fencing_failed_at, fencing_problem: of those that were asked for, how many
        failed in a row, when the last did, and what an operator is told of it.
    trouble: what an operator is told of a mistake of ours that hit this host in this turn.
    fencings: when the host was fenced, as Pacemaker told when it was back; None if not asked yet.
    moved: what was last read of instances that left the host; the settled are not read again.
    """

    first_seen: float
    trouble: str = ""
    quiet_until: float = 0.0
    attempts: dict[str, Attempt] = field(default_factory=dict)
    nudges: dict[str, OtherRequest] = field(default_factory=dict)
    receivers: dict[str, Migration | None] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    faults: dict[int, Fault] = field(default_factory=dict)
    fault_asked: dict[int, int] = field(default_factory=dict)
    online_since: float | None = None
    restarted_at: float = float("-inf")
    unanswered_at: float = float("-inf")
    unanswered_resets: dict[str, float] = field(default_factory=dict)
    moved: dict[str, Instance | None] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    done_since: dict[str, float] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    ended: bool = False
    fencing_requested: bool = False
    fencings_failed: int = 0
    fencing_failed_at: float = float("-inf")
    fencing_problem: str = ""
    owned_fence_id: str = ""
    owned_at: float = float("-inf")
    from_the_start: str = ""
    left: tuple[Instance, ...] | None = None
    logs: dict[str, EvacuationLog] = field(default_factory=dict)
    destinations: dict[int, str] = field(default_factory=dict)
    _unchanged: dict[str, tuple[object, float]] = field(default_factory=dict)
    _begun: set[int] = field(default_factory=set)
    _queue_stands: float = 0.0
    _watched_at: float = float("-inf")
    _known_failed: set[int] | None = None
    rows: tuple[Migration, ...] | None = None
    fencings: tuple[datetime, ...] | None = None
    _up_since: float | None = None
    _looked_at: datetime | None = None
    _heartbeat: datetime | None = None
    _beats: int = 0
    _had_unfinished: bool = False
    _alive: bool = False
    _let_up: datetime | None = None
    _heard: bool = False

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

    def watch(
        self,
        instances: Iterable[Instance],
        last: Mapping[str, Migration],
        now: float,
        *,
        works: bool,
    ) -> None:
        """Take note of what has not changed since the last turn.

        One that waits while others of the host are taken up or arrive only waits for its turn.

        last: the newest evacuation of each instance.
        works: whether anybody in Nova works on requests. Only such time counts: otherwise
        nothing can be seen to move, and it may all move later.
        """
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
        return tuple(
            replace(row, destination=self.destinations[row.id])
            if row.destination is None and row.id in self.destinations
            else row
            for row in rows
        )

    @property
    def unchanged_for(self) -> dict[str, float]:
        """Seconds for which each instance on the host and its evacuation stood still."""
        return {
            instance: min(seconds, self._queue_stands)
            for instance, (_, seconds) in self._unchanged.items()
        }

    def to_look_up(self, migrations: Iterable[Migration], on_host: set[str]) -> set[str]:
        """The instances that left the host in this recovery and are not settled yet."""
        moving = {
            m.instance
            for m in newest(migrations).values()
            if m.status == DONE or m.status in IN_FLIGHT or m.problem
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

    @property
    def alive(self) -> bool:
        """Whether nova-compute was seen to run since the recovery was over."""
        return self._alive

    def heard(self, service: ComputeService) -> bool:
        """Whether there was a heartbeat since Nova was told that nova-compute may be up.

        Compared with itself, see `saw_heartbeat`; that Nova was told is a change of its own.
        """
        if service.forced_down:
            self._let_up, self._heard = None, False
        elif self._let_up is None:
            self._let_up = service.last_seen
        elif service.last_seen is not None and service.last_seen > self._let_up:
            self._heard = True
        return self._heard

    def up_for(self, service: ComputeService, now: float) -> float | None:
        """Seconds for which Nova has shown nova-compute up since its recovery, without a break.

        None while it does not. Only what was seen counts: another process begins anew.
        """
        if not service.up or not self._heard:
            self._up_since = None
        elif self._up_since is None:
            self._up_since = now
        return None if self._up_since is None else now - self._up_since

    def is_silent(self, last_seen: datetime | None, *, off: bool) -> bool:
        """Whether nothing can have become of the host since it was looked at last.

        off: Pacemaker has not reached it since its fencing. last_seen: nor has Nova heard of it.
        """
        silent = off and not self._alive and last_seen == self._looked_at
        self._looked_at = last_seen
        return silent

    def saw_closed(self, newest: Iterable[Migration]) -> bool:
        """Whether nova-compute was seen to close its finished evacuations, which it does when
        it starts: the quicker sign of life."""
        unfinished = any(m.status == DONE for m in newest)
        self._alive = self._alive or (self._had_unfinished and not unfinished)
        self._had_unfinished = unfinished
        return self._alive

    def left_ids(self, fence_id: str, rows: Iterable[Migration]) -> set[str]:
        """The instances that stayed on the host, and not those that have come to it since.

        Whoever did the recovery read them when nothing could come yet; another process knows
        only those whose evacuation failed.
        """
        failed = {
            row.instance
            for row in newest(rows).values()
            if row.status in FAILED or (row.status == CLOSED and row.destination is None)
        }
        if self.owned_fence_id != fence_id:
            return failed
        return failed | {instance.id for instance in self.left or ()}

    def fenced_again(self) -> None:
        """The host went down once more: what was known of its nova-compute is void."""
        self._heartbeat = None
        self._beats = 0
        self._had_unfinished = False
        self._alive = False
        self._let_up, self._heard = None, False
        self.fencings = None
        self.ended = False
        self.left = None
        self.rows = None
