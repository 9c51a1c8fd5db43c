"""Mark 6: what novaha costs at a thousand hosts when nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from novaha.evacuator import client
from novahabench import usage, world
from novahabench.mark import Case, Goal, Mark, Say
from novahabench.site import Evacuator, Nova
from novahabench.usage import Command
from novahabench.world import World, cib, host

_EACH = 50
_SMALL, _LARGE = 100, 1000
_SIZES = (_SMALL, 300, _LARGE)

_INDEPENDENT = 1.1
"""What is the same: a tenth more is noise."""


@dataclass(frozen=True, slots=True)
class Idle:
    """A site where nothing is to be done. memory: of the evacuator, MB.

    turn: CPU seconds of a turn of the evacuator with all that it starts; minute: of a minute.
    status, monitor, off: CPU seconds of a call of novaha status and of fence_compute.
    """

    turn: list[float] = field(default_factory=list)
    minute: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    status: list[float] = field(default_factory=list)
    monitor: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured. times: how often. turns: in each. minute: the seconds of one."""

    sizes: tuple[int, ...]
    instances: tuple[int, ...]
    times: int
    turns: int
    minute: float


_WHOLE = Extent(_SIZES, (0, 5_000), times=10, turns=20, minute=60.0)
_QUICK = Extent((_SMALL, _LARGE), (0,), times=2, turns=5, minute=3.0)

_TURN = 0.4
"""Seconds that a turn with nothing to do is over in."""


def measure(quick: bool, say: Say) -> Iterator[Case]:
    """Idle at several sizes; quick: fewer of them."""
    extent = _QUICK if quick else _WHOLE
    grown: dict[int, Idle] = {}
    for hosts in extent.sizes[:-1]:
        idle = partial(_idle, hosts=hosts, numbers=(hosts * _EACH,), extent=extent, say=say)
        ((_, grown[hosts]),) = world.inside(idle, cib(hosts))
    largest = partial(_largest, grown=grown, extent=extent, say=say)
    yield from world.inside(largest, cib(_LARGE))


def _largest(here: World, grown: dict[int, Idle], extent: Extent, say: Say) -> Iterator[Case]:
    numbers = [*extent.instances, _LARGE * _EACH]
    filled = dict(_idle(here, _LARGE, numbers, extent, say))
    grown[_LARGE] = filled[_LARGE * _EACH]
    yield from _growth(grown)
    yield from _independence(filled)


def _idle(
    here: World, hosts: int, numbers: Sequence[int], extent: Extent, say: Say
) -> Iterator[tuple[int, Idle]]:
    """The site with each of these numbers of instances."""
    for instances in numbers:
        say(f"idle with {hosts} hosts and {instances} instances")
        nova = Nova(here, hosts, instances)
        evacuator = Evacuator(here, nova.config)
        evacuator.wait_for_nova()
        idle = Idle()
        for _ in range(extent.times):
            idle.turn.append(_turns(evacuator, extent.turns) / extent.turns)
            idle.memory.append(usage.resident(evacuator.pid))
        before = usage.used(evacuator.pid)
        time.sleep(extent.minute)
        idle.minute.append((usage.used(evacuator.pid) - before) * 60 / extent.minute)
        _calls(here, idle, extent.times)
        evacuator.stop()
        nova.kill()
        _off(here, host(hosts), idle, extent.times)
        yield instances, idle


def _turns(evacuator: Evacuator, number: int) -> float:
    """CPU seconds of some turns; each time the bell rings it takes one."""
    before = usage.used(evacuator.pid)
    for _ in range(number):
        client.ring()
        time.sleep(_TURN)
    return usage.used(evacuator.pid) - before


def _calls(here: World, idle: Idle, times: int) -> None:
    # As JSON: the exit code of the text is the verdict.
    status = Command((str(here.novaha), "status", "--output", "json"), here.environment)
    monitor = Command((str(here.fence_compute),), here.environment, "action=monitor\n")
    for samples, costs in (
        (idle.status, usage.alternating({"": status}, times)),
        (idle.monitor, usage.alternating({"": monitor}, times)),
    ):
        samples.extend(round(found.cpu, 6) for found in costs[""])


def _off(here: World, name: str, idle: Idle, times: int) -> None:
    """With no evacuator, which would work on what is flagged."""
    lines = f"action=off\nnodename={name}\n"
    off = Command((str(here.fence_compute),), here.environment, lines)
    idle.off.extend(round(found.cpu, 6) for found in usage.alternating({"": off}, times)[""])
    flag = f"//instance_attributes[@id='novaha-{name}']"
    world.run(["cibadmin", "--delete", "--force", "--xpath", flag])


_WHAT = {
    "turn": ("a turn of the idle evacuator, CPU time", "s"),
    "minute": ("a minute of the idle evacuator, CPU time", "s"),
    "memory": ("the idle evacuator, memory", "MB"),
    "status": ("novaha status, CPU time", "s"),
    "monitor": ("fence_compute monitor, CPU time", "s"),
    "off": ("fence_compute off, CPU time", "s"),
}


def _growth(grown: Mapping[int, Idle]) -> Iterator[Case]:
    """Ten times the hosts may cost ten times as much."""
    for name, (text, unit) in _WHAT.items():
        samples = {hosts: tuple(getattr(idle, name)) for hosts, idle in grown.items()}
        for hosts, found in samples.items():
            yield Case(f"{text}, {hosts} hosts", unit, found, series=text, size=hosts)
        beside = f"{_SMALL} hosts"
        yield Case(
            f"{text}, from {_SMALL} to {_LARGE} hosts",
            unit,
            samples[_LARGE],
            {beside: samples[_SMALL]},
            Goal(_LARGE / _SMALL, beside),
        )


def _independence(filled: Mapping[int, Idle]) -> Iterator[Case]:
    """Instances that are well cost nothing."""
    text, unit = _WHAT["turn"]
    beside = "no instances"
    for instances, idle in filled.items():
        if instances:
            yield Case(
                f"{text}, {instances} instances",
                unit,
                tuple(idle.turn),
                {beside: tuple(filled[0].turn)},
                Goal(_INDEPENDENT, beside),
            )


MARK = Mark(
    id=6,
    title="Scale: a thousand hosts",
    measured="The evacuator and the agents with nothing to do, on a real CIB of so many compute "
    "hosts, beside a simulated Nova with 50 instances on each.",
    beside="the same at a tenth of the hosts, and without instances.",
    mark="growth at most linear with hosts, none with instances",
    measure=measure,
)
