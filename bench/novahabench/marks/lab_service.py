"""Mark 7: detection to service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from novaha.cli import layout
from novahabench.lab_failures import ALERT, OLDER, Failures, shared
from novahabench.lab_site import Story
from novahabench.mark import Case, Goal, Mark, Say

_SAMPLES, _QUICK_SAMPLES = 4, 1
_MONITORS = (("60s", "30s"), ("10s", "10s"))
"""Interval and time-out of a remote node's monitor: what pcs sets, and what many sites have."""


def _fencing(story: Story, what: str) -> float:
    return max(float(getattr(fencing, what)) for fencing in story.fencings.values())


def _flag(story: Story) -> float:
    return _fencing(story, "flagged") - _fencing(story, "off")


_PARTS: dict[str, Callable[[Story], float]] = {
    "1 detection: Pacemaker asks for the fencing": lambda s: _fencing(s, "asked") - s.crashed,
    "2 fencing: the power is off": lambda s: _fencing(s, "off") - _fencing(s, "asked"),
    "3 flag: the record is written": _flag,
    "4 fencing: switched on again, it ends": lambda s: s.fenced - _fencing(s, "flagged"),
    "5 reaction: novaha claims the host": lambda s: s.when("claimed") - s.fenced,
    "6 reaction: Nova has it forced down": lambda s: s.when("forcedown") - s.when("claimed"),
    "7 requests: the first is accepted": lambda s: min(s.accepted) - s.when("forcedown"),
    "8 requests: the last is accepted": lambda s: max(s.accepted) - min(s.accepted),
    "9 boot: the last guest runs": lambda s: s.running - max(s.accepted),
}


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    failures = shared(say)
    for kind, wanted in ((ALERT, _QUICK_SAMPLES if quick else _SAMPLES), (OLDER, 1)):
        while len(failures.stories[kind]) < wanted:
            say(f"a host dies, {kind}")
            failures.more(kind)
    stories = failures.stories[ALERT]
    older = tuple(s.running - s.crashed for s in failures.stories[OLDER])
    total = tuple(s.running - s.crashed for s in stories)
    yield Case("from the crash until all run", "s", total, {OLDER: older}, Goal(1.0, OLDER))
    ours = tuple(_flag(s) + min(s.accepted) - s.fenced for s in stories)
    yield Case("of that, until novaha has asked", "s", ours, goal=Goal(1.0))
    for name, part in _PARTS.items():
        yield Case(name, "s", tuple(map(part, stories)))
    if not quick:
        for interval, timeout in _MONITORS:
            say(f"a host dies, monitor every {interval}, time-out {timeout}")
            yield _slower(failures, interval, timeout)


def _slower(failures: Failures, interval: str, timeout: str) -> Case:
    """What a death costs where the monitor is not the one that `novaha setup` sets."""
    bench = failures.bench
    host = bench.computes[-1]
    options = ("op", "monitor", f"interval={interval}", f"timeout={timeout}")
    bench.site.on_any_controller("pcs", "resource", "update", host, *options)
    bench.whole()
    time.sleep(5)  # the next monitor is one of the new kind
    crashed = bench.crash(host)
    fencing = bench.fencing(host, crashed)
    bench.whole()
    bench.site.on_any_controller("pcs", *layout.monitor_of(host))
    bench.whole()
    return Case(
        f"detection with a monitor every {interval}, time-out {timeout}",
        "s",
        (fencing.asked - crashed,),
    )


MARK = Mark(
    id=7,
    title="From the crash to service",
    measured="From the crash of a host until the last guest that ran on it runs elsewhere, as the "
    "hypervisors have it, and its parts, by Pacemaker's log and novaha's journal. "
    "The host loses its power without a word; the monitor of its connection is the one that "
    "`novaha setup` sets, and slower ones are shown for comparison.",
    beside="The older way, as in mark 1.",
    mark="not longer than the older way, and of it at most 1 s for the flag and the reaction",
    measure=_measure,
    lab=True,
)
