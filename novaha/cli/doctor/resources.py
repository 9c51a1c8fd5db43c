"""The resources of ours, their constraints and options, and the alert, in the CIB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from pathlib import PurePath

from novaha.cli import evacuator_place, probes
from novaha.cli.configuration import Configuration, Device, LocationRule, Resource, seconds
from novaha.cli.credentials import SECRET
from novaha.cli.doctor.cluster import SETUP, Cluster, is_stopped, score
from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.cli.layout import COMPUTE_ID, EVACUATE_ID
from novaha.contract.names import (
    ALERT,
    COMPUTE,
    COMPUTE_AGENT,
    CONTROLLER,
    EVACUATE_AGENT,
    FENCE_AGENT,
    PROVIDER,
    ROLE,
)
from novaha.core.record import HOLD
from novaha.core.text import word as q

_BANNED = "-INFINITY"
_SECRET_NAME = re.compile(r"(?:^|[_-])(?:pass|passw|passwd|password|secret|token)$")
_FAILURE_TIMEOUT = 60
_PRIORITY = 100


def evacuate_resource(cluster: Cluster) -> Iterator[Trouble]:
    """One evacuator, enabled."""
    resource = cluster.now.resource(EVACUATE_AGENT)
    yield from _exists(cluster, resource, EVACUATE_AGENT, "nobody brings instances up elsewhere")
    if resource is not None and resource.clone:
        yield error(
            resource.id,
            "it is a clone: the evacuators would take the work from each other",
            f"pcs resource unclone {q(resource.id)}",
        )


def compute_resource(cluster: Cluster) -> Iterator[Trouble]:
    """nova-compute as an enabled clone."""
    resource = cluster.now.holder()
    yield from _exists(
        cluster, resource, COMPUTE_AGENT, "nova-compute starts before its host is recovered"
    )
    if resource is not None and not resource.clone:
        yield error(resource.id, "it is no clone: it runs on one host only", SETUP)


def _exists(
    cluster: Cluster, resource: Resource | None, agent: str, consequence: str
) -> Iterator[Trouble]:
    if resource is None:
        yield error("", f"no resource of ocf:{PROVIDER}:{agent}: {consequence}", SETUP)
        return
    if is_stopped(resource.meta):
        name = resource.clone or resource.id
        yield error(resource.id, "it is disabled", f"pcs resource enable {q(name)}")
    for other in cluster.now.resources:
        if other.agent == resource.agent and other.id != resource.id:
            yield error(
                other.id,
                f"a second resource of ocf:{PROVIDER}:{agent}, beside {resource.id}",
                f"pcs resource delete {q(other.id)}",
            )


def roles(cluster: Cluster) -> Iterator[Trouble]:
    """The rules look at the role."""
    now = cluster.now
    for node in now.computes():
        if now.roles.get(node) != COMPUTE:
            has = f"has {ROLE}={now.roles[node]}" if node in now.roles else f"has no {ROLE}"
            yield error(
                node,
                f"this compute node {has}: nova-compute does not start there",
                f"pcs node attribute {q(node)} {ROLE}={COMPUTE}",
            )


def evacuate_placement(cluster: Cluster) -> Iterator[Trouble]:
    """The evacuator runs on full cluster nodes, and there is one that it can run on."""
    now, resource = cluster.now, cluster.now.resource(EVACUATE_AGENT)
    if resource is None:
        yield not_checked("", f"there is no resource of {EVACUATE_AGENT}")
        return
    answers = evacuator_place.places(now)
    unclear = {name for answer in answers.values() for name in answer.unclear}
    for name in sorted(unclear):
        yield not_checked(resource.id, f"doctor does not see what the constraint {name} means")
    remote = [node for node, kind in now.nodes.items() if kind != "member"]
    if astray := [node for node in remote if answers[node].allowed and not answers[node].unclear]:
        text = "which has no fencer: there the evacuator would recover nothing"
        yield error(resource.id, f"it may be placed on the remote node {astray[0]}, {text}", SETUP)
    members = {node: answers[node] for node in now.members()}
    if unclear or any(answer.allowed for answer in members.values()):
        return
    why, what, command = evacuator_place.nowhere(resource.id, members)
    yield error(
        resource.id,
        why,
        SETUP if evacuator_place.earlier_bans(now, ()) else f"{what} {command}".strip(),
    )


def _of_the_clone(
    look: Callable[[Configuration, str], Iterator[Trouble]],
) -> Callable[[Cluster], Iterator[Trouble]]:
    """A check of nova-compute's clone, where there is one."""

    @wraps(look)
    def check(cluster: Cluster) -> Iterator[Trouble]:
        resource = cluster.now.holder()
        if resource is None or not resource.clone:
            yield not_checked("", f"there is no clone of {COMPUTE_AGENT}")
        else:
            yield from look(cluster.now, resource.clone)

    return check


