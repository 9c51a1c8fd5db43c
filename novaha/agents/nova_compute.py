"""NovaCompute: nova-compute on one host, and not before the host's recovery is finished.

Un-forcing, enabling and dropping the record are the evacuator's work, once nova-compute is back:
so this agent needs no credentials on the compute hosts. Stopping it on purpose flags nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TextIO

from novaha import __version__
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.hold import wait_until_free
from novaha.agents.nova_parameters import (
    CONFIG,
    CREDENTIALS,
    DEBUG_FILE,
    EVACUATION_DELAY,
    NO_SHARED_STORAGE,
    NOT_CALLED,
    VERBOSE,
)
from novaha.agents.runtime import ActionError, actions, check, run
from novaha.agents.service import Service, SystemdUnit, find_unit
from novaha.agents.service_parameters import (
    check_service,
    direct_process,
    service_parameters,
    wanted_unit,
)
from novaha.contract.ocf import Action, Agent, ExitCode, Request, write_exit_reason
from novaha.contract.parameters import Parameter
from novaha.core.errors import NovahaError

_BINARY = "/usr/bin/nova-compute"

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
        *service_parameters(
            "nova-compute", "nova-compute.service or openstack-nova-compute.service", _BINARY
        ),
        Parameter(
            name="config",
            default="/etc/nova/nova.conf",
            shortdesc="nova-compute's configuration files",
            longdesc="Configuration files for binary, separated by spaces.",
        ),
        Parameter(
            name="user",
            shortdesc="User to run binary as",
            longdesc="User to run binary as; the one that Pacemaker's executor has if not set.",
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
        EVACUATION_DELAY,
        DEBUG_FILE,
        replace(VERBOSE, deprecated=True, default=None, shortdesc=NOT_CALLED, longdesc=""),
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
    return run(
        AGENT, actions(start, stop, monitor, validate_all), lambda out, err: Context(err), argv
    )


def start(request: Request, context: Context) -> ExitCode:
    """Start nova-compute, unless the host is held (law 4)."""
    end = context.monotonic() + request.timeout
    _check(request, context.stderr)
    wait_until_free(context.cluster, end - context.monotonic(), context.sleep, context.monotonic)
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
    if unit := wanted_unit(request):
        return SystemdUnit(unit)
    parameters = request.parameters
    if "binary" not in parameters and (found := find_unit()):
        return SystemdUnit(found)
    files = [word for file in parameters["config"].split() for word in ("--config-file", file)]
    return direct_process(request, _BINARY, files, parameters.get("user", ""))


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
    check(AGENT, request, stderr)
    check_service(request)
