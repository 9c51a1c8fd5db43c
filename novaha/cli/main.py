"""`novaha`: the operator's command."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum, unique
from typing import NoReturn

from novaha import __version__
from novaha.cli import (
    brake,
    history,
    install,
    metrics,
    notify,
    operator,
    policy,
    room,
    serve,
    setup,
    status,
)
from novaha.cli.doctor import command as doctor
from novaha.cli.migrate import command as migrate
from novaha.cli.noted import noted
from novaha.core import text
from novaha.core.errors import NovahaError


@unique
class ExitCode(IntEnum):
    """Exit codes of the command. argparse itself ends with 2 on wrong usage."""

    SUCCESS = 0
    FAILURE = 1
    NOT_SET_UP = 3
    """novaha protects nothing in this cluster: only of `status`, as the next two."""
    RECOVERING = 4
    """Hosts are being recovered, and nothing has to be done."""
    ATTENTION = 5
    """An operator has to do something."""
    INTERRUPTED = 130


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "install-agents": install.run,
    "setup": setup.run,
    "migrate": migrate.run,
    "doctor": doctor.run,
    "status": status.run,
    "metrics": metrics.run,
    "history": history.history,
    "report": history.report,
    "notify": notify.run,
    "release": noted("release", operator.RELEASE),
    "retry": noted("retry", operator.RETRY),
    "recover": noted("recover", operator.RECOVER),
    "proceed": noted("proceed", brake.proceed),
    "pause": noted("pause", brake.PAUSE_COMMAND),
    "resume": noted("resume", brake.resume),
    "evidence": brake.evidence,
    "policy": policy.run,
    "serve": serve.run,
    "plan": room.run,
}


class Parser(argparse.ArgumentParser):
    """One whose errors repeat no value: what was mistyped may be a password."""

    def error(self, message: str) -> NoReturn:
        head, found, rest = message.partition("unrecognized arguments: ")
        if found:
            names = [word.partition("=")[0] for word in rest.split() if word.startswith("-")]
            message = f"{head}{found}{' '.join(names) or 'there is a word too many'}"
        message = re.sub(r"(invalid [\w ]+ value): .*", r"\1", message)
        message = re.sub(r"invalid choice: .* (?=\(choose)", "invalid choice ", message)
        super().error(text.line(message))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = Parser(
        prog="novaha", description="High availability for OpenStack compute instances on Pacemaker."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status.add_parser(commands)
    setup.add_parser(commands)
    migrate.add_parser(commands)
    doctor.add_parser(commands)
    metrics.add_parser(commands)
    install.add_parser(commands)
    operator.add_parsers(commands)
    brake.add_parsers(commands)
    policy.add_parser(commands)
    history.add_parsers(commands)
    notify.add_parsers(commands)
    serve.add_parser(commands)
    room.add_parser(commands)
    verbs = [verb for command in commands.choices.values() for verb in _verbs(command)]
    for one in (top, *commands.choices.values(), *verbs):
        one.add_argument("--version", action="version", version=f"novaha {__version__}")
        one.add_argument(
            "--debug",
            action="store_true",
            default=False if one is top else argparse.SUPPRESS,  # either place will do
            help="show where in the program an error came from",
        )
    return top


def _verbs(command: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of a command's own commands. argparse has no public way to ask for them."""
    subs = (a for a in command._actions if isinstance(a, argparse._SubParsersAction))
    return [verb for sub in subs for verb in sub.choices.values()]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(argv)
    try:
        with _nothing_left_behind():
            code = _COMMANDS[args.command](args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `novaha status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.SUCCESS
    except NovahaError as error:
        _say(str(error), args.debug)
    except Exception as error:  # a traceback tells an operator nothing
        where = "" if args.debug else f"; where: novaha {args.command} --debug"
        _say(f"internal error, {type(error).__name__}: {error}{where}", args.debug)
    else:
        return code
    return ExitCode.FAILURE


@contextlib.contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """What ends the process ends it as an exit does: a copy of the configuration is removed."""

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup has one ignored
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(message: str, debug: bool) -> None:
    """The reason for people; a list of problems keeps its lines. debug: also where it came from."""
    if debug:
        traceback.print_exc()
    first, *others = [text.line(line) for line in message.splitlines()] or [""]
    print("\n  ".join([f"novaha: {first}", *others]), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
