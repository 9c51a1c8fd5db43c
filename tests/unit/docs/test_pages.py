"""What the pages say can be typed: it parses, it exists, and the tables are whole."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from novaha.cli.main import parser
from novaha.conf import serve
from novaha.conf.check import unknown_options
from novaha.conf.options import list_opts
from novaha.contract.ocf import ExitCode
from novaha.core import events
from novaha.core.record import to_attributes
from novaha.core.recovery import RecoveryState
from novaha.evacuator import digest, status
from tests.unit.docs.messages import ROOT, is_sentence, reasons
from tests.unit.docs.pages import (
    DOCS,
    EVERY,
    blocks,
    code_spans,
    commands,
    first_column,
    pages,
    prints,
)

sys.path.insert(0, str(DOCS / "_ext"))
import reference

EXAMPLE = (DOCS / "guide/example.md").read_text()
CONCEPT = (DOCS / "guide/concept.md").read_text()
DEBUGGING = (DOCS / "guide/debugging.md").read_text()
INTERFACES = (DOCS / "reference/interfaces.md").read_text()

NO_REASONS = {
    # parts of documents, of reasons that the page has whole, and of requests
    "(accepted, means nothing)",
    '<desc lang="en">Accepted for older configurations; it means nothing.</desc>',
    "; it knows …",
    "; known are …",
    "an action",
    "exit code …",
    "it ended",
    "it has no id",
    "no reason is known",
    "its answer does not end",
    "regular file",
    "timed out",
    "journalctl --unit …",
    "negotiate the version of Nova's API",
    "set forced_down of … to …",
    "tenacity neither returned nor raised",
    "interface …, region …",
    "list all instances",
    "list what is left on each host",
    "list the compute services",
    "list the host aggregates",
    "list the evacuations from …",
    "list the evacuations since …",
    "list the instances on …",
    "list the instances that changed since …",
    "list the live migrations from …",
    "look for deleted instances",
    "read image …",
    "read instance …",
    "read project …",
    "read the actions of …",
    "read the service of …",
    "read when … was seen last",
    "no instance is moved before it is right",
    "rule '…' of the policy",
    "the one before stays",
    "the policy's default",
    "the server",
    "… is no boolean",
    "… is no number",
    "… is no text",
    "… is not there",
    # the names of kinds, and what is looked for in Nova's texts
    "bad volume",
    "guest exists",
    "guest may run",
    "key refused",
    "no image",
    "no rights",
    "no room",
    "olicy doesn't allow",
    "service away",
    # what `crm_resource --force-check` shows besides
    ", started at boot, past Pacemaker",
    "… of … instances settled",
    "asked at check level 10, 20",
    "beyond it",
    "does not run",
    "not asked",
    "no host is in recovery",
    "nothing is wrong",
    "novaha status",
    "runs as process …",
    "the host is free",
    "at check level 10 also …",
    "fenced … UTC",
    "that Nova answers",
    "that libvirt and virsh are here",
    "that nova-compute is here, and Pacemaker's alone",
}
"""Sentences in the source that nobody reads as a reason."""

_PROMPT = re.compile(r"^root@[\w-]+:~# ")

READ = {page.name: page.read_text() for page in pages()}


def texts(text: str) -> Iterator[str]:
    """All that a page has in the form of code, a line at a time."""
    for block in blocks(text):
        if block.language in ("sh", "console"):
            yield from block.text.replace("\\\n", " ").splitlines()
    yield from code_spans(text)


def typed(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of each call of `program` on a page."""
    for line in texts(text):
        words = shlex.shlex(_PROMPT.sub("", line), posix=True, punctuation_chars=True)
        words.whitespace_split = True
        words.commenters = ""
        try:
            found = list(words)
        except ValueError:  # a quote in a sentence of output
            continue
        for start, word in enumerate(found):
            begins = start == 0 or found[start - 1] in ("&&", ";", "(", "do")
            if begins and word.rpartition("/")[2] == program:
                rest = found[start + 1 :]
                ends = [i for i, w in enumerate(rest) if set(w) <= set("();<>|&")]
                yield rest[: ends[0]] if ends else rest


