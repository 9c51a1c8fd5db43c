"""What becomes of the instances of a dead host, from the lists of a turn and from the ledger."""

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
from novaha.core.view import HostView, Inventory
from novaha.evacuator.destinations import Destinations, Fencings
from novaha.evacuator.inventory import HostInventory, look_up
from novaha.evacuator.ledger import HostLedger
from novaha.evacuator.ledger.evacuations import EvacuationFacts


class Following:
    """Follows the evacuations of hosts.

    note_online: takes note in the ledger whether Pacemaker has it back.
    lost_after: seconds without progress after which Nova's log of actions is asked.
    """

    def __init__(
        self,
        compute: Compute,
        destinations: Destinations,
        note_online: Callable[[str, HostLedger, float], None],
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
        lists: HostInventory,
        services: Mapping[str, ComputeService],
        page: HostLedger,
        fencings: Fencings | None = None,
    ) -> HostView:
        """The view with all that decides about its instances.

        fencings: what Pacemaker tells of them, where it was asked in this turn.

        Raises ComputeApiError.
        """
        instances, rows = lists.instances, lists.rows
        facts, now = page.evacuations, self._clock()
        facts.saw_migrations(rows, now)
        self._destinations.find_receivers(view, instances, rows, facts)
        on_host = {instance.id for instance in instances}
        gone = facts.to_look_up(rows, on_host, page.requests.sent())
        for instance, shown in look_up(self._compute, gone, lists, facts.moved):
            facts.note_moved(instance, shown)
        moved = {i: shown for i, shown in facts.moved.items() if i not in on_host}
        self._watch((*instances, *filter(None, moved.values())), newest(rows), facts, now)
        self._note_online(view.node, page, now)
        self._destinations.find_faults(view, instances, rows, facts)
        self._destinations.find_ended(view, instances, rows, facts, lists.elsewhere)
        self._destinations.find_lost(rows, frozenset(services), facts, fencings)
        migrations = facts.with_destinations(rows)
        return replace(
            view,
            presence=replace(view.presence, online_for=page.presence.online_for(now)),
            inventory=Inventory(instances, lists.is_stale, moved, migrations),
            evacuations=facts.view(),
            requests=page.requests.view(now),
        )

    def _watch(
        self,
        instances: tuple[Instance, ...],
        last: Mapping[str, Migration],
        facts: EvacuationFacts,
        now: float,
    ) -> None:
        """Notice what stands still, and ask Nova's log of actions about it."""
        still = any(seconds > 0 for seconds in facts.unchanged_for.values())
        facts.watch(instances, last, now, works=not still or self._compute.conductor_is_up())
        facts.begin_logs()
        unchanged_for, settled = facts.unchanged_for, facts.settled
        for instance in instances:
            row = last.get(instance.id)
            unfinished = row is not None and (row.status in IN_FLIGHT or row.status == DONE)
            if instance.id in settled:
                continue
            if not unfinished and instance.task_state not in REBUILDING:
                continue
            if unchanged_for.get(instance.id, 0.0) < self._lost_after:
                continue
            log = self._compute.evacuation_log(instance.id, row.created if row else None)
            facts.note_log(instance.id, log, row.id if row else None)
