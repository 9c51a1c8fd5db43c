"""Fencing and the cluster's own options: what is checked in the configuration (CIB)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from novaha.cli import fencing, prerequisites, proving
from novaha.cli.configuration import Configuration, Level, meta, seconds
from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.contract.names import BRAKE_AGENT, FENCE_AGENT
from novaha.core import truth
from novaha.core.brake import read_limits
from novaha.core.text import word as q
from novaha.core.text import words
from novaha.pacemaker import patterns

if TYPE_CHECKING:
    from lxml.etree import _Element

SETUP = "novaha setup --apply"

_CONNECTION_START = 30.0
"""Seconds: while Pacemaker tries to connect to a dead host, it delays all other actions."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The configuration, whole and as novaha understands it."""

    root: _Element
    now: Configuration


def score(text: str) -> float:
    """Pacemaker's notation of a score; 0 for nonsense."""
    word = text.strip().lstrip("+").lower()
    try:
        return float("inf") if word == "infinity" else float(word)
    except ValueError:
        return float("-inf") if word == "-infinity" else 0.0


def is_stopped(attributes: Mapping[str, str]) -> bool:
    """Whether meta attributes keep a resource from running."""
    return attributes.get("target-role", "").lower() == "stopped"


def fencing_enabled(cluster: Cluster) -> Iterator[Trouble]:
    """Without fencing there is no recovery."""
    if not cluster.now.stonith_enabled:
        yield error(
            "",
            "fencing is switched off: no host is ever fenced, so none is ever recovered",
            "pcs property set stonith-enabled=true",
        )


def compute_nodes(cluster: Cluster) -> Iterator[Trouble]:
    """There is something to protect."""
    if not cluster.now.computes():
        yield error(
            "",
            "the cluster has no compute node: no remote or guest node, and none with the role",
            "pcs cluster node add-remote NODE reconnect_interval=60s op start timeout=20s",
        )


def power_devices(cluster: Cluster) -> Iterator[Trouble]:
    """Something cuts each compute node's power, and is in use."""
    now = cluster.now
    proofs = proving.levels(now)
    for node in now.computes():
        if not fencing.power_levels(now, node):
            yield error(
                node,
                "no device cuts its power: it cannot be fenced",
                f"pcs stonith create ipmi-{q(node)} fence_ipmilan ip=ADDRESS username=USER "
                f"password_script=FILE pcmk_host_list={q(node)}\n{SETUP}",
            )
        elif now.levels_of(node) and (why := proofs.without_power_device(node)):
            yield error(node, f"its fencing proves nothing: {why}", "pcs stonith level config")
    for device in now.devices:
        if device.agent not in (FENCE_AGENT, BRAKE_AGENT) and is_stopped(device.meta):
            yield error(
                device.id,
                "this fence device is disabled: Pacemaker does not use it",
                f"pcs stonith enable {q(device.id)}",
            )


def controllers_fencing(cluster: Cluster) -> Iterator[Trouble]:
    """A controller that dies and cannot be fenced holds up everything, recoveries too."""
    now = cluster.now
    ours = (FENCE_AGENT, BRAKE_AGENT)
    power = [device for device in now.devices if device.agent not in ours]
    given = now.properties.get("stonith-watchdog-timeout", "0")  # Pacemaker 3.0.3 renamed it
    watchdog = seconds(now.properties.get("fencing-watchdog-timeout", given))
    if asking := [device.id for device in power if not device.names_hosts]:
        what = f"only {', '.join(asking)} can tell which nodes it fences, and was not asked"
        yield not_checked("", what, f"stonith_admin --list-targets {q(asking[0])}")
        return
    if watchdog:
        text = "stonith-watchdog-timeout is set: no controller's watchdog was tried"
        yield not_checked("", text, "on each controller: pcs stonith sbd status")
        return
    for node, kind in sorted(now.nodes.items()):
        if kind == "member" and node not in now.computes() and not now.power_devices(node):
            yield warning(
                node,
                "no device is told to fence this controller: when it dies, the cluster waits for "
                "somebody to confirm that by hand",
                f"pcs stonith create ipmi-{q(node)} fence_ipmilan ip=ADDRESS username=USER "
                f"password_script=FILE pcmk_host_list={q(node)}",
            )


