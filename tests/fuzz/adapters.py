"""Area "tools": each question to Pacemaker's tools, with each answer that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from novaha.agents.cluster import PacemakerCluster
from novaha.cli import site
from novaha.cli.doctor import reading
from novaha.core.record import first_record
from novaha.core.recovery import Event
from novaha.pacemaker import cib, configuration, live
from novaha.pacemaker.cib import RecordStore
from novaha.pacemaker.fencing import FenceHistory
from tests.fuzz.kinds import VALUE, Kind, Outcome, call, kind
from tests.fuzz.tools import FAILURES, NO_XML, WRONG_XML, Answer, Tools, every_answer, in_place

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = first_record("compute-1", "f", MOMENT)
CLAIMED = RECORD.after(Event.CLAIM, owner="controller-1#a")

READS: dict[str, Callable[[], object]] = {
    "all records": lambda: RecordStore().read_all(),
    "a record": lambda: RecordStore().read("compute-1"),
    "flag a host": lambda: RecordStore().flag_fenced("compute-1"),
    "a confirmation": lambda: RecordStore().seen_confirmation("compute-1"),
    "note a confirmation": lambda: RecordStore().note_confirmation("compute-1", "x"),
    "drop a record": lambda: RecordStore().drop(RECORD),
    "the configuration": lambda: configuration.read(),
    "known nodes": lambda: cib.known_nodes(),
    "compute nodes": lambda: cib.compute_nodes(),
    "full members": lambda: FenceHistory().members(),
    "this node": lambda: cib.local_node(),
    "down since": lambda: FenceHistory().down_since("compute-1"),
    "still off": lambda: FenceHistory().still_off(),
    "levels": lambda: FenceHistory().levels(),
    "fence": lambda: FenceHistory().request("compute-1"),
    "restart nova-compute": lambda: FenceHistory().restart_compute("compute-1"),
    "what is missing": lambda: site.look(),
}
"""What is asked by cibadmin."""

WRITES: dict[str, Callable[[], object]] = {
    "swap a record": lambda: RecordStore().swap(RECORD, CLAIMED),
}

MON: dict[str, Callable[[], object]] = {
    "what runs": lambda: live.look(),
    "who is online": lambda: FenceHistory().online(),
    "whether a node is": lambda: FenceHistory().is_online("compute-1"),
}
HISTORY: dict[str, Callable[[], object]] = {
    "fencings": lambda: FenceHistory().of("*"),
    "fencings of a node": lambda: FenceHistory().of("compute-1"),
    "the history": lambda: FenceHistory().history().confirmed_by_hand(),
    "anything since": lambda: FenceHistory().anything_since("compute-1", MOMENT),
}


def asked(tool: str, answer: Answer, question: Callable[[], object]) -> Callable[[Path], Outcome]:
    def run(place: Path) -> Outcome:
        with in_place(Tools(broken={tool: answer})):
            return call(question)

    return run


def kinds() -> Iterator[Kind]:
    """All of the area."""
    for table, tool, questions in (
        ("cibadmin", "cibadmin", READS),
        ("crm_mon", "crm_mon", MON),
        ("stonith_admin", "stonith_admin", HISTORY),
    ):
        for what, question in questions.items():
            for name, answer, says in every_answer():
                yield kind(
                    "tools",
                    f"{table}, {what}",
                    name,
                    asked(tool, answer, question),
                    "NovahaError",
                    says,
                )
    for what, question in WRITES.items():
        for name, (answer, says) in FAILURES.items():
            run = asked("cibadmin", answer, question)
            yield kind("tools", f"cibadmin, {what}", name, run, "NovahaError", says)
    yield from _names()
    yield from _flags()
    yield from _doctor()
    yield from _records()
    yield from _times()


def _names() -> Iterator[Kind]:
    """What crm_node may print instead of this node's name."""
    says = "crm_node does not tell the name of this node"
    printed = {
        **{name: NO_XML[name] for name in ("nothing", "blanks", "zeros", "noise", "a bell")},
        **{name: NO_XML[name] for name in ("no connection", "a usage", "escape sequences")},
        "two names": b"compute-1 compute-2\n",
        "two lines": b"compute-1\ncompute-1\n",
        "null": b"(null) \0\n",
        "long": b"x\x00" * 100_000,
    }
    for name, out in printed.items():
        run = asked("crm_node", (0, out, b""), cib.local_node)
        yield kind("tools", "crm_node", f"prints {name}", run, "NovahaError", says)
    for name in ("nobody", "(null)", "controller-9", "*", "compute-1'", "../..", "compute", "é"):
        run = asked("crm_node", (0, name.encode(), b""), cib.local_node)
        says = "is no node of this cluster"
        yield kind("tools", "crm_node", f"prints {name}", run, "NovahaError", says)
    for name in ("controller-1", "CONTROLLER-1", " controller-1 \n", "compute-1"):
        run = asked("crm_node", (0, name.encode(), b""), cib.local_node)
        yield kind("tools", "crm_node", f"prints {name}", run, VALUE)
    for name, (answer, says) in FAILURES.items():
        run = asked("crm_node", answer, cib.local_node)
        yield kind("tools", "crm_node", name, run, "NovahaError", says)
        run = asked("crm_node", answer, PacemakerCluster().local_node)
        yield kind("tools", "crm_node, by an agent", name, run, "NovahaError", says)


