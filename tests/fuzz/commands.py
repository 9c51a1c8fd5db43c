"""Areas "command line" and "CIB": every command and option with nonsense, on every cluster."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

from novaha.cli import main
from novaha.evacuator import client
from tests.fuzz.agents import ESCAPES, RECORDS
from tests.fuzz.kinds import SECRET, Kind, Outcome, kind
from tests.fuzz.tools import CIB, FAILURES, NO_XML, WRONG_XML, Answer, Tools, in_place


class _Text(io.StringIO):
    """A stream that says what reached it, and has no file."""

    def fileno(self) -> int:
        raise OSError("none")


def novaha(
    *argv: str | Callable[[Path], str],
    cib: str = CIB,
    broken: Mapping[str, Answer] | None = None,
) -> Callable[[Path], Outcome]:
    """One command in this process; the tools are those of `cib`, and no evacuator runs here."""

    def go(place: Path) -> Outcome:
        words = [word if isinstance(word, str) else word(place) for word in argv]
        out, err = _Text(), _Text()
        tools = Tools(cib, broken=broken or {})
        with (
            in_place(tools),
            mock.patch.object(client, "pid", return_value=None),
            mock.patch.dict(os.environ, {"OS_PASSWORD": SECRET}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _quiet(),
        ):
            try:
                code: int | str = int(main.main(words))
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException as error:
                code = f"{type(error).__name__}: {error}"
        return Outcome(code, out.getvalue() + err.getvalue())

    return go


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The libraries' log goes to no terminal here; what our own commands say does."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


COMMANDS = ("status", "setup", "migrate", "doctor", "install-agents", "release", "retry", "recover")
HOSTS = ("release", "retry", "recover")
READERS: tuple[Sequence[str], ...] = (
    ("status",),
    ("status", "--output", "json"),
    ("setup",),
    ("setup", "--remove"),
    ("migrate",),
    ("migrate", "--output", "json"),
    ("release", "compute-1"),
    ("retry", "compute-1"),
    ("recover", "compute-1"),
)
"""The commands that read the cluster and say one thing when that cannot be done."""

DOCTOR = ("doctor", "--only", "cluster", "recovery")
WRONG = (
    *("", " ", "nobody", "*", "..", "/", "compute 1", "compute-1;reboot", "$(reboot)", "`id`"),
    *(
        "' or '1'='1",
        '"',
        "<node/>",
        "&amp;",
        "x" * 5000,
        ESCAPES,
        "\u202e1-etupmoc",
        "\udcff",
        "%s",
    ),
    *("{0}", "null", "None", "compute-1 compute-2", "compute-11", "\n", "a\nb", "é", "0"),
)


def line_kinds() -> Iterator[Kind]:
    """Area "command line"."""
    area = "command line"
    for argv in ((), ("",), ("Status",), ("stat",), ("--",), ("-",), (ESCAPES,), ("é",), (SECRET,)):
        yield kind(area, "no command", argv, novaha(*argv), 2, "usage: novaha")
    for command in COMMANDS:
        for extra in (
            *(
                "--nonsense",
                "--nonsense=1",
                "-x",
                f"--password={SECRET}",
                f"--{ESCAPES}",
                "--Output",
            ),
            *("extra", "--=", "---", "--output=yaml", "--output="),
        ):
            words = (command, *(["compute-1"] if command in HOSTS else []), extra)
            run = novaha(*words)
            if words == ("status", "extra"):  # a host or an instance may be called so
                yield kind(area, f"options, {command}", extra, run, 1, "is no compute host")
                continue
            yield kind(area, f"options, {command}", extra, run, 2, "usage: novaha")
        for extra in ("--help", "-h", "--version"):
            run = novaha(command, extra)
            yield kind(area, f"options, {command}", extra, run, 0, "novaha")
    for command in HOSTS:
        yield kind(area, f"hosts, {command}", "none", novaha(command), 2, "usage: ")
        for host in WRONG:
            if host.startswith("-"):
                continue
            run = novaha(command, host)
            says = "is no node of this cluster|has a quote in it|could be any"
            yield kind(area, f"hosts, {command}", host, run, 1, says)
        for host in ("compute-1", "COMPUTE-1", "controller-1"):
            says = "is not in recovery|nobody has confirmed|is not released"
            right: tuple[int, ...] = (1,) if command != "retry" else (0, 1)
            yield kind(area, f"hosts, {command}", host, novaha(command, host), right)
            assert says
    yield from _setup(area)
    yield from _migrate(area)
    yield from _status(area)
    yield from _doctor(area)
    yield from _install(area)


def _setup(area: str) -> Iterator[Kind]:
    for option in ("--evacuate-option", "--compute-option"):
        for value in (
            *("", "=", "=x", "novalue", " =x", "a b=c", "a;b=c", f"{SECRET}", "$(x)=y", "é!=x"),
            *(ESCAPES, "\udcff", "[x]=y"),
        ):
            run = novaha("setup", option, value)
            says = "option 1 of an agent is not NAME=VALUE"
            yield kind(area, f"setup, {option}", value, run, 1, says)
        for name in (
            *("password", "PASSWORD", "passwd", "Passphrase", "pass", "os_password", "token"),
            *("api_key", "secret", "client_secret", "credentials", "pwd", "private_key"),
        ):
            run = novaha("setup", option, f"{name}={SECRET}")
            yield kind(area, f"setup, {option}", name, run, 1, "no secrets on a command line")
        run = novaha("setup", option, f"auth_url=http://u:{SECRET}@k/")
        yield kind(area, f"setup, {option}", "a login", run, 1, "no secrets on a command line")
        for value in ("verbose=1", "evacuate_delay=5", "domain=a b", f"domain={ESCAPES}", "x=$(y)"):
            run = novaha("setup", option, value)
            yield kind(area, f"setup, {option}", value, run, (0, 1), "pcs|cannot be set up")
    for option in ("--compute", "--controller"):
        yield kind(area, f"setup, {option}", "nothing", novaha("setup", option), 2, "usage: ")
        for name in WRONG:
            run = novaha("setup", option, name)
            says = "is no node|cannot be set up|are no nodes|no node of this"
            yield kind(area, f"setup, {option}", name, run, 1, says)
    for path in ("", " ", "../x", ESCAPES, "x" * 5000, "/\udcff"):
        run = novaha("setup", "--alert", path)
        yield kind(area, "setup, --alert", path, run, (0, 1))
    for code, out in ((0, b""), (0, b"x"), (0, b"\xff"), (0, b"0.9"), (0, b"9" * 5000), (1, b"")):
        broken: dict[str, Answer] = {"pcs": (code, out, b"")}
        run = novaha("setup", broken=broken)
        yield kind(area, "setup, pcs", (code, out[:9]), run, (0, 1))
    for name, (answer, says) in FAILURES.items():
        yield kind(area, "setup, pcs", name, novaha("setup", broken={"pcs": answer}), 1, says)
        run = novaha("migrate", broken={"pcs": answer})
        yield kind(area, "migrate, pcs", name, run, 1)


def _migrate(area: str) -> Iterator[Kind]:
    def made(content: bytes | None, name: str = "kept.xml") -> Callable[[Path], str]:
        def make(place: Path) -> str:
            if content is not None:
                (place / name).write_bytes(content)
            return str(place / name)

        return make

    def fifo(place: Path) -> str:
        os.mkfifo(place / "fifo")
        return str(place / "fifo")

    for what, out in NO_XML.items():
        run = novaha("migrate", "--back", made(out))
        says = "cannot be read|is too long"
        yield kind(area, "migrate --back", what, run, 1, says)
    for what, out in WRONG_XML.items():
        run = novaha("migrate", "--back", made(out))
        yield kind(area, "migrate --back", what, run, 1, "holds no configuration of a cluster")
    for what, make, says in (
        ("nowhere", made(None), "cannot be read"),
        ("a directory", lambda place: str(place), "cannot be read|is no regular file"),
        ("a named pipe", fifo, "is no regular file"),
        ("a device", lambda place: "/dev/zero", "is no regular file"),
        ("a zero", lambda place: "/a\0b", "cannot be read|is none"),
        ("long", lambda place: "/" + "x" * 5000, "/xxx"),
        ("escapes", lambda place: f"/{ESCAPES}", "cannot be read|does not exist"),
        ("empty configuration", made(b"<cib><configuration/></cib>"), "crm_diff"),
        ("the same", made(CIB.encode()), "the configuration is as it was|crm_diff"),
    ):
        right = (0, 1) if what == "the same" else (1,)
        yield kind(area, "migrate --back", what, novaha("migrate", "--back", make), right, says)
    for value in ("", "=", "novalue", f"password={SECRET}", ESCAPES):
        run = novaha("migrate", "--compute-option", value)
        yield kind(area, "migrate, --compute-option", value, run, 1)
    for name in WRONG:
        run = novaha("migrate", "--compute", name)
        yield kind(area, "migrate, --compute", name, run, (0, 1))


def _status(area: str) -> Iterator[Kind]:
    for value in ("soon", "", "1,5", "0x10", ESCAPES, "é", "1 2", "None", "true"):
        run = novaha("status", f"--watch={value}")
        yield kind(area, "status --watch", value, run, 2, "argument --watch")
    for value in ("nan", "-1", "-inf", "inf", "1e400", "-0.5", "1e300"):
        run = novaha("status", f"--watch={value}")
        yield kind(area, "status --watch", value, run, 2, "argument --watch")
    for value in ("/nowhere", "/", "/dev/zero", ESCAPES, "x" * 5000, "\0", "\udcff", "../.."):
        run = novaha("status", "--config", value)
        says = "does not exist|is no regular file|cannot be read|is none|xxx"
        yield kind(area, "status --config", value, run, 5, f"No instances shown: .*({says})")


def _doctor(area: str) -> Iterator[Kind]:
    for value in ("everything", "", "Cluster", "cluster,node", ESCAPES, "node;reboot", SECRET):
        run = novaha("doctor", "--only", value)
        yield kind(area, "doctor --only", value, run, 2, "invalid choice")
    yield kind(area, "doctor --only", "nothing", novaha("doctor", "--only"), 2, "expected at least")


def _install(area: str) -> Iterator[Kind]:
    for option in ("--ocf-root", "--sbin", "--alerts", "--destdir", "--python"):
        yield kind(area, f"install-agents, {option}", "none", novaha("install-agents", option), 2)
        for what, make in (
            ("below a file", lambda place: _below_a_file(place)),
            ("a zero", lambda place: "/a\0b"),
            ("long", lambda place: "/" + "x" * 5000),
        ):
            others = {
                name: (lambda place, n=name: str(place / n.strip("-")))
                for name in ("--ocf-root", "--sbin", "--alerts", "--completion")
                if name != option
            }
            words: list[str | Callable[[Path], str]] = ["install-agents", option, make]
            for name, where in others.items():
                words += [name, where]
            run = novaha(*words)
            yield kind(area, f"install-agents, {option}", what, run, 1, ".")


def _below_a_file(place: Path) -> str:
    (place / "a file").touch()
    return str(place / "a file" / "below")


def cib_kinds() -> Iterator[Kind]:
    """Area "CIB": configurations and records that nobody expects, by every command that reads."""
    yield from _unreadable()
    yield from _records()
    yield from _configurations()


def _unreadable() -> Iterator[Kind]:
    area = "CIB"
    answers: list[tuple[str, Answer, str]] = [
        (f"prints {name}", (0, out, b""), "printed XML that cannot be read")
        for name, out in NO_XML.items()
    ]
    answers += [
        (f"prints {name}", (0, out, b""), "cibadmin printed <") for name, out in WRONG_XML.items()
    ]
    answers += [(name, answer, says) for name, (answer, says) in FAILURES.items()]
    for argv in READERS:
        for name, answer, says in answers:
            run = novaha(*argv, broken={"cibadmin": answer})
            yield kind(area, f"cibadmin, {' '.join(argv)}", name, run, 1, f"novaha: .*{says}")
    for name, answer, says in answers:
        run = novaha(*DOCTOR, broken={"cibadmin": answer})
        yield kind(area, "cibadmin, doctor", name, run, 1, f"it cannot be read: .*({says})")


def _with(head: str, inner: str) -> str:
    assert head in CIB
    return CIB.replace(head, head + inner)


NODE = '<node id="compute-1" uname="compute-1" type="remote">'


def _records() -> Iterator[Kind]:
    """A record that makes no sense is named, held, and its remedy offered."""
    area = "CIB"
    for name, pairs in RECORDS.items():
        own = f'<instance_attributes id="novaha-compute-1">{pairs}</instance_attributes>'
        other = f'<instance_attributes id="theirs">{pairs}</instance_attributes>'
        for where, inner in (("own set", own), ("another set", other)):
            cib = _with(NODE, inner)
            run = novaha("status", cib=cib)
            yield kind(area, f"records, status, {where}", name, run, 5, "compute-1 +unreadable")
            run = novaha(*DOCTOR, cib=cib)
            says = "its record makes no sense .*-> novaha retry compute-1"
            yield kind(area, f"records, doctor, {where}", name, run, 1, says)
            run = novaha("setup", "--remove", cib=cib)
            says = "has a record that makes no sense, and is held"
            yield kind(area, f"records, removal, {where}", name, run, 1, says)


FRAGMENTS: dict[str, tuple[str, str]] = {
    "no attributes": ("<resources>", "<primitive/><clone/><group/><master/><bundle/>"),
    "a primitive without a type": ("<resources>", '<primitive id="x" class="ocf"/>'),
    "a fence device of nothing": ("<resources>", '<primitive id="x" class="stonith"/>'),
    "a template that is not there": ("<resources>", '<primitive id="x" template="nobody"/>'),
    "a template of itself": ("<resources>", '<template id="t" template="t" class="stonith"/>'),
    "an id twice": ("<resources>", '<primitive id="ipmi-1" class="stonith" type="fence_dummy"/>'),
    "an empty clone": ("<resources>", '<clone id="c"/>'),
    "a clone of a clone": ("<resources>", '<clone id="c"><clone id="d"/></clone>'),
    "escapes in an id": ("<resources>", '<primitive id="&#x9b;x" class="stonith" type="fence_x"/>'),
    "a long id": ("<resources>", f'<primitive id="{"x" * 300}" class="stonith" type="f"/>'),
    "a pair without a name": (
        "<resources>",
        '<primitive id="x" class="stonith" type="fence_x"><instance_attributes id="y">'
        '<nvpair id="z" value="1"/></instance_attributes></primitive>',
    ),
    "a pair without a value": (
        "<resources>",
        '<primitive id="x" class="stonith" type="fence_x"><instance_attributes id="y">'
        '<nvpair id="z" name="pcmk_host_list"/></instance_attributes></primitive>',
    ),
    "a pair by reference": (
        "<resources>",
        '<primitive id="x" class="stonith" type="fence_x"><instance_attributes id="y">'
        '<nvpair id-ref="i11"/></instance_attributes></primitive>',
    ),
    "attributes by reference": (
        "<resources>",
        '<primitive id="x" class="stonith" type="fence_x"><instance_attributes id-ref="i1"/>'
        "</primitive>",
    ),
    "a host map of nonsense": (
        "<resources>",
        '<primitive id="x" class="stonith" type="fence_x"><instance_attributes id="y">'
        '<nvpair id="z" name="pcmk_host_map" value=":::;;=,"/></instance_attributes></primitive>',
    ),
    "operations of nonsense": (
        "<resources>",
        '<primitive id="x" class="ocf" provider="pacemaker" type="remote"><operations>'
        '<op id="o" name="monitor" interval="soon" timeout="9e999"/><op/></operations></primitive>',
    ),
    "a remote node of nonsense": (
        "<resources>",
        '<primitive id="x y" class="ocf" provider="pacemaker" type="remote">'
        '<instance_attributes id="y"><nvpair id="z" name="reconnect_interval" value="-1"/>'
        "</instance_attributes></primitive>",
    ),
    "a guest of nonsense": (
        "<resources>",
        '<primitive id="x" class="ocf" provider="h" type="VirtualDomain"><meta_attributes id="y">'
        '<nvpair id="z" name="remote-node" value=""/></meta_attributes></primitive>',
    ),
    "a node without a name": ("<nodes>", '<node id="9"/>'),
    "a node of no kind": ("<nodes>", '<node id="9" uname="c9" type="x"/>'),
    "a node with a quote": ("<nodes>", '<node id="9" uname="c&apos;9" type="remote"/>'),
    "a node with escapes": ("<nodes>", '<node id="9" uname="c&#x9b;9" type="remote"/>'),
    "a node with blanks": ("<nodes>", '<node id="9" uname="c 9" type="remote"/>'),
    "a node twice": ("<nodes>", '<node id="1" uname="controller-1"/>'),
    "a role of nonsense": (
        "<nodes>",
        '<node id="9" uname="c9" type="remote"><instance_attributes id="r">'
        '<nvpair id="q" name="osprole" value="&#x9b;"/></instance_attributes></node>',
    ),
    "a level without devices": ("<fencing-topology>", '<fencing-level id="x" target="compute-1"/>'),
    "a level of nobody": ("<fencing-topology>", '<fencing-level id="x" index="1" devices="a"/>'),
    "a level of nonsense": (
        "<fencing-topology>",
        '<fencing-level id="x" target="compute-1" index="soon" devices=",,,"/>',
    ),
    "a huge index": (
        "<fencing-topology>",
        f'<fencing-level id="x" target="compute-1" index="{"9" * 5000}" devices="ipmi-1"/>',
    ),
    "a pattern that is none": (
        "<fencing-topology>",
        '<fencing-level id="x" target-pattern="compute-[" index="1" devices="ipmi-1"/>',
    ),
    "a pattern that takes for ever": (
        "<fencing-topology>",
        '<fencing-level id="x" target-pattern="(((a+)+)+)+$" index="1" devices="ipmi-1"/>',
    ),
    "a level by an attribute": (
        "<fencing-topology>",
        '<fencing-level id="x" target-attribute="a" target-value="b" index="1" devices="ipmi-1"/>',
    ),
    "a property without a value": ('<cluster_property_set id="p">', '<nvpair id="x" name="y"/>'),
    "a property of nonsense": (
        '<cluster_property_set id="p">',
        '<nvpair id="x" name="stonith-watchdog-timeout" value="soon"/>'
        '<nvpair id="y" name="load-threshold" value="%"/>',
    ),
    "a constraint of nothing": (
        "<configuration>",
        '<constraints><rsc_location id="x"/><rsc_order id="y"/><rsc_colocation id="z"/>'
        "</constraints>",
    ),
    "a rule of nonsense": (
        "<configuration>",
        '<constraints><rsc_location id="x" rsc="nova-compute-clone"><rule id="r" score="soon">'
        '<expression id="e"/><rule/><date_expression id="d"/></rule></rsc_location></constraints>',
    ),
    "a score of nonsense": (
        "<configuration>",
        '<constraints><rsc_location id="x" rsc="nova-evacuate" node="controller-1" score="x"/>'
        "</constraints>",
    ),
    "a circle of orders": (
        "<configuration>",
        '<constraints><rsc_order id="a" first="nova-compute-clone" then="nova-evacuate"/>'
        '<rsc_order id="b" first="nova-evacuate" then="nova-compute-clone"/></constraints>',
    ),
    "a set of nothing": (
        "<configuration>",
        '<constraints><rsc_order id="a"><resource_set id="s"/><resource_set/></rsc_order>'
        "</constraints>",
    ),
    "an alert of nothing": ("<configuration>", '<alerts><alert id="a"/></alerts>'),
    "ACLs": ("<configuration>", '<acls><acl_role id="r"/><acl_target id="t"/></acls>'),
    "tags": ("<configuration>", '<tags><tag id="t"><obj_ref id="nobody"/></tag></tags>'),
    "an unknown section": ("<configuration>", "<future><thing id='x'/></future>"),
    "text": ("<resources>", "loose words \u2028"),
    "a comment": ("<resources>", "<!-- nothing -->"),
    "an instruction": ("<resources>", "<?php exit ?>"),
}
"""What stands somewhere in the configuration that nobody expects."""


def _configurations() -> Iterator[Kind]:
    for name, (head, inner) in FRAGMENTS.items():
        cib = _with(head, inner)
        for argv, right, says in (
            (DOCTOR, (0, 1), r"\d+ findings: "),
            ((*DOCTOR, "--output", "json"), (0, 1), '"verdict"'),
            (("setup",), (0, 1), "pcs|cannot be set up|has a quote"),
            (("setup", "--remove"), (0, 1), "."),
            (("migrate",), (0, 1), "."),
            (("migrate", "--output", "json"), (0, 1), "."),
            (("status",), (0, 3, 5), "Evacuator: "),
            (("status", "--output", "json"), (0, 3), '"hosts": '),
            (("retry", "compute-1"), (0, 1), "."),
        ):
            run = novaha(*argv, cib=cib)
            yield kind("CIB", f"configuration, {' '.join(argv)}", name, run, right, says)
    for name, cib in (
        ("nothing", "<cib/>"),
        ("no configuration", "<cib><status/></cib>"),
        ("an empty configuration", "<cib><configuration/></cib>"),
        ("empty sections", "<cib><configuration><nodes/><resources/></configuration></cib>"),
        ("no nodes", CIB.replace("<nodes>", "<others>").replace("</nodes>", "</others>")),
        ("two configurations", CIB.replace("<configuration>", "<configuration/><configuration>")),
    ):
        for argv in (*READERS, DOCTOR):
            run = novaha(*argv, cib=cib)
            yield kind("CIB", "wholes", f"{name}, {' '.join(argv)}", run, (0, 1, 3, 5), ".")