@_of_the_clone
def compute_placement(now: Configuration, clone: str) -> Iterator[Trouble]:
    """nova-compute has no business on controllers."""
    exclusive = any(
        rule.resource == clone
        and (rule.attribute, rule.operation, rule.value) == (ROLE, "eq", COMPUTE)
        and rule.discovery == "exclusive"
        for rule in now.rules
    )
    symmetric = now.is_on("symmetric-cluster", default=True)
    banned = _bound(
        now.rules,
        LocationRule(clone, _BANNED, ROLE, "ne", COMPUTE),
        LocationRule(clone, _BANNED, ROLE, "eq", CONTROLLER),
    )
    if symmetric and not exclusive and not banned:
        yield error(clone, "no rule keeps it to the compute nodes", SETUP)


def compute_probes(cluster: Cluster) -> Iterator[Trouble]:
    """One dead host must not keep nova-compute from starting on the others."""
    yield from _own_probes(cluster)
    resource, now = cluster.now.holder(), cluster.now
    if resource is None or not resource.clone:
        return
    for name, nodes in probes.hold_up(cluster.root, now, resource.clone).items():
        where = nodes[0] if len(nodes) == 1 else f"{nodes[0]} and {len(nodes) - 1} more"
        yield warning(
            name,
            f"it starts before {resource.clone}, and Pacemaker looks for it on {where} before it "
            "starts it anywhere: a host that is dead holds up nova-compute on the others",
            _not_looked_for(now, name, nodes[0]),
        )


def _not_looked_for(now: Configuration, name: str, node: str) -> str:
    """What ends the probes of a resource on compute nodes, and changes nothing else."""
    symmetric = now.is_on("symmetric-cluster", default=True)
    score_ = "0" if symmetric or now.may_run({name}, node).allowed else _BANNED
    lines = []
    for location in now.locations:
        if location.resources == {name} and len(location.rules) == 1:
            found = location.rules[0]
            if found.tests == ((ROLE, "eq", COMPUTE),) and found.clear:  # pcs takes no second one
                lines.append(f"pcs constraint delete {q(location.id)}")
                score_ = found.score
    rule = f"rule resource-discovery=never score={q(score_)} {ROLE} eq {COMPUTE}"
    return "\n".join([*lines, f"pcs constraint location {q(name)} {rule}"])


@_of_the_clone
def _own_probes(now: Configuration, clone: str) -> Iterator[Trouble]:
    wanted = LocationRule(clone, "0", ROLE, "eq", COMPUTE)
    looked_for = {r.discovery for r in now.rules if replace(r, discovery="always") == wanted}
    exclusive = "exclusive" in looked_for  # where two rules differ, that one counts
    if exclusive or "never" not in looked_for:
        remove = "pcs constraint delete ID, of its rule with resource-discovery=exclusive\n"
        yield warning(
            clone,
            "Pacemaker looks for it on every host before it starts it on one, and for that tries "
            "to reach the dead ones",
            (remove if exclusive else "") + SETUP,
        )


@_of_the_clone
def hold_rule(now: Configuration, clone: str) -> Iterator[Trouble]:
    """Pacemaker itself must know that a host is held (law 4)."""
    if not _bound(now.rules, LocationRule(clone, _BANNED, HOLD, "eq", "true")):
        yield error(
            clone,
            f"no rule on {HOLD}: Pacemaker tries to start it on hosts that are not recovered yet, "
            "and that fails",
            SETUP,
        )


def _bound(rules: frozenset[LocationRule], *wanted: LocationRule) -> bool:
    """Whether one of these rules is there, wherever Pacemaker looks for the resource."""
    return any(replace(rule, discovery="always") in wanted for rule in rules)


def alert(cluster: Cluster) -> Iterator[Trouble]:
    """Fencings are told to the evacuator at once."""
    if not alert_files(cluster):
        yield warning("", "no alert wakes the evacuator: it notices a fencing seconds later", SETUP)


def alert_files(cluster: Cluster) -> list[str]:
    """The files of the alerts that are ours."""
    return [path for path in cluster.now.alerts.values() if PurePath(path).name == ALERT]


