"""From what there is to novaha's configuration, as pcs commands in parts. Decides, does nothing.

Each part goes into the cluster whole, and after each of them every failure is still noticed, by
the older agents or by ours; docs/guide/upgrade.md says why in this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from novaha.cli import layout
from novaha.cli.configuration import Configuration
from novaha.cli.migrate.older import Older
from novaha.cli.steps import LayoutError, Step, Wanted
from novaha.contract.names import COMPUTE_AGENT, EVACUATE_AGENT
from novaha.core.errors import NovahaError
from novaha.core.text import word as q

_MONITORS = {("10s", "0"), ("60s", "10")}
"""The evacuator's checks: interval and depth."""

_MONITOR_TIMEOUT = "20s"

_EVACUATE_META = (
    *(("failure-timeout", "60s"), ("migration-threshold", "2")),
    *(("priority", "100"), ("resource-stickiness", "1")),
)


class NothingOlderError(NovahaError):
    """There is nothing to migrate from."""

    def __init__(self) -> None:
        super().__init__(
            "nothing of the older agents is configured here: no NovaEvacuate, no fence_compute, no "
            "fence_evacuate; 'novaha setup' configures novaha"
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Commands that belong together. why: for people.

    ours: whether novaha's agents must have replaced the older ones before.
    """

    title: str
    why: str
    steps: tuple[Step, ...]
    ours: bool = True


def plan(now: Configuration, older: Older, wanted: Wanted) -> list[Part]:
    """What is to be done; nothing when all of it is done.

    Raises NothingOlderError, and LayoutError that names everything that is in the way.
    """
    if not older.found:
        raise NothingOlderError
    wanted = replace(wanted, computes=wanted.computes or older.computes)
    if problems := list(_problems(now, older, wanted)):
        raise LayoutError(problems, "migrated")
    hold = [*_hold(now, older, wanted)]
    # What novaha wants is the same wherever one comes from; it is only asked for in parts here.
    missing = [step for step in layout.plan(now, wanted) if step not in hold]
    parts = [
        Part(
            "hold",
            "before anything flags a host the new way, Pacemaker knows what a held host is",
            tuple(hold),
            ours=False,
        ),
        Part(
            "unfencing",
            "before anything of the fence device changes, for that would have every host unfenced, "
            "and nova-compute restarted",
            tuple(_unfencing(now, older)),
        ),
        Part(
            "recovery",
            "every fenced host is flagged in the CIB, and the evacuator is woken at once",
            (*missing, *_evacuate(now, older), *_holder(now)),
        ),
        Part(
            "older things",
            "last, when nothing needs them any more",
            tuple(_older_things(now, older)),
        ),
    ]
    return [part for part in parts if part.steps]


def _problems(now: Configuration, older: Older, wanted: Wanted) -> Iterator[str]:
    evacuate = now.resource(EVACUATE_AGENT)
    if evacuate is not None and evacuate.clone:
        yield f"{evacuate.id} is a clone: 'pcs resource unclone {q(evacuate.id)}'"
    holder = now.holder()
    for unit, waits in older.units.items():
        if holder is None or holder.agent == COMPUTE_AGENT or not waits:
            yield (
                f"{unit} starts nova-compute and does not wait for a recovery: give it an "
                "ocf:openstack:nova-compute-wait, cloned, and an order constraint after that; "
                "adding the constraint restarts nova-compute, the instances run on"
            )
    if holder is None and not older.units and not {"unit", "binary"} & set(wanted.compute):
        yield (
            "nova-compute is no resource of this cluster: say which unit Pacemaker is to start it "
            "by, as --compute-option unit=tripleo_nova_compute for director's containers"
        )
    for name in older.sets:
        yield (
            f"the order constraint {name} stops the evacuator where nova-compute does not run, and "
            f"so would keep a held host held for ever: 'pcs constraint delete {q(name)}', or make "
            "it one without nova-compute"
        )


def _hold(now: Configuration, older: Older, wanted: Wanted) -> Iterator[Step]:
    for name in older.waits:
        yield Step("the evacuator runs whether or not nova-compute does", _delete(name))
    yield from layout.roles(now, wanted, wanted.computes)
    for name in older.exclusive:
        yield Step("its rule is replaced", _delete(name))
    holder = now.holder()
    clones = [holder.clone] if holder is not None and holder.clone else []
    for clone in (*clones, *older.units):
        yield from layout.placement(now, wanted, clone)
        yield from layout.hold(now, wanted, clone)


def _evacuate(now: Configuration, older: Older) -> Iterator[Step]:
    """A check that may take minutes, as the older ones, would keep Pacemaker from fencing."""
    resource = now.resource(EVACUATE_AGENT)
    if resource is None:
        return
    right = {(m.interval, m.level) for m in older.monitors if m.timeout == _MONITOR_TIMEOUT}
    for monitor in older.monitors:
        if (monitor.interval, monitor.level) not in _MONITORS & right:
            title = f"{resource.id}: the older check"
            yield Step(title, ("resource", "op", "delete", monitor.id))
    for interval, level in sorted(_MONITORS - right):
        depth = () if level == "0" else (f"OCF_CHECK_LEVEL={level}",)
        times = (f"interval={interval}", f"timeout={_MONITOR_TIMEOUT}")
        command = ("resource", "op", "add", resource.id, "monitor", *times, *depth)
        yield Step(f"{resource.id}: a check every {interval}", command)
    unset = [f"{n}={v}" for n, v in _EVACUATE_META if resource.meta.get(n, "0") == "0"]
    if unset:
        title = f"{resource.id}: failures expire, it comes first"
        yield Step(title, ("resource", "meta", resource.id, *unset))


def _holder(now: Configuration) -> Iterator[Step]:
    resource = now.holder()
    if resource is not None and "failure-timeout" not in resource.meta:
        command = ("resource", "meta", resource.id, "failure-timeout=60s")
        yield Step(f"{resource.id}: a start that was refused is tried again", command)


def _unfencing(now: Configuration, older: Older) -> Iterator[Step]:
    """The evacuator lets a host in again; Pacemaker need not ask for it."""
    for name in older.triggers:
        yield Step(f"{name}: nothing is unfenced any more", ("resource", "delete", name))
    for name in older.requires:
        yield Step(f"{name}: nor waits for it", ("resource", "meta", name, "requires="))
    flag = now.flag_device()
    if flag is not None and older.provides:
        yield Step(f"{flag.id}: nor promises it", ("stonith", "meta", flag.id, "provides="))


def _older_things(now: Configuration, older: Older) -> Iterator[Step]:
    flag = now.flag_device()
    if flag is not None and older.flag_parameters:
        unset = (f"{name}=" for name in older.flag_parameters)
        title = f"{flag.id}: needs neither Keystone nor Nova"
        yield Step(title, ("stonith", "update", flag.id, *unset))
    for name in older.evacuate_devices:
        yield Step(f"{name}: the evacuator evacuates", ("stonith", "delete", name))


def _delete(constraint: str) -> tuple[str, ...]:
    return ("constraint", "delete", constraint)
