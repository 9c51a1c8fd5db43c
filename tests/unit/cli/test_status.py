"""What `novaha status` says where no evacuator answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from novaha.cli import configuration, credentials, main, site, status
from novaha.core.errors import ConfigError
from novaha.evacuator import inspect
from novaha.evacuator import status as evacuator_status
from novaha.pacemaker.live import Live
from tests.unit.cli.doctor.sites import NODES, SOUND

NOTHING: dict[str, Any] = {
    "version": 1,
    "evacuator": None,
    "problem": "",
    "notices": [],
    "hosts": [],
}


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, *argv: str
) -> tuple[int, str]:
    """Exit code and output of `novaha status` in the cluster of this CIB."""
    root = etree.fromstring(text)
    live = Live(dc=True, quorum=True, online={}, running={"evac": frozenset({"controller-2"})})
    monkeypatch.setattr(inspect, "look", lambda parameters, given: dict(NOTHING))
    monkeypatch.setattr(site, "query", lambda run, path: iter([root]))
    monkeypatch.setattr(site.live, "look", lambda run: live)
    code = main.main(["status", *argv])
    return code, capsys.readouterr().out


def test_a_cluster_without_novaha_is_not_nothing_to_recover(monkeypatch, capsys) -> None:
    code, text = told(monkeypatch, capsys, "<cib><configuration/></cib>")
    assert code == main.ExitCode.NOT_SET_UP == 3
    assert "nothing to recover" not in text
    assert "novaha does not protect this cluster" in text
    assert "ocf:openstack:NovaEvacuate" in text
    assert "fence_compute" in text
    assert "novaha setup" in text


@pytest.mark.parametrize(
    ("agent", "named"), [("NovaEvacuate", "NovaEvacuate"), ("fence_compute", "fence_compute")]
)
def test_half_of_novaha_protects_nobody(monkeypatch, capsys, agent: str, named: str) -> None:
    code, text = told(monkeypatch, capsys, SOUND.replace(f'type="{agent}"', 'type="other"'))
    assert code == 3
    assert named in text
    assert "nothing to recover" not in text
    code, text = told(
        monkeypatch, capsys, SOUND.replace(f'type="{agent}"', 'type="other"'), "--output", "json"
    )
    assert code == 3
    assert [named in each for each in json.loads(text)["missing"]] == [True]


def test_on_another_controller_it_says_where_to_ask(monkeypatch, capsys) -> None:
    code, text = told(monkeypatch, capsys, SOUND)
    assert code == 0
    assert "run 'novaha status' on controller-2" in text
    assert "nothing to recover" in text
    shown = json.loads(told(monkeypatch, capsys, SOUND, "--output", "json")[1])
    assert (shown["missing"], shown["evacuator_on"]) == ([], "controller-2")


def test_a_pacemaker_that_cannot_tell_is_not_an_evacuator_that_runs_nowhere(
    monkeypatch, capsys
) -> None:
    root = etree.fromstring(SOUND)
    monkeypatch.setattr(inspect, "look", lambda *_: dict(NOTHING))
    monkeypatch.setattr(site, "query", lambda run, path: iter([root]))
    for dc, code, on in ((False, 0, None), (True, 5, "")):
        live = Live(dc=dc, quorum=True, online={}, running={})
        monkeypatch.setattr(site.live, "look", lambda run, live=live: live)
        assert main.main(["status"]) == code
        capsys.readouterr()
        main.main(["status", "--output", "json"])
        assert json.loads(capsys.readouterr().out)["evacuator_on"] == on


def test_what_is_missing_is_told_by_the_configuration() -> None:
    now = configuration.read(etree.fromstring(SOUND), NODES)
    assert site.missing(now) == []
    assert len(site.missing(None)) == 2
    assert status.NOT_SET_UP == main.ExitCode.NOT_SET_UP


WIDE = 1000

TOLD: dict[str, Any] = {
    "at": "2026-01-01T01:00:00Z",
    "node": "controller-2",
    "age": 20,
    "problem": "",
    "nova": {"ok": True, "problem": ""},
    "attention": ["make room", "said already"],
    "left_out": 0,
}


def test_on_another_controller_it_shows_what_the_evacuator_tells() -> None:
    seen = {**NOTHING, "missing": [], "evacuator_on": "controller-2", "notices": ["said already"]}
    rows = status.table({**seen, "told": TOLD}, WIDE).splitlines()
    assert rows == [
        "ATTENTION: 2 things need you; no host is flagged, nothing to recover.",
        "",
        "To do:",
        "* said already",
        "* make room",
        "",
        "Evacuator: runs on controller-2, what it told at 2026-01-01T01:00:00Z is shown. "
        "Nova: answers.",
    ]
    silent = {"nova": {"ok": False, "problem": "time-out"}, "problem": "no CIB", "left_out": 9}
    rows = status.table(
        {**seen, "problem": "no route", "told": {**TOLD, **silent}}, WIDE
    ).splitlines()
    assert rows[-3].endswith(
        "Nova: does not answer: time-out. There is more to see on controller-2: "
        "run 'novaha status' there."
    )
    assert rows[-2:] == [
        "Nova does not answer here, fewer instances shown: no route",
        "Problem: no CIB",
    ]
    assert "* Nova does not answer, recoveries wait for it: time-out" in rows
    assert "* the evacuator on controller-2 gets nowhere: no CIB" in rows


@pytest.mark.parametrize(
    ("runs_on", "age", "first"),
    [
        (
            "controller-3",
            20,
            "Evacuator: runs on controller-3. What is shown is what the one on controller-2 told "
            "at 2026-01-01T01:00:00Z, 20 s ago: it may be over.",
        ),
        (
            "",
            20,
            "Evacuator: Pacemaker shows it on no node. What is shown is what the one on "
            "controller-2 told at 2026-01-01T01:00:00Z, 20 s ago: it may be over.",
        ),
        (
            "controller-2",
            601,
            "Evacuator: runs on controller-2, but has told nothing for 601 s. What is shown was so "
            "at 2026-01-01T01:00:00Z, and may be over: run 'novaha status' on controller-2.",
        ),
    ],
)
def test_what_may_be_over_is_said_to_be_so(runs_on: str, age: int, first: str) -> None:
    seen = {**NOTHING, "missing": [], "evacuator_on": runs_on, "told": {**TOLD, "age": age}}
    assert status.table(seen, WIDE).splitlines()[-1] == first


def test_what_needs_an_operator_is_told_where_the_evacuator_runs() -> None:
    health = evacuator_status.Health(1, "c-1", "novaha", 0.1, "", 0.0, "", 0.0, ("make room",))
    rows = status.table(evacuator_status.own(health, (), ())).splitlines()
    assert rows[0] == "ATTENTION: 1 thing needs you; no host is flagged, nothing to recover."
    assert rows[2:] == ["To do:", "* make room", "", "Evacuator: pid 1 on c-1. Nova: answers."]


def instance(number: int, progress: str, detail: str = "", where: str = "") -> dict[str, Any]:
    return {
        "id": f"7d1f1f2a-0b6e-4a55-8f0c-6f4f9f3c{number:04}",
        "name": f"vm-{number}",
        "progress": progress,
        "where": where,
        "detail": detail,
        "code": "",
    }


def recovery(node: str = "compute-1", state: str = "running", *, few: bool = False) -> Any:
    kinds = ["settled"] * 8 + ["moving"] * 2 + ["waiting"] * (2 if few else 490)
    instances = [
        instance(i, p, "no valid host was found, " * 5 if p == "waiting" else "", "compute-2")
        for i, p in enumerate(kinds)
    ]
    return {
        "node": node,
        "host": f"{node}.example.org",
        "state": state,
        "held": True,
        "owner": "controller-2",
        "fence_id": "5b0b4f0e",
        "fenced": "2026-01-01T01:00:00Z",
        "detail": "waits for other dead hosts to be forced down in Nova " * 3,
        "total": len(instances),
        "settled": 8,
        "counts": {p: kinds.count(p) for p in set(kinds)},
        "instances": instances,
    }


def own(*hosts: Any, attention: tuple[str, ...] = ()) -> dict[str, Any]:
    health = evacuator_status.Health(1, "controller-2", "novaha", 0.1, "", 0.0, "", 0.0, attention)
    return {**evacuator_status.own(health, (), ()), "hosts": list(hosts)}


def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: dict[str, Any],
    *argv: str,
) -> tuple[int, str]:
    """Exit code and output where the evacuator answers so."""
    monkeypatch.setattr(inspect, "look", lambda parameters, given: json.loads(json.dumps(answer)))
    healthy = [{"node": "compute-8", "state": "healthy"}, {"node": "compute-9", "state": "lost"}]
    monkeypatch.setattr(site, "others", lambda flagged: list(healthy))
    code = main.main(["status", *argv])
    found = capsys.readouterr()
    return code, found.out + found.err


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("argv", [(), ("--all",), ("compute-1",), ("vm-9",), ("compute-9",)])
def test_it_fits_the_terminal_and_breaks_no_word(monkeypatch, capsys, width, argv) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    node = "compute-1" if width < 80 else "compute-1.a-cell.with-a-long-name.example.org"
    answer = own(
        {**recovery(node), "fenced": "-"},  # its age would differ from look to look
        {**recovery("compute-2", "recovered", few=True), "fenced": "-"},
        attention=(f"{node} is kept out of service: " + "so it is " * 9,),
    )
    argv = (node,) if argv == ("compute-1",) else argv
    _, shown = run(monkeypatch, capsys, answer, *argv)
    lines = shown.splitlines()
    assert [line for line in lines if len(line) > width] == []
    monkeypatch.setenv("COLUMNS", "100000")
    whole = run(monkeypatch, capsys, answer, *argv)[1].split()
    assert [word for word in {*shown.split()} - {*whole} if not word.endswith("…")] == []


def test_of_many_instances_few_are_named_and_the_rest_is_counted(monkeypatch, capsys) -> None:
    code, shown = run(monkeypatch, capsys, own(recovery()))
    assert code == main.ExitCode.RECOVERING == 4
    lines = shown.splitlines()
    assert lines[0] == "RECOVERING: 1 host in recovery, 8 of 500 instances done."
    assert len(lines) < 40
    assert "Instances of compute-1: 490 waiting, 2 moving, 8 settled." in lines
    assert sum("vm-" in line for line in lines) == 12
    assert lines[-1] == "  ... and 480 more: novaha status compute-1"
    every = run(monkeypatch, capsys, own(recovery()), "COMPUTE-1.example.org")[1]
    assert sum("vm-" in line for line in every.splitlines()) == 500


def test_what_has_to_be_done_comes_with_its_command(monkeypatch, capsys) -> None:
    said = "compute-1 is kept out of service: it flaps; `novaha release compute-1` lets it in"
    code, shown = run(monkeypatch, capsys, own(recovery(), attention=(said,)))
    assert code == main.ExitCode.ATTENTION == 5
    assert shown.splitlines()[:7] == [
        "ATTENTION: 1 thing needs you; 1 host in recovery, 8 of 500 instances done.",
        "",
        "To do:",
        "* compute-1 is kept out of service: it flaps; `novaha release compute-1` lets it",
        "  in",
        "    novaha release compute-1",
        "",
    ]


def test_json_ends_with_0_and_says_the_verdict(monkeypatch, capsys) -> None:
    code, shown = run(monkeypatch, capsys, own(recovery(), attention=("x",)), "--output", "json")
    told = json.loads(shown)
    assert (code, told["verdict"], told["todo"]) == (
        0,
        "ATTENTION",
        [{"text": "x", "commands": []}],
    )
    assert "healthy" not in told
    code, shown = run(monkeypatch, capsys, own(), "--output", "json", "--all")
    told = json.loads(shown)
    assert (told["verdict"], told["todo"], len(told["healthy"])) == ("OK", [], 2)


def test_rows_as_openstack_s_clients_have_them(monkeypatch, capsys) -> None:
    answer = own(recovery(few=True))
    code, shown = run(monkeypatch, capsys, answer, "-f", "value", "-c", "host", "-c", "total")
    assert (code, shown) == (4, "compute-1 12\n")
    shown = run(monkeypatch, capsys, answer, "--all", "-f", "value", "-c", "State")[1]
    assert shown.split() == ["running", "healthy", "lost"]
    rows = json.loads(run(monkeypatch, capsys, answer, "compute-1", "-f", "json")[1])
    assert [row["Name"] for row in rows] == [f"vm-{i}" for i in range(12)]
    shown = run(monkeypatch, capsys, answer, "vm-3", "-f", "csv", "-c", "ID", "-c", "Where")[1]
    assert shown == '"ID","Where"\n"7d1f1f2a-0b6e-4a55-8f0c-6f4f9f3c0003","compute-2"\n'
    assert "| compute-1 |" in run(monkeypatch, capsys, answer, "-c", "Host")[1]
    code, shown = run(monkeypatch, capsys, answer, "-f", "json", "-c", "Nonsense")
    assert code == 1
    assert "there is no such column: choose from Host, State" in shown


def test_what_is_not_known_is_an_error(monkeypatch, capsys) -> None:
    code, shown = run(monkeypatch, capsys, own(recovery()), "vm-9999")
    assert code == 1
    assert shown.startswith("novaha: vm-9999 is no compute host of this cluster")
    assert run(monkeypatch, capsys, own(), "Compute-8")[0] == 0


class Screen:
    """Standard output that counts as a terminal, of so many rows."""

    def __init__(self) -> None:
        self.written = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def test_the_live_display_is_drawn_over_itself_and_fits(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "12")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    screen = Screen()
    monkeypatch.setattr(status.sys, "stdout", screen)
    monkeypatch.setattr(status.time, "sleep", sleep)
    assert run(monkeypatch, capsys, own(recovery()), "--watch")[0] == 0
    pictures = screen.written.split("\x1b[H")[1:]
    assert [picture.count("\n") for picture in pictures] == [11, 11]
    assert "more lines" in pictures[0]
    assert pauses == [1.0, 1.0]
    pauses.clear()
    monkeypatch.setattr(site, "look", lambda: {"missing": [], "evacuator_on": "controller-2"})
    assert run(monkeypatch, capsys, dict(NOTHING), "--watch")[0] == 0
    assert pauses == [10.0, 10.0], "Nova is asked there each time"


def test_elsewhere_it_signs_in_by_what_the_evacuators_resource_is_given(
    monkeypatch, tmp_path
) -> None:
    given = '<nvpair id="p1" name="config" value="/etc/other.conf"/>'
    given += '<nvpair id="p2" name="password" value="lrm://"/>'
    old = '<nvpair id="ei1" name="verbose" value="true"/>'
    root = etree.fromstring(SOUND.replace(old, given))
    monkeypatch.setattr(site, "query", lambda run, path: iter([root]))
    monkeypatch.setattr(credentials, "SECRETS", tmp_path)
    with pytest.raises(ConfigError, match="evac/password: No such file"):
        site.parameters()
    (tmp_path / "evac").mkdir()
    (tmp_path / "evac" / "password").write_text("hunter2\n")
    assert site.parameters() == {"config": "/etc/other.conf", "password": "hunter2"}
    monkeypatch.setattr(site, "query", lambda run, path: iter(()))
    assert site.parameters() == {}
