"""How an operator says which service an agent starts: by its unit, or by its program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from novaha.agents.service import DirectProcess, Service
from novaha.contract.ocf import Request
from novaha.contract.parameters import Parameter, ParameterError


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
                "The systemd unit to start and stop. If neither unit nor binary is set, "
                f"{units}, where systemd has one."
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
