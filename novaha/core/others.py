"""What a host's recovery has to do with those of other hosts."""

from __future__ import annotations

from collections.abc import Iterable

from novaha.core import model
from novaha.core.recovery import RecoveryState
from novaha.core.view import HostView


def may_be_destination(view: HostView, views: Iterable[HostView], final: frozenset[str]) -> bool:
    """Whether another host's instances may have been on their way here when this host died.

    They are asked for anew because this host is in recovery; closing it would hide that their
    evacuation died with it. One without a destination may have been on its way here too: a
    migration names it some time after the destination has begun (measured), and Nova's log of
    actions at once.

    final: the instances that need nothing more.
    """
    for other in views:
        if other.node == view.node or other.record.before is None:
            continue
        if other.record.state is RecoveryState.RECOVERED:
            continue
        unread = not other.is_ours or other.problem
        newest = model.newest(other.inventory.migrations).values()
        if unread or any(
            (m.problem or m.status in model.IN_FLIGHT)
            and m.destination in (view.host, None)
            # Its log was read: not handed to any host yet, or one that takes it up when back.
            and m.instance not in other.evacuations.logs
            and m.instance not in final
            for m in newest
        ):
            return True
    return False
