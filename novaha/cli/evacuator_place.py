"""Where the evacuator may run: on each full cluster node, compute host or not, and nowhere else.

A remote node has no fencer to ask, and the connection to it depends on the nodes that have one.
When a full node that is a compute host dies with the evacuator on it, another one runs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from novaha.cli.configuration import Configuration, LocationRule
from novaha.cli.placement import KIND, Answer, Location, score
from novaha.contract.names import COMPUTE, CONTROLLER, EVACUATE_AGENT, ROLE
from novaha.core.text import word as q


def rule(name: str) -> LocationRule:
    """What `novaha setup` gives it. The agent may be missing elsewhere: nobody looks there."""
    return LocationRule(name, "-INFINITY", KIND, "ne", "cluster", "never")


def opening(name: str) -> LocationRule:
    """What it needs besides where symmetric-cluster=false: nothing else lets it run anywhere."""
    return LocationRule(name, "0", KIND, "eq", "cluster")


def earlier_bans(now: Configuration, computes: Sequence[str]) -> list[Location]:
    """Rules of earlier versions, by which it ran on no compute host at all.

    Only where a full cluster node is a compute host; elsewhere they do no harm.
    """
    resource = now.resource(EVACUATE_AGENT)
    if resource is None or not {*computes, *now.computes()} & {*now.members()}:
        return []
    earlier = (((ROLE, "eq", COMPUTE),), ((ROLE, "ne", CONTROLLER),))
    return [
        location
        for location in now.locations
        if location.resources == {resource.id}
        and len(location.rules) == 1
        and location.rules[0].tests in earlier
        and location.rules[0].clear
        and score(location.rules[0].score) < 0
    ]


def places(now: Configuration, locations: Sequence[Location] | None = None) -> dict[str, Answer]:
    """For each node whether it may run there. locations: instead of the cluster's own."""
    resource = now.resource(EVACUATE_AGENT)
    names = [name for name in (resource.id, resource.clone) if name] if resource else []
    return {node: now.may_run(names, node, locations) for node in now.nodes}


def problems(now: Configuration, computes: Sequence[str], name: str) -> Iterator[str]:
    """Why it could run on no cluster node, whatever setup does. name: of one not there yet."""
    resource = now.resource(EVACUATE_AGENT)
    name = resource.id if resource else name
    attributes = {
        node: {**now.attributes.get(node, {}), **({ROLE: COMPUTE} if node in computes else {})}
        for node in now.nodes
    }
    gone = earlier_bans(now, computes)
    left = [location for location in now.locations if location not in gone]
    symmetric = {**now.properties, "symmetric-cluster": "true"}  # setup opens the others
    then = replace(now, attributes=attributes, properties=symmetric)
    names = {name, resource.clone if resource else ""} - {""}
    answers = {node: then.may_run(names, node, left) for node in now.members()}
    if answers and not any(answer.allowed or answer.unclear for answer in answers.values()):
        why, what, command = nowhere(name, answers)
        yield f"{why}: {what} '{command}'" if what else f"{why}: {command}"


def nowhere(name: str, answers: dict[str, Answer]) -> tuple[str, str, str]:
    """Why the evacuator can run on none of these nodes, what to do about it, and the command."""
    because = list(dict.fromkeys(c for answer in answers.values() for c in answer.because))
    where = ", ".join(answers)
    if because:
        return (
            f"{name} can run on no cluster node ({where}), by the location constraints "
            f"{', '.join(because)}",
            "remove what keeps it away:",
            f"pcs constraint delete {q(because[0])}",
        )
    return (
        f"{name} can run on no cluster node ({where}): symmetric-cluster=false, and no location "
        "constraint lets it run there",
        "",
        "novaha setup --apply",
    )
