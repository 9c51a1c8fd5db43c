"""What a turn has to read of Nova: decided here, carried out by the evacuator's observer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.schedule import GATHER
from novaha.core.view import HostView


def all_just_begun(records: Iterable[Record], owned_at: Mapping[str, float], now: float) -> bool:
    """Whether all recoveries have just begun, and Nova does not know of every dead host yet.

    owned_at: since when this evacuator has owned the recovery of each node, monotonic seconds.
    """
    records = list(records)
    begun = [record for record in records if record.state is RecoveryState.RUNNING]
    new = all(now < owned_at[record.node] + GATHER for record in begun)
    return new and any(
        record.state is RecoveryState.PENDING or record.before is None for record in records
    )


def may_wait(view: HostView) -> bool:
    """Whether nothing will be asked for before the other hosts are forced down."""
    told = view.record.before is not None and view.is_forced_down
    return view.is_ours and told and not view.problem


def matters(view: HostView) -> bool:
    """Whether what Nova lists for this host matters now."""
    told = view.record.before is None or view.is_forced_down
    return view.is_ours and told and not view.problem and not view.standing.doubt
