"""The reference, rendered from what the code declares: ```{novaha} PART [NAME]``` in a page.

Rendering is pure and gives Markdown; only `setup` and the directive know Sphinx.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

from keystoneauth1 import loading
from oslo_config import cfg

from novaha.agents import (
    fence_compute,
    fence_heuristics_compute,
    libvirtd,
    nova_compute,
    nova_compute_wait,
    nova_evacuate,
)
from novaha.cli import main
from novaha.cli.doctor import cloud, cluster, live, node, records, resources
from novaha.cli.doctor.finding import Check
from novaha.cli.verdict import judge
from novaha.conf import serve
from novaha.conf.options import GROUPS, register_opts
from novaha.contract import fence
from novaha.contract.parameters import Parameter
from novaha.core.answers import Code
from novaha.core.reasons import Reason, Stand
from novaha.core.record import FORCED, Record, attribute_id, set_id, to_attributes
from novaha.core.recovery import TRANSITIONS, RecoveryState
from novaha.core.sentences import template
from novaha.core.steps import HostReport, InstanceReport, Progress
from novaha.evacuator import status

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE_AGENTS = {a.name: a for a in (fence_compute.AGENT, fence_heuristics_compute.AGENT)}
RESOURCE_AGENTS = {
    agent.name: agent
    for agent in (
        nova_evacuate.AGENT,
        nova_compute.AGENT,
        nova_compute_wait.AGENT,
        libvirtd.AGENT,
    )
}

CHECKS: dict[str, Sequence[Check[Any]]] = {
    "cluster": (*cluster.FENCING, *resources.RESOURCES, *cluster.OPTIONS, *live.LIVE),
    "node": node.NODE,
    "cloud": cloud.CLOUD,
    "recovery": records.RECORDS,
}
"""The checks of `novaha doctor`, in its order, by what `--only` takes."""

EXAMPLE = Record(
    node="compute-1",
    state=RecoveryState.RUNNING,
    fence_id="5b0b4f0e-8a3c-4f0a-9d55-3d1c5f7f0b51",
    fenced=datetime(2026, 1, 1, 2, 3, 4, tzinfo=UTC),
    owner="controller-2#3f9a01bc",
    marks=frozenset({FORCED}),
    before={"7d1f1f2a-0b6e-4a55-8f0c-6f4f9f3c1f10": "stopped"},
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |"
        for row in lines
    )


def code(text: object) -> str:
    """A code span, "" for nothing."""
    return f"`{text}`" if str(text) else ""


def parameters(name: str) -> str:
    """The parameters of an agent: first those with a meaning, then those that had one once."""
    agent = FENCE_AGENTS[name] if name in FENCE_AGENTS else RESOURCE_AGENTS[name]
    meant = [p for p in agent.parameters if not p.deprecated]
    older = [p for p in agent.parameters if p.deprecated]
    parts = [agent.longdesc]
    if meant:
        parts.append(table(("Parameter", "Type", "Default", "Meaning"), map(_parameter, meant)))
    if older:
        parts += [
            "Accepted, so that older configurations stay valid:",
            table(
                ("Parameter", "What became of it"),
                ([code(p.name), p.shortdesc] for p in older),
            ),
        ]
    return "\n\n".join(parts)


def _parameter(parameter: Parameter) -> list[str]:
    name = code(parameter.name)
    if parameter.aliases:
        name += f", formerly {', '.join(map(code, parameter.aliases))}"
    meaning = parameter.longdesc or f"{parameter.shortdesc}."
    notes = [
        *(["Required."] if parameter.required else []),
        *(["For tuning only."] if parameter.advanced else []),
    ]
    return [name, parameter.type, code(parameter.default or ""), " ".join([meaning, *notes])]


def actions(name: str) -> str:
    """The actions of a resource agent, with the time-outs that they need at least."""
    return table(
        ("Action", "Time-out", "Interval", "Depth (`OCF_CHECK_LEVEL`)"),
        (
            (
                code(action.name),
                f"{action.timeout} s",
                "" if action.interval is None else f"{action.interval} s",
                "" if action.depth is None else str(action.depth),
            )
            for action in RESOURCE_AGENTS[name].actions
        ),
    )


def fence_actions() -> str:
    """The actions of fence_compute."""
    asked = [a for a in fence.Action if a not in (fence.Action.HELP, fence.Action.VERSION)]
    return ", ".join(map(code, asked))


def options(section: str) -> str:
    """The options of one section of novaha.conf."""
    conf = cfg.ConfigOpts()
    register_opts(conf)
    shown = [_option(conf, section, name) for name in sorted(conf[section])]
    return table(("Option", "Type", "Default", "Meaning"), shown)


def serve_options() -> str:
    """The options of serve.conf."""
    conf = cfg.ConfigOpts()
    conf.register_opts(serve.OPTIONS, group=serve.SECTION)
    shown = [_option(conf, serve.SECTION, option.dest) for option in serve.OPTIONS]
    return table(("Option", "Type", "Default", "Meaning"), shown)


def _option(conf: cfg.ConfigOpts, section: str, name: str) -> list[str]:
    option: cfg.Opt = conf._get_opt_info(name, section)["opt"]
    default = conf._get_opt_info(name, section).get("default", option.default)
    help_text = option.help or ""
    if choices := getattr(option.type, "choices", None):
        help_text += f" One of {', '.join(code(c) for c in choices)}."
    if (least := getattr(option.type, "min", None)) is not None:
        help_text += f" At least {least:g}."
    shown = "" if default in (None, "", {}, []) else code(default)
    kind = getattr(option.type, "type_name", "string").removesuffix(" value")
    kind = {"floating point": "number", "dict": "list of pairs"}.get(kind, kind)
    return [code(option.dest), kind, shown, help_text]


def login(plugin: str) -> str:
    """The options of one of keystoneauth1's ways to sign in."""
    found = loading.get_auth_plugin_conf_options(plugin)
    return ", ".join(code(option.dest) for option in found if not option.deprecated_for_removal)


