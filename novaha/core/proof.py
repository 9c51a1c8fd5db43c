"""What proves that a host was down: a power device's success, or a person's word (law 1)."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from novaha.core.naming import newest_of
from novaha.core.ports import History, Levels


class Proof(Enum):
    """Why a host is known to have been down."""

    NONE = auto()
    BY_DEVICE = auto()
    BY_HAND = auto()

    def __bool__(self) -> bool:
        return self is not Proof.NONE


def of_fencing(
    node: str, since: datetime, history: History, levels: Levels, *, devices: bool = True
) -> Proof:
    """What proves that the node was down at `since` or later.

    devices: whether what devices have done counts. It never does where a success of the node's
    levels does not mean that its power was cut.
    """
    powered_off = devices and history.confirmed_since(node, since)
    if powered_off and not levels.without_power_device(node):
        return Proof.BY_DEVICE
    by_hand = newest_of(node, history.confirmed_by_hand())
    return Proof.BY_HAND if by_hand is not None and by_hand >= since else Proof.NONE
