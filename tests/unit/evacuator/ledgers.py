"""The page of a host in the ledger, with facts of other turns; and what stands in it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.evacuator.ledger import HostLedger, Ledger
from tests.unit.core.situations import DEAD, FENCED


def ledger_of(*nodes: str, first_seen: float = 0.0) -> Ledger:
    """A ledger in which these nodes are flagged."""
    found = Ledger()
    found.follow({n: Record(n, RecoveryState.PENDING, "f", FENCED) for n in nodes}, first_seen)
    return found


def page(first_seen: float = 0.0, **known: Any) -> HostLedger:
    """The page of one host, in which this is known."""
    return know(ledger_of(DEAD, first_seen=first_seen).of(DEAD), **known)


def know(found: HostLedger, **known: Any) -> HostLedger:
    """Let this be known of the host, in whichever part of its page it stands."""
    for name, value in known.items():
        (part,) = (p for p in _parts(found) if hasattr(p, f"_{name}"))
        setattr(part, f"_{name}", value)
    return found


def known(found: HostLedger) -> dict[str, Any]:
    """All that is known of the host, by name."""
    return {
        field.name.strip("_"): getattr(part, field.name)
        for part in _parts(found)
        for field in fields(part)
        if field.name != "_lock"
    }


def _parts(found: HostLedger) -> tuple[Any, ...]:
    return (found.requests, found.evacuations, found.presence, found.fencing)
