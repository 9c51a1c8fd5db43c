"""What Nova shows of instances, evacuations and compute services, reduced to what decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from novaha.core.faults import Fault
from novaha.core.policy.traits import Traits

EVACUABLE = frozenset({"active", "stopped", "error"})
"""The vm_states in which Nova takes an evacuate request (measured: 409 in every other)."""

RESETTABLE = frozenset({"paused", "suspended", "rescued", "shelved"})
"""The vm_states that Nova evacuates once they are reset to `error` (measured)."""

RESIZED = "resized"
"""The vm_state of an instance whose resize waits to be confirmed."""

DELETED = "deleted"

GOING_AWAY = frozenset({DELETED, "soft-delete"})

REBUILDING = frozenset(
    {"rebuilding", "rebuild_block_device_mapping", "rebuild_spawning", "rebuilding_error"}
)
"""The task_states of an instance that Nova is bringing up elsewhere."""

IN_FLIGHT = frozenset(
    {"queued", "preparing", "accepted", "pre-migrating", "migrating", "running", "post-migrating"}
)
"""The migration states in which a destination may yet start the instance."""

DONE = "done"
"""Brought up at the destination; the instance's host field follows up to 0.1 s later."""

OPEN = IN_FLIGHT | {DONE}
"""The migration states that may change."""

CLOSED = "completed"
"""Closed by the source when it returned; what was still going on then goes on (measured)."""

FAILED = frozenset({"error", "failed", "cancelled"})

POWER_SHUTDOWN = 4
"""Nova's power_state of a guest that is off."""

ACTIVE, STOPPED, ERROR = "active", "stopped", "error"


class Action(StrEnum):
    """What can be asked of Nova for one instance, besides an evacuation."""

    STOP = "stop"
    PAUSE = "pause"
    SUSPEND = "suspend"
    RESET = "reset to error"
    CONFIRM_RESIZE = "confirm resize"
    HARD_REBOOT = "hard reboot"


RESTORED_BY: dict[str, Action] = {
    STOPPED: Action.STOP,
    "paused": Action.PAUSE,
    "suspended": Action.SUSPEND,
    # Neither ran from its own disk: that is not to be booted behind its owner's back.
    "rescued": Action.STOP,
    "shelved": Action.STOP,
}
"""How an instance that comes up running gets nearest to the state it had."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as Nova lists it.

    host: where Nova says that it is. fault: why its newest evacuation failed, if Nova shows that.
    problem: why what Nova shows of it cannot be used, "" when it can: nothing is known then but
        the id, and it is neither gone nor settled (laws 2 and 5).
    traits: what else a policy goes by.
    """

    id: str
    name: str
    host: str
    vm_state: str
    task_state: str | None = None
    power_state: int = 0
    fault: Fault | None = None
    problem: str = ""
    traits: Traits = field(default=Traits(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Migration:
    """One evacuation record of Nova; `id` grows with time.

    created, updated: by Nova's clock.
    problem: why the rest of it cannot be read, "" when it can: it may be under way then.
    """

    id: int
    instance: str
    source: str
    destination: str | None
    status: str
    created: datetime | None = None
    updated: datetime | None = field(default=None, compare=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class EvacuationLog:
    """What Nova's log of actions tells of an instance's newest evacuation.

    over: it ended, well or not: nothing brings the instance up any more.
    destination: the host that took it up, which the migration may name only later.
    queued: it was sent to a host that has not taken it up yet. If that host is dead, it will
        when it returns: the request waits in the message bus.
    untaken: not even the conductor has begun with it.
    """

    over: bool = False
    destination: str | None = None
    queued: bool = False
    untaken: bool = False


def newest(migrations: Iterable[Migration]) -> dict[str, Migration]:
    """The last evacuation of each instance: only it can be under way.

    An older one whose destination died stays `pre-migrating` for ever.
    """
    found: dict[str, Migration] = {}
    for migration in migrations:
        known = found.get(migration.instance)
        if known is None or migration.id > known.id:
            found[migration.instance] = migration
    return found


@dataclass(frozen=True, slots=True)
class ComputeService:
    """Nova's record of one nova-compute.

    last_seen: its last heartbeat or the last change of the record, whichever is later, by Nova's
    clock.
    problem: why what Nova shows of it cannot be used, "" when it can: nothing is known then but
        the host.
    """

    id: str
    host: str
    up: bool
    forced_down: bool
    enabled: bool
    disabled_reason: str = ""
    last_seen: datetime | None = None
    problem: str = ""


DISABLE_MARK = "novaha:"
"""Begins the reason of every service disable that is ours to undo (law 6)."""

KEPT_OUT = f"{DISABLE_MARK} kept out"
"""Begins the reason of a disable of ours that only an operator ends. Persisted in Nova."""


def disable_reason(fence_id: str) -> str:
    """The reason that we give when we disable a service."""
    return f"{DISABLE_MARK} fenced, recovery {fence_id}"


def disabled_by_us(service: ComputeService) -> bool:
    """Whether the disable is ours to undo."""
    return not service.enabled and service.disabled_reason.startswith(DISABLE_MARK)


def kept_out(service: ComputeService) -> bool:
    """Whether the host was kept out of service when it came back, and still is."""
    return not service.enabled and service.disabled_reason.startswith(KEPT_OUT)
