"""libvirtd: libvirt on one host, monitored so that a daemon that hangs is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from novaha import __version__
from novaha.agents.libvirt import NotAnsweringError, ask, virsh
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
from novaha.agents.units import SYSTEMD, ActivatedUnit
from novaha.contract.ocf import Action, Agent, ExitCode, Request, table
from novaha.contract.parameters import Parameter
from novaha.pacemaker.runner import Runner

UNITS = ("virtqemud.service", "libvirtd.service")
"""The modular daemon of QEMU, which libvirt's clients prefer, then the monolithic one."""

START_WITHIN = 15.0
"""Most seconds for a start, so that Pacemaker is not kept from fencing for longer."""

_BINARY = "/usr/sbin/libvirtd"
_POLL = 0.2

AGENT = Agent(
    name="libvirtd",
    version=__version__,
    shortdesc="libvirt, with a monitor that sees when it hangs",
    longdesc=(
        "Runs libvirt's daemon and, at depth 10, asks it for its virtual machines: half of the "
        "monitor's time-out without an answer is a failure. Use it as a clone on the compute "
        "nodes, before nova-compute. Restarting libvirt does not touch virtual machines, so what "
        "Pacemaker does by itself, stop and start, is harmless; start succeeds only if libvirt "
        "answers. With on-fail=fence for start a host whose libvirt cannot be brought back is "
        "fenced, and its instances are recovered; with on-fail=fence for monitor that happens "
        "without trying. Set no migration-threshold: it would end libvirt and nova-compute on a "
        "host that is not fenced, and leave its instances there unattended."
    ),
    parameters=(
        *service_parameters(
            "libvirtd",
            "the one of virtqemud.service and libvirtd.service that is enabled, else the first "
            "that is installed",
            _BINARY,
        ),
        Parameter(
            name="config",
            shortdesc="libvirt's configuration file",
            longdesc="Configuration file for binary; the program's own default if not set.",
        ),
        Parameter(
            name="uri",
            default="qemu:///system",
            shortdesc="libvirt's URI",
            longdesc="Whom a monitor of depth 10 asks. It must be the daemon that is started.",
            reloadable=True,
        ),
    ),
    actions=(
        Action("start", timeout=30),
        Action("stop", timeout=30),
        Action("monitor", timeout=20, interval=10, depth=0),
        Action("monitor", timeout=20, interval=30, depth=10),
        Action("reload-agent", timeout=20),
        Action("validate-all", timeout=20),
        Action("meta-data", timeout=5),
    ),
)


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent works with.

    service: libvirt's daemon as the request describes it.
    run: runs virsh.
    """

    stdout: TextIO
    stderr: TextIO
    service: Callable[[Request], Service] = field(default=lambda request: service_of(request))
    run: Runner = field(default_factory=Runner)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one action and return its exit code."""
    return run(AGENT, actions(start, stop, monitor, validate_all, reload_agent), Context, argv)


def start(request: Request, context: Context) -> ExitCode:
    """Start libvirt, and see that it answers."""
    until = context.monotonic() + min(START_WITHIN, request.timeout - 2)
    _check(request, context.stderr)
    service = context.service(request)
    check_there(service)
    if not service.running():
        service.start(max(1.0, until - context.monotonic()))
    uri = request.parameters["uri"]
    while True:
        try:
            ask(context.run, uri, max(1.0, until - context.monotonic()))
            return ExitCode.SUCCESS
        except NotAnsweringError:
            if context.monotonic() + _POLL >= until:
                raise
        context.sleep(_POLL)


def stop(request: Request, context: Context) -> ExitCode:
    """End libvirt, by force if it hangs. Virtual machines go on."""
    end(context.service(request), max(1.0, request.timeout - 3))
    return ExitCode.SUCCESS


def monitor(request: Request, context: Context) -> ExitCode:
    """Whether libvirt runs; from depth 10 on also whether it answers."""
    service = context.service(request)
    if request.by_hand:
        context.stdout.write(table([("libvirt", *state(service))], request.output_format))
    if not service.running():
        return ExitCode.NOT_RUNNING
    if not request.is_probe and (ailing := service.ailing()):
        raise ActionError(ExitCode.ERR_GENERIC, ailing)
    if request.check_level >= 10 and not request.is_probe:
        ask(context.run, request.parameters["uri"], request.timeout / 2)
    return ExitCode.SUCCESS


def validate_all(request: Request, context: Context) -> ExitCode:
    """Level 0: the parameters by themselves. Level 10: also what is installed on this node."""
    _check(request, context.stderr)
    if request.check_level >= 10:
        check_there(context.service(request))
        virsh(context.run, ["--version"], request.timeout / 2)
    return checked(request, context.stdout, "that libvirt and virsh are here")


def reload_agent(request: Request, context: Context) -> ExitCode:
    """What can be changed while libvirt runs is read anew by each action."""
    _check(request, context.stderr)
    return ExitCode.SUCCESS


def service_of(request: Request) -> Service:
    """libvirt as the parameters, or else this machine, have it."""
    if unit := wanted_unit(request):
        return ActivatedUnit(unit)
    if "binary" not in request.parameters and SYSTEMD.is_dir():
        installed = [unit for unit in map(ActivatedUnit, UNITS) if not unit.missing()]
        if installed:
            return next((unit for unit in installed if unit.enabled()), installed[0])
    config = request.parameters.get("config")
    return direct_process(request, _BINARY, ["--config", config] if config else [])


def _check(request: Request, stderr: TextIO) -> None:
    check(AGENT, request, stderr)
    check_service(request)
