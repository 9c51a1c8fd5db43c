"""What is checked on the node that doctor runs on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path

from novaha import __version__
from novaha.agents.evacuator_user import Choice
from novaha.cli.doctor import secrecy
from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.cli.doctor.installed import AgentState, Installed
from novaha.cli.doctor.secrecy import CoreDumps, SecretFile
from novaha.cli.layout import EVACUATE_ID
from novaha.cli.packages import AGENTS, LIBRARY, Packages
from novaha.core import naming
from novaha.core.errors import UnknownHostError
from novaha.core.text import word as q

_NO_ROLE = "the node's role is unknown"
_LOAD_THRESHOLD = 80


@dataclass(frozen=True, slots=True)
class Python:
    """What an agent's interpreter finds. problem: why it does not find novaha, "" if it does."""

    version: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConfFile:
    """A novaha.conf that is there. mode: its permission bits.

    problem: why it cannot be used, "" if it can. unknown: what in it means nothing.
    """

    path: str
    owner: str
    group: str
    mode: int
    problem: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NovaConf:
    """What nova-compute is told here. host: the name under which Nova will know it."""

    path: str
    host: str
    resumes: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """This node.

    name: Pacemaker's, "" when it cannot be asked; then it is neither controller nor compute.
    agents: what stands at each agent's place; None when novaha's own are not to be found.
    packages: the distribution's that novaha came in, None if it came otherwise.
    pythons: each interpreter of an agent.
    alerts: each alert file of ours, and why Pacemaker's user cannot execute it, "" if it can.
    needs_conf: whether the evacuator signs in by the file and not by its resource's parameters.
    conf: the file at conf_path, None when there is none.
    boot_units: nova-compute's units that systemd starts at boot; None without systemd.
    boot_problem: why systemd did not tell of one of them, "" if it told of all.
    nova_conf: on compute nodes.
    secret_files: those that are there. core_dumps: None where no evacuator runs.
    evacuator_uid: whom it runs as, None where it does not. own_user: whether there is novaha's.
    evacuator: the resource's id. choice: whom it would run as, None where that is not known.
    load: the last minute's, and the number of cores.
    properties: the cluster's.
    """

    name: str = ""
    controller: bool = False
    compute: bool = False
    agents: Mapping[Path, Installed] | None = field(default_factory=dict)
    packages: Packages | None = None
    pythons: Mapping[str, Python] = field(default_factory=dict)
    alerts: Mapping[str, str] = field(default_factory=dict)
    needs_conf: bool = True
    conf_path: str = ""
    conf: ConfFile | None = None
    host_names: Mapping[str, str] = field(default_factory=dict)
    boot_units: tuple[str, ...] | None = ()
    boot_problem: str = ""
    nova_conf: NovaConf | None = None
    secret_files: tuple[SecretFile, ...] = ()
    core_dumps: CoreDumps | None = None
    evacuator_uid: int | None = None
    own_user: bool = True
    evacuator: str = EVACUATE_ID
    choice: Choice | None = None
    load: float = 0.0
    cores: int = 1
    properties: Mapping[str, str] = field(default_factory=dict)

    def installs(self, *names: str) -> str:
        """What puts the agents into their places; by packages those of these names."""
        return self.packages.command(*names) if self.packages else "novaha install-agents"


def agents(node: Node) -> Iterator[Trouble]:
    """Every agent is there, ours, and of this version."""
    if node.agents is None:
        remedy = node.packages.command(LIBRARY) if node.packages else "pip install novaha"
        yield not_checked("", "this novaha does not find its own agents", remedy)
        return
    remedy = node.installs(AGENTS)
    for target, installed in node.agents.items():
        match installed.state:
            case AgentState.MISSING:
                yield error(target.name, f"it is not installed as {target}", remedy)
            case AgentState.FOREIGN:
                text = f"{target} belongs to another package"
                yield error(target.name, text, remedy)
            case AgentState.OUTDATED:
                yield warning(target.name, f"{target} is not this novaha's version", remedy)


def pythons(node: Node) -> Iterator[Trouble]:
    """The library that the installed agents really run with."""
    if not node.pythons:
        yield not_checked("", "there is no agent of ours", node.installs(AGENTS))
    remedy = node.installs(LIBRARY, AGENTS)
    for path, python in node.pythons.items():
        if python.problem:
            yield error(path, f"the agents' Python does not find novaha: {python.problem}", remedy)
        elif python.version != __version__:
            yield warning(
                path,
                f"the agents run novaha {python.version}, this is novaha {__version__}",
                remedy,
            )


def alert_file(node: Node) -> Iterator[Trouble]:
    """Alerts run as user hacluster, on cluster nodes."""
    if not node.controller:
        yield not_checked("", "alerts run on controllers only" if node.name else _NO_ROLE)
    elif not node.alerts:
        yield not_checked("", "the cluster has no alert of ours")
    remedy = node.installs(LIBRARY, AGENTS)
    if node.packages is None:
        where = "install novaha where every user may read it, as /opt/novaha, and from there:"
        remedy = f"{where}\n{remedy}"
    for path, problem in node.alerts.items():
        if problem and node.controller:
            yield warning(
                path,
                f"Pacemaker's user hacluster cannot execute it: {problem}; fencings are noticed "
                "seconds later",
                f"{remedy}\nsudo -u hacluster {q(path)}",
            )


