"""Carrying out one OCF action: the one place where errors become exit codes and reasons."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO, TypeVar

from novaha.contract import ocf, streams
from novaha.contract.ocf import Agent, ExitCode, Request
from novaha.contract.parameters import ParameterError, ignored, validate
from novaha.core.errors import NovahaError

Context = TypeVar("Context")
"""What an agent works with: streams, the cluster, its process."""

Handler = Callable[[Request, Context], ExitCode]

_MARGIN = 1.0
"""Seconds before the end of the time-out in which an action still says why it gives up."""


class ActionError(NovahaError):
    """An action ends with this exit code, for this reason."""

    def __init__(self, code: ExitCode, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class DeadlineError(NovahaError):
    """An action has used up its time."""

    def __init__(self, action: str, seconds: float) -> None:
        self.action = action
        self.seconds = seconds
        super().__init__(f"{action} gave up after {seconds:g} s, just before its time-out")


def actions(
    start: Handler[Context],
    stop: Handler[Context],
    monitor: Handler[Context],
    validate_all: Handler[Context],
    reload_agent: Handler[Context],
) -> dict[str, Handler[Context]]:
    """An agent's actions by name; people know `monitor` as `status`, too."""
    return {
        "start": start,
        "stop": stop,
        "monitor": monitor,
        "status": monitor,
        "validate-all": validate_all,
        "reload-agent": reload_agent,
    }


def check(agent: Agent, request: Request, stderr: TextIO) -> None:
    """Refuse parameters that cannot be read, and name those that mean nothing any more.

    Raises ParameterError; never for one without meaning, whatever its value was good for once.
    """
    meaningless = ignored(agent.parameters, request.given)
    given = {name: request.parameters.get(name, "") for name in request.given}
    validate((p for p in agent.parameters if p.name not in meaningless), given)
    if meaningless:
        print(f"INFO: ignored, means nothing any more: {', '.join(meaningless)}", file=stderr)


def checked(request: Request, stdout: TextIO, beyond: str = "") -> ExitCode:
    """A validation found nothing wrong; a person is told what was looked at.

    beyond: what a check of level 10 looks at besides the parameters, "" when there is no more.
    """
    if request.by_hand:
        deep = f"and {beyond}" if request.check_level >= 10 else f"at check level 10 also {beyond}"
        row = ("parameters", "valid", deep if beyond else "there is nothing else to check")
        stdout.write(ocf.table([row], request.output_format))
    return ExitCode.SUCCESS


def run(
    agent: Agent,
    handlers: Mapping[str, Handler[Context]],
    context: Callable[[TextIO, TextIO], Context],
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Carry out one request and return its exit code; nothing is raised.

    context: makes what the handlers work with, given standard output and error.
    """
    out, err = stdout or sys.stdout, stderr or sys.stderr
    request = ocf.parse(
        agent, sys.argv[1:] if argv is None else argv, os.environ if environ is None else environ
    )
    if request.action in ("meta-data", "metadata"):
        out.write(ocf.metadata(agent))
        return ExitCode.SUCCESS
    if request.action == "--version":
        out.write(f"{agent.name} {agent.version}\n")
        return ExitCode.SUCCESS
    if request.action in ("usage", "help", "--help", "-h", ""):
        out.write(f"usage: {agent.name} {{{'|'.join([*handlers, 'meta-data'])}}}\n")
        return ExitCode.SUCCESS if request.action else ExitCode.ERR_ARGS
    if request.action not in handlers:
        ocf.write_exit_reason(err, f"{agent.name} does not know the action '{request.action}'")
        return ExitCode.ERR_UNIMPLEMENTED
    if request.verbose:
        _show_steps(request, err)
    handler = handlers[request.action]
    return _carry_out(request, lambda: handler(request, context(out, err)), err)


def _carry_out(request: Request, action: Callable[[], ExitCode], err: TextIO) -> int:
    try:
        with _deadline(request):
            return action()
    except ActionError as error:
        code, reason = error.code, error.reason
    except ParameterError as error:
        code, reason = ExitCode.ERR_CONFIGURED, str(error)
    except NovahaError as error:
        code, reason = ExitCode.ERR_GENERIC, str(error)
    except Exception as error:  # an agent that dies of a traceback says nothing to crm_mon
        code, reason = ExitCode.ERR_GENERIC, f"unexpected {type(error).__name__}: {error}"
        for line in traceback.format_exc().splitlines():
            streams.tell(err, f"{ocf.redact(line, request.secrets)}\n")
    ocf.write_exit_reason(err, reason, request.secrets)
    return code


def _show_steps(request: Request, err: TextIO) -> None:
    """Every tool that is run, and what came of it."""
    from novaha.pacemaker import runner

    def tell(step: str) -> None:
        streams.tell(err, f"DEBUG: {ocf.redact(step, request.secrets)}\n")

    runner.trace = tell


@contextmanager
def _deadline(request: Request) -> Iterator[None]:
    """End the action just before Pacemaker would, so that there is a reason (law 8)."""
    seconds = max(request.timeout - _MARGIN, request.timeout / 2)

    def give_up(signum: int, frame: FrameType | None) -> None:
        raise DeadlineError(request.action, seconds)

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
