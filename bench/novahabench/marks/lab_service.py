"""Mark 7: detection to service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from novaha.cli.fencing import monitor_of
from novahabench.lab_failures import ALERT, BARE, OLDER, Failures, shared
from novahabench.lab_site import Story
from novahabench.mark import Case, Goal, Mark, Say

_SAMPLES, _QUICK_SAMPLES = 4, 1
_MONITORS = (("60s", "30s"), ("10s", "10s"))
"""Interval and time-out of a remote node's monitor: what pcs sets, and what many sites have."""

WHOLE = "from the crash until all run"
_WHOLE_WAY, _SHARE = 1.15, 0.2
"""Of the bare script's time, and of novaha's own: the rest is Pacemaker's, Nova's and the BMC's."""


def _fencing(story: Story, what: str) -> float:
    return max(float(getattr(fencing, what)) for fencing in story.fencings.values())


def _flag(story: Story) -> float:
    return _fencing(story, "flagged") - _fencing(story, "off")


def _whole(story: Story) -> float:
    return story.running - story.crashed


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
_OURS = [name for name in _PARTS if name[0] in "567"]
"""What the bare script's story does not have apart."""


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    failures = shared(say)
    samples = _QUICK_SAMPLES if quick else _SAMPLES
    for wanted in range(1, samples + 1):  # alternating; more than that only where there are more
        for kind in (ALERT, BARE, OLDER):
            if len(failures.stories[kind]) < (wanted if kind != OLDER else 1):
                say(f"a host dies, {kind}")
                failures.more(kind)
    yield from cases(failures.stories)
    if not quick:
        for interval, timeout in _MONITORS:
            say(f"a host dies, monitor every {interval}, time-out {timeout}")
            yield _slower(failures, interval, timeout)


def cases(stories: Mapping[str, Sequence[Story]]) -> Iterator[Case]:
    """The whole way beside the bare script's and the older one, and its parts."""
    total = {kind: tuple(map(_whole, found)) for kind, found in stories.items()}
    beside = {BARE: total[BARE], OLDER: total[OLDER]}
    yield Case(WHOLE, "s", total[ALERT], beside, Goal(_WHOLE_WAY, BARE))
    ours = tuple(_flag(s) + min(s.accepted) - s.fenced for s in stories[ALERT])
    yield Case(
        "of that, the flag and the reaction", "s", ours, {WHOLE: total[ALERT]}, Goal(_SHARE, WHOLE)
    )
    for name, part in _PARTS.items():
        same = {BARE: tuple(map(part, stories[BARE]))} if name not in _OURS else {}
        yield Case(name, "s", tuple(map(part, stories[ALERT])), same)


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
    bench.site.on_any_controller("pcs", *monitor_of(host))
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
    beside="The bare script and the older way, as in mark 1.",
    mark="at most 1.15 of the bare script's time; of it at most a fifth for the flag and the "
    "reaction",
    measure=_measure,
    lab=True,
)
