"""Carrying out one OCF action: the one place where errors become exit codes and reasons."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from novaha.contract import ocf
from novaha.contract.ocf import Agent, ExitCode, Request
from novaha.contract.parameters import ParameterError
from novaha.core.errors import NovahaError

Handler = Callable[[Request], ExitCode]

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


def run(
    agent: Agent,
    handlers: Callable[[TextIO, TextIO], Mapping[str, Handler]],
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Carry out one request and return its exit code; nothing is raised.

    handlers: given standard output and error, the agent's actions by name.
    """
    out, err = stdout or sys.stdout, stderr or sys.stderr
    request = ocf.parse(
        agent, sys.argv[1:] if argv is None else argv, os.environ if environ is None else environ
    )
    if request.action in ("meta-data", "metadata"):
        out.write(ocf.metadata(agent))
        return ExitCode.SUCCESS
    actions = handlers(out, err)
    if request.action in ("usage", "help", ""):
        out.write(f"usage: {agent.name} {{{'|'.join([*actions, 'meta-data'])}}}\n")
        return ExitCode.SUCCESS if request.action else ExitCode.ERR_ARGS
    if request.action not in actions:
        ocf.write_exit_reason(err, f"{agent.name} does not know the action '{request.action}'")
        return ExitCode.ERR_UNIMPLEMENTED
    return _carry_out(request, actions[request.action], err)


def _carry_out(request: Request, handler: Handler, err: TextIO) -> int:
    try:
        with _deadline(request):
            return handler(request)
    except ActionError as error:
        code, reason = error.code, error.reason
    except ParameterError as error:
        code, reason = ExitCode.ERR_CONFIGURED, str(error)
    except NovahaError as error:
        code, reason = ExitCode.ERR_GENERIC, str(error)
    except Exception as error:  # an agent that dies of a traceback says nothing to crm_mon
        code, reason = ExitCode.ERR_GENERIC, f"unexpected {type(error).__name__}: {error}"
        for line in traceback.format_exc().splitlines():
            print(ocf.redact(line, request.secrets), file=err)
    ocf.write_exit_reason(err, reason, request.secrets)
    return code


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
