"""Reading the cluster and Nova: from records to the views that the planner decides on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import datetime

from novaha.core import naming
from novaha.core.errors import ComputeApiError, NovahaError, UnknownOutcomeError
from novaha.core.model import (
    DONE,
    IN_FLIGHT,
    REBUILDING,
    ComputeService,
    Instance,
    Migration,
    disabled_by_us,
    newest,
)
from novaha.core.planner import GATHER
from novaha.core.ports import Compute, Fencing, History, Levels
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import HostView
from novaha.core.steps import Plan
from novaha.evacuator.ahead import Ahead, ReadAhead, by_host, moment
from novaha.evacuator.destinations import Destinations
from novaha.evacuator.doubts import Doubts, utc_now
from novaha.evacuator.isolation import seen
from novaha.evacuator.lists import Listed, Lists, look_up
from novaha.evacuator.memory import HostMemory
from novaha.evacuator.names import Names
from novaha.evacuator.surroundings import Surroundings

LOG = logging.getLogger(__name__)

_RESTART = 60.0
"""Seconds that nova-compute gets to start and to close its evacuations."""

_IDLE_QUESTION = 60.0
"""Seconds between questions to Nova when there is nothing to do."""


class Observer:
    """Reads everything that one turn needs, and no more than that.

    me: how this evacuator signs the records it owns. pool, ahead: for what a turn waits for, and
    for what none may have to wait for.
    lost_after: seconds without progress after which Nova's log of actions is asked.
    """

    def __init__(
        self,
        compute: Compute,
        fencing: Fencing,
        names: Names,
        me: str,
        pool: Executor,
        ahead: Executor,
        clock: Callable[[], float],
        lost_after: float,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self._compute = compute
        self._fencing = fencing
        self._names = names
        self._me = me
        self._pool = pool
        self._clock = clock
        self._lost_after = lost_after
        self.doubts = Doubts(fencing, wall)
        self._ahead = ReadAhead(compute, names.host, ahead, clock)
        self._lists = Lists(compute, pool, clock)
        self._destinations = Destinations(compute, fencing, names.host, lost_after)
        self.nova_problem: str | None = None
        """Why Nova could not be read, "" when it could, None when it was not asked yet."""
        self.left_disabled: list[ComputeService] = []
        """Services that are up and carry our disable, as seen when no host was flagged."""
        self._ask_again_at = float("-inf")
        self._hosts = frozenset[str]()
        self._around = Surroundings(compute, fencing, clock)

    def views(
        self,
        records: Mapping[str, Record],
        memory: Mapping[str, HostMemory],
        decided: Plan | None = None,
    ) -> list[HostView]:
        """One view a record. Nova's failures become the views' `problem`, never an exception.

        decided: in the turn before; what rests or comes later is read less.

        Raises ClusterToolError when Pacemaker cannot be asked about fencings.
        """
        pending = {n for n, r in records.items() if r.state is RecoveryState.PENDING}
        fencings = self._begin_fencings() if pending else None
        asked = [node for node in records if node not in pending]
        only = self._ahead.take(asked[0]) if len(asked) == 1 else None
        services, problem = self._services(only) if asked else ({}, "")
        ahead = {node: found for node in asked if (found := only or self._ahead.take(node))}
        if services:
            self._around.note_open(services.values())
            self._around.look_for_room(memory)
        self._around.look_who_is_back(records, memory)
        gathering = self._gathering(records, memory)
        views = {
            node: self.doubts.judge(self._named(record, memory[node], services, problem), services)
            for node, record in records.items()
            if node not in pending
        }
        self._lists.keep(records)
        given: dict[str, Listed] = {}
        for node, found in ahead.items():
            given[node] = found.lists
            self._lists.note(records[node], found.lists, found.at, moment(found.services))
        for node, view in views.items():
            if gathering and self._can_wait(view) and node not in given:
                if recent := self._lists.recent(view.record):
                    given[node] = recent
                else:
                    waiting = "waiting until Nova knows of the other dead hosts"
                    views[node] = replace(view, problem=waiting, held=True)
        to_list = {node: view.host for node, view in views.items() if view.host and _is_read(view)}
        unread = {node: host for node, host in to_list.items() if node not in given}
        resting, later = (decided.resting, decided.later) if decided else ((), ())
        lists = self._lists.read(unread, records, resting, later, moment(services))

        def look(record: Record) -> HostView:
            node = record.node
            before = views[node] if node in views else self._seen(record, memory[node])
            return seen(before, lambda: looked(record))

        def looked(record: Record) -> HostView:
            node = record.node
            if fencings is not None and node in pending:
                history, levels = fencings
                return self._pending(record, memory[node], history.result(), levels.result())
            view = views[node]
            if node in to_list:
                of_host = (lambda: given[node]) if node in given else (lambda: lists(node))
                return self._running(view, services, memory[node], of_host)
            over = record.state is RecoveryState.RECOVERED and not view.problem
            return self._recovered(view, memory[node]) if over else view

        seen_now = list(self._pool.map(look, records.values()))
        ended = decided.ended if decided else frozenset()
        return self._still_shown(seen_now, ended) if ended else seen_now

    def _still_shown(self, views: list[HostView], ended: Collection[str]) -> list[HostView]:
        """The same, where a host is about to be closed only if Nova shows its service still.

        Nova leaves out the instances and evacuations of a cell that does not answer, without a
        word: an empty list tells something only between two signs of life of that cell (law 5).
        """
        services, problem = self._services(None)
        shown = {host for host, service in services.items() if not service.problem}
        why = problem or "Nova ceased to show its service while it was read"
        return [
            replace(v, problem=why)
            if v.node in ended and not v.problem and v.host and v.host not in shown
            else v
            for v in views
        ]

    @property
    def open_hosts(self) -> frozenset[str] | None:
        """The hosts that took instances when Nova was asked last, None if it was not yet."""
        return self._around.open_hosts

    @property
    def room_since(self) -> float:
        """When room for instances may last have appeared somewhere, by the clock."""
        return self._around.room_since

    def read_ahead(self, node: str) -> None:
        """Begin to read what a recovery of this node begins with, without waiting for it."""
        self._ahead.begin(node, self._hosts)

    def last_seen(self, node: str) -> datetime | None:
        """When Nova heard last from the nova-compute of `node`, or somebody changed its service.

        Raises NovahaError when Nova cannot be asked or knows no such host.
        """
        services = by_host(self._compute)
        service = services[self._names.host(node, frozenset(services))]
        if service.problem:
            raise UnknownOutcomeError(f"read when {node} was seen last", service.problem)
        return service.last_seen

    def keep_warm(self) -> None:
        """Ask Nova for nothing in particular now and then, without waiting for the answer.

        It keeps a token and a connection ready, and tells a monitor whether Nova answers.
        """
        now = self._clock()
        if now >= self._ask_again_at:
            self._ask_again_at = now + _IDLE_QUESTION
            self._pool.submit(self._ask)

    def _ask(self) -> None:
        try:
            services = self._compute.services()
            self.nova_problem = ""
            self._hosts = frozenset(service.host for service in services)
            self._around.note_open(services)
            self.left_disabled = [s for s in services if s.up and disabled_by_us(s)]
        except NovahaError as error:
            self.nova_problem = str(error)
        except Exception:
            LOG.exception("ask Nova")
            self.nova_problem = "internal error, see the log"

    def _services(self, ahead: Ahead | None) -> tuple[Mapping[str, ComputeService], str]:
        try:
            services = ahead.services if ahead else by_host(self._compute)
        except NovahaError as error:
            self.nova_problem = str(error)
            return {}, f"Nova cannot be asked: {error}"
        self.nova_problem = ""
        self._hosts = frozenset(services)
        return services, ""

    def _seen(self, record: Record, memory: HostMemory) -> HostView:
        return HostView(
            record=record,
            mine=record.owner == self._me,
            owned_at=memory.owned_at,
            quiet_until=memory.quiet_until,
            settled_before=memory.ended,
        )

    def _named(
        self,
        record: Record,
        memory: HostMemory,
        services: Mapping[str, ComputeService],
        problem: str,
    ) -> HostView:
        """A host with its service, as far as Nova tells."""
        view = self._seen(record, memory)
        if problem:
            return replace(view, problem=problem)
        try:
            host = self._names.host(record.node, frozenset(services))
        except NovahaError as error:
            return replace(view, problem=str(error))
        service = services[host]
        return replace(view, host=host, service=service, problem=service.problem)

    def _unread(self, view: HostView, error: ComputeApiError) -> HostView:
        self.nova_problem = str(error)
        return replace(view, problem=f"Nova cannot be asked: {error}")

    def _gathering(self, records: Mapping[str, Record], memory: Mapping[str, HostMemory]) -> bool:
        """Whether all has just begun, and Nova does not know of every dead host yet."""
        begun = [r for r in records.values() if r.state is RecoveryState.RUNNING]
        new = all(self._clock() < memory[record.node].owned_at + GATHER for record in begun)
        return new and any(
            record.state is RecoveryState.PENDING or record.before is None
            for record in records.values()
        )

    @staticmethod
    def _can_wait(view: HostView) -> bool:
        """Whether nothing will be asked for before the others are told: not worth reading yet."""
        told = view.record.before is not None and bool(view.service and view.service.forced_down)
        return (
            told and not view.problem and view.mine and view.record.state is RecoveryState.RUNNING
        )

    def _begin_fencings(self) -> tuple[Future[History], Future[Levels]]:
        submit = self._pool.submit
        return submit(self._fencing.history), submit(self._fencing.levels)

    def _pending(
        self, record: Record, memory: HostMemory, history: History, levels: Levels
    ) -> HostView:
        """Whether the host is known to be down; first what a power device has done (law 1).

        If it is, what Nova has of it is read as well: all can then be noted in one write.
        """
        view = replace(self._seen(record, memory), fenced_on_request=memory.fencing_requested)
        if (view := self.doubts.judge(view, {}, history)).doubt:
            return view
        unproven = levels.without_power_device(record.node)
        powered_off = not record.unproven and history.confirmed_since(record.node, record.fenced)
        if powered_off and not unproven:
            view = replace(view, fence_confirmed=True)
            return self._confirmed(view, memory, history) if record.untouched else view
        by_hand = naming.newest_of(record.node, history.confirmed_by_hand())
        if by_hand is not None and by_hand >= record.fenced:
            return replace(view, fence_confirmed=True)
        return replace(view, unproven=unproven)

    def _confirmed(self, view: HostView, memory: HostMemory, history: History) -> HostView:
        self.read_ahead(view.node)  # unless the alert was quicker
        ahead = self._ahead.take(view.node)
        if ahead is None:
            return view  # it is claimed all the same
        self._lists.note(view.record, ahead.lists, ahead.at, moment(ahead.services))
        host = self._names.host(view.node, frozenset(ahead.services))
        read = replace(view, host=host, service=ahead.services[host])
        if ahead.services[host].problem:
            return view  # it is claimed, and waits
        if (read := self.doubts.judge(read, ahead.services, history)).doubt:
            return read
        read = self._running(read, ahead.services, memory, lambda: ahead.lists)
        return view if read.problem else read

    def _running(
        self,
        view: HostView,
        services: Mapping[str, ComputeService],
        memory: HostMemory,
        lists: Callable[[], Listed],
    ) -> HostView:
        try:
            return self._followed(view, lists(), services, memory)
        except ComputeApiError as error:
            return self._unread(view, error)

    def _followed(
        self,
        view: HostView,
        lists: Listed,
        services: Mapping[str, ComputeService],
        memory: HostMemory,
    ) -> HostView:
        instances, rows = lists.instances, lists.rows
        now = self._clock()
        memory.saw_migrations(rows, now)
        self._destinations.find_receivers(view, instances, rows, memory)
        on_host = {instance.id for instance in instances}
        look_up(self._compute, memory.to_look_up(rows, on_host), lists, memory.moved)
        moved = {i: m for i, m in memory.moved.items() if i not in on_host}
        self._watch((*instances, *filter(None, moved.values())), newest(rows), memory, now)
        self._around.note_online(view.node, memory, now)
        self._destinations.find_faults(view, instances, rows, memory)
        self._destinations.find_ended(view, instances, rows, memory)
        self._destinations.find_lost(rows, frozenset(services), memory)
        return replace(
            view,
            instances=instances,
            aged=lists.aged,
            migrations=memory.with_destinations(rows),
            moved=moved,
            attempts=dict(memory.attempts),
            nudges=dict(memory.nudges),
            unanswered_resets=dict(memory.unanswered_resets),
            receivers={
                i: live.destination
                for i, live in memory.receivers.items()
                if live is not None and live.destination and live.id not in memory.lost
            },
            lost=frozenset(memory.lost),
            faults=dict(memory.faults),
            unchanged_for=memory.unchanged_for,
            logs=dict(memory.logs),
            done_since=dict(memory.done_since),
            failures=dict(memory.failures),
            online_for=None if memory.online_since is None else now - memory.online_since,
        )

    def _watch(
        self,
        instances: tuple[Instance, ...],
        last: Mapping[str, Migration],
        memory: HostMemory,
        now: float,
    ) -> None:
        """Notice what stands still, and ask Nova's log of actions about it."""
        still = any(seconds > 0 for seconds in memory.unchanged_for.values())
        memory.watch(instances, last, now, works=not still or self._compute.conductor_is_up())
        memory.logs = {i: log for i, log in memory.logs.items() if i in memory.settled}
        for instance in instances:
            row = last.get(instance.id)
            unfinished = row is not None and (row.status in IN_FLIGHT or row.status == DONE)
            if instance.id in memory.settled:
                continue
            if not unfinished and instance.task_state not in REBUILDING:
                continue
            if memory.unchanged_for.get(instance.id, 0.0) < self._lost_after:
                continue
            log = self._compute.evacuation_log(instance.id, row.created if row else None)
            memory.logs[instance.id] = log
            if log.destination and row is not None:
                memory.destinations[row.id] = log.destination

    def _recovered(self, view: HostView, memory: HostMemory) -> HostView:
        try:
            return self._left(view, memory)
        except ComputeApiError as error:
            return self._unread(view, error)

    def _left(self, view: HostView, memory: HostMemory) -> HostView:
        service, host = view.service, view.host
        assert service is not None
        assert host is not None
        if memory.left is None:
            memory.left = tuple(self._compute.instances_on(host))
        silent = memory.is_silent(service.last_seen, off=view.node in self._around.off)
        if memory.rows is None or not silent:
            memory.rows = tuple(self._compute.evacuations_from(host))
        migrations = memory.rows
        closed = memory.saw_closed(newest(migrations).values())
        alive = memory.saw_heartbeat(service.last_seen) or closed
        left = memory.left
        if alive and left and service.up:
            left = tuple(self._compute.instances_on(host))
        ours = memory.left_ids(view.record.fence_id, migrations)
        return replace(
            view,
            instances=tuple(instance for instance in left if instance.id in ours),
            migrations=migrations,
            nudges=dict(memory.nudges),
            restarted=self._clock() < memory.restarted_at + _RESTART,
            # What another process asked for, this one does not know.
            unanswered_at=max(
                memory.unanswered_at,
                float("-inf")
                if memory.owned_fence_id == view.record.fence_id
                else memory.first_seen,
            ),
            alive=alive,
            heard=memory.heard(service),
        )


def _is_read(view: HostView) -> bool:
    """Whether what Nova lists for this host matters now."""
    told = view.record.before is None or bool(view.service and view.service.forced_down)
    running = view.record.state is RecoveryState.RUNNING and view.mine
    return running and told and not view.problem and not view.doubt