def fence_device(cluster: Cluster) -> Iterator[Trouble]:
    """The device that flags what was fenced."""
    now = cluster.now
    flag = now.flag_device()
    if flag is None:
        yield error("", f"no device of the agent {FENCE_AGENT}: nothing flags a fenced host", SETUP)
        return
    if is_stopped(flag.meta):
        yield error(flag.id, "it is disabled", f"pcs stonith enable {q(flag.id)}")
    missing = [node for node in now.computes() if flag.names_hosts and node not in flag.hosts]
    if missing:
        yield error(flag.id, f"it is not for {', '.join(missing)}: they are never flagged", SETUP)
    for device in now.devices:
        if device.agent == FENCE_AGENT and device.id != flag.id:
            yield error(
                device.id,
                f"a second device of the agent {FENCE_AGENT}, beside {flag.id}",
                f"pcs stonith delete {q(device.id)}",
            )


def fencing_levels(cluster: Cluster) -> Iterator[Trouble]:
    """A power device first and the flag last, in every level (laws 1 and 3)."""
    now = cluster.now
    if now.unclear_levels:
        yield warning(
            "",
            f"the fencing levels {', '.join(now.unclear_levels)} are for patterns or attributes "
            "of nodes: neither doctor nor setup sees what they mean",
            "pcs stonith level\npcs stonith level add 1 NODE POWER_DEVICE FLAG_DEVICE",
        )
    flag = now.flag_device()
    if flag is None:
        yield not_checked("", f"there is no device of the agent {FENCE_AGENT}", SETUP)
        return
    known = {device.id for device in now.devices}
    for node in now.computes():
        own = now.levels_of(node)
        unknown = [_without(level, known) for level in own if set(level.devices) - known]
        if unknown:
            yield from unknown
            continue
        brake = getattr(now.brake(), "id", "")
        wrong = [text for level in own if (text := _wrong(level, own, flag.id, brake))]
        commands = "\n".join(
            f"pcs {words(s.argv)}" for s in fencing.levels(now, node, brake=bool(now.brake()))
        )
        if not own and now.unclear_levels:
            yield not_checked(node, "it has no level of its own")
        elif not own:
            yield error(node, "it has no fencing level: it would not be flagged", commands)
        elif wrong:
            yield error(node, "; ".join(wrong), commands)


def target_patterns(cluster: Cluster) -> Iterator[Trouble]:
    """A level whose pattern nobody can read is passed over, or keeps its hosts from recovery."""
    for level in cluster.root.iterfind(".//fencing-topology/fencing-level[@target-pattern]"):
        pattern = str(level.get("target-pattern"))
        if why := patterns.problem(pattern):
            name, index = str(level.get("id")), str(level.get("index"))
            yield error(
                name,
                f"its target-pattern cannot be used: {why}",
                f"pcs stonith level remove {q(index)} target {q(f'regexp%{pattern}')} stonith "
                f"{words(re.split('[, ]+', str(level.get('devices'))))}\n{SETUP}",
            )


def _without(level: Level, known: set[str]) -> Trouble:
    missing = ", ".join(d for d in level.devices if d not in known)
    return error(
        level.target,
        f"level {level.index} names {missing}: there is no such device, so the level fails",
        f"pcs stonith level remove {level.index} target {q(level.target)} "
        f"stonith {words(level.devices)}\n{SETUP}",
    )


def _wrong(level: Level, all_levels: list[Level], flag: str, brake: str) -> str:
    """What is wrong with one level, "" when nothing is."""
    power = [device for device in level.devices if device not in (flag, brake)]
    if not power:
        return f"{flag} is alone in level {level.index}: it cuts no power"
    if flag not in level.devices:
        others = [str(v.index) for v in all_levels if flag in v.devices]
        where = f"is in level {', '.join(others)}, but not" if others else "is missing"
        return f"{flag} {where} in level {level.index}: a fencing by that one is never recovered"
    if level.devices[-1] != flag:
        after = ", ".join(level.devices[level.devices.index(flag) + 1 :])
        return (
            f"{flag} comes before {after} in level {level.index}: it would flag a host that may "
            "still run"
        )
    if brake and level.devices[0] != brake:
        where = "is not first" if brake in level.devices else "is missing"
        return f"{brake} {where} in level {level.index}: it holds no power-off there (law 10)"
    return ""


