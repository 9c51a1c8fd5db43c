"""`novaha setup`: says which pcs commands set novaha up in this cluster, or runs them."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from novaha.cli import configuration, crmsh, groups, layout, prerequisites, removal
from novaha.cli.configuration import Configuration, integer
from novaha.cli.steps import Step, Wanted
from novaha.cli.terminal import say, warn
from novaha.contract.names import BRAKE_AGENT, EVACUATE_AGENT
from novaha.core.errors import NovahaError
from novaha.core.text import line, words
from novaha.pacemaker.cib import known_nodes, query
from novaha.pacemaker.runner import Runner

_PCS_TIMEOUT = 60.0
_FILE = "novaha-setup.xml"
SECRET = re.compile(r"pass|pwd|secret|token|credential|(?:^|[_-])(?:api|private)?[_-]?key$", re.I)
_LOGIN_IN_URL = re.compile(r"://[^/\s]*@")
_NEXT = "then see whether all is well, here and on a compute host: novaha doctor"


class UsageError(NovahaError):
    """The command line asks for something that is not done."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "setup",
        help="print the pcs commands that set novaha up in this cluster, or run them",
        description="Read the cluster's configuration and print the pcs commands that are missing "
        "for novaha; with --apply run them, all or none. What is there already is kept.",
    )
    command.add_argument("--apply", action="store_true", help="run the commands (by pcs)")
    command.add_argument(
        "--print",
        dest="form",
        choices=("pcs", "crmsh"),
        default="pcs",
        help="for which shell the commands are printed (default: %(default)s)",
    )
    command.add_argument(
        "--remove",
        action="store_true",
        help="the other way round: take all of novaha out of the cluster's configuration; "
        "nova-compute and the instances run on",
    )
    add_brake_options(command)
    command.add_argument(
        "--groups",
        action="store_true",
        help="also put the compute hosts into groups for the brake's group_limit, by Nova's "
        "availability zones and by the metadata 'rack' and 'novaha-group' of its aggregates",
    )
    command.add_argument(
        "--racks",
        default="",
        metavar="PATTERN",
        help="with --groups: an aggregate that is called so is a rack, as 'rack-*'",
    )
    for option, what in (
        ("--compute", "a compute node; remote and guest nodes if none is named"),
        ("--controller", "a controller, to be marked as one"),
    ):
        command.add_argument(
            option, nargs="+", action="extend", default=[], metavar="NODE", help=what
        )
    for option, agent in (
        ("--evacuate-option", "NovaEvacuate"),
        ("--compute-option", "NovaCompute"),
    ):
        command.add_argument(
            option,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"a parameter of {agent}; may be given several times",
        )
    command.add_argument(
        "--alert",
        default=Wanted().alert,
        metavar="PATH",
        help="where install-agents put the alert agent (default: %(default)s)",
    )


def add_brake_options(command: Any) -> None:
    """`brake` and `brake_option` of whatever command writes fencing levels."""
    command.add_argument(
        "--no-brake",
        dest="brake",
        action="store_false",
        help="without the device that holds power-offs when many compute hosts fail at once; one "
        "that is there already stays in each fencing level",
    )
    command.add_argument(
        "--brake-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a parameter of {BRAKE_AGENT}; may be given several times",
    )


