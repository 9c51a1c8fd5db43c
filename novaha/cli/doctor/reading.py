"""Reading what the checks look at; nothing here judges, and nothing changes anything."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import novaha
from novaha import wiring
from novaha.agents.evacuator_user import Choice, choose, has_acls
from novaha.agents.nova_parameters import DEFAULT_CONFIG
from novaha.agents.units import SystemdUnit
from novaha.cli import configuration, install, packages
from novaha.cli.credentials import with_secrets
from novaha.cli.doctor import access, secrecy
from novaha.cli.doctor.cloud import Outlook
from novaha.cli.doctor.cluster import Cluster
from novaha.cli.doctor.installed import Installed, inspect
from novaha.cli.doctor.live import Running
from novaha.cli.doctor.node import ConfFile, Node, NovaConf, Python
from novaha.cli.doctor.records import Recoveries
from novaha.cli.doctor.resources import alert_files
from novaha.cli.doctor.secrecy import SecretFile
from novaha.cli.install import Directories, InstallError
from novaha.cli.layout import EVACUATE_ID
from novaha.contract.names import COMPUTE_AGENT, COMPUTE_UNITS, EVACUATE_AGENT
from novaha.contract.proc import owner
from novaha.core import truth
from novaha.core.errors import ConfigError, NovahaError, RecordError
from novaha.core.record import Record
from novaha.core.text import line
from novaha.evacuator import client, places
from novaha.evacuator.names import Names
from novaha.pacemaker import live
from novaha.pacemaker.cib import RecordStore, known_nodes, local_node, query
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.runner import Runner

if TYPE_CHECKING:
    from lxml.etree import _Element

"""Where `cibsecret` keeps what the CIB only points to."""

_NOVA_CONF = ("/etc/nova/nova.conf", "/etc/nova/nova-compute.conf")
_SYSTEMD = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Site:
    """The cluster as this node reads it.

    cluster: None when it could not be read; problem: why.
    name: Pacemaker's name of this node, "" when it does not tell.
    """

    cluster: Cluster | None = None
    problem: str = ""
    records: Mapping[str, Record | RecordError] = field(default_factory=dict)
    name: str = ""

    @property
    def controller(self) -> bool:
        """Whether this is a full cluster node, which may run the evacuator."""
        return self.kind == "member"

    @property
    def compute(self) -> bool:
        """Whether this is a compute node."""
        return self.cluster is not None and self.name in self.cluster.now.computes()

    @property
    def kind(self) -> str:
        """member, remote or guest; "" when that is not known."""
        return self.cluster.now.nodes.get(self.name, "") if self.cluster else ""

    def parameters(self, agent: str) -> Mapping[str, str]:
        """What is set on the resource of this agent."""
        resource = self.cluster.now.resource(agent) if self.cluster else None
        return resource.attributes if resource else {}

    @property
    def evacuator(self) -> str:
        """The id of the evacuator's resource; the usual one where there is none."""
        resource = self.cluster.now.resource(EVACUATE_AGENT) if self.cluster else None
        return resource.id if resource else EVACUATE_ID


def site(run: Runner) -> Site:
    """Read the CIB."""
    try:
        roots = list(query(run, "/cib"))
        if not roots:
            return Site(problem="the cluster's configuration is empty")
        present = _nodes(roots[0])
        nodes = {name: kind for name, kind in known_nodes(run).items() if name in present}
        now = configuration.read(roots[0], nodes)
        now = replace(now, roles={n: role for n, role in now.roles.items() if n in present})
        records = RecordStore(run).read_all()
    except NovahaError as error:
        return Site(problem=str(error))
    try:
        name = local_node(run)
    except NovahaError:
        host = socket.gethostname()
        name = next((n for n in nodes if n.split(".")[0] == host.split(".")[0]), "")
    return Site(Cluster(roots[0], now), "", records, name)


def _nodes(root: _Element) -> frozenset[str]:
    """The nodes that there are; the CIB keeps entries of remote nodes that were removed."""
    members = root.iterfind(".//nodes/node")
    remote = root.iterfind(".//primitive[@class='ocf'][@provider='pacemaker'][@type='remote']")
    guests = root.iterfind(".//primitive/meta_attributes/nvpair[@name='remote-node']")
    return frozenset(
        {str(node.get("uname")) for node in members if node.get("type") != "remote"}
        | {str(node.get("id")) for node in remote}
        | {str(pair.get("value")) for pair in guests}
    )


