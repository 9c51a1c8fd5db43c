"""What Nova shows of a recovered host that is on its way back into service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from novaha.core.model import newest
from novaha.core.ports import Compute
from novaha.core.view import HostView, Inventory
from novaha.evacuator.memory import HostMemory

_RESTART = 60.0
"""Seconds that nova-compute gets to start and to close its evacuations."""


class Returning:
    """Reads recovered hosts: what may have changed since they were looked at last."""

    def __init__(self, compute: Compute, clock: Callable[[], float]) -> None:
        self._compute = compute
        self._clock = clock

    def look(self, view: HostView, memory: HostMemory, *, off: bool) -> HostView:
        """The view with what stayed on the host, and whether its nova-compute lives.

        off: Pacemaker has not reached it since its fencing. Raises ComputeApiError.
        """
        service, host = view.presence.service, view.host
        assert service is not None
        assert host is not None
        if memory.left is None:
            memory.left = tuple(self._compute.instances_on(host))
        silent = memory.is_silent(service.last_seen, off=off)
        if memory.rows is None or not silent:
            memory.rows = tuple(self._compute.evacuations_from(host))
        migrations = memory.rows
        closed = memory.saw_closed(newest(migrations).values())
        alive = memory.saw_heartbeat(service.last_seen) or closed
        heard = memory.heard(service)
        left = memory.left
        if alive and left and service.up:
            left = tuple(self._compute.instances_on(host))
        ours = memory.left_ids(view.record.fence_id, migrations)
        return replace(
            view,
            presence=replace(
                view.presence,
                alive=alive,
                heartbeat_since_unforce=heard,
                up_for=memory.up_for(service, self._clock()),
            ),
            inventory=Inventory(
                instances=tuple(instance for instance in left if instance.id in ours),
                migrations=migrations,
            ),
            requests=replace(
                view.requests,
                others=dict(memory.nudges),
                restarted=self._clock() < memory.restarted_at + _RESTART,
                # What another process asked for, this one does not know.
                unanswered_at=max(
                    memory.unanswered_at,
                    float("-inf")
                    if memory.owned_fence_id == view.record.fence_id
                    else memory.first_seen,
                ),
            ),
        )
