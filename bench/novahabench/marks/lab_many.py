"""Mark 6: as many real nodes as the machine carries, and all but two of them die."""

from __future__ import annotations

from collections.abc import Iterator

from novahabench.lab_site import Bench
from novahabench.mark import Case, Goal, Mark, Say

_LEFT = 2
_EACH = 3
"""Instances on each node that dies."""


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    bench = Bench()
    bench.need(_LEFT + 1)
    bench.fresh()
    dying = bench.computes[:-_LEFT]
    instances: dict[str, str] = {}
    for host in dying:
        say(f"instances boot on {host}")
        instances |= bench.create(_EACH, host)
    say(f"{len(dying)} of {len(bench.computes)} nodes die with {len(instances)} instances")
    story = bench.recovered(instances, *dying)
    of = f"{len(dying)} of {len(bench.computes)} nodes with {len(instances)} instances"
    ended = sorted(fencing.ended for fencing in story.fencings.values())
    details = {"fenced": [at - story.crashed for at in ended]}
    yield Case(f"{of}: all fenced", "s", (ended[-1] - story.crashed,), details=details)
    first = min(story.accepted) - ended[0]
    yield Case(f"{of}: first request, from the first fencing", "s", (first,))
    last = story.in_place - ended[-1]
    yield Case(f"{of}: all as they were before, from the last fencing", "s", (last,))
    asked = len(story.accepted) / len(instances)
    yield Case(f"{of}: evacuations, for each instance", "requests", (asked,), goal=Goal(1.0))


MARK = Mark(
    id=6,
    title="Scale: many real nodes",
    measured="Real pacemaker_remote nodes with real nova-computes; all but two lose their power at "
    "once. How many the lab has is told with `lab/lab up --computes`.",
    beside="nothing; all instances are as they were before, elsewhere, or it is no result.",
    mark="all as they were before, one evacuation for each instance",
    measure=_measure,
    lab=True,
    long=True,
)
