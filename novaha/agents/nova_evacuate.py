"""NovaEvacuate: keeps the evacuator process running on one controller.

The process holds no state that matters, so starting, ending and killing it cost only time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

from novaha import __version__
from novaha.agents import evacuator_user
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.nova_parameters import (
    CONFIG,
    CREDENTIALS,
    DEBUG_FILE,
    NO_SHARED_STORAGE,
    VERBOSE,
)
from novaha.agents.runtime import ActionError, actions, check, checked, run
from novaha.contract.ocf import Action, Agent, ExitCode, Request, Row, table, write_exit_reason
from novaha.contract.parameters import Parameter
from novaha.core.errors import NovahaError, RecordError
from novaha.core.steps import Progress
from novaha.evacuator import client

if TYPE_CHECKING:
    from novaha.evacuator.identity import Identity

Answer = TypeVar("Answer")

ANSWER_WITHIN = 5.0
"""Seconds in which an evacuator that lives answers; its socket has a thread of its own."""

START_WITHIN = 15.0
"""Most seconds for a start, so that Pacemaker is not kept from fencing for longer."""

_SHOWN = 10
"""Instances of a host that are shown to who asks; `novaha status` shows all."""

AGENT = Agent(
    name="NovaEvacuate",
    version=__version__,
    shortdesc="Recovers the OpenStack instances of fenced compute hosts",
    longdesc=(
        "Runs the evacuator. It restarts the instances of every compute host that fence_compute "
        "flagged on other hosts, and lets the host back into service afterwards. Run one, on "
        "the controllers. 'novaha status' shows what it does."
    ),
    parameters=(
        CONFIG,
        *CREDENTIALS,
        VERBOSE,
        NO_SHARED_STORAGE,
        DEBUG_FILE,
        Parameter(
            name="user",
            reloadable=True,
            shortdesc="User to run the evacuator as",
            longdesc=(
                "User to run the evacuator as, in group haclient besides its own; it needs no "
                "root. If not set, novaha where that user exists and can read the configuration, "
                "else root without most of its rights."
            ),
            advanced=True,
        ),
        Parameter(
            name="evacuate_delay",
            type="integer",
            deprecated=True,
            reloadable=True,
            shortdesc="Not used: the evacuator watches each evacuation instead of waiting",
        ),
    ),
    actions=(
        Action("start", timeout=30),
        Action("stop", timeout=20),
        Action("monitor", timeout=20, interval=10, depth=0),
        Action("monitor", timeout=20, interval=60, depth=10),
        Action("reload-agent", timeout=30),
        Action("validate-all", timeout=30),
        Action("meta-data", timeout=5),
    ),
)


class Evacuator(Protocol):
    """The evacuator on this machine. Everything raises EvacuatorError."""

    def pid(self) -> int | None:
        """Its process id, None when it does not run."""

    def launch(self, parameters: Mapping[str, str], *, timeout: float) -> int:
        """Start it and wait until it answers."""

    def ask(self, question: str, *, timeout: float) -> dict[str, Any]:
        """Its answer to "health" or "status"."""

    def terminate(self) -> bool:
        """End it; whether it is gone after five seconds."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent works with. Both checks are given the parameters.

    check_nova: signs in and asks Nova. check_conf: reads the configuration, and asks nobody.
    """

    stdout: TextIO
    stderr: TextIO
    evacuator: Evacuator = field(default_factory=lambda: LocalEvacuator())
    cluster: Cluster = field(default_factory=PacemakerCluster)
    check_nova: Callable[[Mapping[str, str]], object] = field(
        default=lambda parameters: _check_nova(parameters)
    )
    check_conf: Callable[[Mapping[str, str]], object] = field(
        default=lambda parameters: _check_conf(parameters)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one action and return its exit code."""
    return run(AGENT, actions(start, stop, monitor, validate_all, reload_agent), Context, argv)


def start(request: Request, context: Context) -> ExitCode:
    """Start the evacuator and see it turn. Nova need not answer: the evacuator waits for it."""
    check(AGENT, request, context.stderr)
    evacuator = context.evacuator
    if _wrapped(evacuator.pid) is not None:
        with contextlib.suppress(client.EvacuatorError):
            evacuator.ask("health", timeout=ANSWER_WITHIN)
            return ExitCode.SUCCESS
        _wrapped(evacuator.terminate)  # one that lives and does not answer is of no use
    _launch(request, context)
    return ExitCode.SUCCESS


def reload_agent(request: Request, context: Context) -> ExitCode:
    """Make changed parameters effective: another process takes over, and stays the same resource.

    The one that runs goes on if the new parameters cannot be read. That a process is replaced
    costs only time, see docs/design.md.
    """
    check(AGENT, request, context.stderr)
    if _wrapped(context.evacuator.pid) is None:
        raise ActionError(ExitCode.NOT_RUNNING, "the evacuator does not run")
    context.check_conf(_given(request))
    _wrapped(context.evacuator.terminate)
    _launch(request, context)
    return ExitCode.SUCCESS


def _launch(request: Request, context: Context) -> None:
    within = max(1.0, min(START_WITHIN, request.timeout - 6))
    _wrapped(lambda: context.evacuator.launch(_given(request), timeout=within))


def stop(request: Request, context: Context) -> ExitCode:
    """End the evacuator. Asks nobody and validates nothing: a failed stop fences the node."""
    if _wrapped(context.evacuator.terminate) is False:
        with contextlib.suppress(OSError, ValueError):
            print(
                "WARNING: it hangs in the kernel, killed; it asks nobody again", file=context.stderr
            )
    return ExitCode.SUCCESS


