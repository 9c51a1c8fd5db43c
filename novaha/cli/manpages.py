"""The manual pages: `python -m novaha.cli.manpages DIR` writes all of them below DIR.

For packages and for the documentation. Everything in them comes from where it is declared: the
agents, the command line, the options of novaha.conf, the commands of `novaha setup`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from novaha import __version__
from novaha.agents import (
    fence_compute,
    fence_heuristics_compute,
    libvirtd,
    nova_compute,
    nova_compute_wait,
    nova_evacuate,
)
from novaha.cli import crmsh, fencing, layout
from novaha.cli.configuration import Configuration, Device
from novaha.cli.steps import Wanted
from novaha.contract import manpage, ocf
from novaha.contract.manpage import Section, bold, escape, example, italic, item, paragraph
from novaha.contract.names import (
    BRAKE_AGENT,
    COMPUTE_AGENT,
    EVACUATE_AGENT,
    FENCE_AGENT,
    PROVIDER,
)
from novaha.core.text import words

OCF_AGENTS: tuple[ocf.Agent, ...] = (
    nova_compute.AGENT,
    nova_evacuate.AGENT,
    nova_compute_wait.AGENT,
    libvirtd.AGENT,
)

FENCE_AGENTS = (fence_compute.AGENT, fence_heuristics_compute.AGENT)

_COMMAND = "novaha.8"
_CONF = "novaha.conf.5"

_FILES = {
    "/etc/novaha/novaha.conf": "How to sign in, and what can be tuned; see novaha.conf(5).",
    "/var/log/novaha/nova-evacuate.log": "What the evacuator says, on its controller.",
    "/var/log/novaha/journal.jsonl": "What it did, and when: one JSON object a line.",
}


def _on_compute_nodes(clone: str) -> tuple[str, ...]:
    rule = f"pcs constraint location {clone} rule resource-discovery=never"
    return (
        f"pcs resource meta {clone} interleave=true",
        f"{rule} score=-INFINITY osprole ne compute",
        f"{rule} score=0 osprole eq compute",
    )


_NOT_SET_UP = {
    "nova-compute-wait": (
        "pcs resource create --disabled nova-compute-wait ocf:openstack:nova-compute-wait "
        "op start timeout=20s meta failure-timeout=60s clone",
        *_on_compute_nodes("nova-compute-wait-clone"),
        "pcs constraint location nova-compute-wait-clone rule score=-INFINITY novaha-hold eq true",
        "pcs resource enable nova-compute-wait-clone",
    ),
    "libvirtd": (
        "pcs resource create --disabled libvirtd ocf:openstack:libvirtd "
        "op start on-fail=fence clone",
        *_on_compute_nodes("libvirtd-clone"),
        "pcs constraint order libvirtd-clone then nova-compute-clone",
        "pcs resource enable libvirtd-clone",
    ),
}
"""What `novaha setup` does not set up."""


def _on_compute_nodes_by_crm(clone: str) -> tuple[str, ...]:
    location = f"crm configure location {clone}"
    return (
        f"{location}-only {clone} resource-discovery=never rule -inf: osprole ne compute",
        f"{location}-there {clone} resource-discovery=never rule 0: osprole eq compute",
    )


_NOT_SET_UP_BY_CRM = {
    "nova-compute-wait": (
        "crm configure primitive nova-compute-wait ocf:openstack:nova-compute-wait "
        "op start interval=0s timeout=20s meta failure-timeout=60s target-role=Stopped",
        "crm configure clone nova-compute-wait-clone nova-compute-wait meta interleave=true",
        *_on_compute_nodes_by_crm("nova-compute-wait-clone"),
        "crm configure location nova-compute-wait-clone-held nova-compute-wait-clone "
        "rule -inf: novaha-hold eq true",
        "crm resource start nova-compute-wait",
    ),
    "libvirtd": (
        "crm configure primitive libvirtd ocf:openstack:libvirtd "
        "op start interval=0s timeout=30s on-fail=fence meta target-role=Stopped",
        "crm configure clone libvirtd-clone libvirtd meta interleave=true",
        *_on_compute_nodes_by_crm("libvirtd-clone"),
        "crm configure order libvirtd-first Mandatory: libvirtd-clone nova-compute-clone",
        "crm resource start libvirtd",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Write every page to DIR/manSECTION/NAME.SECTION."""
    parser = argparse.ArgumentParser(prog="novaha.cli.manpages", description=main.__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    directory: Path = parser.parse_args(argv).directory
    for name, text in pages().items():
        file = directory / f"man{name.rpartition('.')[2]}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(file)
    return 0


def pages() -> dict[str, str]:
    """Every page by its file name."""
    names = [f"{manpage.ocf_name(agent, PROVIDER)}.{manpage.OCF_SECTION}" for agent in OCF_AGENTS]
    fences = {f"{a.name}.{manpage.FENCE_SECTION}": a for a in FENCE_AGENTS}
    every = [_CONF, *names, *fences, _COMMAND]

    def others(name: str) -> list[str]:
        return [other for other in every if other != name]

    found = {
        name: manpage.ocf_page(agent, PROVIDER, *_commands(agent.name), others(name))
        for name, agent in zip(names, OCF_AGENTS, strict=True)
    }
    for page, agent in fences.items():
        found[page] = manpage.fence_page(agent, *_commands(agent.name), others(page))
    found[_COMMAND] = _command_page(others(_COMMAND))
    found[_CONF] = _conf_page(others(_CONF))
    return found


def _commands(agent: str) -> tuple[list[str], list[str]]:
    """What sets an agent up on a small cluster, each command in a line: of pcs, and of crm."""
    if agent in _NOT_SET_UP:
        return list(_NOT_SET_UP[agent]), list(_NOT_SET_UP_BY_CRM[agent])
    node = "compute-1"
    device = Device("ipmi-1", "fence_ipmilan", {"pcmk_host_list": node})
    now = Configuration(
        nodes={node: "remote", "controller-1": "member"},
        roles={},
        devices=(device,),
        levels=(),
        unclear_levels=(),
        resources=(),
        rules=frozenset(),
        alerts={},
        ids=frozenset({device.id}),
        properties={},
    )
    ours = {
        EVACUATE_AGENT: (layout.EVACUATE_ID,),
        COMPUTE_AGENT: (layout.COMPUTE_ID, f"{layout.COMPUTE_ID}-clone"),
        FENCE_AGENT: (fencing.FENCE_ID,),
        BRAKE_AGENT: (fencing.BRAKE_ID,),
    }[agent]
    steps = layout.plan(now, Wanted(computes=(node,), brake=agent == BRAKE_AGENT))
    mine = [step for step in steps if {*ours} & {*step.argv}]
    return [words(["pcs", *step.argv]) for step in mine], crmsh.typed(now, mine)


def _command_page(see_also: Sequence[str]) -> str:
    from novaha.cli.main import parser

    top = parser()
    commands = _subcommands(top)
    body = [
        line for name, (text, sub) in commands.items() for line in _one_command(name, text, sub)
    ]
    sections = [
        Section("SYNOPSIS", [f"{bold(top.prog)} {italic('COMMAND')} [{italic('OPTIONS')}]"]),
        Section("DESCRIPTION", paragraph(top.description or "")),
        Section("OPTIONS", [line for a in _options(top) for line in _one_option(a)]),
        Section("COMMANDS", body),
        Section(
            "EXIT STATUS",
            [
                *item(bold("0"), "Done."),
                *item(bold("1"), "Failed; standard error has the reason."),
                *item(bold("2"), "Wrong usage."),
                *item(bold("3"), "status: novaha is not set up, no host is recovered."),
                *item(bold("4"), "status: RECOVERING, nothing has to be done."),
                *item(bold("5"), "status: ATTENTION, an operator has to do something."),
            ],
        ),
        Section("FILES", [line for f, text in _FILES.items() for line in item(bold(f), text)]),
        Section("SEE ALSO", [manpage.references(see_also)]),
    ]
    summary = "high availability for OpenStack compute instances"
    return manpage.page(top.prog, 8, summary, sections, __version__, "novaha")


def _subcommands(top: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Each subcommand's one line and its parser. argparse has no public way to ask for them."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (helps[name], sub) for name, sub in action.choices.items()}
    return {}


def _one_command(name: str, text: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    positional = [a for a in parser._actions if not a.option_strings]
    arguments = " ".join(italic(str(a.metavar or a.dest)) for a in positional)
    options = _options(parser)
    usage = [bold(f"novaha {name}"), f"[{italic('OPTIONS')}]" if options else "", arguments]
    yield f'.SS "{escape(name)}"'
    yield " ".join(word for word in usage if word)
    yield from paragraph(parser.description or text)
    for action in (*positional, *options):
        yield from _one_option(action)


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if a.option_strings and a.dest != "help"]


def _one_option(action: argparse.Action) -> list[str]:
    value = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    if not action.option_strings:
        tag = italic(str(value))
    elif action.nargs == 0:
        tag = ", ".join(map(bold, action.option_strings))
    else:
        shown = {"?": f" [{italic(str(value))}]", "+": f" {italic(str(value))}..."}
        after = shown.get(str(action.nargs), f" {italic(str(value))}")
        tag = ", ".join(bold(option) + after for option in action.option_strings)
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    if not text and action.choices:
        text = f"default: {action.default}"
    return item(tag, text[:1].upper() + text[1:] + ("" if text.endswith(")") else "."))


def _conf_page(see_also: Sequence[str]) -> str:
    from novaha.conf.options import DEFAULT_FILE, list_opts

    description = (
        f"{DEFAULT_FILE} says how novaha signs in to the cloud, and holds what can be tuned. It is "
        "in oslo.config's format: sections, and in them lines of the form NAME = VALUE. It holds a "
        "secret: owner root, group haclient, mode 0640. Parameters of a resource win over it."
    )
    login = (
        "Besides those below, [keystone] has the options of the plugin of keystoneauth1 that "
        "auth_type names: those of v3password and v3applicationcredential, for example."
    )
    body = [
        line
        for section, options in list_opts()
        for line in (f'.SS "[{escape(section)}]"', *_conf_options(options))
    ]
    sample = (
        *("[keystone]", "auth_type = v3applicationcredential"),
        "auth_url = https://keystone.example.org/v3",
        "application_credential_id = ID",
        "application_credential_secret = SECRET",
        "region_name = RegionOne",
    )
    sections = [
        Section("DESCRIPTION", [*paragraph(description), *paragraph(login)]),
        Section("OPTIONS", body),
        Section("EXAMPLE", example(sample)),
        Section("FILES", item(bold(DEFAULT_FILE))),
        Section("SEE ALSO", [manpage.references(see_also)]),
    ]
    return manpage.page(
        "novaha.conf", 5, "configuration of novaha", sections, __version__, "novaha"
    )


def _conf_options(options: Sequence[Any]) -> Iterator[str]:
    """The options of a section; of those with several names the first."""
    for option in sorted(options, key=lambda o: str(o.dest)):
        default = _default(option)
        yield from item(bold(option.dest), option.help or "", f"(default: {default})")


def _default(option: Any) -> str:
    value = option.default
    if value is None or value == "" or value == {}:
        return "none"
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