def running(found: Site, cluster: Cluster, run: Runner) -> Running:
    """Ask what runs, and on a cluster node what was fenced."""
    try:
        seen = live.look(run)
        fencings = FenceHistory(run).of("*") if seen.dc and found.kind == "member" else None
    except NovahaError as error:
        return Running(cluster.now, found.records, None, str(error), None)
    return Running(cluster.now, found.records, seen, "", fencings)


def recoveries(found: Site, cluster: Cluster, run: Runner) -> Recoveries:
    """The records, the older agents' flags, and the evacuator if it runs on this node."""
    flags: dict[str, str] | None = None
    problem = ""
    try:
        flags = live.older_flags(run)
    except NovahaError as error:
        problem = str(error)
    health, silent = None, ""
    try:
        health = client.ask("health") if client.pid() is not None else None
    except (client.EvacuatorError, OSError) as error:
        silent = str(error)
    return Recoveries(
        records=found.records,
        nodes=_nodes(cluster.root),
        now=datetime.now(UTC),
        older=flags,
        older_problem=problem,
        health=health,
        health_problem=silent,
    )


def node(found: Site, run: Runner, directories: Directories | None = None) -> Node:
    """Look around on this node."""
    targets = (directories or Directories()).targets()
    installed = _agents(targets)
    pythons = {agent.python for agent in (installed or {}).values() if agent.python}
    given = found.parameters(EVACUATE_AGENT)
    path = given.get("config", DEFAULT_CONFIG)
    conf, host_names = _conf(path)
    evacuator = _evacuator()
    boot_units, boot_problem = _boot_units(found.parameters(COMPUTE_AGENT).get("unit", ""), run)
    return Node(
        name=found.name,
        controller=found.controller,
        compute=found.compute,
        agents=installed,
        packages=packages.look(Path(novaha.__file__), targets.values(), run),
        pythons={path: _python(path, run) for path in sorted(pythons)},
        alerts=_alerts(alert_files(found.cluster) if found.cluster else []),
        needs_conf="auth_url" not in given,
        conf_path=path,
        conf=conf,
        host_names=host_names,
        boot_units=boot_units,
        boot_problem=boot_problem,
        nova_conf=_nova_conf(found) if found.compute else None,
        secret_files=tuple(_secret_files(path, conf)),
        core_dumps=secrecy.read_core_dumps(evacuator),
        evacuator_uid=None if evacuator is None else owner(evacuator),
        own_user=places.has_own_user(),
        evacuator=found.evacuator,
        choice=_choice(given, run),
        load=os.getloadavg()[0],
        cores=os.cpu_count() or 1,
        properties=found.cluster.now.properties if found.cluster else {},
    )


def _agents(targets: Mapping[str, Path]) -> dict[Path, Installed] | None:
    try:
        sources = install.sources()
    except InstallError:
        return None
    return {
        target: inspect(target, (sources / name).read_bytes()) for name, target in targets.items()
    }


def _python(path: str, run: Runner) -> Python:
    """What an agent would import, in its interpreter."""
    code = "import lxml.etree, novaha; print(novaha.__version__)"
    try:
        shown = run([path, "-I", "-c", code], timeout=30)
    except NovahaError as error:
        return Python(problem=str(error).strip().splitlines()[-1])
    return Python(line(shown.stdout.decode("utf-8", "replace"), longest=80))


def _alerts(paths: Iterable[str]) -> dict[str, str]:
    """Why Pacemaker's user cannot execute each alert, "" if it can."""
    try:
        user = access.user("hacluster")
    except KeyError:
        return dict.fromkeys(paths, "there is no such user here")
    return {path: access.denied(Path(path), user, "rx") for path in paths}


