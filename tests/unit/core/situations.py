"""A host in recovery, as the tables of this directory change it; all moments are around NOW."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from novaha.core.model import ComputeService, Instance, Migration
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Overview, Policy
from novaha.core.view import HostView
from novaha.nova.causes import fault
from tests.views import changed, view_of

NOW = 1000.0
FENCED = datetime(2026, 1, 1, tzinfo=UTC)
DEAD, ALIVE, OTHER = "compute-1", "compute-2", "compute-3"

POLICY = Policy(
    answer_wait=90.0, retry_base=10.0, retry_cap=120.0, restore_wait=3.0, stuck_after=1800.0
)

RECORD = Record(
    DEAD, RecoveryState.RUNNING, "fence-1", FENCED, "me", frozenset({"forced"}), before={}
)
SERVICE = ComputeService("s1", DEAD, up=False, forced_down=True, enabled=False)


def instance(name: str = "a", **changes: Any) -> Instance:
    """One that ran on the dead host, and that Nova still shows there. fault: Nova's words."""
    if isinstance(changes.get("fault"), str):
        changes["fault"] = fault(changes["fault"])
    return replace(Instance(name, f"name-{name}", DEAD, "active", None, 1), **changes)


def row(number: int, status: str, destination: str | None = ALIVE, **changes: Any) -> Migration:
    """An evacuation of instance `a`, asked for after the fencing."""
    created = FENCED + timedelta(seconds=number)
    return replace(Migration(number, "a", DEAD, destination, status, created), **changes)


def view(**changes: Any) -> HostView:
    """A host that is claimed, prepared and forced down, with one instance that ran."""
    base = view_of(
        RECORD,
        mine=True,
        fence_confirmed=True,
        host=DEAD,
        service=SERVICE,
        instances=(instance(),),
    )
    return changed(base, **changes)


def record(**changes: Any) -> Record:
    return replace(RECORD, **changes)


def overview(**changes: Any) -> Overview:
    return replace(Overview(frozenset({DEAD}), float("-inf"), 0.0), **changes)
