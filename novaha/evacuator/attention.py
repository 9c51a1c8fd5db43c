"""What an operator has to see to: for whoever looks at the cluster, and not at novaha."""

from __future__ import annotations

from collections.abc import Iterable

from novaha.core.model import AFTER_BOOT, EXISTS
from novaha.core.situation import HostView

_OFTEN = 3
"""Evacuations of an instance that have to fail before an operator is told."""


class Since:
    """Since when something has been wrong without a pause."""

    def __init__(self) -> None:
        self._began: float | None = None

    def note(self, wrong: bool, now: float) -> None:
        """Whether it is wrong now (monotonic seconds)."""
        if not wrong:
            self._began = None
        elif self._began is None:
            self._began = now

    def seconds(self, now: float) -> float:
        """For how long it has been, 0 when it is not."""
        return 0.0 if self._began is None else now - self._began


def attention(views: Iterable[HostView], nova_problem: str) -> tuple[str, ...]:
    """Each host that gets no further by itself: what is wrong, and what to do about it.

    nova_problem: why Nova does not answer. That is no trouble of one host, and told elsewhere.
    """
    return tuple(text for view in views if (text := _of(view, nova_problem)))


def _of(view: HostView, nova_problem: str) -> str:
    if view.unproven:
        return f"{view.node} is not safe to evacuate: {view.unproven}"
    if view.record.doubted and not view.fence_confirmed:
        return (
            f"{view.node} has lived since the fencing of its record, which came back: it is "
            f"fenced again before anything moves; if it is in order: novaha release {view.node}"
        )
    if view.problem:
        return "" if nova_problem else f"{view.node} cannot be worked on: {view.problem}"
    often = [
        instance
        for instance in view.instances
        if instance.id in view.failures and view.failures[instance.id].count >= _OFTEN
    ]
    left = {
        row.instance
        for row in view.migrations
        if row.id not in view.lost and AFTER_BOOT.search(view.faults.get(row.id, "did not fail"))
    }
    if lost := sum(i.id in left or EXISTS in i.fault for i in often):
        return (
            f"{lost} instances of {view.node} may have guests that Nova has lost: look for them, "
            "and end these and no others, where novaha status says"
        )
    if not often:
        return ""
    return (
        f"{len(often)} instances of {view.node} find no place elsewhere: make room, or see why "
        f"(novaha status) and let them go (novaha release {view.node})"
    )
