"""How an operator says which service an agent starts: by its unit, or by its program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from novaha.agents.runtime import ActionError
from novaha.agents.service import DirectProcess, Service
from novaha.contract.ocf import ExitCode, Request
from novaha.contract.parameters import Parameter, ParameterError
from novaha.core.errors import ClusterToolError


def service_parameters(name: str, units: str, binary: str) -> tuple[Parameter, ...]:
    """The parameters of an agent that runs the service `name`.

    units: which unit is taken when neither unit nor binary is set, in words.
    binary: the program that is taken where systemd is not there.
    """
    return (
        Parameter(
            name="unit",
            shortdesc=f"systemd unit of {name}",
            longdesc=(
                f"The systemd unit to start and stop. If neither unit nor binary is set, {units}."
            ),
        ),
        Parameter(
            name="binary",
            shortdesc=f"{name} program, to run it without systemd",
            longdesc=f"Runs this program directly. Default without systemd: {binary}.",
        ),
        Parameter(
            name="additional_parameters",
            shortdesc="Further arguments for binary",
            longdesc="Further arguments for binary, separated by spaces.",
            advanced=True,
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
            default=f"/var/log/novaha/{name}.log",
            shortdesc="Where binary's output goes",
            longdesc="Where the standard output and error of binary go.",
        ),
    )


def check_service(request: Request) -> None:
    """Raise ParameterError when unit and binary are both set."""
    if request.parameters.get("unit") and request.parameters.get("binary"):
        raise ParameterError("unit", "and binary exclude each other: set one")


def check_there(service: Service) -> None:
    """Raise ActionError when there is nothing to start."""
    if missing := service.missing():
        raise ActionError(ExitCode.ERR_INSTALLED, missing)


def end(service: Service, seconds: float) -> None:
    """Stop the service, unless there is none. Raises NovahaError when it lives after `seconds`."""
    try:
        nothing = service.missing() and not service.running()
    except ClusterToolError:  # systemd does not tell: the service looks for what lives
        nothing = False
    if not nothing:
        service.stop(seconds)


def state(service: Service) -> tuple[str, str]:
    """What becomes of the service, in a word and in more, for people."""
    if not service.running():
        return "stopped", service.missing() or service.describe()
    ailing = service.ailing()
    return ("ailing", ailing) if ailing else ("running", service.describe())


def wanted_unit(request: Request) -> str:
    """The unit that the operator named, "" when he named none."""
    unit = request.parameters.get("unit", "")
    return unit if not unit or "." in unit else f"{unit}.service"


def direct_process(
    request: Request, binary: str, arguments: Sequence[str], user: str = ""
) -> Service:
    """The service as a program; `binary` is the one that is taken if none is named."""
    parameters = request.parameters
    name = request.instance.replace("/", "_").replace(":", "_")
    return DirectProcess(
        [
            parameters.get("binary", binary),
            *arguments,
            *parameters.get("additional_parameters", "").split(),
        ],
        pidfile=Path(parameters.get("pidfile") or request.rsctmp / f"novaha-{name}.pid"),
        log=Path(parameters["log"]),
        user=user,
    )
