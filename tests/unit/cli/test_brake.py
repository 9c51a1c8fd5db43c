"""proceed, pause, resume and evidence: what they write, whom they ask, what they refuse."""

from __future__ import annotations

import argparse
import io
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.cli import brake, main
from novaha.core.brake import Host
from novaha.core.errors import ClusterToolError
from novaha.core.steering import Held, Pause, Permit, read_pause, read_permit
from novaha.pacemaker.computes import Computes
from novaha.pacemaker.fencing import FenceEvent, History
from novaha.pacemaker.reach import Address

NOW = datetime.now(UTC)
HELD = Held(NOW, "too-many")


class Tools:
    """Takes note of the commands, and answers nothing."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failures = 0  # of fencings, before one succeeds
        self.events: list[FenceEvent] = []

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(list(command))
        return subprocess.CompletedProcess(command, 0, b"", b"")

    def request(self, node: str) -> None:
        self(["stonith_admin", "--reboot", node])
        if self.failures:
            self.failures -= 1
            raise ClusterToolError(["stonith_admin"], 1, "No data available")

    def history(self) -> History:
        return History(self.events)

    def those_of(self, tool: str) -> list[list[str]]:
        return [command for command in self.commands if command[0] == tool]


def view(**hosts: Host) -> Computes:
    computes = {host.node: host for host in hosts.values()}
    return Computes(
        computes,
        {node: (Address("192.0.2.1"),) for node in computes},
        quorum=True,
        held={node: HELD for node, host in computes.items() if host.held},
        devices=frozenset({"nova-brake"}),
    )


SITE = view(
    one=Host("compute-1", frozenset({"novaha-rack=r7"}), lost=True, held=NOW),
    two=Host("compute-2", frozenset({"novaha-rack=r8"}), lost=True, held=NOW),
    three=Host("compute-3", lost=True),
    four=Host("compute-4"),
)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.setattr(brake, "read_computes", lambda run: SITE)
    monkeypatch.setattr(brake, "who", lambda: "bob@controller-1")
    monkeypatch.setattr(brake, "FenceHistory", lambda tools: tools)
    return Tools()


def proceed(tools: Tools, *words: str) -> list[str]:
    """The hosts that are let go; each of them is permitted first, and then fenced."""
    args = main.parser().parse_args(["proceed", *words])
    assert brake.proceed(args, tools) == 0  # type: ignore[arg-type]
    permits = tools.those_of("crm_attribute")
    fenced = {command[2] for command in tools.those_of("stonith_admin")}
    assert {c[c.index("--node") + 1] for c in permits} == fenced
    order = [command[0] for command in tools.commands]
    assert order == sorted(order), "permitted first"
    for command in permits:
        permit = read_permit(command[-1])
        assert permit.by == "bob@controller-1"
        assert permit.holds(datetime.now(UTC))
    return [c[c.index("--node") + 1] for c in permits]


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["compute-1"], ["compute-1"]),
        (["COMPUTE-2"], ["compute-2"]),
        (["--all"], ["compute-1", "compute-2"]),
        (["--group", "novaha-rack=r7"], ["compute-1"]),
        (["compute-3"], ["compute-3"]),
    ],
    ids=["named", "in upper case", "all that are held", "a group", "lost without a mark"],
)
def test_whom_it_lets_go(tools: Tools, words: list[str], gone: list[str]) -> None:
    assert proceed(tools, "--yes", *words) == gone


@pytest.mark.parametrize("words", [["compute-4"], ["compute-9"], ["--group", "novaha-rack=r9"]])
def test_whom_it_does_not_let_go(tools: Tools, words: list[str]) -> None:
    """A host that is in order, and what is no host."""
    with pytest.raises(brake.NotDoneError, match="no such host is held"):
        proceed(tools, "--yes", *words)
    assert tools.commands == []


WAITS = Host("compute-1", off=True, recovering=True, waits=True)
HELD_TOO = Host("compute-2", lost=True, held=NOW)


@pytest.mark.parametrize(
    ("setting", "words", "gone", "fenced"),
    [
        ("true", ["--all"], ["compute-1", "compute-2"], ["compute-2"]),
        ("true", ["compute-1"], ["compute-1"], []),
        ("false", ["--all"], ["compute-2"], ["compute-2"]),
        ("", ["--all"], ["compute-2"], ["compute-2"]),
    ],
)
def test_a_recovery_that_the_limits_hold_is_let_go_without_another_fencing(
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    words: list[str],
    gone: list[str],
    fenced: list[str],
) -> None:
    site = replace(view(one=WAITS, two=HELD_TOO), settings={"hold_recoveries": setting})
    monkeypatch.setattr(brake, "read_computes", lambda run: site)
    args = main.parser().parse_args(["proceed", "--yes", *words])
    assert brake.proceed(args, tools) == 0  # type: ignore[arg-type]
    permits = tools.those_of("crm_attribute")
    assert [c[c.index("--node") + 1] for c in permits] == gone
    assert [command[2] for command in tools.those_of("stonith_admin")] == fenced


@pytest.mark.parametrize(("failures", "done"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_fencing_that_joins_one_that_is_held_is_asked_for_again(
    tools: Tools, failures: int, done: bool
) -> None:
    tools.failures = failures
    args = main.parser().parse_args(["proceed", "--yes", "compute-1"])
    if done:
        assert brake.proceed(args, tools) == 0  # type: ignore[arg-type]
    else:
        with pytest.raises(brake.NotDoneError, match="1 of 1 hosts are not fenced"):
            brake.proceed(args, tools)  # type: ignore[arg-type]
    assert len(tools.those_of("stonith_admin")) == min(failures + 1, 3)


@pytest.mark.parametrize(("ago", "requests"), [(0, 1), (-5, 1), (3600, 2)])
def test_a_host_that_pacemaker_has_fenced_meanwhile_is_not_fenced_again(
    tools: Tools, ago: int, requests: int
) -> None:
    completed = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ago - 1)
    tools.events = [FenceEvent("compute-1", "reboot", "success", completed)]
    tools.failures = 1
    assert proceed(tools, "--yes", "compute-1") == ["compute-1"]
    assert len(tools.those_of("stonith_admin")) == requests


def test_nobody_is_fenced_unasked(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(brake.NotDoneError, match="say --yes"):
        proceed(tools, "compute-1")
    assert tools.commands == []


@pytest.mark.parametrize(
    ("answer", "goes"), [("y", True), ("Yes", True), ("", False), ("n", False)]
)
def test_who_is_asked_decides(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, answer: str, goes: bool
) -> None:
    monkeypatch.setattr("sys.stdin", argparse.Namespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    if goes:
        assert proceed(tools, "compute-1") == ["compute-1"]
    else:
        with pytest.raises(brake.NotDoneError, match="nothing was done"):
            proceed(tools, "compute-1")
        assert tools.commands == []


def test_a_pause_has_who_why_and_an_end(tools: Tools) -> None:
    args = main.parser().parse_args(["pause", "--reason", "switch  upgrade", "--for", "2h"])
    assert brake.pause(args, tools) == 0  # type: ignore[arg-type]
    (command,) = tools.commands
    assert command[:5] == ["crm_attribute", "--type", "crm_config", "--name", "novaha-pause"]
    paused = read_pause(command[-1])
    assert (paused.by, paused.why) == ("bob@controller-1", "switch upgrade")
    assert paused.until is not None
    assert paused.until - paused.at == timedelta(hours=2)


def test_a_pause_without_a_brake_would_promise_what_nothing_keeps(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "read_computes", lambda run: Computes({}, {}, quorum=True))
    args = main.parser().parse_args(["pause", "--reason", "work"])
    with pytest.raises(brake.NotDoneError, match="novaha setup --apply"):
        brake.pause(args, tools)  # type: ignore[arg-type]
    assert tools.commands == []


def test_a_pause_wants_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.parser().parse_args(["pause"])
    assert "--reason" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "minutes"), [("30m", 30), ("2h", 120), ("1d", 1440), (" 5m ", 5)]
)
def test_how_long(given: str, minutes: int) -> None:
    assert brake.duration(given) == timedelta(minutes=minutes)


@pytest.mark.parametrize("given", ["", "2", "h", "2w", "-1h", "1.5h", "99999h", "٣h"])
def test_what_is_no_time(given: str) -> None:
    with pytest.raises(brake.NotDoneError, match="write 30m, 2h or 1d"):
        brake.duration(given)


def test_resume_removes_it_and_says_when_there_was_none(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(brake.NotDoneError, match="nothing was paused"):
        brake.resume(argparse.Namespace(), tools)  # type: ignore[arg-type]
    paused = Computes({}, {}, quorum=True, pause=Pause(NOW, "bob", "work"))
    monkeypatch.setattr(brake, "read_computes", lambda run: paused)
    assert brake.resume(argparse.Namespace(), tools) == 0  # type: ignore[arg-type]
    assert "work, by bob" in capsys.readouterr().out
    assert all(command[-1] == "--delete" for command in tools.commands)


def test_evidence_is_a_sheet_of_what_was_looked_at(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("novaha.pacemaker.reach.answering", lambda asked, s: dict.fromkeys(asked))
    monkeypatch.setattr(
        "novaha.pacemaker.witness.look_around",
        lambda v, nodes: [Host("compute-2", answers=True), Host("compute-4", answers=False)],
    )
    monkeypatch.setattr("novaha.pacemaker.power.power_is_off", lambda node, s, run: True)

    def nova(node: str) -> Iterator[tuple[str, str]]:
        yield "instances", "7"

    args = argparse.Namespace(host="Compute-1")
    assert brake.evidence(args, tools, nova) == 0  # type: ignore[arg-type]
    shown = dict(
        line.split(maxsplit=1)
        if not line.startswith(("power-off", "all", "other", "quorum"))
        else line.split("  ", 1)
        for line in capsys.readouterr().out.splitlines()
    )
    assert "too-many" in shown["power-off held"]
    assert shown["power"].strip() == "off"
    assert shown["instances"].strip() == "7"
    assert shown["other hosts"].strip() == "1 of 2 answer"
    with pytest.raises(brake.NotDoneError, match="compute-9 is no compute host"):
        brake.evidence(argparse.Namespace(host="compute-9"), tools, nova)  # type: ignore[arg-type]


def test_a_permit_holds_for_an_hour() -> None:
    permit = Permit(NOW, "bob")
    assert permit.holds(NOW + timedelta(minutes=59))
    assert not permit.holds(NOW + timedelta(minutes=61))
