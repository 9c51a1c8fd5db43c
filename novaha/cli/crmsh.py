"""`novaha setup --print crmsh`: the steps of a set-up for SUSE's shell, crm.

A step is a pcs command; each kind of it has one translation. What is translated works on a copy of
the configuration, and the difference is pushed, as with pcs: everything changes, or nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from novaha.cli.configuration import Configuration
from novaha.cli.steps import Step
from novaha.core.errors import NovahaError
from novaha.core.text import words

_FILE = "novaha-setup.xml"
_NOT_IN_AN_ID = re.compile(r"[^\w.-]+")


class NotInCrmshError(NovahaError):
    """A step for which there is no crm command: a mistake in novaha."""

    def __init__(self, argv: Sequence[str]) -> None:
        super().__init__(f"pcs {words(argv)} has no counterpart in crmsh")


@dataclass(slots=True)
class _Script:
    """shell: commands that go first. lines: of one session of `crm configure`.

    levels: the fencing levels of each target in their order, None while none of them changes.
    """

    now: Configuration
    shell: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    levels: dict[str, dict[int, tuple[str, ...]]] | None = None

    def run(self, *argv: str) -> None:
        """A command for the shell, on the copy."""
        self.shell.append(f"CIB_file={_FILE} {words(argv)}")

    def configure(self, *given: str) -> None:
        """A line of `crm configure`."""
        self.lines.append(shlex.join(given))

    def topology(self) -> dict[str, dict[int, tuple[str, ...]]]:
        """The levels, to be changed."""
        if self.levels is None:
            self.levels = {}
            for level in self.now.levels:
                self.levels.setdefault(level.target, {})[level.index] = level.devices
        return self.levels


def pushed(now: Configuration, steps: Iterable[Step]) -> list[str]:
    """The part of a script that makes these steps, all or none. Raises NotInCrmshError."""
    script = _Script(now)
    for step in steps:
        _translate(script, step.argv)
    lines = list(script.lines)
    if script.levels is not None:
        gone = "//fencing-topology"
        if now.levels:
            script.run("cibadmin", "--delete", "--force", "--xpath", gone)
        if levels := list(_topology(script.levels)):
            lines.append(shlex.join(["fencing_topology", *levels]))
    return [
        f"cibadmin --query > {_FILE}",
        f"cp {_FILE} {_FILE}.orig",
        *script.shell,
        *([f"CIB_file={_FILE} crm configure <<'END'", *lines, "commit", "END"] if lines else []),
        f"crm_diff --no-version --original {_FILE}.orig --new {_FILE} > novaha-setup.diff || "
        "[ $? -eq 1 ]",
        "cibadmin --patch --xml-file novaha-setup.diff",
    ]


def typed(now: Configuration, steps: Iterable[Step]) -> list[str]:
    """The same as commands, each a line: for an example. Raises NotInCrmshError."""
    before = f"CIB_file={_FILE} "
    lines = [line.removeprefix(before) for line in pushed(now, steps)]
    begin = next((i for i, line in enumerate(lines) if line.startswith("crm configure <<")), None)
    session = lines[begin + 1 : lines.index("commit")] if begin is not None else []
    return [
        *(line for line in lines[:begin] if line.startswith("crm ")),
        *(f"crm configure {line}" for line in session),
    ]


def _topology(levels: dict[str, dict[int, tuple[str, ...]]]) -> Iterator[str]:
    for target, by_index in levels.items():
        if by_index:
            yield f"{target}:"
        yield from (",".join(by_index[index]) for index in sorted(by_index))


def _translate(script: _Script, argv: Sequence[str]) -> None:
    for size in (3, 2):
        translate = _KINDS.get(tuple(argv[:size]))
        if translate is not None:
            return translate(script, list(argv[size:]))
    raise NotInCrmshError(argv)


def _property(script: _Script, given: list[str]) -> None:
    script.configure("property", *given)


def _node_attribute(script: _Script, given: list[str]) -> None:
    node, pair = given
    name, _, value = pair.partition("=")
    script.run("crm", "node", "attribute", node, "set", name, value)


def _create(script: _Script, given: list[str], agent: str) -> None:
    name, *rest = given
    parts: dict[str, list[str]] = {"": [], "op": [], "meta": [], "clone": []}
    at = ""
    for item in rest:
        if item in ("op", "meta", "clone"):
            at = item
            parts[at].append("")
        else:
            parts[at].append(item)
    line = ["primitive", name, agent]
    line += ["params", *parts[""]] if parts[""] else []
    for operation in _operations(parts["op"][1:]):
        line += ["op", *operation]
    line += ["meta", *parts["meta"][1:]] if parts["meta"] else []
    script.configure(*line)
    if parts["clone"]:
        script.configure("clone", f"{name}-clone", name)


def _operations(given: Sequence[str]) -> Iterator[list[str]]:
    """Each operation with its options: a word without `=` begins one."""
    one: list[str] = []
    for item in given:
        if "=" not in item and one:
            yield one
            one = []
        one.append(item)
    if one:
        yield one


def _resource_create(script: _Script, given: list[str]) -> None:
    name, agent, *rest = given
    _create(script, [name, *rest], agent)


def _stonith_create(script: _Script, given: list[str]) -> None:
    name, agent, *rest = given
    _create(script, [name, *rest], f"stonith:{agent}")


def _update(script: _Script, given: list[str]) -> None:
    name, *rest = given
    if rest[:2] == ["op", "monitor"]:
        options = dict(pair.split("=", 1) for pair in rest[2:])
        old = f"//primitive[@id='{name}']/operations/op[@name='monitor']"
        script.run("cibadmin", "--delete-all", "--force", "--xpath", old)
        script.shell[-1] += " || [ $? -eq 105 ]"  # it has none
        script.configure("monitor", name, f"{options['interval']}:{options['timeout']}")
        return
    for pair in rest:
        key, _, value = pair.partition("=")
        script.run("crm", "resource", "param", name, "set", key, value)


def _meta(script: _Script, given: list[str]) -> None:
    name, *pairs = given
    for number, line in enumerate(script.lines):
        if line.startswith(f"clone {name} "):  # it is made in the same session
            script.lines[number] += " " + shlex.join(["meta", *pairs])
            return
    for pair in pairs:
        key, _, value = pair.partition("=")
        script.run("crm", "resource", "meta", name, "set", key, value)


def _clone(script: _Script, given: list[str]) -> None:
    (name,) = given
    script.configure("clone", f"{name}-clone", name)


def _level_add(script: _Script, given: list[str]) -> None:
    index, target, *devices = given
    script.topology().setdefault(target, {})[int(index)] = tuple(devices)


def _level_remove(script: _Script, given: list[str]) -> None:
    index, _, target, *_ = given
    script.topology().get(target, {}).pop(int(index), None)


def _location(script: _Script, given: list[str]) -> None:
    name, _, *rest = given
    options = [item for item in rest if item.startswith("resource-discovery=")]
    (score,) = (item.partition("=")[2] for item in rest if item.startswith("score="))
    expression = " ".join(rest[len(options) + 1 :]).split()
    known = "-".join(("novaha", name, *expression))
    identity = _NOT_IN_AN_ID.sub("", known)
    given = ["location", identity, name, *options, "rule", f"{score}:", *expression]
    script.configure(*given)


def _constraint_delete(script: _Script, given: list[str]) -> None:
    script.configure("delete", *given)


def _alert(script: _Script, given: list[str]) -> None:
    options = dict(pair.split("=", 1) for pair in given)
    script.configure("alert", options["id"], options["path"])


_KINDS: dict[tuple[str, ...], Callable[[_Script, list[str]], None]] = {
    ("property", "set"): _property,
    ("node", "attribute"): _node_attribute,
    ("resource", "create"): _resource_create,
    ("stonith", "create"): _stonith_create,
    ("resource", "update"): _update,
    ("stonith", "update"): _update,
    ("resource", "meta"): _meta,
    ("resource", "clone"): _clone,
    ("stonith", "level", "add"): _level_add,
    ("stonith", "level", "remove"): _level_remove,
    ("constraint", "location"): _location,
    ("constraint", "delete"): _constraint_delete,
    ("alert", "create"): _alert,
}
