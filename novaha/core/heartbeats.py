"""Whether Nova has ceased to hear from a host, measured by what it hears from the others.

How often a nova-compute reports is the site's to set, and a busy Nova is late. So the measure is
no number of seconds: two whole intervals of most other hosts have passed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

_ENOUGH = 3
"""Heartbeats of another host: two whole intervals lie between the first and the last."""


@dataclass(slots=True)
class Heartbeats:
    """The heartbeats that Nova has had of each host since this began."""

    _last: dict[str, datetime | None] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def note(self, last_seen: Mapping[str, datetime | None]) -> None:
        """Take what Nova says now. last_seen: its last heartbeat of each host, None for none."""
        for node, seen in last_seen.items():
            if node in self._last and seen is not None and seen != self._last[node]:
                self._count[node] = self._count.get(node, 0) + 1
            self._last[node] = seen

    def of(self, node: str) -> int:
        """How many heartbeats of the host were seen to come."""
        return self._count.get(node, 0)

    def show_silence(self, node: str, others: Collection[str]) -> bool:
        """Whether the host had none while more than half of the others had enough of them."""
        spoke = sum(self.of(other) >= _ENOUGH for other in others)
        return not self.of(node) and 2 * spoke > len(others)
