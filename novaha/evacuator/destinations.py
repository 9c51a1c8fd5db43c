"""Where instances may be running already, and where they cannot be any more (law 2)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from novaha.core import proof
from novaha.core.case import belongs
from novaha.core.errors import NovahaError
from novaha.core.faults import UNNAMED
from novaha.core.model import (
    CLOSED,
    DONE,
    FAILED,
    IN_FLIGHT,
    REBUILDING,
    Instance,
    Migration,
    newest,
)
from novaha.core.ports import Compute, Fencing, History, Levels
from novaha.core.view import HostView
from novaha.evacuator.inventory import Elsewhere
from novaha.evacuator.ledger.evacuations import EvacuationFacts

_ASK = 4
"""How often Nova is asked why an evacuation failed."""


@dataclass(frozen=True, slots=True)
class Fencings:
    """What Pacemaker tells of fencings, on its way. Both raise ClusterToolError."""

    history: Callable[[], History]
    levels: Callable[[], Levels]


def closed_by_return(instances: Iterable[Instance], rows: Iterable[Migration]) -> list[Migration]:
    """The evacuations that a host closed when it returned, of instances that are on it now and
    are not being rebuilt."""
    on_host = {i.id for i in instances if i.task_state not in REBUILDING}
    return [
        row
        for row in rows
        if row.status == CLOSED and row.destination and row.created and row.instance in on_host
    ]


class Destinations:
    """Finds facts about the destinations of a host's migrations.

    host: Nova's name of a node, given those of all hosts; raises NovahaError.
    lost_after: seconds without progress after which an evacuation is doubted.
    """

    def __init__(
        self,
        compute: Compute,
        fencing: Fencing,
        host: Callable[[str, frozenset[str]], str],
        lost_after: float,
    ) -> None:
        self._compute = compute
        self._fencing = fencing
        self._host = host
        self._lost_after = lost_after

    def find_receivers(
        self,
        view: HostView,
        instances: tuple[Instance, ...],
        rows: list[Migration],
        facts: EvacuationFacts,
    ) -> None:
        """Where instances may be running that were being migrated live when the host died.

        Nova shows that until the first evacuation is asked for, and forgets it when that fails:
        who takes over a recovery asks about all of them (law 2).
        """
        everyone = {i.id for i in instances if not i.problem}
        migrating = {i.id for i in instances if i.task_state == "migrating"}
        known = facts.receivers
        taken_over = view.record.before is not None and not known
        unknown = (everyone if taken_over else migrating) - known.keys()
        found = self._receivers(view, rows) if unknown else {}
        receivers = {i: found.get(i) for i in unknown}
        if view.record.before is None:
            receivers = dict.fromkeys(everyone - known.keys()) | receivers
        facts.note_receivers(receivers)

    def _receivers(self, view: HostView, rows: list[Migration]) -> dict[str, Migration]:
        assert view.host is not None
        # What was evacuated since has left its live migration behind: Nova never closes that.
        left = {
            row.instance: row.id
            for row in sorted(rows, key=lambda row: row.id)
            if row.status == DONE or (row.status == CLOSED and row.destination)
        }
        return {
            live.instance: live
            for live in self._compute.live_migrations_from(view.host)
            if live.id >= left.get(live.instance, live.id)
        }

    def find_faults(
        self,
        view: HostView,
        instances: Iterable[Instance],
        rows: list[Migration],
        facts: EvacuationFacts,
    ) -> None:
        """Why the evacuations of this recovery failed that a destination had taken up: some leave
        a guest behind (facts.md)."""
        on_host = {instance.id: instance for instance in instances}
        last = {row.id for row in newest(rows).values()}
        known = facts.faults
        for row in rows:
            taken_up = row.status in FAILED and row.destination and belongs(row, view.record)
            if not taken_up or row.instance not in on_host or row.id in known:
                continue
            fault = self._compute.evacuation_fault(row.instance, row.created)
            shown = on_host[row.instance].fault if row.id in last else None
            asked = facts.asked_for_fault(row.id)
            # The migration says `failed` a moment before the log and the instance say why.
            if fault or shown or asked >= _ASK:
                facts.note_fault(row.id, fault or shown or UNNAMED)

    def find_ended(
        self,
        view: HostView,
        instances: Iterable[Instance],
        rows: list[Migration],
        facts: EvacuationFacts,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """Which of the evacuations that the host closed when it returned had come to their end.

        The others may go on though neither the migration nor the instance shows it: what was
        brought up, and moved back, looks the same. Where the instance shows it, it goes on.

        elsewhere: the evacuations of all hosts, where those were read already.
        """
        dead = facts.dead_migrations
        closed = closed_by_return(instances, rows)
        doubtful = [r for r in closed if r.id not in dead and belongs(r, view.record)]
        since = min((row.created for row in doubtful if row.created), default=None)
        if since is None:
            return
        if elsewhere is not None and elsewhere.since <= since:
            found = elsewhere.rows
        else:
            found = self._compute.evacuations_since(since)
        left = newest(row for row in found if row.source != view.host)
        for row in doubtful:
            came_back = row.instance in left and left[row.instance].id > row.id
            if came_back or self._compute.evacuation_log(row.instance, row.created).over:
                facts.note_dead(row.id)

    def find_lost(
        self,
        rows: list[Migration],
        hosts: frozenset[str],
        facts: EvacuationFacts,
        fencings: Fencings | None = None,
    ) -> None:
        """Which migrations died with a destination that is back: nothing in Nova tells.

        By Pacemaker's clock and Nova's: a host takes longer to return than they may differ
        (`novaha doctor`). Only asked about what a newer request has overtaken, or stands still.

        fencings: where they were read already.
        """
        last = {row.id for row in newest(rows).values()}
        still = {i for i, seconds in facts.unchanged_for.items() if seconds >= self._lost_after}
        faults, dead = facts.faults, facts.dead_migrations
        doubtful = [live for live in facts.receivers.values() if live is not None]
        doubtful += [
            row
            for row in facts.with_destinations(rows)
            if (row.id in faults and faults[row.id].kind.may_leave_a_guest)
            or (
                row.status in (*IN_FLIGHT, CLOSED) and (row.id not in last or row.instance in still)
            )
        ]
        doubtful = [row for row in doubtful if row.id not in dead and row.destination]
        if not doubtful:
            return
        nodes = self._nodes(hosts)
        history = fencings.history() if fencings else self._fencing.history()
        levels = fencings.levels() if fencings else self._fencing.levels()
        for row in doubtful:
            node = nodes.get(row.destination or "")
            if node and row.created and proof.of_fencing(node, row.created, history, levels):
                facts.note_dead(row.id)

    def _nodes(self, hosts: frozenset[str]) -> dict[str, str]:
        """Pacemaker's names of compute nodes, by Nova's."""
        found = {}
        for node in self._fencing.compute_nodes():
            with contextlib.suppress(NovahaError):
                found[self._host(node, hosts)] = node
        return found
