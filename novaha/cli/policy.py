"""`novaha policy`: what the policy file says, before it is needed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from novaha.cli.terminal import as_json, say
from novaha.core.errors import ConfigError
from novaha.core.policy import DEFAULT_FILE
from novaha.core.policy.rules import Rules

if TYPE_CHECKING:
    from novaha.conf.marked import Problem


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "policy",
        help="check the policy file",
        description="Check the policy file: which instances are recovered, and how.",
    )
    command.add_argument(
        "action", choices=("check",), metavar="check", help="tell every mistake, by line and column"
    )
    command.add_argument(
        "--file",
        metavar="FILE",
        default=DEFAULT_FILE,
        help="another file than %(default)s",
    )
    command.add_argument(
        "--output", choices=("text", "json"), default="text", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """0 where nothing is wrong, else 1. Raises ConfigError where the file cannot be read."""
    rules, problems, warnings = _read(args.file)
    if args.output == "json":
        found = {"errors": problems, "warnings": warnings}
        shown = {
            kind: [{"line": p.line, "column": p.column, "text": p.text} for p in of_kind]
            for kind, of_kind in found.items()
        }
        say(as_json({"file": args.file, "rules": len(rules.rules), **shown}, indent=2))
    else:
        for kind, of_kind in (("error", problems), ("warning", warnings)):
            for problem in of_kind:
                say(f"{args.file}:{problem.line}:{problem.column}: {kind}: {problem.text}")
        if not problems:
            say(_told(rules))
    return 1 if problems else 0


def _read(path: str) -> tuple[Rules, list[Problem], list[Problem]]:
    """The policy, its mistakes, and what may be one."""
    from novaha.conf import policy
    from novaha.conf.marked import FileError

    try:
        rules, problems = policy.read_policy(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist: without a policy all instances are moved"
        ) from None
    except FileError as error:
        return Rules(path=path), list(error.problems), []
    return rules, problems, [] if problems else policy.never_matching(rules)


def _told(rules: Rules) -> str:
    count = len(rules.rules)
    return f"{rules.path}: {count} rule{'' if count == 1 else 's'}; default: {rules.default}"
