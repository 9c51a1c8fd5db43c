"""Mark 3 on the simulated Nova: requests for each instance that is recovered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from novahabench import world
from novahabench.mark import Case, Goal, Mark, Say
from novahabench.site import Evacuator, Nova, check, die, wait_for
from novahabench.world import World, cib, host

_HOSTS = 5
_EACH = 0.35
"""Seconds for an instance: what the lab's Nova was measured to take on two cores."""

_MOST = 1.5


def measure(quick: bool, say: Say) -> Iterator[Case]:
    """One host with 50 and with 200 instances; quick: with 50."""
    for instances in (50,) if quick else (50, 200):
        say(f"a host with {instances} instances")
        yield from world.inside(partial(_measure, instances=instances), cib(_HOSTS))


def _measure(here: World, instances: int) -> Iterator[Case]:
    nova = Nova(here, _HOSTS, _HOSTS * instances, _EACH)
    evacuator = Evacuator(here, nova.config)
    evacuator.wait_for_nova()
    nova.tell("clear")
    dead = [host(1)]
    die(here, nova, dead)
    wait_for("recovered", dead, 60 + instances)
    counted = check(nova, dead)["requests"]
    evacuations = counted.pop("evacuate")
    details = {"instances": instances, "evacuate": evacuations, **counted}
    yield Case(
        f"{instances} instances: requests beyond one evacuate, for each",
        "requests",
        ((evacuations - instances + sum(counted.values())) / instances,),
        goal=Goal(_MOST),
        details=details,
    )
    for kind, number in sorted(counted.items()):
        yield Case(f"{instances} instances: {kind}, for each", "requests", (number / instances,))


MARK = Mark(
    id=3,
    title="Requests to Nova (simulated)",
    measured="Requests from the fencing of a host until it is recovered, for each of its "
    "instances, counted by a simulated Nova that takes as long for each as the lab's.",
    beside="nothing; the one evacuate that an instance takes is not counted.",
    mark="at most 1.5 for each instance beyond the one evacuate",
    measure=measure,
)
