"""Carrying out one request of a fence agent: the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO, TypeVar

from novaha.contract import fence, streams
from novaha.contract.fence import Action, Agent, ExitCode, Request
from novaha.core.errors import NovahaError
from novaha.core.text import line, plain

Context = TypeVar("Context")
"""What an agent works with."""


_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
"""No link is followed, no named pipe waited for."""


class Log:
    """One line at a time, to standard error and to the debug file."""

    def __init__(self, agent: str, stderr: TextIO, request: Request | None = None) -> None:
        self._agent = agent
        self._stderr = None if request and request.quiet else stderr
        self._verbose = bool(request and request.verbose)
        self._file = request.debug_file if request else ""
        self._secrets = request.secrets if request else ()

    def __call__(self, text: str) -> None:
        text = line(text, self._secrets)
        if self._stderr is not None:
            streams.tell(self._stderr, f"{self._agent}: {text}\n")
        self._to_file(text)

    def debug(self, text: str) -> None:
        """Only shown with --verbose; always in the debug file."""
        if self._verbose:
            self(text)
        else:
            self._to_file(line(text, self._secrets))

    def _to_file(self, text: str) -> None:
        if not self._file:
            return
        row = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {self._agent}: {text}\n"
        # Whatever is there, a pipe or a full disk, must not keep a host from being fenced.
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(self._file, _APPEND, 0o600)
            with open(descriptor, "a", encoding="utf-8", errors="replace") as file:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    file.write(row)


Handler = Callable[[Request, Context, TextIO, Log], ExitCode]


def run(
    agent: Agent,
    handlers: Mapping[Action, Handler[Context]],
    context: Context,
    argv: Sequence[str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Carry out one request and return its exit code; nothing is raised."""
    out, err = stdout or sys.stdout, stderr or sys.stderr
    log = Log(agent.name, err)
    try:
        options = sys.argv[1:] if argv is None else argv
        lines = [] if options else streams.lines(stdin or sys.stdin)
        request = fence.parse(agent, options, lines)
        log = Log(agent.name, err, request)
        for warning in request.warnings:
            log(warning)
        if request.delay and request.action is Action.OFF:
            sleep(request.delay)
        return handlers[request.action](request, context, out, log)
    except NovahaError as error:
        log(str(error))
    except Exception as error:  # the executable's last line: say it, and fail as an agent fails
        log(f"unexpected {type(error).__name__}: {error}")
    return ExitCode.FAILURE


def show_list(request: Request, out: TextIO, power: Mapping[str, str]) -> ExitCode:
    """Print the hosts as `list` and `list-status` do. power: `on` or `off` by node."""
    for node, state in power.items():
        columns = [node, "", *([state] if request.action is Action.LIST_STATUS else [])]
        print(plain(request.separator.join(columns)), file=out)
    return ExitCode.SUCCESS


def texts(agent: Agent) -> dict[Action, Handler[Any]]:
    """The actions that only print something about the agent."""

    def manpage() -> str:
        from novaha.contract.manpage import fence_page  # no other action needs it

        return fence_page(agent, pcs=(), crm=(), see_also=("novaha.8",))

    def show(text: Callable[[], str]) -> Handler[Any]:
        def handler(request: Request, context: Any, out: TextIO, log: Log) -> ExitCode:
            out.write(text())
            return ExitCode.SUCCESS

        return handler

    return {
        Action.METADATA: show(lambda: fence.metadata(agent)),
        Action.MANPAGE: show(manpage),
        Action.HELP: show(lambda: fence.usage(agent)),
        Action.VERSION: show(lambda: f"{agent.name} {agent.version}\n"),
    }