def monitor(request: Request, context: Context) -> ExitCode:
    """Whether the evacuator lives and its loop turns; from depth 10 on also whether it gets on.

    If it does not, because Nova or the cluster has not answered for long, or because a host needs
    an operator, that is "degraded": another controller would not get any further.
    """
    if _wrapped(context.evacuator.pid) is None:
        if request.by_hand:
            stopped = ("evacuator", "stopped", "Pacemaker runs it on one controller")
            context.stdout.write(table([stopped, *_records(context)], request.output_format))
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
    problems = list(_problems(health))
    if request.by_hand:
        rows = _rows(health, context)
        context.stdout.write(table(rows, request.output_format))
    if not problems or (request.check_level < 10 and not request.by_hand):
        return ExitCode.SUCCESS
    write_exit_reason(context.stderr, "; ".join(problems), request.secrets)
    return ExitCode.DEGRADED


def _problems(health: Mapping[str, Any]) -> Iterator[str]:
    """What keeps the evacuator from its work, and what to do about it."""
    nova = health.get("nova") or {}
    silent = float(nova.get("silent_for", client.SILENT_AFTER))
    if nova.get("ok") is False and silent >= client.SILENT_AFTER:
        yield (
            f"Nova has not answered since {_moment(silent)}, recoveries wait for it "
            f"(novaha doctor --only cloud): {nova.get('problem') or 'no reason given'}"
        )
    failing = float(health.get("failing_for", 0.0))
    if health.get("problem") and failing >= client.SILENT_AFTER:
        yield (
            f"the evacuator has got nowhere since {_moment(failing)} "
            f"(novaha doctor): {health['problem']}"
        )
    yield from health.get("attention", ())


def validate_all(request: Request, context: Context) -> ExitCode:
    """Level 0: the parameters by themselves. Level 10: also sign in, and ask Nova."""
    check(AGENT, request, context.stderr)
    if request.check_level >= 10:
        context.check_nova(_given(request))
    return checked(request, context.stdout, "that Nova answers")


def _given(request: Request) -> dict[str, str]:
    """What the operator set, which wins over the configuration file."""
    return {n: request.parameters[n] for n in sorted(request.given) if n in request.parameters}


def _moment(ago: float) -> str:
    """When that was, seconds ago. Pacemaker shows the reason that a state began with, for ever."""
    return time.strftime("%H:%M UTC", time.gmtime(time.time() - ago))


def _rows(health: Mapping[str, Any], context: Context) -> Iterator[Row]:
    """What `crm_resource --force-check` shows: Nova, then each host, as it always has.

    Of a host's instances those that are not settled, and why; not all of many.
    """
    nova = health.get("nova") or {}
    answers = "not asked" if nova.get("ok") is None else "answers" if nova["ok"] else "silent"
    yield "nova", answers, str(nova.get("problem") or "")
    try:
        hosts = context.evacuator.ask("status", timeout=ANSWER_WITHIN).get("hosts", [])
        for host in hosts:
            detail = f"{host['settled']} of {host['total']} instances settled"
            why = host.get("detail")
            yield str(host["node"]), str(host["state"]), f"{detail}; {why}" if why else detail
            yield from _unsettled(host.get("instances", ()))
        if not hosts:
            yield "hosts", "none", "no host is in recovery"
    except (client.EvacuatorError, KeyError):
        yield from _records(context)


def _records(context: Context) -> Iterator[Row]:
    try:
        records = context.cluster.records()
    except NovahaError as error:
        yield "hosts", "unknown", str(error)
        return
    for node, record in sorted(records.items()):
        if isinstance(record, RecordError):
            yield node, "unknown", str(record)
        else:
            yield node, str(record.state), f"fenced {record.fenced:%Y-%m-%d %H:%M:%S} UTC"


def _unsettled(instances: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    left = [i for i in instances if str(i["progress"]) != Progress.SETTLED]
    for instance in left[:_SHOWN]:
        name = f"  {instance['name'] or instance['id']}"
        yield name, str(instance["progress"]), str(instance["detail"])
    if left[_SHOWN:]:
        yield f"  {len(left) - _SHOWN} more", "", "novaha status"


def _wrapped(action: Callable[[], Answer]) -> Answer:
    """Run it; its EvacuatorError becomes the reason of a soft failure."""
    try:
        return action()
    except client.EvacuatorError as error:
        raise ActionError(ExitCode.ERR_GENERIC, str(error)) from error


class LocalEvacuator:
    """The evacuator of this machine, by its pid file and socket."""

    def pid(self) -> int | None:
        return client.pid()

    def launch(self, parameters: Mapping[str, str], *, timeout: float) -> int:
        user, note = _user(parameters)
        return client.launch(parameters, timeout=timeout, user=user, note=note)

    def ask(self, question: str, *, timeout: float) -> dict[str, Any]:
        return client.ask(question, timeout=timeout)

    def terminate(self) -> bool:
        return client.terminate()


def _check_conf(parameters: Mapping[str, str]) -> None:
    from novaha import wiring

    wiring.nova(wiring.conf(parameters))
    _user(parameters)


def _check_nova(parameters: Mapping[str, str]) -> None:
    from novaha import wiring

    _user(parameters)
    wiring.check_nova(parameters)


def _user(parameters: Mapping[str, str]) -> tuple[Identity | None, str]:
    """Whom the evacuator is to run as, None for who this is; and what an operator is to mend.

    Raises ActionError where the user that was asked for does not exist or cannot read it.
    """
    choice = evacuator_user.choose(parameters, evacuator_user.has_acls)
    if not (problem := choice.problem):
        return choice.user, ""
    if choice.wanted:
        raise ActionError(choice.code, problem)
    return None, f"the evacuator runs as root: {problem}; then pcs resource restart nova-evacuate"
