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
from novaha.agents import heartbeat
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.hold import record_row, wait_until_free
from novaha.agents.libvirt import ask as ask_libvirt
from novaha.agents.nova_parameters import (
    CONFIG,
    CREDENTIALS,
    DEBUG_FILE,
    EVACUATION_DELAY,
    NO_SHARED_STORAGE,
    NOT_CALLED,
    VERBOSE,
)
from novaha.agents.runtime import ActionError, actions, check, checked, run
from novaha.agents.service import Service
from novaha.agents.service_parameters import (
    check_service,
    check_there,
    direct_process,
    end,
    service_parameters,
    state,
    wanted_unit,
)
from novaha.agents.units import SYSTEMD, SystemdUnit, find_unit
from novaha.contract.names import COMPUTE_UNITS
from novaha.contract.ocf import Action, Agent, ExitCode, Request, table, write_exit_reason
from novaha.contract.parameters import Parameter
from novaha.core.errors import NovahaError
from novaha.pacemaker.runner import Runner

_BINARY = "/usr/bin/nova-compute"

_AT_BOOT = (
    "systemd starts nova-compute at boot, before the host's recovery is finished: disable its "
    "unit (systemctl disable), Pacemaker starts it"
)

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
            "nova-compute",
            "the first of " + ", ".join(COMPUTE_UNITS) + " that this node has",
            _BINARY,
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
        Parameter(
            name="libvirt_uri",
            default="qemu:///system",
            shortdesc="libvirt's URI",
            longdesc="The libvirt that a monitor of depth 20 asks for its virtual machines.",
            advanced=True,
            reloadable=True,
        ),
        NO_SHARED_STORAGE,
        EVACUATION_DELAY,
        DEBUG_FILE,
        replace(VERBOSE, deprecated=True, default=None, shortdesc=NOT_CALLED, longdesc=""),
    ),
    actions=(
        Action("start", timeout=30),
        Action("stop", timeout=30),
        Action("monitor", timeout=20, interval=10, depth=0),
        Action("monitor", timeout=20, interval=60, depth=10),
        Action("reload-agent", timeout=20),
        Action("validate-all", timeout=20),
        Action("meta-data", timeout=5),
    ),
)

Heartbeat = Callable[[Mapping[str, str], str, float], str]
"""Given the resource's parameters, the node and the seconds that it may take: what is wrong with
Nova's view of it, or ""."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent works with.

    service: nova-compute as the request describes it; it may look around to find that out.
    heartbeat: asks Nova. run: runs virsh.
    """

    stdout: TextIO
    stderr: TextIO
    cluster: Cluster = field(default_factory=PacemakerCluster)
    service: Callable[[Request], Service] = field(default=lambda request: service_of(request))
    heartbeat: Heartbeat = field(default=heartbeat.ask)
    run: Runner = field(default_factory=Runner)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one action and return its exit code."""
    return run(AGENT, actions(start, stop, monitor, validate_all, reload_agent), Context, argv)


def start(request: Request, context: Context) -> ExitCode:
    """Start nova-compute, unless the host is held (law 4)."""
    until = context.monotonic() + request.timeout
    _check(request, context.stderr)
    wait_until_free(context.cluster, until - context.monotonic(), context.sleep, context.monotonic)
    service = context.service(request)
    check_there(service)
    if service.starts_by_itself():
        print(f"WARNING: {_AT_BOOT}", file=context.stderr)
    if not service.running():
        service.start(max(1.0, until - context.monotonic() - 2))
    return ExitCode.SUCCESS


def stop(request: Request, context: Context) -> ExitCode:
    """End nova-compute; a planned stop flags nothing and asks nobody."""
    end(context.service(request), max(1.0, request.timeout - 3))
    return ExitCode.SUCCESS


def monitor(request: Request, context: Context) -> ExitCode:
    """Whether nova-compute runs; from depth 10 on also whether Nova sees it, from 20 libvirt, too.

    What goes wrong beyond nova-compute itself is "degraded", not a failure: the message bus being
    away does that to every host at once, and restarting them all would only make it worse.
    """
    service = context.service(request)
    running = service.running()
    problems = _problems(request, context) if running and not request.is_probe else []
    if request.by_hand:
        rows = [("nova-compute", *state(service)), record_row(context.cluster)]
        asked = request.check_level >= 10 and running
        told = "; ".join(problems) or "nothing is wrong" if asked else "asked at check level 10, 20"
        rows.append(("beyond it", "asked" if asked else "not asked", told))
        context.stdout.write(table(rows, request.output_format))
    if not running:
        return ExitCode.NOT_RUNNING
    if not request.is_probe and (ailing := service.ailing()):
        raise ActionError(ExitCode.ERR_GENERIC, ailing)
    if not problems:
        return ExitCode.SUCCESS
    write_exit_reason(context.stderr, "; ".join(problems), request.secrets)
    return ExitCode.DEGRADED


def _problems(request: Request, context: Context) -> list[str]:
    """What keeps a nova-compute that runs from being of use, as far as the check level looks."""
    if request.check_level < 10:
        return []
    problems = [_AT_BOOT] if context.service(request).starts_by_itself() else []
    problems += filter(None, [_unseen(request, context)])
    if request.check_level >= 20:
        uri = request.parameters["libvirt_uri"]
        try:
            ask_libvirt(context.run, uri, request.timeout / 2)
        except NovahaError as error:
            problems.append(str(error))
    return problems


def _unseen(request: Request, context: Context) -> str:
    """Why Nova does not use this nova-compute, "" if it does or is not asked."""
    if not _has_credentials(request):
        print("DEBUG: no credentials on this node: Nova is not asked", file=context.stderr)
        return ""
    try:
        node = context.cluster.local_node()
        if context.cluster.record(node) is not None:
            return ""  # not yet back in service
        return context.heartbeat(_for_nova(request), node, request.timeout / 3)
    except NovahaError as error:
        return f"Nova's view of this host is not looked at: {error}"


def reload_agent(request: Request, context: Context) -> ExitCode:
    """What can be changed while nova-compute runs is read anew by each action."""
    _check(request, context.stderr)
    return ExitCode.SUCCESS


def validate_all(request: Request, context: Context) -> ExitCode:
    """Level 0: the parameters by themselves. Level 10: also what is installed on this node."""
    _check(request, context.stderr)
    if request.check_level >= 10:
        service = context.service(request)
        check_there(service)
        if service.starts_by_itself():
            raise ActionError(ExitCode.ERR_INSTALLED, _AT_BOOT)
    return checked(request, context.stdout, "that nova-compute is here, and Pacemaker's alone")


def service_of(request: Request) -> Service:
    """nova-compute as the parameters, or else this machine, have it."""
    if unit := wanted_unit(request):
        return SystemdUnit(unit)
    parameters = request.parameters
    if "binary" not in parameters and SYSTEMD.is_dir():
        return SystemdUnit(find_unit(COMPUTE_UNITS) or COMPUTE_UNITS[0])
    files = [word for file in parameters["config"].split() for word in ("--config-file", file)]
    return direct_process(request, _BINARY, files, parameters.get("user", ""))


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