def run(args: argparse.Namespace, runner: Runner | None = None) -> int:
    """Print or run what is missing. Raises NovahaError when something is in the way."""
    run_tool = runner or Runner()
    roots = list(query(run_tool, "/cib"))
    if not roots:
        raise NovahaError("the cluster's configuration cannot be read: is Pacemaker running here?")
    wanted = Wanted(
        computes=tuple(args.compute),
        controllers=tuple(args.controller),
        evacuate=parameters(args.evacuate_option),
        compute=parameters(args.compute_option),
        alert=args.alert,
        brake=args.brake,
        brake_options=parameters(args.brake_option),
        pcs=pcs_version(run_tool) if args.form == "pcs" else Wanted().pcs,
    )
    now = configuration.read(roots[0], known_nodes(run_tool))
    if args.form == "crmsh" and (args.apply or args.remove):
        raise UsageError("--print crmsh goes with neither --apply nor --remove: both need pcs")
    if args.remove:
        return removal.run(roots[0], now, run_tool, apply=args.apply)
    given = {**now.parameters(EVACUATE_AGENT), **wanted.evacuate}
    prerequisites.check(roots[0], run_tool, given)
    if args.groups or args.racks:
        told = groups.from_nova(wanted.computes or now.computes(), given, args.racks)
        for problem in told.problems:
            warn(f"novaha: {line(problem)}")
        wanted = replace(wanted, groups=told.attributes)
    steps = layout.plan(now, wanted)
    if not steps:
        say("everything is set up: nothing to do")
        return 0
    if args.apply:
        apply(steps, run_tool)
        say("done: the cluster has the new configuration")
    else:
        say(crmsh_script(now, steps) if args.form == "crmsh" else script(steps))
    warn(_NEXT)  # not among the commands, which may be redirected
    return 0


def script(steps: Sequence[Step]) -> str:
    """The commands as a shell script that changes everything or nothing."""
    return "\n".join([*private(), *pushed(steps)])


def crmsh_script(now: Configuration, steps: Sequence[Step]) -> str:
    """The same for crmsh."""
    return "\n".join([*private(), *crmsh.pushed(now, steps)])


def pushed(steps: Sequence[Step]) -> list[str]:
    """The part of a script that makes these steps, all or none."""
    return [
        f"pcs cluster cib {_FILE}",
        f"cp {_FILE} {_FILE}.orig",
        *(f"pcs -f {_FILE} {words(step.argv)}" for step in steps),
        f"pcs cluster cib-push {_FILE} diff-against={_FILE}.orig",
    ]


def private() -> list[str]:
    """How a printed script begins: the configuration holds passwords, so only root reads a copy."""
    return [
        "set -e",
        "umask 077",
        "directory=$(mktemp -d)",
        "trap 'rm -rf \"$directory\"' EXIT",
        'cd "$directory"',
    ]


def apply(steps: Sequence[Step], run_tool: Runner) -> None:
    """Work on a copy and push the difference, so that a failure half-way changes nothing."""
    with tempfile.TemporaryDirectory(prefix="novaha-setup-") as directory:
        file = str(Path(directory, _FILE))
        run_tool(["pcs", "cluster", "cib", file], timeout=_PCS_TIMEOUT)
        shutil.copyfile(file, f"{file}.orig")
        for number, step in enumerate(steps, start=1):
            say(f"[{number}/{len(steps)}] {step.title}")
            result = run_tool(["pcs", "-f", file, *step.argv], timeout=_PCS_TIMEOUT)
            if result.stderr.strip():
                warn(result.stderr.strip())
        push = ["pcs", "cluster", "cib-push", file, f"diff-against={file}.orig"]
        run_tool(push, timeout=_PCS_TIMEOUT)


def parameters(pairs: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE arguments. Raises UsageError, also for secrets; no value is repeated (law 9)."""
    given: dict[str, str] = {}
    for number, pair in enumerate(pairs, start=1):
        name, separator, value = pair.partition("=")
        if not separator or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError(f"option {number} of an agent is not NAME=VALUE")
        if SECRET.search(name) or _LOGIN_IN_URL.search(value):
            raise UsageError(
                f"{name}: no secrets on a command line, where every user of this machine sees "
                "them: put them into /etc/novaha/novaha.conf, readable by root alone"
            )
        given[name] = value
    return given


def pcs_version(run_tool: Runner) -> tuple[int, ...]:
    """Which pcs is here. Raises ClusterToolError."""
    text = (
        run_tool(["pcs", "--version"], timeout=_PCS_TIMEOUT)
        .stdout.decode("utf-8", "replace")
        .strip()
    )
    numbers = text.split("+")[0].split(".")
    return tuple(integer(number) for number in numbers if re.fullmatch("[0-9]{1,9}", number))
