"""Mark 7: detection to service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from novahalab import network

from novahabench.lab_failures import ALERT, OLDER, Failures, shared
from novahabench.lab_site import Story
from novahabench.mark import Case, Goal, Mark, Say

_SAMPLES, _QUICK_SAMPLES = 4, 1
_MONITORS = (("60s", "30s"), ("10s", "15s"), ("3s", "5s"))
"""Interval and time-out of a remote node's monitor: Pacemaker's defaults, ours, the lab's."""


def _fencing(story: Story, what: str) -> float:
    return max(float(getattr(fencing, what)) for fencing in story.fencings.values())


_PARTS: dict[str, Callable[[Story], float]] = {
    "1 Pacemaker asks for the fencing": lambda s: _fencing(s, "asked") - s.crashed,
    "2 the power is off": lambda s: _fencing(s, "off") - _fencing(s, "asked"),
    "3 the host is flagged": lambda s: _fencing(s, "flagged") - _fencing(s, "off"),
    "4 switched on again, the fencing ends": lambda s: s.fenced - _fencing(s, "flagged"),
    "5 novaha claims the host": lambda s: s.when("claimed") - s.fenced,
    "6 Nova has it forced down": lambda s: s.when("forcedown") - s.when("claimed"),
    "7 the first request is accepted": lambda s: min(s.accepted) - s.when("forcedown"),
    "8 the last request is accepted": lambda s: max(s.accepted) - min(s.accepted),
    "9 the last guest runs": lambda s: s.running - max(s.accepted),
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
    ours = tuple(_PARTS["3 the host is flagged"](s) + min(s.accepted) - s.fenced for s in stories)
    yield Case("of that, until novaha has asked", "s", ours, goal=Goal(1.0))
    for name, part in _PARTS.items():
        yield Case(name, "s", tuple(map(part, stories)))
    if not quick:
        for interval, timeout in _MONITORS:
            say(f"a host dies without a word, monitor every {interval}, time-out {timeout}")
            yield _silent(failures, interval, timeout)


def _silent(failures: Failures, interval: str, timeout: str) -> Case:
    """The connection of a host that loses its power says nothing, unlike that of a lab's."""
    bench = failures.bench
    host = bench.computes[-1]
    options = ("op", "monitor", f"interval={interval}", f"timeout={timeout}")
    bench.site.on_any_controller("pcs", "resource", "update", host, *options)
    bench.whole()
    time.sleep(5)  # the next monitor is one of the new kind
    network.cut(host, "cluster")
    crashed = bench.crash(host)
    try:
        fencing = bench.fencing(host, crashed)
    finally:
        network.heal(host)
    bench.whole()
    lab = ("op", "monitor", "interval=3s", "timeout=5s")
    bench.site.on_any_controller("pcs", "resource", "update", host, *lab)
    return Case(
        f"a silent death is noticed: monitor every {interval}, time-out {timeout}",
        "s",
        (fencing.asked - crashed,),
    )


MARK = Mark(
    id=7,
    title="From the crash to service",
    measured="From the crash of a host until the last guest that ran on it runs elsewhere, as the "
    "hypervisors have it, and its parts, by Pacemaker's log and novaha's journal. The lab's "
    "kernel closes the connections of a host that dies, so that Pacemaker notices at once; "
    "what a silent death adds is shown for three settings of the remote node's monitor.",
    beside="The older way, as in mark 1.",
    mark="not longer than the older way, and of it at most 1 s for the flag and the reaction",
    measure=_measure,
    lab=True,
)
