"""`novaha policy`: what the file says, and what it means for the instances that there are."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from novaha.cli import policy_site
from novaha.cli.policy_site import Judged, Known
from novaha.cli.table import columns
from novaha.cli.terminal import as_json, say, warn
from novaha.core.errors import ConfigError, NovahaError
from novaha.core.policy import DEFAULT_FILE
from novaha.core.policy.rules import Rules
from novaha.core.text import line

if TYPE_CHECKING:
    from novaha.conf.marked import Problem

_SHOWN = 200
"""Instances that are listed in a terminal; JSON has all."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "policy",
        help="check the policy file, and see what it means for the instances that there are",
        description="Check the policy file, and see what it means for the instances that there "
        "are. check: tells every mistake by line and column. explain INSTANCE: what would be done "
        "about one, and which rule says so. test: the same for all, or for those on --host. "
        "Nothing is changed.",
    )
    command.add_argument("action", choices=("check", "explain", "test"), help="what to do")
    command.add_argument("instance", nargs="?", metavar="INSTANCE", help="its id, for explain")
    command.add_argument(
        "--file", metavar="FILE", help="another file than the one that novaha.conf names"
    )
    command.add_argument(
        "--site",
        action="store_true",
        help="check: also whether the zones, aggregates, hosts and projects exist",
    )
    command.add_argument("--host", metavar="HOST", help="test: only what is on this host of Nova")
    command.add_argument(
        "--output", choices=("text", "json"), default="text", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError where a file cannot be read, ComputeApiError where Nova cannot."""
    if (args.instance is not None) != (args.action == "explain"):
        raise ConfigError("an INSTANCE belongs to explain, and to nothing else")
    path = args.file or _configured()
    if args.action == "check":
        return _check(args, path)
    rules = _load(path)
    known = policy_site.connect(rules)
    return _explain(args, rules, known) if args.action == "explain" else _test(args, rules, known)


def _configured() -> str:
    from novaha import wiring

    try:
        return str(wiring.conf().evacuator.policy)
    except NovahaError:
        return DEFAULT_FILE  # what is wrong there, others tell


def _load(path: str) -> Rules:
    from novaha.conf.policy import load

    try:
        return load(path)
    except FileNotFoundError:
        raise _no_file(path) from None


def _no_file(path: str) -> ConfigError:
    return ConfigError(f"{path} does not exist: without a policy all instances are moved")


def _check(args: argparse.Namespace, path: str) -> int:
    rules, problems, warnings = _read(path)
    if args.site and not problems:
        problems = policy_site.missing(rules, policy_site.connect(rules))
    if args.output == "json":
        found = {"errors": problems, "warnings": warnings}
        shown = {
            kind: [{"line": p.line, "column": p.column, "text": p.text} for p in of_kind]
            for kind, of_kind in found.items()
        }
        say(as_json({"file": path, "rules": len(rules.rules), **shown}, indent=2))
        return 1 if problems else 0
    for kind, of_kind in (("error", problems), ("warning", warnings)):
        for problem in of_kind:
            say(f"{path}:{problem.line}:{problem.column}: {kind}: {problem.text}")
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
        raise _no_file(path) from None
    except FileError as error:
        return Rules(path=path), list(error.problems), []
    return rules, problems, [] if problems else policy.never_matching(rules)


def _told(rules: Rules) -> str:
    count = len(rules.rules)
    return f"{rules.path}: {count} rule{'' if count == 1 else 's'}; default: {rules.default}"


def _explain(args: argparse.Namespace, rules: Rules, known: Known) -> int:
    instance = known.instance(args.instance)
    judged = known.judge(instance)
    trail = known.trail(instance)
    if args.output == "json":
        steps = [{"rule": r.name, "line": r.line, "matches": said} for r, said in trail]
        say(as_json({**_data(judged), "rules": steps}, indent=2))
    else:
        say(f"{line(instance.name)} ({instance.id}) on {line(instance.host) or 'no host'}")
        if trail:
            words = {True: "matches", False: "does not match", None: "cannot tell"}
            rows = [(str(r.line), line(r.name), words[said]) for r, said in trail]
            say("", columns(("LINE", "RULE", ""), rows), "")
        say(f"If its host died: {judged.action}: {judged.why}")
        for problem in known.problems:
            warn(f"novaha: {problem}")
    return 0 if judged.action != policy_site.UNDECIDED else 1


def _test(args: argparse.Namespace, rules: Rules, known: Known) -> int:
    """0 where everything is decided."""
    found = [known.judge(i) for i in known.instances(args.host)]
    counts = Counter((j.action, j.rule) for j in found)
    undecided = any(j.action == policy_site.UNDECIDED for j in found)
    if args.output == "json":
        rows: list[Mapping[str, Any]] = [
            {"action": action, "rule": rule, "instances": count}
            for (action, rule), count in sorted(counts.items())
        ]
        say(as_json({"counts": rows, "instances": [_data(j) for j in found]}, indent=2))
        return 1 if undecided else 0
    say(
        columns(
            ("ACTION", "RULE", "INSTANCES"),
            [(a, line(r) or "(default)", str(count)) for (a, r), count in sorted(counts.items())],
        )
    )
    used = {j.rule for j in found}
    for rule in rules.rules:
        if rule.name not in used:
            say(f"Decides about no instance now: rule '{line(rule.name)}', line {rule.line}")
    staying = [j for j in found if not j.moves]
    if staying:
        say("", "Not moved:")
        rows_ = [
            (j.instance.id, line(j.instance.name, longest=30), line(j.instance.host), j.why)
            for j in staying[:_SHOWN]
        ]
        say(columns(("INSTANCE", "NAME", "HOST", "WHY"), rows_))
    if len(staying) > _SHOWN:
        say(f"… and {len(staying) - _SHOWN} more: --output json shows all.")
    for problem in known.problems:
        warn(f"novaha: {problem}")
    return 1 if undecided else 0


def _data(judged: Judged) -> dict[str, Any]:
    return {
        "id": judged.instance.id,
        "name": judged.instance.name,
        "host": judged.instance.host,
        "action": judged.action,
        "moves": judged.moves,
        "rule": judged.rule,
        "why": judged.why,
    }