def brake(cluster: Cluster) -> Iterator[Trouble]:
    """What holds power-offs when many hosts fail at once (law 10)."""
    device = cluster.now.brake()
    if device is None:
        text = "there is none: a switch that fails has every compute host behind it powered off"
        yield warning("", text, SETUP)
        return
    if is_stopped(device.meta):
        text = "it is disabled: no level that begins with it can fence"
        yield error(device.id, text, f"pcs stonith enable {q(device.id)}")
    missing = sorted(set(cluster.now.computes()) - device.hosts)
    if missing:
        yield error(device.id, f"it is not for {', '.join(missing)}: their level fails", SETUP)
    for problem in read_limits(device.attributes)[1]:
        yield error(device.id, problem, f"pcs stonith describe {BRAKE_AGENT}")


def pacemaker_version(cluster: Cluster) -> Iterator[Trouble]:
    """What novaha was measured with."""
    oldest = ".".join(map(str, prerequisites.OLDEST))
    for found in prerequisites.too_old(cluster.root):
        yield error("", f"{found}: novaha needs {oldest}", "upgrade Pacemaker on every node")
    if "dc-version" not in cluster.now.properties:
        yield not_checked("", "the cluster has not told its version (dc-version)", "crm_mon -1")


def quorum_policy(cluster: Cluster) -> Iterator[Trouble]:
    """Half a cluster must not act by itself."""
    if cluster.now.properties.get("no-quorum-policy", "").lower() == "ignore":
        yield error(
            "",
            "no-quorum-policy=ignore: each half of a split cluster fences and recovers by itself",
            "pcs property set no-quorum-policy=stop",
        )


def startup_fencing(cluster: Cluster) -> Iterator[Trouble]:
    """A node that nobody has seen may run instances."""
    if not cluster.now.is_on("startup-fencing", default=True):
        yield error(
            "",
            "startup-fencing=false: nodes that were never seen count as down though they may run",
            "pcs property set startup-fencing=true",
        )


def concurrent_fencing(cluster: Cluster) -> Iterator[Trouble]:
    """A rack that fails is many hosts to fence."""
    if not cluster.now.is_on("concurrent-fencing", default=True):
        detail = "concurrent-fencing=false: of several dead hosts one is fenced after the other"
    elif fencing.concurrent_fencing(cluster.now):
        detail = (
            "concurrent-fencing is not set, and off by default in some builds of Pacemaker 2: "
            "of several dead hosts one would be fenced after the other"
        )
    else:
        return
    yield warning("", detail, f"pcs {words(fencing.CONCURRENT_FENCING)}")


def managed(cluster: Cluster) -> Iterator[Trouble]:
    """What was taken out of Pacemaker's hands, and may have been forgotten."""
    if cluster.now.is_on("maintenance-mode", default=False):
        yield warning(
            "",
            "maintenance-mode is on: Pacemaker starts, stops and fences nothing",
            "pcs property set maintenance-mode=false",
        )
    for node in cluster.root.iterfind(".//nodes/node"):
        name = str(node.get("uname"))
        for state in ("maintenance", "standby"):
            pairs = node.iterfind(f"instance_attributes/nvpair[@name='{state}']")
            if any(truth.in_cib(str(pair.get("value"))) for pair in pairs):
                verb = "unmaintenance" if state == "maintenance" else "unstandby"
                yield warning(name, f"it is in {state}", f"pcs node {verb} {q(name)}")
    for primitive in cluster.root.iterfind(".//resources//primitive"):
        attributes = meta(primitive)
        hands_on = truth.in_cib(attributes.get("is-managed", ""), default=True)
        if not hands_on or truth.in_cib(attributes.get("maintenance", "")):
            name = str(primitive.get("id"))
            text = "Pacemaker does not manage it: it is not restarted"
            yield warning(name, text, f"pcs resource manage {q(name)}")


