"""The OCF resource agent contract (OCF resource agent API 1.1).

Environment and arguments become one `Request`, once; nothing else reads `os.environ`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from pathlib import Path
from typing import TextIO

from novaha.contract import streams
from novaha.contract.metadata import document
from novaha.contract.parameters import Parameter
from novaha.core.text import line

DEFAULT_RSCTMP = Path("/run/resource-agents")
"""Where agents keep run-time files when HA_RSCTMP is not set; Pacemaker does not set it."""

DEFAULT_TIMEOUT = 20.0
"""Seconds that an action has when nobody said (Pacemaker's own default)."""

_REASON_LENGTH = 400
_SHOWN = 2000

_LONGEST = 10**10
"""Milliseconds, some months: more than that no timer takes."""

Row = tuple[str, str, str]
"""For people: what, its state in a word, and more of it."""


@unique
class ExitCode(IntEnum):
    """Exit codes of a resource agent, and what Pacemaker makes of them."""

    SUCCESS = 0
    ERR_GENERIC = 1
    """Soft: tried again, here or elsewhere."""
    ERR_ARGS = 2
    """Hard: not again on this node."""
    ERR_UNIMPLEMENTED = 3
    ERR_PERM = 4
    ERR_INSTALLED = 5
    ERR_CONFIGURED = 6
    """Fatal: nowhere in the cluster until the configuration changes."""
    NOT_RUNNING = 7
    DEGRADED = 190
    """Running but degraded: counts as success, is shown."""
    DEGRADED_PROMOTED = 191


@dataclass(frozen=True, slots=True)
class Action:
    """An action in the metadata, with the least time-out that it needs (seconds)."""

    name: str
    timeout: int
    interval: int | None = None
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """A resource agent's description of itself."""

    name: str
    version: str
    shortdesc: str
    longdesc: str
    parameters: tuple[Parameter, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What Pacemaker asks of a resource agent.

    parameters: every declared parameter that has a value, defaults included.
    given: the names that the operator set.
    timeout, interval: seconds.
    by_hand: a person asks, by `crm_resource --force-check` and its like.
    verbose: and wants to see the steps, by its option --verbose.
    """

    action: str
    instance: str
    parameters: Mapping[str, str] = field(repr=False)  # holds a password
    given: frozenset[str] = frozenset()
    timeout: float = DEFAULT_TIMEOUT
    interval: float = 0.0
    check_level: int = 0
    output_format: str = "text"
    clone: int | None = None
    by_hand: bool = False
    verbose: bool = False
    rsctmp: Path = DEFAULT_RSCTMP
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_probe(self) -> bool:
        """Whether Pacemaker only asks if the resource happens to run here."""
        return self.action == "monitor" and self.interval == 0 and not self.by_hand


def parse(agent: Agent, argv: Sequence[str], environ: Mapping[str, str]) -> Request:
    """The request in these arguments (without the program's name) and environment.

    Never fails: a stop must work with any configuration, so values are checked by `validate`.
    The first argument is the action; the rest is ignored.
    """
    declared = {p.name: p for p in agent.parameters}
    given = {
        name: value for name in declared if (value := environ.get(f"OCF_RESKEY_{name}")) is not None
    }
    defaults = {p.name: p.default for p in agent.parameters if p.default is not None}
    return Request(
        action=argv[0] if argv else "",
        instance=environ.get("OCF_RESOURCE_INSTANCE", agent.name),
        parameters={**defaults, **{name: value for name, value in given.items() if value}},
        given=frozenset(given),
        timeout=_milliseconds(environ, "timeout", DEFAULT_TIMEOUT),
        interval=_milliseconds(environ, "interval", 0.0),
        check_level=_integer(environ.get("OCF_CHECK_LEVEL", ""), 0) or 0,
        output_format=environ.get("OCF_OUTPUT_FORMAT", "text"),
        clone=_integer(environ.get("OCF_RESKEY_CRM_meta_clone", ""), None),
        by_hand=environ.get("PCMK_service") == "crm_resource",
        verbose="1" in (environ.get("HA_debug"), environ.get("OCF_TRACE_RA")),
        rsctmp=Path(environ.get("HA_RSCTMP") or DEFAULT_RSCTMP),
        secrets=tuple(v for name, v in given.items() if v and declared[name].secret),
    )


def _integer(text: str, default: int | None) -> int | None:
    try:
        return int(text)
    except ValueError:
        return default


def _milliseconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """A CRM_meta time of the environment, milliseconds there, in seconds."""
    value = _integer(environ.get(f"OCF_RESKEY_CRM_meta_{name}", ""), None)
    return default if value is None or value < 0 else min(value, _LONGEST) / 1000


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` in one line of bounded length, without any of the secrets (law 9)."""
    return line(text, secrets, _REASON_LENGTH)


def write_exit_reason(stream: TextIO, text: str, secrets: Iterable[str] = ()) -> None:
    """Tell Pacemaker, and whoever reads crm_mon, why the action did not simply succeed.

    Nothing is raised: the exit code says the more important part.
    """
    streams.tell(stream, f"ocf-exit-reason:{redact(text, secrets)}\n")


def table(rows: Iterable[Row], output_format: str) -> str:
    """What a person asked for, in the format of OCF_OUTPUT_FORMAT: "xml", or else text."""
    rows = [(line(what), line(state), line(detail, longest=_SHOWN)) for what, state, detail in rows]
    if output_format != "xml":
        lines = (f"{what:<24} {state:<10} {detail}".rstrip() for what, state, detail in rows)
        return "".join(f"{row}\n" for row in lines)
    from xml.sax.saxutils import quoteattr

    items = [
        f"  <item name={quoteattr(what)} state={quoteattr(state)} detail={quoteattr(detail)}/>\n"
        for what, state, detail in rows
    ]
    return "".join(("<items>\n", *items, "</items>\n"))


def metadata(agent: Agent) -> str:
    """The agent's metadata as XML (OCF 1.1)."""
    from xml.sax.saxutils import escape, quoteattr

    head = [
        '<?xml version="1.0"?>',
        f"<resource-agent name={quoteattr(agent.name)} version={quoteattr(agent.version)}>",
        "<version>1.1</version>",
        f'<longdesc lang="en">{escape(agent.longdesc)}</longdesc>',
        f'<shortdesc lang="en">{escape(agent.shortdesc)}</shortdesc>',
    ]
    parameters = [line for p in agent.parameters for line in _parameter_xml(p)]
    return document(head, parameters, map(_action_xml, agent.actions))


def _parameter_xml(parameter: Parameter) -> list[str]:
    from xml.sax.saxutils import escape, quoteattr

    marks = f" unique-group={quoteattr(parameter.name)}" if parameter.unique else ""
    marks += ' reloadable="1"' if parameter.reloadable else ""
    default = "" if parameter.default is None else f" default={quoteattr(parameter.default)}"
    content = "integer" if parameter.type == "second" else parameter.type
    shortdesc = f"{parameter.shortdesc} (advanced)" if parameter.advanced else parameter.shortdesc
    lines = [
        f"  <parameter name={quoteattr(parameter.name)}"
        f' required="{int(parameter.required)}"{marks}>'
    ]
    if parameter.deprecated:
        replaced = (
            f"<replaced-with name={quoteattr(parameter.replaced_by)}/>"
            if parameter.replaced_by
            else '<desc lang="en">Accepted for older configurations; it means nothing.</desc>'
        )
        lines.append(f"    <deprecated>{replaced}</deprecated>")
    return [
        *lines,
        f'    <longdesc lang="en">{escape(parameter.longdesc or shortdesc)}</longdesc>',
        f'    <shortdesc lang="en">{escape(shortdesc)}</shortdesc>',
        f'    <content type="{content}"{default}/>',
        "  </parameter>",
    ]


def _action_xml(action: Action) -> str:
    interval = "" if action.interval is None else f' interval="{action.interval}s"'
    depth = "" if action.depth is None else f' depth="{action.depth}"'
    return f'  <action name="{action.name}" timeout="{action.timeout}s"{interval}{depth}/>'
