"""What is missing of novaha in a cluster's configuration, as pcs commands. Decides, does nothing.

Running the commands makes what is missing present; on the result nothing is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from novaha.cli import evacuator_place, fencing, proving
from novaha.cli.configuration import Configuration, LocationRule
from novaha.cli.steps import LayoutError, Step, Wanted, pairs
from novaha.contract.names import (
    COMPUTE,
    COMPUTE_AGENT,
    CONTROLLER,
    EVACUATE_AGENT,
    PROVIDER,
    ROLE,
)
from novaha.core.record import HOLD

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


def plan(now: Configuration, wanted: Wanted) -> list[Step]:
    """The commands that lead from `now` to `wanted`; none when nothing is missing.

    Raises LayoutError that names everything that is in the way at once.
    """
    computes = list(wanted.computes) or now.computes()
    problems = list(_problems(now, wanted, computes))
    if problems:
        raise LayoutError(problems)
    return [
        *fencing.concurrent_fencing(now),
        *roles(now, wanted, computes),
        *_groups(now, wanted, computes),
        *fencing.connections(now, computes),
        *fencing.flag_device(now, computes),
        *(fencing.brake_device(now, wanted, computes) if wanted.brake or now.brake() else ()),
        *(step for node in computes for step in fencing.levels(now, node, brake=wanted.brake)),
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
        if node in now.nodes and not fencing.power_levels(now, node):
            yield (
                f"{node} has no device that cuts its power: add one, as 'pcs stonith create "
                f"ipmi-{node} fence_ipmilan ip=ADDRESS username=USER password_script=FILE "
                f"pcmk_host_list={node}'"
            )
        for index, devices in fencing.power_levels(now, node) if node in now.nodes else ():
            if why := proving.powerless(now, node, devices):
                yield (
                    f"level {index} of {node} cuts no power: {why}. Add a device that does: a "
                    "success of that level would prove nothing, and its instances could run twice"
                )
    yield from evacuator_place.problems(now, computes, EVACUATE_ID)
    ours = {
        fencing.FENCE_ID: now.flag_device(),
        **({fencing.BRAKE_ID: now.brake()} if wanted.brake else {}),
        EVACUATE_ID: now.resource(EVACUATE_AGENT),
        COMPUTE_ID: now.holder(),
    }
    for name, mine in ours.items():
        if mine is None and name in now.ids:
            yield f"something else is called {name} already: rename or remove it"


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


def _evacuate(now: Configuration, wanted: Wanted, computes: Sequence[str]) -> Iterator[Step]:
    resource = now.resource(EVACUATE_AGENT)
    name = EVACUATE_ID if resource is None else resource.id
    if resource is None:
        yield Step(
            "the evacuator",
            (
                *("resource", "create", name, f"ocf:{PROVIDER}:{EVACUATE_AGENT}"),
                *pairs(wanted.evacuate),
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
                *pairs(wanted.compute),
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
        yield Step(f"{name}: parameters", ("resource", "update", name, *pairs(changed)))


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