def remote_nodes(cluster: Cluster) -> Iterator[Trouble]:
    """While Pacemaker tries to connect to a dead host, it delays all other actions."""
    root = cluster.root
    path = ".//resources//primitive[@class='ocf'][@provider='pacemaker'][@type='remote']"
    for remote in root.iterfind(path):
        name = str(remote.get("id"))
        interval = remote.find("instance_attributes/nvpair[@name='reconnect_interval']")
        if interval is None or not seconds(str(interval.get("value"))):
            yield warning(
                name,
                "no reconnect_interval: once it is dead, Pacemaker tries to reach it all the time",
                f"pcs resource update {q(name)} reconnect_interval=60s",
            )
        start = remote.find("operations/op[@name='start']")
        timeout = seconds(str(start.get("timeout") or "")) if start is not None else 0.0
        if timeout > _CONNECTION_START:
            yield warning(
                name,
                f"its start may take {timeout:g} s: as long as that Pacemaker holds other "
                "actions back while the host is dead",
                f"pcs resource update {q(name)} op start timeout=20s",
            )
    for primitive in root.iterfind(".//resources//primitive"):
        attributes = meta(primitive)
        timeout = seconds(attributes.get("remote-connect-timeout", "60s"))
        if "remote-node" in attributes and timeout > _CONNECTION_START:
            name = str(primitive.get("id"))
            yield warning(
                attributes["remote-node"],
                f"the connection to this guest node is tried for {timeout:g} s",
                f"pcs resource meta {q(name)} remote-connect-timeout=20s",
            )


def silent_deaths(cluster: Cluster) -> Iterator[Trouble]:
    """A host that loses its power says nothing: only the monitor of its connection finds out."""
    now = cluster.now
    for node in now.computes():
        found = now.connections.get(node)
        if found is None:
            continue
        remedy = f"pcs {words(fencing.monitor_of(found.id))}"
        if not found.interval:
            detail = "its connection has no monitor: when it loses its power, nobody notices"
            yield warning(node, detail, remedy)
        elif found.longest > fencing.MONITOR.longest:
            yield warning(
                node,
                f"the loss of its power is noticed after up to {found.longest:g} s (interval and "
                "timeout of the monitor of its connection); "
                f"{fencing.MONITOR.longest:g} s are safe",
                remedy,
            )
        elif found.timeout < fencing.MONITOR.timeout:
            yield warning(
                node,
                f"the monitor of its connection waits {found.timeout:g} s for an answer: a busy "
                f"host that needs longer is fenced; {fencing.MONITOR.timeout:g} s are safe",
                remedy,
            )


def older_agents(cluster: Cluster) -> Iterator[Trouble]:
    """What would evacuate beside novaha."""
    for primitive in cluster.root.iterfind(".//resources//primitive"):
        name = str(primitive.get("id"))
        if primitive.get("class") == "stonith" and primitive.get("type") == "fence_evacuate":
            yield warning(
                name,
                "fence_evacuate is of the older agents: it evacuates by itself, beside novaha",
                f"pcs stonith delete {q(name)}",
            )


FENCING: tuple[Check[Cluster], ...] = (
    Check("compute-nodes", lambda c: f"{len(c.now.computes())} compute nodes", compute_nodes),
    Check("fencing-enabled", "the cluster fences", fencing_enabled),
    Check("power-devices", "each compute node has a device that cuts its power", power_devices),
    Check("controllers-fencing", "each controller can be fenced", controllers_fencing),
    Check("fence-device", "a device flags every compute node that is fenced", fence_device),
    Check("target-patterns", "each level's pattern can be read", target_patterns),
    Check("brake", "the brake is for every compute node", brake),
    Check("fencing-levels", "in each level power first, the flag last", fencing_levels),
    Check("startup-fencing", "nodes never seen are fenced", startup_fencing),
    Check("concurrent-fencing", "several hosts are fenced at once", concurrent_fencing),
)

OPTIONS: tuple[Check[Cluster], ...] = (
    Check("pacemaker-version", "Pacemaker is new enough", pacemaker_version),
    Check("quorum-policy", "without quorum nothing is recovered", quorum_policy),
    Check("remote-nodes", "connections to dead hosts do not hold others up long", remote_nodes),
    Check("silent-deaths", "a host that loses its power is noticed soon", silent_deaths),
    Check("managed", "nothing is unmanaged, in maintenance or in standby", managed),
    Check("older-agents", "nothing of the older agents is left", older_agents),
)
