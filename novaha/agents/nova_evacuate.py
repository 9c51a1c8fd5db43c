"""NovaEvacuate: keeps the evacuator process running on one controller.

The process holds no state that matters, so starting, ending and killing it cost only time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from novaha import __version__
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.nova_parameters import (
    CONFIG,
    CREDENTIALS,
    DEBUG_FILE,
    NO_SHARED_STORAGE,
    VERBOSE,
)
from novaha.agents.runtime import ActionError, actions, check, run
from novaha.contract.ocf import Action, Agent, ExitCode, Request, write_exit_reason
from novaha.contract.parameters import Parameter
from novaha.core.errors import RecordError
from novaha.evacuator import client

ANSWER_WITHIN = 5.0
"""Seconds in which an evacuator that lives answers; its socket has a thread of its own."""

START_WITHIN = 15.0
"""Most seconds for a start, so that Pacemaker is not kept from fencing for longer."""

AGENT = Agent(
    name="NovaEvacuate",
    version=__version__,
    shortdesc="Recovers the OpenStack instances of fenced compute hosts",
    longdesc=(
        "Runs the evacuator, which brings the instances of every compute host that fence_compute "
        "flagged up on other hosts, and lets the host back into service afterwards. Run one, on "
        "the controllers. 'novaha status' shows what it does."
    ),
    parameters=(
        CONFIG,
        *CREDENTIALS,
        VERBOSE,
        NO_SHARED_STORAGE,
        DEBUG_FILE,
        Parameter(
            name="evacuate_delay",
            type="integer",
            deprecated=True,
            shortdesc="Not used: the evacuator watches each evacuation instead of waiting",
        ),
    ),
    actions=(
        Action("start", timeout=30),
        Action("stop", timeout=20),
        Action("monitor", timeout=20, interval=10, depth=0),
        Action("monitor", timeout=20, interval=60, depth=10),
        Action("validate-all", timeout=30),
        Action("meta-data", timeout=5),
    ),
)


class Evacuator(Protocol):
    """The evacuator on this machine. All but `pid` raise EvacuatorError."""

    def pid(self) -> int | None:
        """Its process id, None when it does not run."""

    def launch(self, parameters: Mapping[str, str], *, timeout: float) -> int:
        """Start it and wait until it answers."""

    def ask(self, question: str, *, timeout: float) -> dict[str, Any]:
        """Its answer to "health" or "status"."""

    def terminate(self) -> None:
        """End it, within five seconds."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent works with. check_nova signs in and asks Nova, given the parameters."""

    stdout: TextIO
    stderr: TextIO
    evacuator: Evacuator = field(default_factory=lambda: LocalEvacuator())
    cluster: Cluster = field(default_factory=PacemakerCluster)
    check_nova: Callable[[Mapping[str, str]], object] = field(
        default=lambda parameters: _check_nova(parameters)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one action and return its exit code."""
    return run(AGENT, actions(start, stop, monitor, validate_all), Context, argv)


def start(request: Request, context: Context) -> ExitCode:
    """Start the evacuator and see it turn. Nova need not answer: the evacuator waits for it."""
    check(AGENT, request, context.stderr)
    evacuator = context.evacuator
    if evacuator.pid() is not None:
        with contextlib.suppress(client.EvacuatorError):
            evacuator.ask("health", timeout=ANSWER_WITHIN)
            return ExitCode.SUCCESS
        _wrapped(evacuator.terminate)  # one that lives and does not answer is of no use
    within = max(1.0, min(START_WITHIN, request.timeout - 2))
    _wrapped(lambda: evacuator.launch(_given(request), timeout=within))
    return ExitCode.SUCCESS


def stop(request: Request, context: Context) -> ExitCode:
    """End the evacuator. Asks nobody and validates nothing: a failed stop fences the node."""
    _wrapped(context.evacuator.terminate)
    return ExitCode.SUCCESS


def monitor(request: Request, context: Context) -> ExitCode:
    """Whether the evacuator lives and its loop turns; from depth 10 on also whether Nova answers.

    That Nova does not answer is "degraded": another controller would not reach it either.
    """
    if context.evacuator.pid() is None:
        return ExitCode.NOT_RUNNING
    try:
        health = context.evacuator.ask("health", timeout=ANSWER_WITHIN)
    except client.EvacuatorError as error:
        raise ActionError(ExitCode.ERR_GENERIC, str(error)) from error
    age = float(health.get("turn_age", 0.0))
    if age > client.HUNG_AFTER:
        raise ActionError(
            ExitCode.ERR_GENERIC,
            f"the evacuator hangs: its loop has not turned for {age:.0f} s",
        )
    if request.by_hand:
        _show_hosts(context)
    nova = health.get("nova") or {}
    if request.check_level >= 10 and nova.get("ok") is False:
        reason = f"Nova does not answer: {nova.get('problem') or 'no reason given'}"
        write_exit_reason(context.stderr, reason, request.secrets)
        return ExitCode.DEGRADED
    return ExitCode.SUCCESS


def validate_all(request: Request, context: Context) -> ExitCode:
    """Level 0: the parameters by themselves. Level 10: also sign in, and ask Nova."""
    check(AGENT, request, context.stderr)
    if request.check_level >= 10:
        context.check_nova(_given(request))
    return ExitCode.SUCCESS


def _given(request: Request) -> dict[str, str]:
    """What the operator set, which wins over the configuration file."""
    return {n: request.parameters[n] for n in sorted(request.given) if n in request.parameters}


def _show_hosts(context: Context) -> None:
    """The table that `crm_resource --force-check` has always shown: host and state."""
    try:
        status = context.evacuator.ask("status", timeout=ANSWER_WITHIN)
        rows = [
            (str(h["node"]), str(h["state"]), f"{h['settled']} of {h['total']} instances settled")
            for h in status.get("hosts", [])
        ]
    except (client.EvacuatorError, KeyError):
        rows = [
            (node, "unknown", str(record))
            if isinstance(record, RecordError)
            else (node, str(record.state), "")
            for node, record in sorted(context.cluster.records().items())
        ]
    if not rows:
        print("no host is in recovery", file=context.stdout)
    for node, state, detail in rows:
        print(f"{node:<24} {state:<10} {detail}".rstrip(), file=context.stdout)


def _wrapped(action: Callable[[], object]) -> None:
    """Run it; its EvacuatorError becomes the reason of a soft failure."""
    try:
        action()
    except client.EvacuatorError as error:
        raise ActionError(ExitCode.ERR_GENERIC, str(error)) from error


class LocalEvacuator:
    """The evacuator of this machine, by its pid file and socket."""

    def pid(self) -> int | None:
        return client.pid()

    def launch(self, parameters: Mapping[str, str], *, timeout: float) -> int:
        return client.launch(parameters, timeout=timeout)

    def ask(self, question: str, *, timeout: float) -> dict[str, Any]:
        return client.ask(question, timeout=timeout)

    def terminate(self) -> None:
        client.terminate()


def _check_nova(parameters: Mapping[str, str]) -> None:
    from novaha import wiring

    wiring.check_nova(parameters)
