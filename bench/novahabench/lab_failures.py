"""Single hosts that die, over and over: by novaha with and without its alert, the older way, and by
a bare script that the alert wakes."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from novahabench import lab_bare, lab_nova
from novahabench.lab_site import Bench, Story
from novahabench.mark import BenchError, Say

ALERT, POLL, OLDER = "with the alert", "without the alert", "older way"

BARE = "bare script"
"""Started by the same alert: it signs in, asks what is on the host, and sends the requests."""

READY = "bare script, ready"
"""Woken by the same alert, signed in and told everything before: nothing can be quicker."""

OLDER_INTERVAL = 10.0
"""Seconds between two looks of the older agent: its resource's monitor."""

_INSTANCES, _STOPPED = 12, 2


class Failures:
    """What has been seen so far; the marks that need the same share it."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.fresh()
        self.stories: dict[str, list[Story]] = {
            kind: [] for kind in (ALERT, POLL, OLDER, BARE, READY)
        }
        self._instances: dict[str, str] = {}

    def more(self, kind: str, share: float = 0.5) -> Story:
        """One more failure of this kind.

        share: of the older interval that passes before its first look.
        """
        host, instances = self._victim()
        if kind == OLDER:
            story = self._older(host, instances, share * OLDER_INTERVAL)
        elif kind in (BARE, READY):
            story = self._bare(host, instances, anew=kind == BARE)
        else:
            self.bench.alerts(kind == ALERT)
            story = self.bench.recovered(instances, host)
            self.bench.alerts(True)
        self.stories[kind].append(story)
        return story

    def _victim(self) -> tuple[str, dict[str, str]]:
        """The host with most of the instances, and those."""
        servers = self.bench.site.servers()
        if not self._instances or not self._instances.keys() <= servers.keys():
            # None yet, or another mark has cleared the lab.
            self._instances = self.bench.create(_INSTANCES, self.bench.computes[0], _STOPPED)
            servers = self.bench.site.servers()
        where = Counter(str(servers[i].host) for i in self._instances)
        host, _ = where.most_common(1)[0]
        return host, {i: s for i, s in self._instances.items() if servers[i].host == host}

    def _older(self, host: str, instances: dict[str, str], wait: float) -> Story:
        with self.bench.without_novaha(host), self.bench.watched(instances, [host]) as story:
            story.crashed = self.bench.crash(host)
            story.fencings = {host: self.bench.fencing(host, story.crashed)}
            first = lab_nova.older_way(
                lambda: self.bench.site.state(host) == "pending", host, OLDER_INTERVAL, wait
            )
            story.entries = _accepted(host, [first])
        return story

    def _bare(self, host: str, instances: dict[str, str], *, anew: bool) -> Story:
        controller = self.bench.site.evacuator()
        with (
            self.bench.without_novaha(host),
            self.bench.watched(instances, [host]) as story,
            lab_bare.waiting(controller, host, list(instances), anew=anew) as script,
        ):
            story.crashed = self.bench.crash(host)
            story.fencings = {host: self.bench.fencing(host, story.crashed)}
            story.entries = _accepted(host, script.answered())
        return story


def _accepted(host: str, moments: Sequence[float]) -> list[dict[str, Any]]:
    """As novaha's journal has it."""
    entry = {"event": "requested", "outcome": "accepted", "node": host}
    return [{**entry, "at": at} for at in moments]


@functools.cache
def shared(say: Say) -> Failures:
    """The one of this run."""
    say("the lab is made whole and empty")
    return Failures()


def reaction(story: Story) -> float:
    """Seconds from the end of the fencing to the first accepted request."""
    if not story.accepted:
        raise BenchError(f"no evacuation was accepted after {', '.join(story.hosts)} died")
    return min(story.accepted) - story.fenced
