"""What is missing of novaha in how compute hosts are fenced, as pcs commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novaha.cli.configuration import NO_POWER, Configuration, Connection, Level
from novaha.cli.steps import Step, Wanted, pairs
from novaha.contract.names import BRAKE_AGENT, FENCE_AGENT

FENCE_ID = "fence-nova"
BRAKE_ID = "nova-brake"

# Its `on` says no as long as the host is held, and Pacemaker carries on with the fencing; it would
# ask again after a second first, and nobody is told before that is over.
_ON_RETRIES = "pcmk_on_retries"

# What it holds it holds again a second later, and all other fencings wait for that second.
_BRAKE_RETRIES = ("pcmk_off_retries=1", "pcmk_reboot_retries=1")

# A host that loses its power says nothing; it is noticed when this monitor gets no answer. As
# quick as was tried without a false alarm (docs/facts.md, bench/detect).
MONITOR = Connection("", interval=1, timeout=2)


CONCURRENT_FENCING = ("property", "set", "concurrent-fencing=true")


def concurrent_fencing(now: Configuration) -> list[Step]:
    """What lets a rack that fails be fenced at once, and not one host after the other.

    Only where nobody has decided, and on Pacemaker 2, where some builds have it off; from 3.0 on
    it is on.
    """
    old = now.properties.get("dc-version", "").startswith("2.")
    if not old or "concurrent-fencing" in now.properties:
        return []
    return [Step("several dead hosts are fenced at once", CONCURRENT_FENCING)]


def power_levels(now: Configuration, node: str) -> list[tuple[int, tuple[str, ...]]]:
    """The node's levels without our device: those that there are, else one for each device.

    One level a device is what Pacemaker does without levels: the next when one has failed.
    """
    powerless = {device.id for device in now.devices if device.agent in NO_POWER}
    levels = [
        (level.index, tuple(d for d in level.devices if d not in powerless))
        for level in now.levels_of(node)
    ]
    return [level for level in levels if level[1]] or [
        (index, (device,)) for index, device in enumerate(now.power_devices(node), start=1)
    ]


def connections(now: Configuration, computes: Sequence[str]) -> Iterator[Step]:
    """What makes the loss of a host's power be noticed soon; nothing where that is so already."""
    for node in computes:
        found = now.connections.get(node)
        if found is not None and found.longest > MONITOR.longest:
            title = f"{node}: the loss of its power is noticed within {MONITOR.longest:g} s"
            yield Step(title, monitor_of(found.id))


def monitor_of(connection: str) -> tuple[str, ...]:
    """The pcs command, without "pcs", that gives a connection the monitor that was proven."""
    times = (f"interval={MONITOR.interval:g}s", f"timeout={MONITOR.timeout:g}s")
    return ("resource", "update", connection, "op", "monitor", *times)


def flag_device(now: Configuration, computes: Sequence[str]) -> Iterator[Step]:
    device = now.flag_device()
    hosts = list(computes) if device is None else [*sorted(device.hosts - {*computes}), *computes]
    if device is None:
        yield Step(
            "the device that flags fenced hosts",
            (
                *("stonith", "create", FENCE_ID, FENCE_AGENT),
                *("pcmk_host_check=static-list", f"pcmk_host_list={' '.join(hosts)}"),
                f"{_ON_RETRIES}=1",
                *("op", "monitor", "interval=60s", "timeout=20s"),
            ),
        )
    elif not device.hosts.issuperset(computes):
        yield Step(
            f"{device.id} flags the new hosts too",
            ("stonith", "update", device.id, f"pcmk_host_list={' '.join(hosts)}"),
        )
    if device is not None and _ON_RETRIES not in device.attributes:
        yield Step(
            f"{device.id} is asked once to switch a host on that is held",
            ("stonith", "update", device.id, f"{_ON_RETRIES}=1"),
        )


def brake_device(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[Step]:
    device = now.brake()
    options = wanted.brake_options
    if device is None:
        yield Step(
            "the device that holds power-offs when many hosts fail at once",
            (
                *("stonith", "create", BRAKE_ID, BRAKE_AGENT),
                *("pcmk_host_check=static-list", f"pcmk_host_list={' '.join(computes)}"),
                *_BRAKE_RETRIES,
                *pairs(options),
                *("op", "monitor", "interval=60s", "timeout=20s"),
            ),
        )
        return
    if not device.hosts.issuperset(computes):
        hosts = [*sorted(device.hosts - {*computes}), *computes]
        yield Step(
            f"{device.id} is for the new hosts too",
            ("stonith", "update", device.id, f"pcmk_host_list={' '.join(hosts)}"),
        )
    given = {name: value for name, value in options.items() if device.attributes.get(name) != value}
    retries = dict(pair.split("=") for pair in _BRAKE_RETRIES)
    given |= {n: value for n, value in retries.items() if n not in device.attributes}
    if given:
        yield Step(f"{device.id}: its limits", ("stonith", "update", device.id, *pairs(given)))


def levels(now: Configuration, node: str, *, brake: bool = False) -> Iterator[Step]:
    """What makes the node's fencing levels right; nothing when they are.

    The brake first, because the power device must not act before it has judged (law 10); then the
    power device: a host is flagged only when it is really down (law 1).

    Every level of the node ends with the flag, or a fencing by the second would leave none.
    """
    device = now.flag_device()
    flag = FENCE_ID if device is None else device.id
    device = now.brake()
    first = (BRAKE_ID if device is None else device.id,) if brake or device else ()
    existing = {level.index: level for level in now.levels_of(node)}
    for index, power in power_levels(now, node):
        old: Level | None = existing.pop(index, None)
        if old is not None and old.devices == (*first, *power, flag):
            continue
        if old is not None:
            yield _remove(old)
        yield Step(
            f"{node}: {', '.join((*first, *power))}, then {flag}",
            ("stonith", "level", "add", str(index), node, *first, *power, flag),
        )
    for level in existing.values():
        yield _remove(level)  # our device alone, from before there was a power device


def _remove(level: Level) -> Step:
    return Step(
        f"{level.target}: level {level.index} is replaced",
        (
            *("stonith", "level", "remove", str(level.index)),
            *("target", level.target, "stonith", *level.devices),
        ),
    )
