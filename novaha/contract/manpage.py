"""Manual pages of the agents, rendered from the declarations that their metadata come from.

The sections are those of the pages that resource-agents and fence-agents bring; see man-pages(7)
and groff_man(7). What is not an agent's makes its page with the same few functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from novaha.contract import fence, ocf
from novaha.contract.parameters import Parameter

OCF_SECTION = 7
FENCE_SECTION = 8

_ACTIONS = {
    "start": "Starts the resource.",
    "stop": "Stops the resource.",
    "monitor": "Tells whether the resource runs.",
    "notify": "Does nothing.",
    "reload-agent": "Makes changed parameters effective, those that need no restart.",
    "validate-all": "Checks the parameters; with OCF_CHECK_LEVEL=10 also what is installed.",
    "meta-data": "Prints the agent's description as XML.",
}

_FENCE_ACTIONS = {
    fence.Action.ON: "Succeeds when the host needs no recovery any more, else fails at once.",
    fence.Action.OFF: "Flags the host for recovery.",
    fence.Action.STATUS: "Tells by the flag whether the host is on; the exit code is 2 for off.",
    fence.Action.LIST: "Prints the compute nodes.",
    fence.Action.LIST_STATUS: "Prints the compute nodes and whether they are flagged.",
    fence.Action.MONITOR: "Checks the configuration, and that the cluster answers.",
    fence.Action.METADATA: "Prints the agent's description as XML.",
    fence.Action.MANPAGE: "Prints this page, for man -l -.",
    fence.Action.VALIDATE_ALL: "Checks the parameters.",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page. body: lines of roff, as the functions here make them."""

    title: str
    body: Sequence[str]


def escape(text: str) -> str:
    """Plain text as roff that shows exactly this; a hyphen stays one that can be copied."""
    lines = text.replace("\\", "\\(rs").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in lines)


def bold(text: str) -> str:
    """The text as roff in bold, for what is typed as it stands."""
    return f"\\fB{escape(text)}\\fR"


def italic(text: str) -> str:
    """The text as roff in italic, for what is replaced."""
    return f"\\fI{escape(text)}\\fR"


def paragraph(text: str) -> list[str]:
    """Plain text as a paragraph."""
    return [".PP", escape(text)]


def item(tag: str, *texts: str) -> list[str]:
    """A tag, which is roff, and its explanations, plain text, indented below it."""
    body = [line for text in texts if text for line in (".sp", escape(text))]
    return [".PP", tag, ".RS 4", *body[1:], ".RE"]


def example(lines: Iterable[str]) -> list[str]:
    """Lines to be typed, shown as they are; nothing where there are none."""
    shown = [*map(escape, lines)]
    return [".PP", ".RS 4", ".nf", *shown, ".fi", ".RE"] if shown else []


def page(
    name: str, section: int, summary: str, sections: Iterable[Section], version: str, manual: str
) -> str:
    """A whole page. summary: one line, for whatis(1). manual: the book that it is from."""
    quoted = " ".join(f'"{escape(text)}"' for text in ("", f"novaha {version}", manual))
    lines = [
        f'.TH "{escape(name.upper())}" {section} {quoted}',
        *(".nh", ".ad l"),
        *(".SH NAME", f"{escape(name)} \\- {escape(summary)}"),
    ]
    for part in sections:
        lines += [f'.SH "{escape(part.title)}"', *_without_leading_break(part.body)]
    return "\n".join(lines) + "\n"


def _without_leading_break(body: Sequence[str]) -> Sequence[str]:
    """A heading is followed by its text at once: groff warns about a break there."""
    return body[1:] if body[:1] == [".PP"] else body


def ocf_page(
    agent: ocf.Agent,
    provider: str,
    pcs: Sequence[str],
    crm: Sequence[str],
    see_also: Sequence[str],
) -> str:
    """The page ocf_PROVIDER_NAME(7) of a resource agent.

    pcs, crm: commands for an example, for either shell.
    """
    today = [p for p in agent.parameters if not p.deprecated]
    older = [p for p in agent.parameters if p.deprecated]
    names = list(dict.fromkeys(action.name for action in agent.actions))
    sections = [
        Section("SYNOPSIS", [f"{bold(agent.name)} [{' | '.join(map(bold, names))}]"]),
        Section("DESCRIPTION", paragraph(agent.longdesc)),
        Section("SUPPORTED PARAMETERS", [line for p in today for line in _ocf_parameter(p)]),
        Section("OLDER PARAMETERS", [line for p in older for line in _ocf_parameter(p)]),
        Section("SUPPORTED ACTIONS", [line for a in agent.actions for line in _ocf_action(a)]),
        Section("EXAMPLE PCS", example(pcs)),
        Section("EXAMPLE CRM SHELL", example(crm)),
        Section("SEE ALSO", [references(see_also)]),
    ]
    return page(
        ocf_name(agent, provider),
        OCF_SECTION,
        agent.shortdesc,
        (section for section in sections if section.body),
        agent.version,
        "OCF resource agents",
    )


