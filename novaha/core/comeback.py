"""How a recovered host comes back: into service, or kept out until an operator lets it in.

A host that is kept out runs its nova-compute, and Nova sends nothing to it: its service is
disabled, with a reason that begins with `model.KEPT_OUT`. That reason is the memory: it outlives
every process and every node of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from novaha.core import model
from novaha.core.record import FORCED
from novaha.core.situation import Policy
from novaha.core.view import HostView

_APART = timedelta(seconds=10)
"""Fencings that end closer together are one: no host boots in between."""

_SHOWN = 5
"""Fencings whose times are named: Nova keeps 255 characters of a reason."""


def keep_out_for(view: HostView, policy: Policy) -> str:
    """Why the host is to be kept out from now on, as Nova shows it; "" where it is not.

    It is not where an operator has let it in, where it is kept out already and the record says so,
    and where the disable or the force-down is not ours (law 6).
    """
    if view.record.admitted or view.presence.service is None:
        return ""
    if model.kept_out(view.presence.service):
        return "" if view.record.kept else view.presence.service.disabled_reason
    if not _is_ours(view, view.presence.service):
        return ""
    times = recent_fencings(view.presence.fencings, view.record.fenced, policy.flap_window)
    if 0 < policy.flap_fencings <= len(times):
        shown = " ".join(f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for at in times[-_SHOWN:])
        often = "once" if len(times) == 1 else f"{len(times)} times"
        count = f"fenced {often} within {policy.flap_window:g} s"
        return f"{model.KEPT_OUT}, {count}: {shown}"
    if policy.return_disabled:
        return f"{model.KEPT_OUT}, to be looked at by an operator ([evacuator] return = disabled)"
    return ""


def is_kept_out(view: HostView) -> bool:
    """Whether the host waits for an operator to let it in."""
    kept = view.presence.service is not None and model.kept_out(view.presence.service)
    return kept and not view.record.admitted


def why_kept_out(view: HostView) -> str:
    """Why it is, for people; "" where Nova does not say that it is."""
    reason = view.presence.service.disabled_reason if view.presence.service is not None else ""
    return reason.removeprefix(model.KEPT_OUT).lstrip(", ")


def is_stable(view: HostView, policy: Policy) -> bool:
    """Whether its nova-compute has been up for as long as it has to before Nova may use it."""
    return policy.return_after <= 0 or (
        view.presence.up_for is not None and view.presence.up_for >= policy.return_after
    )


def recent_fencings(
    fencings: Iterable[datetime], fenced: datetime, window: float
) -> tuple[datetime, ...]:
    """The fencings in the `window` seconds before the last one and since, oldest first.

    fenced: when the host was flagged for the last of them. Counted from there, the number is the
    same whenever the host comes back.
    """
    found: list[datetime] = []
    for at in sorted({*fencings}):
        if at < fenced - timedelta(seconds=window):
            continue
        if not found or at - found[-1] >= _APART:
            found.append(at)
    return tuple(found)


def _is_ours(view: HostView, service: model.ComputeService) -> bool:
    if service.enabled:  # our disable never got through, as long as our force-down stands
        return service.forced_down and FORCED in view.record.marks
    return model.disabled_by_us(service) or disabled_by_older_agents(view)


def disabled_by_older_agents(view: HostView) -> bool:
    """They give no reason; what has one is somebody else's (law 6)."""
    service = view.presence.service
    if service is None or not view.record.adopted:
        return False
    return not service.enabled and not service.disabled_reason
