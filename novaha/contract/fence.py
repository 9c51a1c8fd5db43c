"""The fence agent contract (ClusterLabs fence-agents, FenceAgentAPI).

Pacemaker writes `key=value` lines to standard input; people also use options, as with any
fence agent. Either way the result is one `Request`.
"""

from __future__ import annotations

import getopt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, unique

from novaha.contract.metadata import document
from novaha.contract.parameters import Parameter, ParameterError, ignored, to_bool, to_number


@unique
class ExitCode(IntEnum):
    """Exit codes of a fence agent."""

    SUCCESS = 0
    FAILURE = 1
    OFF = 2
    """Only of `status`: asked and answered, the answer is off."""


class Action(StrEnum):
    """What a fence agent can be asked.

    There is no reboot: Pacemaker then asks for off of every device of the level, and on of each
    afterwards, which is what a flag needs. Upstream's `status` of a list is `list-status`.
    """

    ON = "on"
    OFF = "off"
    STATUS = "status"
    LIST = "list"
    LIST_STATUS = "list-status"
    MONITOR = "monitor"
    METADATA = "metadata"
    MANPAGE = "manpage"
    VALIDATE_ALL = "validate-all"
    HELP = "help"
    VERSION = "version"


LONGEST_DELAY = 3600.0
"""Seconds; a longer delay is a slip, and would lose the fencing."""

_PEOPLES = ("help", "version")
"""Flags that only people use: on standard input they would turn an `off` into a success."""

_NOT_DEVICE_ACTIONS = (Action.HELP, Action.VERSION)


