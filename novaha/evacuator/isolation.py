"""What goes wrong for one host stops no other: it becomes that host's problem."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from novaha.core.errors import ClusterToolError, NovahaError
from novaha.core.planner import plan
from novaha.core.situation import Policy
from novaha.core.steps import Plan
from novaha.core.view import HostView

LOG = logging.getLogger(__name__)


def internal(node: str) -> str:
    """Log the exception that is being handled, with its place; what people are told."""
    LOG.exception("internal error on %s", node)
    return f"internal error on {node}, see the log; it is tried again"


def seen(view: HostView, look: Callable[[], HostView]) -> HostView:
    """What `look` gives; where that fails, the host as it is, with the reason as its problem.

    Raises ClusterToolError: without Pacemaker nothing is known of any host.
    """
    try:
        return look()
    except ClusterToolError:
        raise
    except NovahaError as error:
        return replace(view, problem=str(error))
    except Exception:
        return replace(view, problem=internal(view.node))


def planned(
    views: Sequence[HostView], policy: Policy, now: float, room_since: float
) -> tuple[Plan, list[HostView]]:
    """The plan, and the views that it is made of: hosts for which none can be made are held, with
    that as their problem.

    Raises what `plan` raises where no single host is the reason.
    """
    try:
        return plan(views, policy, now, room_since), list(views)
    except Exception as error:
        sound = [_plannable(view, policy, now, room_since) for view in views]
        if all(now_so is before for now_so, before in zip(sound, views, strict=True)):
            raise error from None
        return plan(sound, policy, now, room_since), sound


def _plannable(view: HostView, policy: Policy, now: float, room_since: float) -> HostView:
    try:
        plan([view], policy, now, room_since)
    except Exception:
        return replace(view, problem=internal(view.node))
    return view
