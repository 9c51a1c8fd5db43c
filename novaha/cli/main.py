"""`novaha`: the operator's command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum, unique

from novaha import __version__
from novaha.cli import install, operator, setup, status
from novaha.cli.doctor import command as doctor
from novaha.cli.migrate import command as migrate
from novaha.core.errors import NovahaError


@unique
class ExitCode(IntEnum):
    """Exit codes of the command. argparse itself ends with 2 on wrong usage."""

    SUCCESS = 0
    FAILURE = 1
    INTERRUPTED = 130


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "install-agents": install.run,
    "setup": setup.run,
    "migrate": migrate.run,
    "doctor": doctor.run,
    "status": status.run,
    "release": operator.with_node(operator.release),
    "retry": operator.with_node(operator.retry),
    "recover": operator.with_node(operator.recover),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="novaha", description="High availability for OpenStack compute instances on Pacemaker."
    )
    top.add_argument("--version", action="version", version=f"novaha {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status.add_parser(commands)
    setup.add_parser(commands)
    migrate.add_parser(commands)
    doctor.add_parser(commands)
    install.add_parser(commands)
    operator.add_parsers(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(argv)
    try:
        return _COMMANDS[args.command](args)
    except NovahaError as error:
        print(f"novaha: {error}", file=sys.stderr)
        return ExitCode.FAILURE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `novaha status | head`
        sys.stderr.close()
        return ExitCode.SUCCESS


if __name__ == "__main__":
    sys.exit(main())
