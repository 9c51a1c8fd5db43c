"""Areas "fence agent" and "agents": what Pacemaker, people and the machine may give to an agent."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from novaha.agents import fence_compute, libvirtd, nova_compute, nova_compute_wait, nova_evacuate
from novaha.agents.runtime import actions, run
from novaha.contract.fence import Action
from novaha.evacuator.client import EvacuatorError
from tests.fuzz.kinds import SECRET, Kind, Outcome, kind
from tests.fuzz.tools import CIB, FAILURES, NO_XML, WRONG_XML, Tools, in_place
from tests.unit.agents.fakes import Clock, FakeEvacuator, FakeService

ESCAPES = "\x1b[2J\x07\r"

# The fence agent


def fence(
    stdin: bytes = b"", argv: Sequence[str] = (), tools: Tools | None = None
) -> Callable[[Path], Outcome]:
    """One call with the real parser, the real records and the tools of `tools`."""

    def go(place: Path) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with in_place(tools or Tools()):
            code = fence_compute.main(
                list(argv),
                io.TextIOWrapper(io.BytesIO(stdin), "utf-8"),
                out,
                err,
                sleep=lambda seconds: None,
            )
        return Outcome(code, out.getvalue() + err.getvalue())

    return go


OFF = b"action=off\nplug=compute-1\n"
FENCED = "Success: Powered OFF"


def fence_kinds() -> Iterator[Kind]:
    """All of the area."""
    area = "fence agent"
    yield kind(area, "off", "as Pacemaker asks", fence(OFF), 0, FENCED)
    for text in (
        *("COMPUTE-1", "compute-1.example.org", " compute-1 ", "Compute-1", "compute-2"),
        "compute-1.localdomain",
    ):
        stdin = f"action=off\nplug={text}\n".encode()
        yield kind(area, "hosts", text, fence(stdin), 0, FENCED)
    for text in (
        *("", "nobody", "compute", "compute-", "compute-11", "*", "compute-*", ".", "..", "/"),
        *("compute-1 compute-2", "compute-1,compute-2", "compute-1;reboot", "$(reboot)", "`id`"),
        *("' or '1'='1", '"]|//*["', "compute-1'", "<node/>", "&amp;", "]]>", "-1", "0", "null"),
        *(ESCAPES, "\xff", "x" * 10_000, "compute-1\0", "\u202e1-etupmoc", "None", "all", "%s"),
    ):
        stdin = f"action=off\nplug={text}\n".encode("utf-8", "surrogateescape")
        says = "is no node of this cluster|has a quote in it"
        yield kind(area, "hosts that are none", text, fence(stdin), 1, says)
    for action in Action:
        for name, text in (
            ("nothing else", ""),
            ("a host", "plug=compute-1\n"),
            ("nobody", "plug=nobody\n"),
            ("the secret", f"plug=compute-1\npassword={SECRET}\npasswd={SECRET}\n"),
            ("escapes", f"plug=compute-1\nseparator={ESCAPES}\nport={ESCAPES}\n"),
        ):
            stdin = f"action={action}\n{text}".encode()
            run_it = fence(stdin)
            needs = action in (Action.OFF, Action.ON, Action.STATUS)
            known = "compute-1" in text
            if action in (Action.HELP, Action.VERSION):
                right, says = 1, "does not know the action"
            elif needs and not known:
                right, says = 1, "is no node of this cluster"
            elif action is Action.OFF:
                right, says = 0, FENCED
            else:
                right, says = 0, ""
            yield kind(area, f"actions, {name}", action, run_it, right, says)
    for action in (
        "reboot",
        "Reboot",
        "cycle",
        "diag",
        "0",
        "-o",
        "off;on",
        "off\x1b[2J",
        "é",
        "x" * 9000,
    ):
        stdin = f"action={action}\nplug=compute-1\n".encode()
        yield kind(area, "unknown actions", action, fence(stdin), 1, "does not know the action")
    for delay in (
        *("inf", "-inf", "nan", "-1", "1e400", "9" * 5000, "3601", "soon", "1 2", "0x10", "é"),
        *("1e9", "--", "=", "5;reboot", "1,5", "Infinity", "\0", ESCAPES, "٣", "1_0", "1e-", "∞"),
    ):
        stdin = OFF + f"delay={delay}\n".encode()
        yield kind(area, "delays", delay, fence(stdin), 0, f"{FENCED}|the delay is ignored")
    yield from _fence_parameters()
    yield from _fence_options()
    yield from _fence_streams()
    yield from _fence_tools()


def _fence_parameters() -> Iterator[Kind]:
    names = sorted({p.name for p in fence_compute.AGENT.parameters} - {"action", "plug"})
    values = ("", "\xff\xfe", "9" * 5000, "nan", "a\0b", "x" * 50_000, ESCAPES, SECRET, "=", "/")
    for name in names:
        for value in values:
            stdin = OFF + f"{name}={value}\n".encode("latin-1")
            yield kind(
                "fence agent",
                f"parameters, {name}",
                value[:9],
                fence(stdin),
                0,
                "Powered OFF" if name != "quiet" else "",
            )


def _fence_options() -> Iterator[Kind]:
    area = "fence agent"
    for argv, right, says in (
        (["-o", "off", "-n", "compute-1"], 0, FENCED),
        (["--action=off", "--plug=compute-1"], 0, FENCED),
        (["--action", "off", "--plug", "nobody"], 1, "is no node of this cluster"),
        (["-o", "off"], 1, "is no node of this cluster"),
        (["-o"], 1, "requires argument"),
        (["--action"], 1, "requires argument"),
        (["--nonsense"], 1, "not recognized"),
        (["-Z"], 1, "not recognized"),
        (["--"], 1, "is no node of this cluster"),
        (["--act=off", "--plug=compute-1"], 0, FENCED),
        (["--p=compute-1"], 1, "not a unique prefix"),
        (["off", "compute-1"], 1, "word"),
        (["-o", "off", "-n", "compute-1", "extra"], 1, "word"),
        (["-o", "off", "-n", "compute-1", "-p", SECRET], 0, FENCED),
        (["-o", "off", "-n", "compute-1", "-p", "x", SECRET], 1, "word"),
        (["-o", "off", "-n", "compute-1", SECRET], 1, "word"),
        (["-o", "off", "-n", ESCAPES], 1, "is no node"),
        (["-o", "off", "-n", "\udcff"], 1, "is no node"),
        (["-o", "off", "-n", "compute-1", ESCAPES], 1, "word"),
        ([f"--{ESCAPES}"], 1, "not recognized"),
        (["-h"], 0, "fence_compute - "),
        (["--help"], 0, "fence_compute - "),
        (["-V"], 0, "fence_compute"),
        (["--version"], 0, "fence_compute"),
        (["-o", "metadata"], 0, "<resource-agent"),
        (["-o", "validate-all", "--delay", "soon"], 1, "delay"),
        (["-o", "list"], 0, "compute-1"),
        (["-o", "list", "--separator", ESCAPES], 0, "compute-1"),
        (["-o", "list-status"], 0, "compute-1,,on"),
        (["-o", "monitor"], 0, ""),
        (["-v", "-o", "off", "-n", "compute-1"], 0, "is flagged for recovery"),
        (["-q", "-o", "off", "-n", "nobody"], 1, "^$"),
    ):
        yield kind(area, "options", argv, fence(argv=argv), right, says)


def _fence_streams() -> Iterator[Kind]:
    area = "fence agent"
    for name, text in {
        "carriage returns": b"action=off\r\nplug=compute-1\r\n",
        "no final newline": b"action=off\nplug=compute-1",
        "a byte order mark": b"\xef\xbb\xbfaction=off\nplug=compute-1\n",
        "a broken value": OFF + b"password=\xff\xfe\x80\n",
        "a broken key": b"\xff\xfe=1\n" + OFF,
        "noise": OFF + bytes(range(256)) * 50,
        "ten megabytes": OFF + b"x" * 10_000_000,
        "many lines": b"z=1\n" * 100_000 + OFF,
        "repeated keys": b"plug=nobody\naction=status\n" + OFF,
        "no equals sign": b"action\nplug\n" + OFF,
        "no key": b"=\n=1\n" + OFF,
        "empty lines": b"\n\n\n" + OFF,
        "comments": b"# plug=nobody\n#action=on\n" + OFF,
        "unknown keys": b"future=1\nmulti word=2\n" + OFF,
        "spaces": b"  action =  off \n plug = compute-1 \n",
        "nothing but the host": b"plug=compute-1",
        "tabs": b"\taction\t=\toff\n\tplug\t=\tcompute-1\n",
        "the older name": b"action=off\nport=compute-1\n",
        "the cluster's name": b"action=off\nnodename=compute-1\n",
        "dashes": b"action=off\nplug=compute-1\ncompute-domain=x\n",
        "upper case keys": OFF + b"ACTION=on\nPLUG=nobody\n",
        "help": OFF + b"help=1\nversion=1\n",
        "the secret as a key": OFF + SECRET.encode() + b"=1\n",
        "the secret alone": OFF + SECRET.encode() + b"\n",
    }.items():
        yield kind(area, "streams", name, fence(text), 0, FENCED)
    for name, text in {
        "nothing": b"",
        "noise": bytes(range(256)),
        "zeros": b"\0" * 1000,
        "JSON": b'{"action": "off", "plug": "compute-1"}',
        "one line": b"action=off plug=compute-1",
        "UTF-16": "action=off\nplug=compute-1\n".encode("utf-16"),
    }.items():
        says = "is no node of this cluster|does not know the action"
        yield kind(area, "streams that name nobody", name, fence(text), 1, says)
    cut = b"plug=compute-1\n" + b"x" * 17_000_000
    yield kind(area, "streams that name nobody", "cut off", fence(cut), 1, "16 MiB")


def _fence_tools() -> Iterator[Kind]:
    area = "fence agent"
    for action in ("off", "status", "on", "list", "list-status", "monitor"):
        stdin = f"action={action}\nplug=compute-1\npassword={SECRET}\n".encode()
        for name, out in {**NO_XML, **WRONG_XML}.items():
            run_it = fence(stdin, tools=Tools(broken={"cibadmin": (0, out, b"")}))
            says = "printed XML that cannot be read|cibadmin printed <"
            yield kind(area, f"tools, {action}", f"cibadmin prints {name}", run_it, 1, says)
        for name, (answer, says) in FAILURES.items():
            run_it = fence(stdin, tools=Tools(broken={"cibadmin": answer}))
            yield kind(area, f"tools, {action}", f"cibadmin {name}", run_it, 1, says)
        for name, (answer, _) in FAILURES.items():
            if action == "off" and "exit" in name:
                broken = {"crm_node": answer, "crm_mon": answer, "stonith_admin": answer}
                run_it = fence(stdin, tools=Tools(broken=broken))
                yield kind(area, "tools that off does not need", name, run_it, 0, FENCED)


# The resource agents

HANDLERS = {
    "NovaCompute": (
        nova_compute,
        lambda out, err, up: nova_compute.Context(
            out,
            err,
            service=lambda request: FakeService(up=up),
            heartbeat=lambda *given: "",
            sleep=Clock().sleep,
        ),
    ),
    "libvirtd": (
        libvirtd,
        lambda out, err, up: libvirtd.Context(out, err, service=lambda r: FakeService(up=up)),
    ),
    "nova-compute-wait": (
        nova_compute_wait,
        lambda out, err, up: nova_compute_wait.Context(out, err, sleep=Clock().sleep),
    ),
    "NovaEvacuate": (
        nova_evacuate,
        lambda out, err, up: nova_evacuate.Context(
            out, err, FakeEvacuator(up=up), check_nova=lambda p: 1, check_conf=lambda p: None
        ),
    ),
}


def agent(
    name: str,
    action: str,
    environ: Mapping[str, str],
    tools: Tools | None = None,
    *,
    up: bool = False,
) -> Callable[[Path], Outcome]:
    """One action with the cluster of `tools`, and services that do as they are told."""
    module, context = HANDLERS[name]

    def go(place: Path) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        given = {"HA_RSCTMP": str(place), **environ}
        handlers = actions(
            module.start, module.stop, module.monitor, module.validate_all, module.reload_agent
        )
        with in_place(tools or Tools(local="compute-1")):
            code = run(
                module.AGENT,
                handlers,
                lambda o, e: context(o, e, up),
                [action],
                given,
                out,
                err,
            )
        return Outcome(int(code), out.getvalue() + err.getvalue())

    return go


HOLDS = ("NovaCompute", "nova-compute-wait")
VALUES = {
    "nothing": "",
    "two lines": "a\nb",
    "a zero": "a\0b",
    "escapes": ESCAPES,
    "broken encoding": "\udcff\udcfe",
    "long": "x" * 50_000,
    "a command": "$(reboot)",
    "a path": "../../etc/passwd",
    "the secret": SECRET,
    "a brace": "{0.__class__}",
    "a format": "%(x)s %n",
}
NUMBERS = ("", "0", "-1", "1" + "0" * 400, "nan", "inf", "soon", "0x10", "1.5", " 5 ", "٣", "1_000")


def agent_kinds() -> Iterator[Kind]:
    """All of the area."""
    yield from _stops()
    yield from _unknown_actions()
    yield from _parameters()
    yield from _numbers()
    yield from _holds()
    yield from _places()


def _stops() -> Iterator[Kind]:
    """`stop` is 0, whatever there is."""
    for name, (module, _) in HANDLERS.items():
        for parameter in module.AGENT.parameters:
            for what, value in VALUES.items():
                environ = {f"OCF_RESKEY_{parameter.name}": value}
                run_it = agent(name, "stop", environ)
                yield kind("agents", f"stop, {name}", f"{parameter.name} is {what}", run_it, 0)
        for answer_name, (answer, _) in FAILURES.items():
            broken = dict.fromkeys(("cibadmin", "crm_node", "crm_mon", "stonith_admin"), answer)
            run_it = agent(name, "stop", {}, Tools(broken=broken))
            yield kind("agents", f"stop, {name}", f"tools: {answer_name}", run_it, 0)
        for variable in ("OCF_RESOURCE_INSTANCE", "HA_RSCTMP", "OCF_OUTPUT_FORMAT", "PCMK_service"):
            for what, value in VALUES.items():
                if variable == "HA_RSCTMP" and what in ("a command", "the secret", "a format"):
                    continue  # a relative directory of any name is one
                run_it = agent(name, "stop", {variable: value})
                yield kind("agents", f"stop, {name}", f"{variable} is {what}", run_it, 0)


def _unknown_actions() -> Iterator[Kind]:
    for name in HANDLERS:
        for action in (
            "promote",
            "demote",
            "migrate_to",
            "STOP",
            "stop ",
            ESCAPES,
            "x" * 9000,
            "é",
        ):
            says = "does not know the action"
            yield kind("agents", f"actions, {name}", action, agent(name, action, {}), 3, says)
        yield kind("agents", f"actions, {name}", "none", agent(name, "", {}), 2, "usage: ")
        for action, says in (
            ("meta-data", "<resource-agent"),
            ("usage", "usage: "),
            ("help", "usage"),
        ):
            yield kind("agents", f"actions, {name}", action, agent(name, action, {}), 0, says)


def _parameters() -> Iterator[Kind]:
    """What cannot be is refused by name, and its value is not repeated."""
    for name, (module, _) in HANDLERS.items():
        for parameter in module.AGENT.parameters:
            for what, value in VALUES.items():
                environ = {f"OCF_RESKEY_{parameter.name}": value}
                refused = (not parameter.deprecated or parameter.replaced_by) and (
                    what in ("two lines", "a zero") or (parameter.type != "string" and value)
                )
                for action in ("validate-all", "start"):
                    if (
                        action == "start"
                        and name == "NovaCompute"
                        and parameter.name in ("unit", "binary")
                    ):
                        continue
                    right: tuple[int, ...] = (0, 1, 2, 5, 6)
                    says = ""
                    if refused:
                        right, says = (6,), f"parameter {parameter.name}: "
                    run_it = agent(name, action, environ)
                    table = f"parameters, {name}, {action}"
                    yield kind("agents", table, f"{parameter.name} is {what}", run_it, right, says)


def _numbers() -> Iterator[Kind]:
    for name in HANDLERS:
        for meta in ("timeout", "interval", "clone"):
            for number in NUMBERS:
                environ = {f"OCF_RESKEY_CRM_meta_{meta}": number}
                for action in ("stop", "monitor", "validate-all"):
                    right = (0, 7) if action == "monitor" else (0,)
                    run_it = agent(name, action, environ)
                    table = f"numbers, {name}, {action}"
                    yield kind("agents", table, f"{meta} is {number[:9]}", run_it, right)
        for number in NUMBERS:
            run_it = agent(name, "monitor", {"OCF_CHECK_LEVEL": number})
            yield kind("agents", f"numbers, {name}, monitor", f"level {number[:9]}", run_it, (0, 7))


def _holds() -> Iterator[Kind]:
    """Law 4: who cannot tell whether its host is free does not start."""
    for name in HOLDS:
        for tool in ("cibadmin", "crm_node"):
            for what, (answer, says) in FAILURES.items():
                tools = Tools(local="compute-1", broken={tool: answer})
                run_it = agent(name, "start", {}, tools)
                yield kind("agents", f"held, {name}", f"{tool} {what}", run_it, 1, says)
        for what, out in {**NO_XML, **WRONG_XML}.items():
            tools = Tools(local="compute-1", broken={"cibadmin": (0, out, b"")})
            run_it = agent(name, "start", {}, tools)
            says = "printed XML that cannot be read|cibadmin printed <"
            yield kind("agents", f"held, {name}", f"cibadmin prints {what}", run_it, 1, says)
        for local in ("nobody", "", "a b", ESCAPES, "\0", "compute-11", "(null)"):
            run_it = agent(name, "start", {}, Tools(local=local))
            says = "is no node of this cluster|does not tell the name"
            yield kind("agents", f"held, {name}", f"crm_node prints {local}", run_it, 1, says)
        for what, pairs in RECORDS.items():
            own = f'<instance_attributes id="novaha-compute-1">{pairs}</instance_attributes>'
            head = '<node id="compute-1" uname="compute-1" type="remote">'
            tools = Tools(CIB.replace(head, head + own), "compute-1")
            run_it = agent(name, "start", {}, tools)
            says = "is held|recovery record of compute-1|recovery"
            yield kind("agents", f"held, {name}", f"a record: {what}", run_it, (1, 5), says)
        yield kind("agents", f"free, {name}", "no record", agent(name, "start", {}), 0)


def _pair(name: str, value: str, number: int = 1) -> str:
    return f'<nvpair id="x{number}" name="{name}" value="{value}"/>'


RECORDS = {
    "the hold alone": _pair("novaha-hold", "true"),
    "a hold of nonsense": _pair("novaha-hold", "perhaps"),
    "no hold": _pair("novaha-hold", "false"),
    "a state alone": _pair("novaha-recovery", "pending"),
    "a state of nonsense": _pair("novaha-recovery", "gibberish"),
    "a state of nothing": _pair("novaha-recovery", ""),
    "absent": _pair("novaha-recovery", "absent"),
    "an owner alone": _pair("novaha-owner", "controller-1#a"),
    "a time alone": _pair("novaha-fenced", "2026-01-01T00:00:00Z"),
    "an id alone": _pair("novaha-fence-id", "f"),
    "marks alone": _pair("novaha-marks", "forced"),
    "states alone": _pair("novaha-before", "stopped=i1"),
    "a state twice": _pair("novaha-recovery", "pending") + _pair("novaha-recovery", "running", 2),
    "a later format": _pair("novaha-recovery", "pending2") + _pair("novaha-before", "v2:{}", 2),
    "escapes": _pair("novaha-recovery", "&#9;&#10;"),
}
"""Records that make no sense: each of them holds its host."""


def _places() -> Iterator[Kind]:
    """What may stand where an agent keeps its state."""

    def at(make: Callable[[Path], object], name: str, action: str) -> Callable[[Path], Outcome]:
        def go(place: Path) -> Outcome:
            make(place)
            environ = {"OCF_RESOURCE_INSTANCE": "wait", "HA_RSCTMP": str(place / "tmp")}
            return agent(name, action, environ)(place)

        return go

    def nested(place: Path) -> None:
        (place / "tmp/wait.active/x").mkdir(parents=True)

    def file(place: Path) -> None:
        (place / "tmp").touch()

    def pipe(place: Path) -> None:
        (place / "tmp").mkdir()
        os.mkfifo(place / "tmp/wait.active")

    def loop(place: Path) -> None:
        (place / "tmp").symlink_to("tmp")

    def dangling(place: Path) -> None:
        (place / "tmp").mkdir()
        (place / "tmp/wait.active").symlink_to("nowhere/at/all")

    for what, make in (
        *(("a directory", nested), ("a file for its directory", file), ("a named pipe", pipe)),
        *(("a link to itself", loop), ("a link to nowhere", dangling)),
    ):
        run_it = at(make, "nova-compute-wait", "stop")
        yield kind("agents", "places, stop", what, run_it, 0)
        run_it = at(make, "nova-compute-wait", "monitor")
        yield kind("agents", "places, monitor", what, run_it, (0, 1, 7))
        run_it = at(make, "nova-compute-wait", "start")
        right = (
            (1,)
            if what in ("a file for its directory", "a link to itself", "a link to nowhere")
            else (0,)
        )
        yield kind("agents", "places, start", what, run_it, right)


class Silent(FakeEvacuator):
    """An evacuator whose every answer is an error."""

    def ask(self, question: str, *, timeout: float) -> dict[str, object]:
        raise EvacuatorError(f"the evacuator does not answer {ESCAPES}")