def ocf_name(agent: ocf.Agent, provider: str) -> str:
    """The name of a resource agent's page."""
    return f"ocf_{provider}_{agent.name}"


def _ocf_parameter(parameter: Parameter) -> list[str]:
    kind = "integer" if parameter.type == "second" else parameter.type
    text = parameter.longdesc or f"{parameter.shortdesc}."
    if parameter.replaced_by:
        text = f"Replaced by {parameter.replaced_by}."
    return item(bold(parameter.name), text, _facts(parameter, kind))


def _facts(parameter: Parameter, kind: str) -> str:
    facts = ["required" if parameter.required else "optional", kind]
    if parameter.unique:
        facts.insert(0, "unique")
    if parameter.advanced:
        facts.append("advanced")
    if parameter.deprecated:
        facts.append("deprecated")
    facts.append("no default" if parameter.default is None else f'default "{parameter.default}"')
    return f"({', '.join(facts)})"


def _ocf_action(action: ocf.Action) -> list[str]:
    depth = f" Depth {action.depth}." if action.depth is not None else ""
    interval = f" Suggested interval: {action.interval}s." if action.interval else ""
    text = f"{_ACTIONS.get(action.name, '')}{depth} Suggested minimum timeout: {action.timeout}s."
    return item(bold(action.name), (text + interval).lstrip())


def fence_page(
    agent: fence.Agent, pcs: Sequence[str], crm: Sequence[str], see_also: Sequence[str]
) -> str:
    """The page NAME(8) of a fence agent. pcs, crm: commands for an example, for either shell."""
    today = [p for p in agent.parameters if not p.deprecated]
    older = [p for p in agent.parameters if p.deprecated]
    actions = [line for action, text in _FENCE_ACTIONS.items() for line in item(bold(action), text)]
    sections = [
        Section("SYNOPSIS", [f"{bold(agent.name)} [{italic('OPTIONS')}]"]),
        Section(
            "DESCRIPTION",
            [
                *paragraph(agent.longdesc),
                *paragraph(
                    "Without options the agent reads lines of the form NAME=VALUE from standard "
                    "input, as Pacemaker writes them; the names are those in parentheses below."
                ),
            ],
        ),
        Section("PARAMETERS", [line for p in today for line in _fence_parameter(p)]),
        Section("OLDER PARAMETERS", [line for p in older for line in _fence_parameter(p)]),
        Section("ACTIONS", actions),
        Section(
            "EXIT STATUS",
            [
                *item(bold("0"), "Done; of status: the host is on."),
                *item(bold("1"), "Failed; standard error has the reason."),
                *item(bold("2"), "Of status and monitor: the host is off."),
            ],
        ),
        Section("EXAMPLE PCS", example(pcs)),
        Section("EXAMPLE CRM SHELL", example(crm)),
        Section("SEE ALSO", [references(see_also)]),
    ]
    return page(
        agent.name,
        FENCE_SECTION,
        agent.shortdesc,
        (section for section in sections if section.body),
        agent.version,
        "Fence agents",
    )


def _fence_parameter(parameter: Parameter) -> list[str]:
    value = "" if parameter.type == "boolean" else f"={italic(parameter.type.upper())}"
    options = [bold(f"-{parameter.letter}")] if parameter.letter else []
    if parameter.longopt:
        options.append(bold(f"--{parameter.longopt}") + value)
    names = ", ".join(bold(name) for name in (parameter.name, *parameter.aliases))
    text = parameter.longdesc or f"{parameter.shortdesc}."
    return item(f"{', '.join(options)} ({names})", text, _facts(parameter, parameter.type))


def references(pages: Sequence[str]) -> str:
    """NAME.SECTION of other pages, as a page refers to them."""
    return ", ".join(
        f"{bold(name)}({section})" for name, section in (page.rsplit(".", 1) for page in pages)
    )