def _conf(path: str) -> tuple[ConfFile | None, Mapping[str, str]]:
    """The file, and the names of hosts in it."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None, {}
    except OSError as error:
        return ConfFile(path, "root", "", 0, f"it cannot be looked at: {error.strerror}"), {}
    file = ConfFile(path, _user(status.st_uid), _group(status.st_gid), status.st_mode & 0o7777)
    try:
        from novaha.conf.check import unknown_options

        file = replace(file, unknown=tuple(unknown_options(path)))
        return file, wiring.conf({"config": path}).nova.host_names
    except ConfigError as error:
        return replace(file, problem=str(error).removeprefix(f"{path}: ")), {}


def _secret_files(path: str, conf: ConfFile | None) -> Iterator[SecretFile]:
    """novaha.conf, and the clouds.yaml and secure.yaml that it names."""
    if conf is not None:
        yield SecretFile(path, open_above=secrecy.open_above(path))
    for name in _clouds(path):
        try:
            status = os.stat(name)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            yield SecretFile(name, problem=f"it cannot be looked at: {_why(error)}")
            continue
        yield SecretFile(
            name,
            _user(status.st_uid),
            _group(status.st_gid),
            status.st_mode & 0o7777,
            secrecy.open_above(name),
        )


def _clouds(path: str) -> tuple[str, ...]:
    """What a configuration leads to that may be unusable for another reason."""
    from novaha.conf.file import parse
    from novaha.conf.options import CLOUDS_FILE

    try:
        sections = parse(path).sections
    except (ConfigError, FileNotFoundError):
        return ()
    given: dict[str, list[str]] = {}
    for name, options in sections.items():
        given |= options if name.lower() == "keystone" else {}
    if not given.get("cloud", [""])[-1]:
        return ()
    clouds = given.get("clouds_file", given.get("clouds-file", [CLOUDS_FILE]))[-1]
    return clouds, os.path.join(os.path.dirname(clouds), "secure.yaml")


def _why(error: Exception) -> str:
    return getattr(error, "strerror", "") or "that is no path"


def _evacuator() -> int | None:
    try:
        return client.pid()
    except (client.EvacuatorError, OSError):
        return None


def _choice(given: Mapping[str, str], run: Runner) -> Choice | None:
    """Only root can try what another user may read."""
    return None if os.geteuid() else choose(given, partial(has_acls, run))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _boot_units(unit: str, run: Runner) -> tuple[tuple[str, ...] | None, str]:
    """The units of nova-compute that systemd starts at boot, and why it did not tell of all."""
    if not _SYSTEMD.is_dir():
        return None, ""
    enabled, problem = [], ""
    for name in (unit,) if unit else COMPUTE_UNITS:
        try:
            if SystemdUnit(name, run).starts_by_itself():
                enabled.append(name)
        except NovahaError as error:
            problem = str(error)
    return tuple(enabled), problem


def _nova_conf(found: Site) -> NovaConf:
    """What nova-compute reads here; of several files the last one wins."""
    given = found.parameters(COMPUTE_AGENT).get("config", "").split()
    paths = given or [path for path in _NOVA_CONF if Path(path).exists()] or [_NOVA_CONF[0]]
    options: dict[str, list[str]] = {}
    try:
        from novaha.conf.check import sections

        for path in paths:
            options |= sections(path).get("DEFAULT", {})
    except ConfigError as error:
        return NovaConf(paths[0], "", False, str(error))
    host = options.get("host", [socket.gethostname()])[-1]
    resumes = truth.is_true(options.get("resume_guests_state_on_host_boot", [""])[-1])
    computed = f"host = {host}: only nova-compute knows what that means"
    return NovaConf(paths[0], host, resumes, computed if "$" in host else "")


def outlook(found: Site, say: Callable[[str], None]) -> Outlook:
    """Sign in as the evacuator does, and look at Nova, where there are credentials."""
    given = dict(found.parameters(EVACUATE_AGENT))
    path = given.get("config", DEFAULT_CONFIG)
    there = os.path.exists(path)
    base = Outlook(
        cloud=None,
        credentials=path,
        computes=tuple(found.cluster.now.computes()) if found.cluster else None,
        flagged=frozenset(found.records),
    )
    if not there and not found.controller:
        return base
    if not there:
        given.pop("config", None)
    try:
        if found.cluster:
            given = with_secrets(found.cluster.now, EVACUATE_AGENT, given)
        conf = wiring.conf(given)
        names = Names(conf.nova.host_names, conf.nova.domain)
        seen = wiring.examine(conf, say)
        return replace(base, cloud=seen, names=names)
    except ConfigError as error:
        return replace(base, problem=str(error))
