"""NovaCompute: nova-compute on one host, and not before the host's recovery is finished.

Un-forcing, enabling and dropping the record are the evacuator's work, once nova-compute is back:
so this agent needs no credentials on the compute hosts. Stopping it on purpose flags nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from novaha import __version__
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.nova_parameters import CONFIG, CREDENTIALS, NO_SHARED_STORAGE
from novaha.agents.runtime import ActionError, Handler, run
from novaha.agents.service import DirectProcess, Service, SystemdUnit, find_unit
from novaha.contract.ocf import Action, Agent, ExitCode, Request, write_exit_reason
from novaha.contract.parameters import Parameter, ParameterError, ignored, validate
from novaha.core.errors import NovahaError
from novaha.core.record import Record

HOLD_WAIT = 5.0
"""Most seconds that start waits for the end of a recovery: while it waits, Pacemaker can fence
nobody (measured), so it must not be long."""

_HOLD_POLL = 0.5
_DEFAULT_BINARY = "/usr/bin/nova-compute"
_DEFAULT_NOVA_CONF = "/etc/nova/nova.conf"

AGENT = Agent(
    name="NovaCompute",
    version=__version__,
    shortdesc="OpenStack nova-compute, held down until the host's recovery is finished",
    longdesc=(
        "Runs nova-compute. On a host that was fenced it does not start before every instance "
        "of the host is settled elsewhere. Use it as a clone on the compute nodes, together with "
        "ocf:openstack:NovaEvacuate and the fence agent fence_compute. nova-compute must not "
        "also be started by systemd at boot: 'systemctl disable nova-compute'."
    ),
    parameters=(
        Parameter(
            name="unit",
            shortdesc="systemd unit of nova-compute",
            longdesc=(
                "The systemd unit to start and stop. If neither unit nor binary is set, "
                "nova-compute.service or openstack-nova-compute.service, where systemd has one."
            ),
        ),
        Parameter(
            name="binary",
            shortdesc="nova-compute program, to run it without systemd",
            longdesc=f"Runs this program directly. Default without systemd: {_DEFAULT_BINARY}.",
        ),
        Parameter(
            name="config",
            default=_DEFAULT_NOVA_CONF,
            shortdesc="nova-compute's configuration files",
            longdesc="Configuration files for binary, separated by spaces.",
        ),
        Parameter(
            name="additional_parameters",
            shortdesc="Further arguments for binary",
            longdesc="Further arguments for binary, separated by spaces.",
            advanced=True,
        ),
        Parameter(
            name="user",
            shortdesc="User to run binary as",
            longdesc="User to run binary as; the one that Pacemaker's executor has if not set.",
        ),
        Parameter(
            name="pidfile",
            unique=True,
            shortdesc="Where binary's process id is kept",
            longdesc="Where binary's process id is kept; below HA_RSCTMP if not set.",
            advanced=True,
        ),
        Parameter(
            name="log",
            default="/var/log/novaha/nova-compute.log",
            shortdesc="Where binary's output goes",
            longdesc="Where the standard output and error of binary go.",
        ),
        replace(
            CONFIG,
            name="novaha_config",
            shortdesc="novaha's configuration file",
            longdesc=(
                "Configuration file of novaha, with the credentials for a monitor of depth 10. "
                "Everything else works without."
            ),
        ),
        *CREDENTIALS,
        NO_SHARED_STORAGE,
        Parameter(
            name="evacuation_delay",
            type="integer",
            deprecated=True,
            shortdesc="Not used: the recovery record says when the host is ready",
        ),
    ),
    actions=(
        Action("start", timeout=30),
        Action("stop", timeout=30),
        Action("monitor", timeout=20, interval=10, depth=0),
        Action("validate-all", timeout=20),
        Action("meta-data", timeout=5),
    ),
)

Heartbeat = Callable[[Mapping[str, str], str], str]
"""Given the resource's parameters and the node: what is wrong with Nova's view of it, or ""."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent works with.

    service: nova-compute as the request describes it; it may look around to find that out.
    heartbeat: asks Nova; may raise NovahaError.
    """

    stderr: TextIO
    cluster: Cluster = field(default_factory=PacemakerCluster)
    service: Callable[[Request], Service] = field(default=lambda request: service_of(request))
    heartbeat: Heartbeat = field(default=lambda parameters, node: ask_nova(parameters, node))
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one action and return its exit code."""
    return run(AGENT, lambda out, err: actions(Context(err)), argv)


def actions(context: Context) -> Mapping[str, Handler]:
    """The agent's actions by name."""
    return {
        "start": lambda request: start(request, context),
        "stop": lambda request: stop(request, context),
        "monitor": lambda request: monitor(request, context),
        "status": lambda request: monitor(request, context),
        "validate-all": lambda request: validate_all(request, context),
    }


def start(request: Request, context: Context) -> ExitCode:
    """Start nova-compute, unless the host is held (law 4)."""
    end = context.monotonic() + request.timeout
    _check(request, context.stderr)
    _wait_until_free(context, end)
    service = context.service(request)
    if not service.installed():
        raise ActionError(ExitCode.ERR_INSTALLED, "nova-compute is not installed on this node")
    if not service.running():
        service.start(max(1.0, end - context.monotonic() - 2))
    return ExitCode.SUCCESS


