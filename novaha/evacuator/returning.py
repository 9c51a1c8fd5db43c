"""What Nova shows of a recovered host that is on its way back into service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from novaha.core.model import newest
from novaha.core.ports import Compute
from novaha.core.view import HostView, Inventory
from novaha.evacuator.ledger import HostLedger


class Returning:
    """Reads recovered hosts: what may have changed since they were looked at last."""

    def __init__(self, compute: Compute, clock: Callable[[], float]) -> None:
        self._compute = compute
        self._clock = clock

    def look(self, view: HostView, page: HostLedger, *, off: bool) -> HostView:
        """The view with what stayed on the host, and whether its nova-compute lives.

        off: Pacemaker has not reached it since its fencing. Raises ComputeApiError.
        """
        service, host = view.presence.service, view.host
        assert service is not None
        assert host is not None
        presence, now = page.presence, self._clock()
        if presence.remaining is None:
            presence.note_remaining(self._compute.instances_on(host))
        silent = presence.is_silent(service.last_seen, off=off)
        if presence.rows is None or not silent:
            presence.note_rows(self._compute.evacuations_from(host))
        rows, remaining = presence.rows or (), presence.remaining or ()
        closed = presence.saw_closed(newest(rows).values())
        alive = presence.saw_heartbeat(service.last_seen) or closed
        heartbeat = presence.heartbeat_since_unforce(service)
        if alive and remaining and service.up:
            remaining = tuple(self._compute.instances_on(host))
        owned = page.requests.owns(view.record.fence_id)
        ours = presence.remaining_ids(rows, owned=owned)
        requests = page.requests.view(now)
        if not owned:  # what another process asked for, this one does not know
            last = max(requests.unanswered_at, page.first_seen)
            requests = replace(requests, unanswered_at=last)
        return replace(
            view,
            presence=replace(
                view.presence,
                alive=alive,
                heartbeat_since_unforce=heartbeat,
                up_for=presence.up_for(service, now),
            ),
            inventory=Inventory(tuple(i for i in remaining if i.id in ours), migrations=rows),
            requests=requests,
        )
