"""What is missing of novaha in a cluster's configuration, as pcs commands. Decides, does nothing.

Running the commands makes what is missing present; on the result nothing is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from novaha.cli import evacuator_place, proving
from novaha.cli.configuration import NO_POWER, Configuration, Connection, Level, LocationRule
from novaha.contract.names import (
    ALERT,
    BRAKE_AGENT,
    COMPUTE,
    COMPUTE_AGENT,
    CONTROLLER,
    EVACUATE_AGENT,
    FENCE_AGENT,
    PROVIDER,
    ROLE,
)
from novaha.core.errors import NovahaError
from novaha.core.record import HOLD

FENCE_ID = "fence-nova"
BRAKE_ID = "nova-brake"
EVACUATE_ID = "nova-evacuate"
COMPUTE_ID = "nova-compute"
ALERT_ID = "novaha-alert"

# A failed start bans a resource from the node until its failure expires, for ever by default.
# A minute is long enough not to spin, and short enough that a node is not lost overnight. The
# evacuator moves to another controller when restarting it in place has not helped once. Where
# Pacemaker throttles itself, what has priority comes before the next try to reach a dead host.
_EVACUATE_META = (
    *("failure-timeout=60s", "migration-threshold=2"),
    *("priority=100", "resource-stickiness=1"),
)
_COMPUTE_META = ("failure-timeout=60s",)

# Its `on` says no as long as the host is held, and Pacemaker carries on with the fencing; it would
# ask again after a second first, and nobody is told before that is over.
_ON_RETRIES = "pcmk_on_retries"

# What it holds it holds again a second later, and all other fencings wait for that second.
_BRAKE_RETRIES = ("pcmk_off_retries=1", "pcmk_reboot_retries=1")

# No action may take long: while one runs, Pacemaker fences nobody.
_EVACUATE_OPERATIONS = (
    *("start", "interval=0s", "timeout=30s"),
    *("stop", "interval=0s", "timeout=20s"),
    *("monitor", "interval=10s", "timeout=20s"),
    *("monitor", "interval=60s", "timeout=20s", "OCF_CHECK_LEVEL=10"),
)
_COMPUTE_OPERATIONS = (
    *("start", "interval=0s", "timeout=30s"),
    *("stop", "interval=0s", "timeout=30s"),
    *("monitor", "interval=10s", "timeout=20s"),
)

# A host that loses its power says nothing; it is noticed when this monitor gets no answer. As
# quick as was tried without a false alarm (docs/facts.md, bench/detect).
MONITOR = Connection("", interval=1, timeout=2)


class LayoutError(NovahaError):
    """The cluster is not one that novaha can be set up in. problems: what to do about it."""

    def __init__(self, problems: Sequence[str], what: str = "set up") -> None:
        self.problems = tuple(problems)
        super().__init__("\n  ".join([f"this cluster cannot be {what} yet:", *problems]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator wants.

    computes: compute nodes; all that the cluster shows if empty.
    evacuate, compute: parameters of the two resources.
    brake: whether the device that holds power-offs comes first in each level; where it is there
        already it does in any case.
    brake_options: parameters of it.
    groups: node attributes that put hosts into groups, by node.
    """

    computes: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    evacuate: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, str] = field(default_factory=dict)
    alert: str = f"/usr/share/pacemaker/alerts/{ALERT}"
    pcs: tuple[int, ...] = (0, 11)
    brake: bool = False
    brake_options: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One pcs command, without `pcs -f FILE`."""

    title: str
    argv: tuple[str, ...]


def plan(now: Configuration, wanted: Wanted) -> list[Step]:
    """The commands that lead from `now` to `wanted`; none when nothing is missing.

    Raises LayoutError that names everything that is in the way at once.
    """
    computes = list(wanted.computes) or now.computes()
    problems = list(_problems(now, wanted, computes))
    if problems:
        raise LayoutError(problems)
    return [
        *concurrent_fencing(now),
        *roles(now, wanted, computes),
        *_groups(now, wanted, computes),
        *_connections(now, computes),
        *_flag_device(now, computes),
        *(_brake_device(now, wanted, computes) if wanted.brake or now.brake() else ()),
        *(step for node in computes for step in levels(now, node, brake=wanted.brake)),
        *_evacuate(now, wanted, computes),
        *_compute(now, wanted),
        *_alert(now, wanted),
    ]


def _problems(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[str]:
    if not computes:
        yield (
            "there is no compute node: add some with 'pcs cluster node add-remote NODE', "
            "or name them with --compute"
        )
    for node in (*computes, *wanted.controllers):
        if node not in now.nodes:
            yield f"{node} is no node of this cluster"
        elif node in wanted.controllers and now.nodes[node] != "member":
            yield f"{node} cannot be a controller: it is a {now.nodes[node]} node, no full one"
    if not now.stonith_enabled:
        yield "fencing is switched off: 'pcs property set stonith-enabled=true'"
    if now.unclear_levels:
        yield (
            f"the fencing levels {', '.join(now.unclear_levels)} are for patterns or attributes "
            "of nodes: replace them by levels for each compute node ('pcs stonith level')"
        )
    for node in computes:
        if node in now.nodes and not power_levels(now, node):
            yield (
                f"{node} has no device that cuts its power: add one, as 'pcs stonith create "
                f"ipmi-{node} fence_ipmilan ip=ADDRESS username=USER password_script=FILE "
                f"pcmk_host_list={node}'"
            )
        for index, devices in power_levels(now, node) if node in now.nodes else ():
            if why := proving.powerless(now, node, devices):
                yield (
                    f"level {index} of {node} cuts no power: {why}. Add a device that does: a "
                    "success of that level would prove nothing, and its instances could run twice"
                )
    yield from evacuator_place.problems(now, computes, EVACUATE_ID)
    ours = {
        FENCE_ID: now.flag_device(),
        **({BRAKE_ID: now.brake()} if wanted.brake else {}),
        EVACUATE_ID: now.resource(EVACUATE_AGENT),
        COMPUTE_ID: now.holder(),
    }
    for name, mine in ours.items():
        if mine is None and name in now.ids:
            yield f"something else is called {name} already: rename or remove it"


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


def roles(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[Step]:
    """The attribute that the rules look at. A controller that is a compute node has that role."""
    controllers = [n for n in wanted.controllers if n not in computes]
    each = [(n, COMPUTE) for n in computes] + [(n, CONTROLLER) for n in controllers]
    for node, role in each:
        if now.roles.get(node) != role:
            yield Step(f"{node} is a {role} node", ("node", "attribute", node, f"{ROLE}={role}"))


def _groups(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[Step]:
    """What Nova tells of groups; where it tells nothing, what is there stays."""
    for node in computes:
        for name, value in sorted(wanted.groups.get(node, {}).items()):
            if now.attributes.get(node, {}).get(name) != value:
                yield Step(
                    f"{node}: {name} is {value}", ("node", "attribute", node, f"{name}={value}")
                )


def _connections(now: Configuration, computes: Sequence[str]) -> Iterator[Step]:
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


def _flag_device(now: Configuration, computes: Sequence[str]) -> Iterator[Step]:
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


def _brake_device(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[Step]:
    device = now.brake()
    options = wanted.brake_options
    if device is None:
        yield Step(
            "the device that holds power-offs when many hosts fail at once",
            (
                *("stonith", "create", BRAKE_ID, BRAKE_AGENT),
                *("pcmk_host_check=static-list", f"pcmk_host_list={' '.join(computes)}"),
                *_BRAKE_RETRIES,
                *_pairs(options),
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
        yield Step(f"{device.id}: its limits", ("stonith", "update", device.id, *_pairs(given)))


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


def _evacuate(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[Step]:
    resource = now.resource(EVACUATE_AGENT)
    name = EVACUATE_ID if resource is None else resource.id
    if resource is None:
        yield Step(
            "the evacuator",
            (
                *("resource", "create", name, f"ocf:{PROVIDER}:{EVACUATE_AGENT}"),
                *_pairs(wanted.evacuate),
                *("op", *_EVACUATE_OPERATIONS, "meta", *_EVACUATE_META),
            ),
        )
    else:
        yield from _update(resource.id, resource.attributes, wanted.evacuate)
    yield from evacuator_placement(now, wanted, computes)


def evacuator_placement(
    now: Configuration, wanted: Wanted, computes: Sequence[str]
) -> Iterator[Step]:
    """What keeps the evacuator on the full cluster nodes, and lets it run on each of them."""
    resource = now.resource(EVACUATE_AGENT)
    name = EVACUATE_ID if resource is None else resource.id
    for location in evacuator_place.earlier_bans(now, computes):
        yield Step(
            f"{name}: also on cluster nodes that are compute nodes",
            ("constraint", "delete", location.id),
        )
    title = "on cluster nodes only, never on a remote node"
    yield from _rule(now, wanted, title, evacuator_place.rule(name))
    if not now.is_on("symmetric-cluster", default=True):
        yield from _rule(now, wanted, "on every cluster node", evacuator_place.opening(name))


def _compute(now: Configuration, wanted: Wanted) -> Iterator[Step]:
    resource = now.holder()
    name = COMPUTE_ID if resource is None else resource.id
    clone = f"{name}-clone" if resource is None else resource.clone or f"{name}-clone"
    if resource is None:
        yield Step(
            "nova-compute on every compute node",
            (
                *("resource", "create", name, f"ocf:{PROVIDER}:{COMPUTE_AGENT}"),
                *_pairs(wanted.compute),
                *("op", *_COMPUTE_OPERATIONS, "meta", *_COMPUTE_META, "clone"),
            ),
        )
    else:
        if resource.agent == COMPUTE_AGENT:
            yield from _update(resource.id, resource.attributes, wanted.compute)
        if not resource.clone:
            yield Step("nova-compute on every compute node", ("resource", "clone", name))
    if resource is None or not resource.clone:
        # Not on the line above: pcs 0.11 and 0.12 disagree about options of a clone there.
        yield Step(
            "set interleave=true, so that no node waits for another",
            ("resource", "meta", clone, "interleave=true"),
        )
    yield from placement(now, wanted, clone)
    yield from hold(now, wanted, clone)


def placement(now: Configuration, wanted: Wanted, clone: str) -> Iterator[Step]:
    """The rules that a clone runs on compute nodes, and is looked for nowhere."""
    yield from _rule(
        now,
        wanted,
        "only on compute nodes",
        LocationRule(clone, "-INFINITY", ROLE, "ne", COMPUTE, "never"),
    )
    yield from _rule(
        now,
        wanted,
        "no probes on compute nodes",
        # Pacemaker probes all nodes, dead ones too, before it starts a clone.
        LocationRule(clone, "0", ROLE, "eq", COMPUTE, "never"),
    )


def hold(now: Configuration, wanted: Wanted, clone: str) -> Iterator[Step]:
    """The rule that a clone does not run on a host whose recovery is unfinished."""
    yield from _rule(
        now,
        wanted,
        "not on a host that is held",
        LocationRule(clone, "-INFINITY", HOLD, "eq", "true"),
    )


def _update(name: str, now: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Step]:
    changed = {key: value for key, value in wanted.items() if now.get(key, "") != value}
    if changed:
        yield Step(f"{name}: parameters", ("resource", "update", name, *_pairs(changed)))


def _rule(now: Configuration, wanted: Wanted, title: str, rule: LocationRule) -> Iterator[Step]:
    if rule in now.rules:
        return
    expression: tuple[str, ...] = (rule.attribute, rule.operation, rule.value)
    if wanted.pcs >= (0, 12):
        expression = (" ".join(expression),)  # several arguments are deprecated there
    always = rule.discovery == "always"
    options = () if always else (f"resource-discovery={rule.discovery}",)
    yield Step(
        f"{rule.resource}: {title}",
        (
            *("constraint", "location", rule.resource, "rule"),
            *(*options, f"score={rule.score}", *expression),
        ),
    )


def _alert(now: Configuration, wanted: Wanted) -> Iterator[Step]:
    if wanted.alert not in now.alerts.values():
        yield Step(
            "the evacuator is woken by fencings",
            ("alert", "create", f"path={wanted.alert}", f"id={ALERT_ID}"),
        )


def _pairs(parameters: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in parameters.items()]