@dataclass(frozen=True, slots=True)
class Agent:
    """A fence agent's description of itself."""

    name: str
    version: str
    shortdesc: str
    longdesc: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What Pacemaker or a person asks of the fence agent.

    plug, nodename: the target by the device's and by the cluster's name ("" when not given).
    domain: DNS domain that may be left out of a plug.
    delay: seconds to wait before `off`.
    ignored: given parameters that mean nothing any more.
    secrets: values that nothing may show.
    warnings: what was given and is not followed, and why.
    """

    action: Action
    plug: str = ""
    nodename: str = ""
    domain: str = ""
    delay: float = 0.0
    separator: str = ","
    verbose: bool = False
    quiet: bool = False
    debug_file: str = ""
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def parse(agent: Agent, argv: Sequence[str], lines: Iterable[str]) -> Request:
    """The request in these options (without the program's name), or else in these lines.

    As with every fence agent standard input is read only when there are no options.
    Raises ParameterError for an option or an action that cannot be. A value that cannot be is no
    reason to leave a host unfenced (law 7).
    """
    given = _from_options(agent, argv) if argv else _from_lines(agent, lines)
    delay, warnings = _delay(given.get("delay") or "0")
    return Request(
        action=_action(given),
        plug=given.get("plug", ""),
        nodename=given.get("nodename", ""),
        domain=(given.get("domain") or given.get("compute_domain", "")).lstrip("."),
        delay=delay,
        separator=given.get("separator") or ",",
        verbose=_flag(given, "verbose"),
        quiet=_flag(given, "quiet"),
        debug_file=given.get("debug_file", ""),
        ignored=ignored(agent.parameters, given),
        warnings=warnings,
        given=given,
        secrets=tuple(given[p.name] for p in agent.parameters if p.secret and given.get(p.name)),
    )


def _action(given: Mapping[str, str]) -> Action:
    if _flag(given, "help"):
        return Action.HELP
    if _flag(given, "version"):
        return Action.VERSION
    name = (given.get("action") or Action.OFF).lower()
    name = "metadata" if name == "meta-data" else name
    if name not in {a.value for a in Action if a not in _NOT_DEVICE_ACTIONS}:
        raise ParameterError("action", f"this agent does not know the action '{name}'")
    return Action(name)


def _delay(text: str) -> tuple[float, tuple[str, ...]]:
    """The delay in seconds, and what is wrong with one that is not followed."""
    try:
        seconds = to_number("delay", text, float)
    except ParameterError:
        seconds = math.inf
    if seconds <= LONGEST_DELAY:
        return seconds, ()
    return 0.0, (f"the delay is ignored: it is no number from 0 to {LONGEST_DELAY:.0f} seconds",)


def _flag(given: Mapping[str, str], name: str) -> bool:
    """A flag; one that cannot be read is no reason to leave a host unfenced."""
    try:
        return to_bool(name, given.get(name, ""))
    except ParameterError:
        return True


def _from_lines(agent: Agent, lines: Iterable[str]) -> dict[str, str]:
    """Standard input: comments and unknown keys are skipped, the last of a key wins.

    A key of today wins over its older name, wherever either stands.
    """
    names = {p.name for p in agent.parameters if p.name not in _PEOPLES} | {"nodename"}
    older = {alias: p.name for p in agent.parameters for alias in p.aliases}
    now: dict[str, str] = {}
    before: dict[str, str] = {}
    for line in lines:
        key, separator, value = line.strip().partition("=")
        key = key.strip().replace("-", "_")
        if not separator or key.startswith("#"):
            continue
        if key in names:
            now[key] = value.strip()
        elif key in older:
            before[older[key]] = value.strip()
    return {**before, **now}


def _from_options(agent: Agent, argv: Sequence[str]) -> dict[str, str]:
    letters = "".join(
        p.letter + ("" if p.type == "boolean" else ":") for p in agent.parameters if p.letter
    )
    longopts = [
        p.longopt + ("" if p.type == "boolean" else "=") for p in agent.parameters if p.longopt
    ]
    by_option = {f"-{p.letter}": p for p in agent.parameters if p.letter}
    by_option |= {f"--{p.longopt}": p for p in agent.parameters if p.longopt}
    try:
        options, rest = getopt.gnu_getopt(list(argv), letters, longopts)
    except getopt.GetoptError as error:
        raise ParameterError(error.opt or "?", error.msg) from None
    if rest:
        raise ParameterError("?", "there is a word that is no option and no value (try --help)")
    given: dict[str, str] = {}
    for option, value in options:
        parameter = by_option[option]
        given[parameter.name] = "1" if parameter.type == "boolean" else value
    return given


def metadata(agent: Agent) -> str:
    """The agent's metadata as XML, in the form of fence-agents."""
    from xml.sax.saxutils import escape, quoteattr

    head = [
        '<?xml version="1.0" ?>',
        f"<resource-agent name={quoteattr(agent.name)} shortdesc={quoteattr(agent.shortdesc)} >",
        f"<longdesc>{escape(agent.longdesc)}</longdesc>",
        "<vendor-url></vendor-url>",
    ]
    parameters = [line for p in agent.parameters for line in _parameter_xml(p)]
    actions = [f'\t<action name="{a}" />' for a in Action if a not in _NOT_DEVICE_ACTIONS]
    return document(head, parameters, actions)


def _parameter_xml(parameter: Parameter) -> list[str]:
    lines: list[str] = []
    for alias in parameter.aliases:
        lines += _one_name_xml(parameter, alias, deprecated=True, obsoletes="")
    obsoletes = parameter.aliases[0] if parameter.aliases else ""
    return lines + _one_name_xml(parameter, parameter.name, parameter.deprecated, obsoletes)


def _one_name_xml(parameter: Parameter, name: str, deprecated: bool, obsoletes: str) -> list[str]:
    from xml.sax.saxutils import escape, quoteattr

    default = "" if parameter.default is None else f" default={quoteattr(parameter.default)}"
    marks = ' deprecated="1"' if deprecated else ""
    marks += f" obsoletes={quoteattr(obsoletes)}" if obsoletes else ""
    return [
        f'\t<parameter name={quoteattr(name)} unique="{int(parameter.unique)}"'
        f' required="{int(parameter.required)}"{marks}>',
        f"\t\t<getopt mixed={quoteattr(_option_help(parameter))} />",
        f'\t\t<content type="{parameter.type}"{default} />',
        f'\t\t<shortdesc lang="en">{escape(parameter.shortdesc)}</shortdesc>',
        "\t</parameter>",
    ]


def _option_help(parameter: Parameter) -> str:
    value = "" if parameter.type == "boolean" else f"=[{parameter.name.rpartition('_')[2]}]"
    options = [f"-{parameter.letter}"] if parameter.letter else []
    if parameter.longopt:
        options.append(f"--{parameter.longopt}{value}")
    return ", ".join(options)


def usage(agent: Agent) -> str:
    """What `--help` prints."""
    lines = [f"{agent.name} - {agent.shortdesc}", "", agent.longdesc, "", "Options:"]
    for parameter in agent.parameters:
        meaningless = parameter.deprecated and not parameter.replaced_by
        note = " (accepted, means nothing)" if meaningless else ""
        lines.append(f"  {_option_help(parameter):<40} {parameter.shortdesc}{note}")
    lines += ["", "Without options, key=value lines are read from standard input."]
    return "\n".join(lines) + "\n"