def stop(request: Request, context: Context) -> ExitCode:
    """End nova-compute; a planned stop flags nothing and asks nobody."""
    service = context.service(request)
    if service.installed() or service.running():
        service.stop(max(1.0, request.timeout - 3))
    return ExitCode.SUCCESS


def monitor(request: Request, context: Context) -> ExitCode:
    """Whether nova-compute runs; from depth 10 on also whether Nova sees it.

    Nova not seeing a nova-compute that runs is "degraded", not a failure: the message bus being
    away does that to every host at once, and restarting them all would only make it worse.
    """
    if not context.service(request).running():
        return ExitCode.NOT_RUNNING
    if request.check_level < 10 or request.is_probe:
        return ExitCode.SUCCESS
    if not _has_credentials(request):
        print("DEBUG: no credentials on this node: Nova is not asked", file=context.stderr)
        return ExitCode.SUCCESS
    node = context.cluster.local_node()
    try:
        problem = context.heartbeat(_for_nova(request), node)
    except NovahaError as error:
        problem = str(error)
    if not problem or context.cluster.record(node) is not None:  # not yet back in service
        return ExitCode.SUCCESS
    write_exit_reason(context.stderr, problem, request.secrets)
    return ExitCode.DEGRADED


def validate_all(request: Request, context: Context) -> ExitCode:
    """Level 0: the parameters by themselves. Level 10: also what is installed on this node."""
    _check(request, context.stderr)
    if request.check_level >= 10:
        service = context.service(request)
        if not service.installed():
            raise ActionError(ExitCode.ERR_INSTALLED, "nova-compute is not installed on this node")
        if service.starts_by_itself():
            raise ActionError(
                ExitCode.ERR_INSTALLED,
                "systemd starts nova-compute at boot, before the host's recovery is finished: "
                "disable its unit, Pacemaker starts it",
            )
    return ExitCode.SUCCESS


def service_of(request: Request) -> Service:
    """nova-compute as the parameters, or else this machine, have it."""
    parameters = request.parameters
    if unit := parameters.get("unit"):
        return SystemdUnit(unit if "." in unit else f"{unit}.service")
    if "binary" not in parameters and (found := find_unit()):
        return SystemdUnit(found)
    argv = [parameters.get("binary", _DEFAULT_BINARY)]
    for file in parameters["config"].split():
        argv += ["--config-file", file]
    argv += parameters.get("additional_parameters", "").split()
    name = request.instance.replace("/", "_").replace(":", "_")
    return DirectProcess(
        argv,
        pidfile=Path(parameters.get("pidfile") or request.rsctmp / f"novaha-{name}.pid"),
        log=Path(parameters["log"]),
        user=parameters.get("user", ""),
    )


def ask_nova(parameters: Mapping[str, str], node: str) -> str:
    """What is wrong with Nova's view of this node's nova-compute, "" when nothing is.

    Raises NovahaError when Nova cannot be asked.
    """
    from novaha import wiring
    from novaha.evacuator.observe import Names

    conf = wiring.conf(parameters)
    services = {service.host: service for service in wiring.nova(conf).services()}
    names = Names(conf.nova.host_names, conf.nova.domain)
    service = services[names.host(node, frozenset(services))]
    if service.forced_down:
        return f"nova-compute runs, but {service.host} is forced down in Nova"
    return "" if service.up else f"nova-compute runs, but Nova has not heard of {service.host}"


def _has_credentials(request: Request) -> bool:
    parameters = request.parameters
    return "auth_url" in parameters or os.path.exists(parameters["novaha_config"])


def _for_nova(request: Request) -> dict[str, str]:
    """What the operator set of how to reach Nova, as novaha.conf.load takes it."""
    parameters = request.parameters
    given = {p.name: parameters[p.name] for p in CREDENTIALS if p.name in parameters}
    if "novaha_config" in request.given:
        given["config"] = parameters["novaha_config"]
    return given


def _check(request: Request, stderr: TextIO) -> None:
    given = {name: request.parameters.get(name, "") for name in request.given}
    validate(AGENT.parameters, given)
    if given.get("unit") and given.get("binary"):
        raise ParameterError("unit", "and binary exclude each other: set one")
    if meaningless := ignored(AGENT.parameters, request.given):
        print(f"INFO: ignored, means nothing any more: {', '.join(meaningless)}", file=stderr)


def _wait_until_free(context: Context, end: float) -> None:
    """Wait a moment for the end of the recovery; raises ActionError when that does not come.

    When the record cannot be read, nobody knows whether the host is free: so it is not.
    """
    node = context.cluster.local_node()
    give_up = min(context.monotonic() + HOLD_WAIT, end - 5)
    while (record := context.cluster.record(node)) is not None and record.hold:
        if context.monotonic() >= give_up:
            raise ActionError(ExitCode.ERR_GENERIC, held(record))
        context.sleep(_HOLD_POLL)


def held(record: Record) -> str:
    """Why nova-compute stays down, for whoever reads crm_mon."""
    by = f" on {record.owner.partition('#')[0]}" if record.owner else ""
    return (
        f"recovery of {record.node} is {record.state}{by}, held: nova-compute stays down until "
        "it is finished"
    )
