"""What an operator's command will do is said, and asked for where somebody can answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from novaha.cli import screen
from novaha.cli.terminal import say
from novaha.core.errors import NovahaError

Command = Callable[[argparse.Namespace], int]


class NotDoneError(NovahaError):
    """What was asked for is not done, for the reason that is said."""


def add_options(command: argparse.ArgumentParser) -> None:
    """`--reason` and `--yes`."""
    command.add_argument("--reason", default="", help="why, for the record")
    command.add_argument("--yes", action="store_true", help="do not ask")


def agreed(question: str) -> bool:
    """Whether the one at the terminal says yes."""
    return input(f"{question} [y/N] ").strip().lower().startswith("y")


def asked(effect: Callable[[argparse.Namespace], str], question: str, command: Command) -> Command:
    """The command, which says what it will do, and asks first where there is a terminal.

    effect: one sentence about it, "" where the command will refuse. Without a terminal the command
    runs: scripts have always called it so. question: with {host}.
    """

    def run(args: argparse.Namespace) -> int:
        said = effect(args)
        if said:
            say(*screen.wrapped(said, screen.size()[0]))
            terminal = sys.stdin is not None and sys.stdin.isatty()
            if terminal and not args.yes and not agreed(question.format(**vars(args))):
                raise NotDoneError("nothing was done")
        return command(args)

    return run