def conf_file(node: Node) -> Iterator[Trouble]:
    """Where it is needed, and that nobody else reads it (law 9)."""
    conf = node.conf
    if conf is None:
        if not node.name:
            yield not_checked(node.conf_path, _NO_ROLE)
        elif node.controller and node.needs_conf:
            yield error(
                node.conf_path,
                "not there: the evacuator cannot sign in from this controller",
                f"install -m 640 -o root -g haclient /dev/null {q(node.conf_path)}\n"
                "write [keystone] auth_type, auth_url and what it needs into it, see README.md",
            )
        return
    remedy = f"chown root:haclient {q(conf.path)}; chmod 640 {q(conf.path)}"
    if conf.mode & 0o007:
        yield error(conf.path, "every user of this machine may get at its secrets", remedy)
    elif conf.owner != "root" or conf.mode & 0o020:
        who = conf.group if conf.mode & 0o020 else conf.owner
        yield warning(conf.path, f"{who} may change how novaha signs in", remedy)
    if conf.problem and not conf.mode & 0o004:
        yield error(conf.path, conf.problem)


def secret_files(node: Node) -> Iterator[Trouble]:
    """The files that novaha.conf leads to hold secrets, too, and a directory is as good as they."""
    if not node.secret_files:
        yield not_checked("", "there are no credentials in files on this node")
    yield from secrecy.secret_files(node.secret_files)


def evacuator_user(node: Node) -> Iterator[Trouble]:
    """The evacuator has a user of its own, where it may run."""
    if not node.name or (not node.controller and node.evacuator_uid is None):
        return
    yield from secrecy.evacuator_user(
        node.evacuator_uid, node.choice, node.own_user, node.evacuator, node.installs(AGENTS)
    )


def core_dumps(node: Node) -> Iterator[Trouble]:
    """The memory of a process that crashes holds its password."""
    yield from secrecy.core_dumps(node.core_dumps)


def conf_options(node: Node) -> Iterator[Trouble]:
    """oslo.config passes over what it does not know."""
    conf = node.conf
    if conf is None or conf.problem:
        yield not_checked(
            node.conf_path, "there is no such file here" if conf is None else "see above"
        )
        return
    for option in conf.unknown:
        yield warning(conf.path, f"means nothing to novaha: {option}")


def boot(node: Node) -> Iterator[Trouble]:
    """Started at boot, nova-compute runs before its host is recovered (law 4)."""
    if not node.compute:
        yield not_checked("", "this is no compute node" if node.name else _NO_ROLE)
    elif node.boot_units is None:
        yield not_checked("", "there is no systemd here")
    else:
        if node.boot_problem:
            yield not_checked("", node.boot_problem, "systemctl list-unit-files '*nova*'")
        for unit in node.boot_units:
            yield error(
                unit,
                "systemd starts it at boot, before the host's recovery is finished",
                f"systemctl disable {q(unit)}",
            )


def _of_nova_conf(
    look: Callable[[Node, NovaConf], Iterator[Trouble]],
) -> Callable[[Node], Iterator[Trouble]]:
    """A check of what nova-compute is told here, where it is and that can be read."""

    @wraps(look)
    def check(node: Node) -> Iterator[Trouble]:
        conf = node.nova_conf
        if not node.compute or conf is None:
            yield not_checked("", "this is no compute node" if node.name else _NO_ROLE)
        elif conf.problem:
            yield not_checked(conf.path, conf.problem)
        else:
            yield from look(node, conf)

    return check


@_of_nova_conf
def host_name(node: Node, conf: NovaConf) -> Iterator[Trouble]:
    """Whether the controllers can tell which host of Nova this node is."""
    try:
        naming.nova_host(node.name, [conf.host], node.host_names)
    except UnknownHostError:
        yield warning(
            node.name,
            f"Nova will know this node as {conf.host}: the controllers must be told that",
            f"in {node.conf_path} on every controller: [nova] host_names = "
            f"{node.name}:{conf.host}\nor in {conf.path}: [DEFAULT] host = {node.name}",
        )


@_of_nova_conf
def resume(node: Node, conf: NovaConf) -> Iterator[Trouble]:
    """What becomes of instances whose host rebooted by itself."""
    if not conf.resumes:
        yield warning(
            conf.path,
            "resume_guests_state_on_host_boot is not true: a host that reboots by itself quicker "
            "than Pacemaker fences it leaves its instances shut off",
            f"in {conf.path}: [DEFAULT] resume_guests_state_on_host_boot = true",
        )


def load(node: Node) -> Iterator[Trouble]:
    """Above load-threshold Pacemaker throttles itself."""
    if not node.controller:
        yield not_checked("", "only the load of controllers counts" if node.name else _NO_ROLE)
        return
    found = re.match(r"\d+", node.properties.get("load-threshold", ""))
    threshold = int(found[0]) if found else _LOAD_THRESHOLD
    present = 100 * node.load / max(1, node.cores)
    if present > threshold:
        enough = max(300, 100 * math.ceil(present / 100 + 1))
        yield warning(
            node.name,
            f"the load is {present:.0f} % a core, more than load-threshold={threshold}%: the "
            "cluster does one thing at a time",
            f"pcs property set load-threshold={enough}%",
        )


NODE: tuple[Check[Node], ...] = (
    Check("agents", "the agents are installed, and this novaha's", agents),
    Check("python", "the agents find novaha, in this version", pythons),
    Check("alert-file", "Pacemaker may execute the alert", alert_file),
    Check("novaha.conf", "it is as it should be, or not needed here", conf_file),
    Check("secret-files", "nobody else reads or replaces them", secret_files),
    Check("evacuator-user", "the evacuator does not run as root", evacuator_user),
    Check("core-dumps", "the evacuator leaves none", core_dumps),
    Check("novaha.conf-options", "no option that means nothing", conf_options),
    Check("boot", "systemd does not start nova-compute by itself", boot),
    Check("nova-host", "Nova will know this node by its name", host_name),
    Check("resume-guests", "instances come up when their host was not fenced", resume),
    Check("load", "the load is below the threshold of the cluster", load),
)