@pytest.mark.parametrize("page", READ)
def test_every_novaha_command_is_one(page: str) -> None:
    for arguments in filter(None, typed(READ[page], "novaha")):
        assert _wrong(arguments) == ""


def _wrong(arguments: list[str]) -> str:
    """What the command says against its arguments, "" if nothing."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            parser().parse_args(arguments)
    except SystemExit as end:
        return f"novaha {' '.join(arguments)}: {said.getvalue()}" if end.code else ""
    return ""


def test_the_commands_of_the_pages_are_found() -> None:
    found = {words[0] for text in READ.values() for words in typed(text, "novaha") if words}
    assert found >= {"setup", "doctor", "status", "retry", "release", "recover", "install-agents"}
    assert ["setup"] in list(typed(EXAMPLE, "novaha"))  # at a prompt
    assert _wrong(["doctor", "--everything"])


@pytest.mark.parametrize("page", READ)
def test_every_option_of_novaha_conf_exists(page: str, tmp_path: Path) -> None:
    text = READ[page]
    files = [block.text for block in blocks(text) if block.language == "ini"]
    files += re.findall(r"<<'END'\n(.*?)^END$", text, re.M | re.S)
    named = (re.fullmatch(r"\[(\w+)\] (\w+)(?: = .*)?", span) for span in code_spans(text))
    files += [f"[{match[1]}]\n{match[2]} = x\n" for match in named if match]
    for number, content in enumerate(files):
        if "[DEFAULT]" in content:
            continue  # Nova's
        file = tmp_path / str(number)
        file.write_text(content)
        if "[serve]" in content:
            serve.load(str(file))
            continue
        assert unknown_options(str(file)) == []


@pytest.mark.parametrize("page", READ)
def test_every_parameter_of_an_agent_exists(page: str) -> None:
    agents = {f"ocf:openstack:{name}": a for name, a in reference.RESOURCE_AGENTS.items()}
    for arguments in typed(READ[page], "pcs"):
        agent = next((agents[word] for word in arguments if word in agents), None)
        if agent is None:
            continue
        given = arguments[[word in agents for word in arguments].index(True) + 1 :]
        ends = [i for i, word in enumerate(given) if word in ("op", "meta", "clone")]
        names = {pair.partition("=")[0] for pair in given[: ends[0] if ends else None]}
        assert names <= {parameter.name for parameter in agent.parameters}


def test_every_reason_that_the_source_can_give_is_explained() -> None:
    said = reasons()
    explained = first_column(DEBUGGING)
    missing = {t: m for t, m in said.items() if is_sentence(t)}.keys() - {*explained, *NO_REASONS}
    assert not missing, (
        "docs/guide/debugging.md does not explain these (or, if nobody ever reads them as a "
        f"reason, NO_REASONS has to name them): { {t: sorted(said[t]) for t in missing} }"
    )


def test_no_reason_is_explained_that_nothing_gives() -> None:
    said = reasons()
    commands_and_checks = ("novaha ", "crm_", "/")
    stale = [t for t in first_column(DEBUGGING) if t not in said]
    assert [t for t in stale if not t.startswith(commands_and_checks)] == []
    assert said.keys() >= NO_REASONS


def test_the_source_is_really_read() -> None:
    """A reason by each of the ways in which one is given."""
    said = reasons()
    assert "recovery record of …: …" in said  # the error's own sentence
    assert "is required and not set" in said  # an error's argument
    assert "did not finish in time" in said  # put together beforehand
    assert "Nova cannot be asked: …" in said  # a view's problem
    assert any("has no fencing level" in reason for reason in said)  # returned
    assert "telling Nova" in said  # a report's detail


def test_an_upgrade_ends_with_an_evacuator_of_the_new_version() -> None:
    """Packages replace files; it runs on."""
    section = READ["upgrade.md"].partition("## A new version of novaha")[2]
    (block,) = blocks(section)
    assert block.text.splitlines()[0] == "pcs resource restart nova-evacuate"
    options = dict(list_opts())["evacuator"]
    (waits,) = [o.default for o in options if o.dest in section]
    assert (waits, "half a minute" in section) == (30.0, True)


def test_every_key_of_status_is_explained() -> None:
    host = status.host(
        reference.HostReport(
            reference.EXAMPLE, "h", "", (reference.InstanceReport("", "", "settled"),)
        )
    )
    wanted = {f"hosts[].{key}" for key in host}
    wanted |= {f"instances[].{key}" for key in host["instances"][0]}
    answer = json.loads(reference.status_json().strip("`").removeprefix("json"))
    top = {*answer, *(f"evacuator.{key}" for key in answer["evacuator"])} - {"evacuator.nova"}
    top |= {f"evacuator.nova.{key}" for key in answer["evacuator"]["nova"]}
    now = reference.EXAMPLE.fenced
    elsewhere = digest.added(
        status.looked("", (), (), {}), digest.newest([_digest()], now) or {}, now
    )
    top |= {*elsewhere, *(f"told.{key}" for key in elsewhere["told"])} - {"told.nova"}
    top |= {f"told.nova.{key}" for key in elsewhere["told"]["nova"]}
    # These are there only where no evacuator is.
    top |= {"missing", "evacuator_on"}
    section = INTERFACES.partition("## The journal")[0]
    assert set(first_column(section)) == wanted | top


def _digest() -> str:
    health = status.Health(1, "c", "novaha", 0.0, "", 0.0, "", 0.0, ("make room",))
    return digest.make(status.own(health, (), ()), reference.EXAMPLE.fenced)


def test_every_event_of_the_journal_is_explained() -> None:
    """By its name, which the interface is; and each field that is not a matter of course."""
    section = INTERFACES.partition("## The journal")[2].partition("\n## ")[0]
    rows = [line.split(" | ", 1) for line in section.splitlines() if line.startswith("| `")]
    named = {event: meaning for row, meaning in rows for event in code_spans(row)}
    assert named.keys() == {event.event for event in events.ALL}
    common = section.partition("| event |")[0]
    for event in events.ALL:
        told = {*code_spans(named[event.event]), *code_spans(common)}
        assert {field.name for field in fields(event)} <= told, event.event


def test_every_attribute_is_explained() -> None:
    record = to_attributes(reference.EXAMPLE)
    section = INTERFACES.partition("## Attributes")[2].partition("\n## ")[0]
    others = {"novaha-seen-confirmation", "osprole"}
    assert set(first_column(section)) == {*record, *others}
    assert "novaha-seen-confirmation" in (ROOT / "novaha/pacemaker/cib.py").read_text()


def test_every_exit_code_is_explained() -> None:
    section = INTERFACES.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", section, re.M)
    assert rows == [(str(code.value), code.name) for code in ExitCode]


FORMS = {
    "ACTIVE": ["active"],
    "ACTIVE and locked": ["locked", "locked-by-admin"],
    "being rebooted, softly": ["rebooting"],
    "being rebooted, hard": ["rebooting-hard"],
    "setting its password": ["password"],
    "ERROR, from running": ["error"],
    "being resized, still on its source": ["resizing"],
    "VERIFY_RESIZE, the new host died": ["resized"],
    "being rebuilt in place": ["rebuilding"],
    "being migrated live, away from the host": ["migrating"],
    "SHUTOFF": ["stopped"],
    "being powered off": ["powering-off"],
    "ERROR, from shut off": ["error-stopped"],
    "RESCUE": ["rescued"],
    "SHELVED": ["shelved"],
    "PAUSED": ["paused"],
    "PAUSED and locked": ["locked-paused"],
    "SUSPENDED": ["suspended"],
}
"""What the page calls the forms of tests/lab/test_states.py, which makes each of them."""


def test_every_instance_becomes_what_the_lab_sees() -> None:
    table = CONCEPT.partition("## What becomes of each instance")[2]
    rows = dict(re.findall(r"^\| ([^|`-]+) \| ([^|]+) \|", table, re.M))
    seen = _literal("MOVED")
    assert {rows[name] for name in FORMS} <= set(seen.values())
    assert {f: rows[name] for name, forms in FORMS.items() for f in forms} == seen
    for name, progress in (("BUILD", "refused"), ("being deleted", "excluded")):
        assert rows[name] == f"not moved, `{progress}`"
    for reason in _literal("LEFT").values():
        assert reason in table


def _literal(name: str) -> dict[str, str]:
    tree = ast.parse((ROOT / "tests/lab/test_states.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise AssertionError(f"tests/lab/test_states.py has no {name}")


def test_the_example_can_be_run() -> None:
    found = list(commands(EXAMPLE))
    nodes = {"evacuator", *EVERY, *(f"controller-{i}" for i in (1, 2, 3))}
    assert {command.where for command in found} <= nodes | {f"compute-{i}" for i in (1, 2, 3)}
    assert sum(command.expected is not None for command in found) > 8
    (two_lines,) = [c for c in found if "ipmitool" in c.script]
    assert two_lines.script.endswith("chassis power off")
    assert two_lines.expected == "Chassis Power Control: Down/Off"
    for command in found:
        checked = subprocess.run(
            ["bash", "-n"], input=command.script, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, f"line {command.line}: {checked.stderr}"


def test_the_example_keeps_secrets_out_of_arguments() -> None:
    """Law 9, also for those who copy."""
    given = list(typed(EXAMPLE, "pcs"))
    assert any("password_script=" in argument for words in given for argument in words)
    for arguments in (*given, *(c.script.split() for c in commands(EXAMPLE) if "ipmi" in c.script)):
        assert not [a for a in arguments if re.match(r"-{0,2}passw(or)?d=|-P$", a)]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a b", "a   b\n\n", True),
        ("a b", "a b\nc\n", False),
        ("a b\n…", "a b\nc\nd\n", True),
        ("…\nc", "a b\nc\n", True),
        ("…\nc", "a b\nc\nd\n", False),
        ("a\n…\nd", "a\nd\n", True),
        ("pid …: ok", "pid 12: ok\n", True),
        ("pid …: ok", "pid 12: not ok\n", False),
        ("[…]", "[###]\n", True),
        ("a", "", False),
    ],
)
def test_output_is_compared_in_what_matters(expected: str, printed: str, same: bool) -> None:
    assert prints(expected, printed) is same


def test_the_reference_is_about_everything() -> None:
    told = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md")) + DEBUGGING
    for agent in (*reference.RESOURCE_AGENTS, "fence_compute"):
        assert f"parameters {agent}\n" in told
    for section in reference.SECTIONS:
        assert f"options {section}\n" in told
    for area in reference.CHECKS:
        assert f"checks {area}\n" in told
    for part in reference.PARTS:
        assert re.search(rf"^```{{novaha}} {part}\b", told, re.M), part


def test_the_reference_is_rendered_whole() -> None:
    shown = reference.commands()
    for name in reference.subcommands(parser()):
        assert f"## novaha {name}\n" in shown
    for name, agent in reference.RESOURCE_AGENTS.items():
        for parameter in agent.parameters:
            assert f"`{parameter.name}`" in reference.parameters(name)
        assert reference.actions(name).count("| `") == len(agent.actions)
    for state in RecoveryState:
        assert f"`{state}`" in reference.transitions()
    assert 'name="novaha-hold" value="true"' in reference.record()
    assert '"progress": "settled"' in reference.status_json()
    assert "`stuck_after`" in reference.options("evacuator")
    assert "`password`" in reference.login("password")
    assert "`off`" in reference.fence_actions()
    for area, found in reference.CHECKS.items():
        assert reference.checks(area).count("\n| `") == len(found)
