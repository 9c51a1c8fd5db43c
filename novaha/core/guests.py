"""Where the guest of an instance of a dead host may be running already (law 2)."""

from __future__ import annotations

from novaha.core import model
from novaha.core.case import Case, Facts, belongs
from novaha.core.faults import UNNAMED, Kind
from novaha.core.model import Migration


def only_host(case: Case) -> str | None:
    """The one living host on which the instance may be running already (law 2)."""
    facts = case.facts
    ours = [row for row in case.rows if row.destination and belongs(row, facts.view.record)]
    ours.sort(key=lambda row: -row.id)
    for row in ours:
        # Closed, and the instance is here: the source came back before it was brought up.
        open_ = row.status in (*model.OPEN, model.CLOSED)
        if open_ and not has_died(row, facts):
            return row.destination
    if left := _guest_left_on(ours, facts):
        return left
    receiver = facts.view.evacuations.receivers.get(case.id)
    return None if receiver in facts.overview.dead else receiver


def _guest_left_on(rows: list[Migration], facts: Facts) -> str | None:
    """The living host on which a failed evacuation may have left the instance running.

    rows: newest first. A destination looks first whether it has that guest, so that any other
    failure there tells that the ones before left nothing; nor has one that fails once more in
    the same way.
    """
    for host in dict.fromkeys(row.destination for row in rows):
        failed = [row for row in rows if row.destination == host and row.status in model.FAILED]
        faults = [facts.view.evacuations.faults.get(row.id, UNNAMED) for row in failed]
        kinds = [fault.kind for fault in faults]
        last = next((n for n, kind in enumerate(kinds) if kind is not Kind.GUEST_EXISTS), None)
        if last is None or has_died(failed[last], facts):
            continue
        # Where a later one met the guest, it was left after all.
        again = last == 0 and len(faults) > 1 and faults[0].likeness == faults[1].likeness
        if kinds[last].may_leave_a_guest and not again:
            return host
    return None


def has_died(evacuation: Migration, facts: Facts) -> bool:
    """Whether nothing comes of it any more: its destination has gone down since, say."""
    dead = facts.view.evacuations.dead_migrations
    return evacuation.destination in facts.overview.dead or evacuation.id in dead
