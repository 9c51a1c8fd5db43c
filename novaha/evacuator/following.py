"""What becomes of the instances of a dead host, from the lists of a turn and from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from novaha.core.model import (
    DONE,
    IN_FLIGHT,
    REBUILDING,
    ComputeService,
    Instance,
    Migration,
    newest,
)
from novaha.core.ports import Compute
from novaha.core.view import Evacuations, HostView, Inventory
from novaha.evacuator.destinations import Destinations, Fencings
from novaha.evacuator.lists import Listed, look_up
from novaha.evacuator.memory import HostMemory


class Following:
    """Follows the evacuations of hosts.

    note_online: takes note in a host's memory whether Pacemaker has it back.
    lost_after: seconds without progress after which Nova's log of actions is asked.
    """

    def __init__(
        self,
        compute: Compute,
        destinations: Destinations,
        note_online: Callable[[str, HostMemory, float], None],
        clock: Callable[[], float],
        lost_after: float,
    ) -> None:
        self._compute = compute
        self._destinations = destinations
        self._note_online = note_online
        self._clock = clock
        self._lost_after = lost_after

    def follow(
        self,
        view: HostView,
        lists: Listed,
        services: Mapping[str, ComputeService],
        memory: HostMemory,
        fencings: Fencings | None = None,
    ) -> HostView:
        """The view with all that decides about its instances.

        fencings: what Pacemaker tells of them, where it was asked in this turn.

        Raises ComputeApiError.
        """
        instances, rows = lists.instances, lists.rows
        now = self._clock()
        memory.saw_migrations(rows, now)
        self._destinations.find_receivers(view, instances, rows, memory)
        on_host = {instance.id for instance in instances}
        look_up(self._compute, memory.to_look_up(rows, on_host), lists, memory.moved)
        moved = {i: m for i, m in memory.moved.items() if i not in on_host}
        self._watch((*instances, *filter(None, moved.values())), newest(rows), memory, now)
        self._note_online(view.node, memory, now)
        self._destinations.find_faults(view, instances, rows, memory)
        self._destinations.find_ended(view, instances, rows, memory, lists.elsewhere)
        self._destinations.find_lost(rows, frozenset(services), memory, fencings)
        online_for = None if memory.online_since is None else now - memory.online_since
        return replace(
            view,
            presence=replace(view.presence, online_for=online_for),
            inventory=Inventory(instances, lists.aged, moved, memory.with_destinations(rows)),
            evacuations=Evacuations(
                receivers={
                    i: live.destination
                    for i, live in memory.receivers.items()
                    if live is not None and live.destination and live.id not in memory.lost
                },
                dead_migrations=frozenset(memory.lost),
                faults=dict(memory.faults),
                failures=dict(memory.failures),
                done_since=dict(memory.done_since),
                unchanged_for=memory.unchanged_for,
                logs=dict(memory.logs),
            ),
            requests=replace(
                view.requests,
                attempts=dict(memory.attempts),
                others=dict(memory.nudges),
                unanswered_resets=dict(memory.unanswered_resets),
            ),
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
