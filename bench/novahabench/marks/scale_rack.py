"""Mark 6: a rack of hosts dies at once in a cluster of a thousand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from novahabench import usage, world
from novahabench.mark import Case, Goal, Mark, Say
from novahabench.site import Evacuator, Nova, check, die, wait_for
from novahabench.world import World, cib, host

_HOSTS = 1000
_EACH = 50

_MEMORY = 256.0
"""MB that the evacuator may take."""

_REQUESTS = 1.5
"""For each instance, beyond the one evacuate: mark 3."""

_AFTERWARDS = 60.0
"""Seconds for which is watched what follows."""

_SETTLE = 5.0
"""Seconds until the turn that closed the last recovery is over."""


def measure(quick: bool, say: Say) -> Iterator[Case]:
    """40 hosts; quick: 4, and not what follows."""
    rack = 4 if quick else 40
    say(f"a rack of {rack} hosts with {rack * _EACH} instances dies")
    return world.inside(partial(_rack, rack=rack, quick=quick), cib(_HOSTS))


def _rack(here: World, rack: int, *, quick: bool) -> Iterator[Case]:
    instances = rack * _EACH
    nova = Nova(here, _HOSTS, _HOSTS * _EACH)
    evacuator = Evacuator(here, nova.config)
    evacuator.wait_for_nova()
    nova.tell("clear")
    dead = [host(number) for number in range(1, rack + 1)]
    before, began = usage.used(evacuator.pid), time.monotonic()
    die(here, nova, dead)
    fenced = time.monotonic()
    wait_for("recovered", dead, 300 + instances)
    ended = time.monotonic()
    counted = check(nova, dead)["requests"]
    of = f"{rack} hosts with {instances} instances die"
    details = {"requests": counted}
    yield Case(f"{of}: all fenced and flagged", "s", (round(fenced - began, 3),))
    yield Case(f"{of}: all recovered", "s", (round(ended - began, 3),), details=details)
    cpu = usage.used(evacuator.pid) - before
    yield Case(f"{of}: evacuator, CPU time for each instance", "s", (cpu / instances,))
    peak = usage.resident(evacuator.pid, peak=True)
    yield Case(f"{of}: evacuator, most memory", "MB", (peak,), goal=Goal(_MEMORY))
    beyond = sum(counted.values()) - instances
    yield Case(
        f"{of}: requests beyond one evacuate, for each instance",
        "requests",
        (beyond / instances,),
        goal=Goal(_REQUESTS),
    )
    rate = sum(counted.values()) / (ended - began)
    yield Case(f"{of}: requests to Nova", "1/s", (rate,))
    if quick:
        return
    yield from _waiting(nova, evacuator, of)
    nova.tell("boot", dead)
    wait_for("", dead, 300)


def _waiting(nova: Nova, evacuator: Evacuator, of: str) -> Iterator[Case]:
    """The hosts are recovered and still off: there is nothing to do about them."""
    time.sleep(_SETTLE)
    nova.tell("clear")
    before = usage.used(evacuator.pid)
    time.sleep(_AFTERWARDS)
    counted = nova.tell("look")["requests"]
    rate = sum(counted.values()) / _AFTERWARDS
    details = {"requests": counted}
    yield Case(f"{of}: afterwards, still off, requests to Nova", "1/s", (rate,), details=details)
    cpu = (usage.used(evacuator.pid) - before) * 60 / _AFTERWARDS
    yield Case(f"{of}: afterwards, still off, evacuator, CPU time a minute", "s", (cpu,))


MARK = Mark(
    id=6,
    title="Scale: a rack dies",
    measured="40 of 1,000 compute hosts die at once, with 2,000 instances: fenced by the real "
    "fencer, flagged by the real agent, recovered by the real evacuator on a simulated Nova.",
    beside="nothing; the requests keep mark 3.",
    mark="256 MB for the evacuator, 1.5 requests for each instance beyond its evacuate",
    measure=measure,
)