def _flags() -> Iterator[Kind]:
    """attrd_updater prints lines, and an attribute that nobody has set is an error to it."""
    for name, out in {**NO_XML, **WRONG_XML}.items():
        run = asked("attrd_updater", (0, out, b""), live.older_flags)
        yield kind("tools", "attrd_updater", f"prints {name}", run, VALUE)
    for name, (answer, says) in FAILURES.items():
        absent = answer[0] in (0, 6, 78, 105)
        run = asked("attrd_updater", answer, live.older_flags)
        right, said = (VALUE, "") if absent else ("NovahaError", says)
        yield kind("tools", "attrd_updater", name, run, right, said)
        run = asked("attrd_updater", answer, lambda: live.OlderFlags().drop("compute-1"))
        yield kind("tools", "attrd_updater, drop", name, run, "NovahaError", says)


def _doctor() -> Iterator[Kind]:
    """What doctor reads is told as a problem, and never raised."""
    from novaha.pacemaker.runner import Runner

    def problem() -> Outcome:
        found = reading.site(Runner())
        return Outcome(VALUE if found.cluster is None else "a cluster", found.problem)

    for name, answer, says in every_answer():

        def run(place: Path, answer: Answer = answer) -> Outcome:
            with in_place(Tools(broken={"cibadmin": answer})):
                return problem()

        yield kind("tools", "cibadmin, doctor", name, run, VALUE, says)


def _records() -> Iterator[Kind]:
    """An answer about another node is no answer about this one."""
    for entry in ('uname="compute-2"', 'uname=""', 'id="compute-1"', 'uname="COMPUTE-1"'):
        for shape in ("<node {}/>", "<xpath-query><node {}/></xpath-query>"):
            out = shape.format(entry).encode()
            for what in ("a record", "flag a host", "note a confirmation", "drop a record"):
                run = asked("cibadmin", (0, out, b""), READS[what])
                says = "cibadmin printed another node"
                yield kind("tools", f"another node, {what}", out, run, "NovahaError", says)


def _times() -> Iterator[Kind]:
    """Moments and numbers in the answers of the fencer and of the status section."""
    event = '<fence_event target="compute-1" action="off" status="success" completed="{}"/>'
    whole = f"<pacemaker-result><fence_history>{event}</fence_history></pacemaker-result>"
    for text in (
        *("yesterday", "1", "2026-13-01 00:00:00Z", "2026-01-01 25:00:00Z", "2026-01-01T", "now"),
        *("0000-00-00 00:00:00Z", "9" * 400, "2026-01-01 00:00:00 +99:99", "&#x1b;[2J", "é", "-"),
        *("0001-01-01 00:00:00 +14:00", "9999-12-31 23:59:59 -14:00", "0001-01-01", "NaN", "1e9"),
    ):
        for what, question in HISTORY.items():
            run = asked("stonith_admin", (0, whole.format(text).encode(), b""), question)
            says = "the fencing history has a time that cannot be read"
            yield kind(
                "tools",
                f"times, {what}",
                text,
                run,
                "NovahaError",
                says if "&" not in text else "cannot be read",
            )
    for text in ("", "2026-01-01 00:00:00Z", "2026-01-01 00:00:00.123456Z", "2026-01-01 01:00 +01"):
        for what, question in HISTORY.items():
            if "+01" not in text:
                run = asked("stonith_admin", (0, whole.format(text).encode(), b""), question)
                yield kind("tools", f"times, {what}", text or "none", run, VALUE)
    state = '<node_state uname="compute-1" node_fenced="{}"/>'
    for text in ("soon", "9" * 400, "-" + "9" * 30, "1e9", "0x10", "1.5", "nan", "é", "--1", " "):
        for what in ("down since",):
            run = asked("cibadmin", (0, state.format(text).encode(), b""), READS[what])
            says = "node_fenced .* cannot be read"
            yield kind("tools", f"moments, {what}", text, run, "NovahaError", says)
