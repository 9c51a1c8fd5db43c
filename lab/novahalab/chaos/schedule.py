"""Which faults happen when: a pure function of the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from novahalab import layout

SERVICES = (
    "nova-api",
    "nova-conductor",
    "nova-scheduler",
    "keystone",
    "placement",
    "database",
    "bus",
)
CONTROLLER_FAULTS = frozenset(
    {"crash-controller", "crash-dc-and-compute", "freeze-controller", "cut-controller"}
)
_RECOVERS = 60.0
"""Seconds that a controller gets to come back before the next one is disturbed."""
_TWO_AT_ONCE = 0.15
"""How often two controllers are disturbed at once all the same: then there is no quorum."""


@dataclass(frozen=True)
class Fault:
    """One thing that happens.

    at: seconds after the beginning. lasts: seconds until it is undone, 0 for what needs no
    undoing. targets: nodes or services; empty where they are looked up when it happens.
    value: what the kind makes of it (a delay in seconds, a choice).
    """

    at: float
    kind: str
    targets: tuple[str, ...] = ()
    lasts: float = 0.0
    value: float = 0.0


_Maker = Callable[[random.Random, Sequence[str]], Fault]


def schedule(seed: int, minutes: float, computes: Sequence[str]) -> list[Fault]:
    """The faults of a run, in order of time; equal arguments give equal faults.

    All end within ``minutes``. The first one is the death of a compute node while instances
    boot slowly, so that the shortest run has something to recover.
    """
    end = minutes * 60
    dice = random.Random(f"novaha chaos {seed}")
    faults = [
        Fault(1.0, "slow-spawn", (), min(30.0, end - 1), round(dice.uniform(1, 6), 1)),
        Fault(3.0, "crash", (dice.choice(list(computes)),)),
    ]
    at = 3.0
    while True:
        # Now and then several things at once, and now and then time for a recovery to end.
        low, high = dice.choices(((0, 2), (4, 20), (40, 80)), (30, 55, 15))[0]
        at += dice.uniform(low, high)
        if at > end - 5:
            break
        fault = _one(dice, at, end, computes, faults)
        if fault is not None:
            faults.append(fault)
    # Dice of their own: what a seed has always meant, it means.
    faults += _storms(random.Random(f"novaha storms {seed}"), end)
    faults += _put_backs(random.Random(f"novaha put-backs {seed}"), end, computes)
    faults += _tenants(random.Random(f"novaha tenants {seed}"), end)
    return sorted(faults, key=lambda fault: (fault.at, fault.kind))


def _one(
    dice: random.Random, at: float, end: float, computes: Sequence[str], before: Sequence[Fault]
) -> Fault | None:
    """A fault at this moment, None if what was drawn makes no sense beside the others."""
    kind = dice.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
    drawn = _KINDS[kind][1](dice, computes)
    allowed = dice.random() < _TWO_AT_ONCE
    fault = Fault(
        round(at, 2),
        kind,
        drawn.targets,
        round(min(drawn.lasts, end - at), 2),
        round(drawn.value, 2),
    )
    for other in before:
        over = other.at + other.lasts
        both = kind in CONTROLLER_FAULTS and other.kind in CONTROLLER_FAULTS
        if both and not allowed and at < over + _RECOVERS:
            return None
        same_target = other.targets == fault.targets and bool(fault.lasts and other.lasts)
        same_kind = other.kind == kind and not other.targets
        if (same_target or same_kind) and at < over:
            return None
    return fault


def _on_one(low: float, high: float) -> _Maker:
    def make(dice: random.Random, computes: Sequence[str]) -> Fault:
        return Fault(0, "", (dice.choice(list(computes)),), dice.uniform(low, high))

    return make


def _now(dice: random.Random, computes: Sequence[str]) -> Fault:
    return Fault(0, "", (dice.choice(list(computes)),))


def _two(dice: random.Random, computes: Sequence[str]) -> Fault:
    return Fault(0, "", tuple(dice.sample(list(computes), 2)), 0, dice.uniform(0, 3))


def _all_but_one(dice: random.Random, computes: Sequence[str]) -> Fault:
    return Fault(0, "", tuple(dice.sample(list(computes), len(computes) - 1)), 0, 0.5)


def _again(dice: random.Random, computes: Sequence[str]) -> Fault:
    """Dies, and dies once more while it is being recovered or has just come back."""
    return Fault(0, "", (dice.choice(list(computes)),), 0, dice.uniform(3, 40))


def _controller(dice: random.Random, computes: Sequence[str]) -> Fault:
    return Fault(0, "", (dice.choice(layout.CONTROLLERS),), dice.uniform(5, 40))


def _dc(dice: random.Random, computes: Sequence[str]) -> Fault:
    return Fault(0, "", (dice.choice(list(computes)),), dice.uniform(10, 30))


def _nobody(low: float, high: float) -> _Maker:
    def make(dice: random.Random, computes: Sequence[str]) -> Fault:
        return Fault(0, "", (), dice.uniform(low, high), dice.uniform(1, 15))

    return make


def _service(dice: random.Random, computes: Sequence[str]) -> Fault:
    return Fault(0, "", (dice.choice(SERVICES),), dice.uniform(2, 40))


def _cut_controller(dice: random.Random, computes: Sequence[str]) -> Fault:
    network = dice.choice(layout.NETWORKS)
    return Fault(0, "", (dice.choice(layout.CONTROLLERS), network), dice.uniform(3, 30))


def _cut_compute(dice: random.Random, computes: Sequence[str]) -> Fault:
    network = dice.choice(("cluster", "api"))
    return Fault(0, "", (dice.choice(list(computes)), network), dice.uniform(3, 30))


def _cut_group(dice: random.Random, computes: Sequence[str]) -> Fault:
    """A whole group loses one network: the cloud, the BMCs, all controllers, all compute nodes."""
    group = dice.choice(
        (("cloud", "api"), ("bmc", "ipmi"), ("controllers", "api"), ("computes", "api"))
    )
    return Fault(0, "", group, dice.uniform(5, 35))


_KINDS: dict[str, tuple[float, _Maker]] = {
    "crash": (10, _now),
    "crash-two": (4, _two),
    "crash-all-but-one": (2, _all_but_one),
    "crash-again": (6, _again),
    "crash-controller": (4, _controller),
    "crash-dc-and-compute": (4, _dc),
    "freeze-compute": (3, _on_one(8, 40)),
    "freeze-controller": (4, _controller),
    "kill-evacuator": (8, _nobody(0, 0)),
    "kill-agents": (5, _nobody(2, 6)),
    "stop-service": (10, _service),
    "freeze-service": (6, _service),
    "cut-controller": (4, _cut_controller),
    "cut-compute": (5, _cut_compute),
    "cut-group": (4, _cut_group),
    "slow-spawn": (6, _nobody(10, 60)),
    "fail-spawn": (4, _nobody(10, 40)),
    "no-room": (3, _on_one(20, 60)),
    "operator-disable": (4, _on_one(15, 60)),
    "operator-down": (2, _on_one(15, 60)),
}

_PUT_BACK = 150.0
"""Seconds in which a host dies, is recovered, is back for a while, and gets its old record."""


def _put_backs(dice: random.Random, end: float, computes: Sequence[str]) -> list[Fault]:
    """A copy of the configuration is pushed that was taken while a host was in recovery."""
    found = []
    at = dice.uniform(20, 60)
    while at < end - _PUT_BACK:
        target = (dice.choice(list(computes)),)
        found.append(Fault(round(at, 2), "crash-and-put-back", target, _PUT_BACK))
        at += _PUT_BACK + dice.uniform(30, 300)
    return found


_STORM = 20.0


def _storms(dice: random.Random, end: float) -> list[Fault]:
    """All compute hosts at once seem dead, and none is: the brake's own faults (law 10)."""
    found = []
    at = dice.uniform(40, 90)
    while at < end - 2 * _STORM:
        if dice.random() < 0.7:
            fault = Fault(round(at, 2), "cut-group", ("computes", "cluster"), _STORM)
        else:
            fault = Fault(round(at, 2), "deaf-controller", (dice.choice(layout.CONTROLLERS),), 40)
        found.append(fault)
        at += dice.uniform(100, 240)
    return [f for f in found if f.at + f.lasts < end]


_TENANT_KINDS = {
    "tenant-create": 5,
    "tenant-delete": 3,
    "tenant-stop": 3,
    "tenant-start": 2,
    "tenant-lock": 1,
}


def _tenants(dice: random.Random, end: float) -> list[Fault]:
    found = []
    at = 5.0
    while at < end - 10:
        kind = dice.choices(list(_TENANT_KINDS), list(_TENANT_KINDS.values()))[0]
        # value: which of the instances that there are then, from 0 to 1.
        found.append(Fault(round(at, 2), kind, value=round(dice.random(), 3)))
        at += dice.uniform(4, 20)
    return found
