"""The command line of `novaha migrate`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from novaha.cli import configuration, install, prerequisites, setup
from novaha.cli.doctor.installed import AgentState, inspect
from novaha.cli.install import Directories
from novaha.cli.migrate import back, older, people, plan
from novaha.cli.migrate.people import ForPeople
from novaha.cli.migrate.plan import Part
from novaha.cli.steps import Wanted
from novaha.cli.terminal import as_json, say, warn
from novaha.contract.names import BRAKE_AGENT, EVACUATE_AGENT
from novaha.core.errors import NovahaError
from novaha.core.text import word as q
from novaha.core.text import words
from novaha.pacemaker.cib import known_nodes, query
from novaha.pacemaker.runner import Runner

VERSION = 1
"""Of what --output json prints: grows when a name changes meaning or goes."""

_REPLACED = (
    *("ocf/NovaCompute", "ocf/NovaEvacuate", "ocf/nova-compute-wait"),
    "fence_agents/fence_compute",
)
"""The agents whose names the older ones have, too."""

_BRAKE = f"fence_agents/{BRAKE_AGENT}"

_FILE = "novaha-migrate.xml"
_TIMEOUT = 60.0


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "migrate",
        help="print the pcs commands that lead from the older agents to novaha, or run them",
        description="Read the configuration of a cluster that runs the older agents and print the "
        "pcs commands that lead to novaha's, and what people have to do besides; with --apply run "
        "the commands, without interrupting instances. A failure at any moment is recovered.",
    )
    command.add_argument("--apply", action="store_true", help="run the commands")
    command.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help=f"where --apply keeps the configuration as it was (default: a new file in "
        f"{back.PLACE})",
    )
    command.add_argument(
        "--back",
        type=Path,
        metavar="FILE",
        help="show what going back to a kept configuration changes; with --apply go back",
    )
    command.add_argument(
        "--compute",
        nargs="+",
        action="extend",
        default=[],
        metavar="NODE",
        help="a compute node; those that have the role, or else are fenced, if none is named",
    )
    command.add_argument(
        "--compute-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of NovaCompute, if nova-compute was no resource of the cluster",
    )
    setup.add_brake_options(command)
    command.add_argument("--output", choices=("text", "json"), default="text", help="the format")


def run(
    args: argparse.Namespace,
    runner: Runner | None = None,
    ours: Callable[[], bool] | None = None,
) -> int:
    """Print or do it. Raises NovahaError when something is in the way."""
    run_tool = runner or Runner()
    root = _cib(run_tool)
    if args.back is not None:
        return _back(args, root, run_tool)
    now = configuration.read(root, known_nodes(run_tool))
    prerequisites.check(root, run_tool, now.parameters(EVACUATE_AGENT))
    found = older.read(root, now)
    wanted = Wanted(
        computes=tuple(args.compute),
        compute=setup.parameters(args.compute_option),
        brake=args.brake,
        brake_options=setup.parameters(args.brake_option),
        pcs=setup.pcs_version(run_tool),
    )
    parts = plan.plan(now, found, wanted)
    replaced = ours() if ours else agents_are_ours(brake=wanted.brake or now.brake() is not None)
    by_hand = people.steps(now, found, ours=replaced, wanted=wanted.compute) if parts else []
    due = [part for part in parts if replaced or not part.ours]
    kept: Path | None = None
    if args.apply and due:
        kept = back.keep(root, args.save)
        for part in due:
            _push(part, run_tool, quiet=args.output == "json")
    if args.output == "json":
        _print_json(found, parts, by_hand, due if args.apply else [], kept)
    elif not parts:
        say("everything is migrated: nothing to do")
    elif args.apply:
        _print_done(parts, due, by_hand, kept)
    else:
        _print_plan(parts, due, by_hand)
    return 0


def agents_are_ours(directories: Directories | None = None, *, brake: bool = False) -> bool:
    """Whether novaha's agents stand where Pacemaker looks for them on this node.

    brake: that of the brake, too; a level whose first device is missing fails.
    """
    names = (*_REPLACED, _BRAKE) if brake else _REPLACED
    sources, targets = install.sources(), (directories or Directories()).targets()
    return all(
        inspect(targets[name], (sources / name).read_bytes()).state
        in (AgentState.CURRENT, AgentState.OUTDATED)
        for name in names
    )


def _cib(run_tool: Runner) -> etree._Element:
    for root in query(run_tool, "/cib"):
        return root
    raise NovahaError("the cluster's configuration cannot be read: is Pacemaker running here?")


def _push(part: Part, run_tool: Runner, *, quiet: bool) -> None:
    """All of a part or nothing."""
    with tempfile.TemporaryDirectory(prefix="novaha-migrate-") as directory:
        file = str(Path(directory, _FILE))
        run_tool(["pcs", "cluster", "cib", file], timeout=_TIMEOUT)
        shutil.copyfile(file, f"{file}.orig")
        for number, step in enumerate(part.steps, start=1):
            if not quiet:
                say(f"{part.title} [{number}/{len(part.steps)}] {step.title}")
            result = run_tool(["pcs", "-f", file, *step.argv], timeout=_TIMEOUT)
            if result.stderr.strip():
                warn(result.stderr.strip())
        push = ["pcs", "cluster", "cib-push", file, f"diff-against={file}.orig"]
        run_tool(push, timeout=_TIMEOUT)


def _back(args: argparse.Namespace, root: etree._Element, run_tool: Runner) -> int:
    before = back.read(args.back)
    there = back.target(root, before)
    if back.same(root, there):
        say("the configuration is as it was: nothing to do")
        return 0
    with tempfile.TemporaryDirectory(prefix="novaha-migrate-") as directory:
        now, then = Path(directory, "now.xml"), Path(directory, "then.xml")
        now.write_bytes(etree.tostring(root))
        then.write_bytes(etree.tostring(there))
        difference = ["crm_diff", "--no-version", "--original", str(now), "--new", str(then)]
        # It exits 1 when there is a difference.
        patch = run_tool(difference, accept=frozenset({0, 1})).stdout
        if not args.apply:
            say(back.shown(patch))
            warn(f"to do this: novaha migrate --back {q(str(args.back))} --apply")
            return 0
        file = Path(directory, "patch.xml")
        file.write_bytes(patch)
        run_tool(["cibadmin", "--patch", "--xml-file", str(file)], timeout=_TIMEOUT)
    say("done: the cluster has the configuration that it had")
    say("now put the older agents back, on every node: novaha install-agents --uninstall")
    say("or remove the packages")
    return 0


def _script(part: Part) -> list[str]:
    return [
        "",
        f"# {part.title}: {part.why}",
        f"pcs cluster cib {_FILE}",
        f"cp {_FILE} {_FILE}.orig",
        *(f"pcs -f {_FILE} {words(step.argv)}" for step in part.steps),
        f"pcs cluster cib-push {_FILE} diff-against={_FILE}.orig",
    ]


def _by_hand(steps: Sequence[ForPeople], when: str) -> list[str]:
    lines = []
    for step in steps:
        if step.when == when:
            lines += [f"{step.where}:", f"    {step.what}"]
            lines += [f"    $ {command}" for command in step.commands]
    return [f"{when.upper()}, by hand", *lines] if lines else []


def _print_plan(parts: Sequence[Part], due: Sequence[Part], by_hand: Sequence[ForPeople]) -> None:
    """A script of what can be done now; the rest is comments."""
    lines = [*_comments(_by_hand(by_hand, "before")), "", *setup.private()]
    lines += [line for part in due for line in _script(part)]
    lines += ["", *_comments(_by_hand(by_hand, "between"))]
    for part in parts:
        if part not in due:
            lines += _comments(_script(part))
    lines += ["", *_comments(_by_hand(by_hand, "after"))]
    say("\n".join(lines).strip())


def _print_done(
    parts: Sequence[Part],
    due: Sequence[Part],
    by_hand: Sequence[ForPeople],
    kept: Path | None,
) -> None:
    if kept is not None:
        say(f"done; to go back: novaha migrate --back {q(str(kept))} --apply")
    finished = len(due) == len(parts)
    for when in ("after",) if finished else ("before", "between", "after"):
        if lines := _by_hand(by_hand, when):
            say("", *lines)
    if finished:
        say("\nthen see whether all is well, here and on a compute host: novaha doctor")
    else:
        say("\nThe rest waits for novaha's agents, which are not on this node yet: do what is to")
        say("be done between, then run this command again.")


def _comments(lines: Sequence[str]) -> list[str]:
    return [f"# {line.removeprefix('# ')}".rstrip() for line in lines]


def _print_json(
    found: older.Older,
    parts: Sequence[Part],
    by_hand: Sequence[ForPeople],
    applied: Sequence[Part],
    kept: Path | None,
) -> None:
    document = {
        "version": VERSION,
        "found": list(found.found),
        "parts": [
            {
                "title": part.title,
                "why": part.why,
                "needs_agents": part.ours,
                "applied": part in applied,
                "steps": [{"title": s.title, "command": ["pcs", *s.argv]} for s in part.steps],
            }
            for part in parts
        ],
        "by_hand": [
            {"when": s.when, "where": s.where, "what": s.what, "commands": list(s.commands)}
            for s in by_hand
        ],
        "kept": str(kept) if kept else None,
    }
    say(as_json(document, indent=2))