def options(cluster: Cluster) -> Iterator[Trouble]:
    """Meta attributes without which a failure lasts longer than it must."""
    now = cluster.now
    evacuate, compute = now.resource(EVACUATE_AGENT), now.holder()
    if evacuate is None and compute is None:
        yield not_checked("", "there is no resource of ours")
    for resource in filter(None, (evacuate, compute)):
        if not seconds(resource.meta.get("failure-timeout", "0")):
            yield warning(
                resource.id,
                "no failure-timeout: after a failed start it stays away from that node until "
                "somebody cleans up",
                f"pcs resource meta {q(resource.id)} failure-timeout={_FAILURE_TIMEOUT}s",
            )
    if evacuate is None:
        return
    remote = [
        score(str(pair.get("value")))
        for primitive in cluster.root.iterfind(".//resources//primitive[@type='remote']")
        for pair in primitive.iterfind("meta_attributes/nvpair[@name='priority']")
    ]
    if score(evacuate.meta.get("priority", "0")) <= max([0.0, *remote]):
        yield warning(
            evacuate.id,
            "it has no priority: on busy controllers its start waits for tries to reach a dead "
            "host",
            f"pcs resource meta {q(evacuate.id)} priority={_PRIORITY}",
        )
    if score(evacuate.meta.get("resource-stickiness", "0")) <= 0:
        yield warning(
            evacuate.id,
            "no resource-stickiness: it may be moved between controllers without need",
            f"pcs resource meta {q(evacuate.id)} resource-stickiness=1",
        )
    if score(evacuate.meta.get("migration-threshold", "INFINITY")) in (0.0, float("inf")):
        yield warning(
            evacuate.id,
            "no migration-threshold: failing on one controller it never moves to another",
            f"pcs resource meta {q(evacuate.id)} migration-threshold=2",
        )


def moved_by_hand(cluster: Cluster) -> Iterator[Trouble]:
    """What `pcs resource move` and `ban` leave behind keeps a resource away for ever."""
    ours = {name for r in cluster.now.resources for name in (r.id, r.clone) if name}
    ours |= {device.id for device in cluster.now.devices}
    for location in cluster.root.iterfind(".//constraints/rsc_location"):
        name = str(location.get("rsc"))
        if name in ours and str(location.get("id")).startswith(("cli-ban-", "cli-prefer-")):
            yield warning(
                name,
                f"it was moved or banned by hand, which holds until it is cleared "
                f"({location.get('id')})",
                f"pcs resource clear {q(name)}",
            )


def secrets(cluster: Cluster) -> Iterator[Trouble]:
    """Passwords of ours that everybody who may read the CIB can read (law 9)."""
    now = cluster.now
    ours: list[Device | Resource] = [d for d in now.devices if d.agent == FENCE_AGENT]
    ours += now.resources
    for one in ours:
        clear = sorted(
            name
            for name, value in one.attributes.items()
            if _SECRET_NAME.search(name) and value and not value.startswith(SECRET)
        )
        if not clear:
            continue
        text = f"its {', '.join(clear)} stands in the clear in the cluster's configuration"
        unset = " ".join(f"{name}=" for name in _credentials(one))
        if one.agent == EVACUATE_AGENT:
            remedy = (
                "put it into /etc/novaha/novaha.conf on every controller, then:\n"
                f"pcs resource update {q(one.id)} {unset}"
            )
        elif one.agent == FENCE_AGENT:
            text += ", and fencing needs none"
            remedy = f"pcs stonith update {q(one.id)} {unset}"
        else:
            text += ", and only a monitor of depth 10 needs it"
            remedy = f"pcs resource update {q(one.id)} {unset}"
        yield warning(one.id, text, remedy)


def _credentials(one: Device | Resource) -> list[str]:
    """The parameters to take out together: half a login is an error."""
    names = ("auth_url", "username", "login", "tenant_name", "user_domain", "project_domain")
    return [n for n in one.attributes if n in names or _SECRET_NAME.search(n)]


RESOURCES: tuple[Check[Cluster], ...] = (
    Check("nova-evacuate", "the evacuator's resource is enabled", evacuate_resource),
    Check("nova-compute", "nova-compute is an enabled clone", compute_resource),
    Check("roles", f"each compute node has {ROLE}={COMPUTE}", roles),
    Check("evacuate-placement", f"{EVACUATE_ID} runs on full cluster nodes", evacuate_placement),
    Check("compute-placement", f"{COMPUTE_ID} runs on compute nodes only", compute_placement),
    Check("compute-probes", f"a dead host holds up no start of {COMPUTE_ID}", compute_probes),
    Check("hold-rule", "nova-compute is not started on a host that is held", hold_rule),
    Check("alert", "an alert wakes the evacuator", alert),
    Check("resource-options", "failures expire, the evacuator comes first", options),
    Check("moved-by-hand", "no move or ban by hand is left", moved_by_hand),
    Check("secrets", "no password of ours stands in the clear in the CIB", secrets),
)
