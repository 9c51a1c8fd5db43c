"""The brake: the first device of each compute host's fencing level.

Pacemaker asks each device of a level in turn, and stops at the first that fails. `off` of this one
fails, at once and with the reason, where the host must not be powered off because of what happened
to others, or to us (law 10; novaha.core.brake judges). It cuts no power and is no proof of death.
It needs the CIB and its own sockets, never Nova (law 7).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from novaha import __version__
from novaha.agents import brake, brake_relief, fence_runtime
from novaha.agents.brake_parameters import PARAMETERS
from novaha.agents.fence_runtime import Handler, Log
from novaha.contract.fence import Action, Agent, ExitCode, Request
from novaha.contract.parameters import validate
from novaha.core import text, truth
from novaha.core.brake import read_limits, sentence
from novaha.core.steering import Held

AGENT = Agent(
    name="fence_heuristics_compute",
    version=__version__,
    shortdesc="Fence agent that holds the power-off of compute hosts when many fail at once",
    longdesc=(
        "The first device of each compute host's fencing level, as 'pcs stonith level add 1 "
        "compute-1 nova-brake ipmi-1 fence-nova'. It cuts no power. Its 'off' succeeds for a host "
        "that has failed alone, and fails where the failure is not the host's own: most hosts are "
        "silent, this controller reaches nobody, the partition has no quorum, or the host answers "
        "while others are in trouble. Pacemaker then does not ask the devices behind it. The "
        "evacuator brings hosts back that prove to be alive; 'novaha proceed HOST' lets one go. "
        "It needs no credentials."
    ),
    parameters=PARAMETERS,
)

_POWER_SECONDS = 2.0
"""For the power device, before a host is held. Together with the hosts' answers under 3 s."""


def main(
    argv: Sequence[str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    world: brake.World | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Carry out one request and return its exit code."""
    given = (argv, stdin, stdout, stderr)
    return fence_runtime.run(AGENT, _ACTIONS, world or brake.Cluster(), *given, sleep=sleep)


def _off(request: Request, world: brake.World, out: TextIO, log: Log) -> ExitCode:
    name = request.nodename or request.plug
    limits, problems = read_limits(request.given)
    for problem in problems:
        log(problem)
    ask_power = truth.is_true(request.given.get("power_check", ""), default=True)
    now = datetime.now(UTC)
    node, held = name, None
    try:
        view = world.view()
        for problem in view.problems:
            log(text.line(f"{name}: {problem}"))
        node = view.canonical(name) or name
        held = view.held.get(node)
        verdict = brake.decide(node, view, world, limits, _POWER_SECONDS if ask_power else 0, now)
    except Exception as error:  # a fault of the brake's own never makes a dead host unrecoverable
        verdict = brake.decide_in_spite_of(error, node)
    # Only one line of a failed device gets into Pacemaker's log.
    log(text.line(f"{node}: {'off' if verdict.go else 'held'}: {sentence(verdict)}"))
    if verdict.go:
        return ExitCode.SUCCESS
    try:
        world.note(node, Held(held.since if held else now, verdict.code))
    except Exception as error:  # it is held all the same
        log(text.line(f"{node}: that it is held could not be noted: {error}"))
    return ExitCode.FAILURE


def _succeed(request: Request, world: brake.World, out: TextIO, log: Log) -> ExitCode:
    """`on` never stands in the way."""
    return ExitCode.SUCCESS


def _monitor(request: Request, world: brake.World, out: TextIO, log: Log) -> ExitCode:
    """Never stands in the way. Looks after held hosts where no evacuator does."""
    try:
        limits, _ = read_limits(request.given)
        brake_relief.relieve(_relief(), limits, datetime.now(UTC), log)
    except Exception as error:
        log(text.line(f"held hosts cannot be looked after: {error}"))
    return ExitCode.SUCCESS


def _relief() -> brake_relief.Relief:
    from novaha.pacemaker.storm import StormForMonitor

    return StormForMonitor()


def _status(request: Request, world: brake.World, out: TextIO, log: Log) -> ExitCode:
    print("Status: ON", file=out)
    return ExitCode.SUCCESS


def _list(request: Request, world: brake.World, out: TextIO, log: Log) -> ExitCode:
    return fence_runtime.show_list(request, out, dict.fromkeys(world.view().hosts, "on"))


def _validate_all(request: Request, world: brake.World, out: TextIO, log: Log) -> ExitCode:
    validate(AGENT.parameters, request.given)
    _, problems = read_limits(request.given)
    for problem in problems:
        log(problem)
    return ExitCode.FAILURE if problems else ExitCode.SUCCESS


_ACTIONS: dict[Action, Handler[brake.World]] = {
    Action.OFF: _off,
    Action.ON: _succeed,
    Action.MONITOR: _monitor,
    Action.STATUS: _status,
    Action.LIST: _list,
    Action.LIST_STATUS: _list,
    Action.VALIDATE_ALL: _validate_all,
    **fence_runtime.texts(AGENT),
}