def commands() -> str:
    """Every command of `novaha`, as its own help has it."""
    top = main.parser()
    named = {"novaha": top} | {f"novaha {name}": c for name, c in subcommands(top).items()}
    with mock.patch.dict(os.environ, COLUMNS="92", NO_COLOR="1"):  # argparse looks at both
        helps = {name: command.format_help().rstrip() for name, command in named.items()}
    return "\n\n".join(f"## {name}\n\n```text\n{text}\n```" for name, text in helps.items())


def subcommands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands, by name."""
    return next(dict(a.choices) for a in top._actions if isinstance(a, argparse._SubParsersAction))


def checks(area: str) -> str:
    """What `novaha doctor` looks at in one area, and why."""
    return table(("Check", "All is well when", "Why it is looked at"), map(_check, CHECKS[area]))


def _check(check: Check[Any]) -> list[str]:
    why = " ".join((check.look.__doc__ or "").split("\n\n")[0].split())
    sound = check.sound if isinstance(check.sound, str) else ""
    return [code(check.name), sound, why]


def transitions() -> str:
    """The states of a recovery, and what leads from one to another."""
    return table(
        ("From", "What happens", "To"),
        ((code(state), code(event), code(to)) for (state, event), to in TRANSITIONS.items()),
    )


def record() -> str:
    """A recovery record as it stands in the CIB."""
    lines = ['<node id="compute-1" uname="compute-1" type="remote">']
    lines.append(f'  <instance_attributes id="{set_id(EXAMPLE.node)}">')
    for name, value in to_attributes(EXAMPLE).items():
        identifier = attribute_id(EXAMPLE.node, name)
        lines.append(f'    <nvpair id="{identifier}" name="{name}" value="{value}"/>')
    return "\n".join(["```xml", *lines, "  </instance_attributes>", "</node>", "```"])


def status_json() -> str:
    """What `novaha status --output json` says of a recovery, by the function that says it."""
    instances = (
        InstanceReport(
            "0d0e8a51-7a44-4a0c-a6d2-0f1f5cf0a001",
            "web-1",
            Progress.SETTLED,
            "compute-2",
            Reason(Stand.IN_STATE, {"state": "active"}),
        ),
        InstanceReport("7d1f1f2a-0b6e-4a55-8f0c-6f4f9f3c1f10", "batch-7", Progress.WAITING),
    )
    health = status.Health(
        pid=1234,
        node="controller-2",
        user="novaha",
        turn_age=0.4,
        problem="",
        failing_for=0.0,
        nova_problem="",
        nova_silent_for=0.0,
        attention=(),
    )
    answer = status.own(health, (), [HostReport(EXAMPLE, "compute-1", "recovering", instances)])
    answer |= judge(answer, EXAMPLE.fenced).data()
    return f"```json\n{json.dumps(answer, indent=2)}\n```"


def reasons() -> str:
    """The codes of an instance's reasons, with what people are told for them."""
    rows = ["| `code` | `detail` |", "|---|---|"]
    for code in (*Code, *Stand):
        said = re.sub(r"\{(\w+)\}", lambda m: m[1].upper(), template(code))
        rows.append(f"| `{code}` | {said} |")
    return "\n".join(rows)


PARTS: dict[str, Callable[..., str]] = {
    "reasons": reasons,
    "parameters": parameters,
    "actions": actions,
    "fence-actions": fence_actions,
    "options": options,
    "serve-options": serve_options,
    "login": login,
    "commands": commands,
    "checks": checks,
    "transitions": transitions,
    "record": record,
    "status-json": status_json,
}

SECTIONS = GROUPS


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    from docutils.nodes import Node
    from sphinx.util.docutils import SphinxDirective

    class Rendered(SphinxDirective):
        """A part of the reference: its name, and what it is about."""

        required_arguments = 1
        optional_arguments = 1

        def run(self) -> list[Node]:
            return list(self._nodes())

        def _nodes(self) -> Iterator[Node]:
            text = PARTS[self.arguments[0]](*self.arguments[1:])
            yield from self.parse_text_to_nodes(text, allow_section_headings=True)

    app.add_directive("novaha", Rendered)
    return {"parallel_read_safe": True}
