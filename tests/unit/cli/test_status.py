"""What `novaha status` says where no evacuator answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from novaha.cli import configuration, main, site, status
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
    monkeypatch.setattr(inspect, "look", lambda parameters: dict(NOTHING))
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


def test_what_is_missing_is_told_by_the_configuration() -> None:
    now = configuration.read(etree.fromstring(SOUND), NODES)
    assert site.missing(now) == []
    assert len(site.missing(None)) == 2
    assert status.NOT_SET_UP == main.ExitCode.NOT_SET_UP


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
    rows = status.table({**seen, "told": TOLD}).splitlines()
    assert rows[:3] == [
        "Evacuator: runs on controller-2, what it told at 2026-01-01T01:00:00Z is shown. "
        "Nova: answers.",
        "Notice: said already",
        "Attention: make room",
    ]
    silent = {"nova": {"ok": False, "problem": "time-out"}, "problem": "no CIB", "left_out": 9}
    rows = status.table({**seen, "problem": "no route", "told": {**TOLD, **silent}}).splitlines()
    assert rows[0].endswith(
        "Nova: does not answer: time-out. There is more to see on controller-2: "
        "run 'novaha status' there."
    )
    assert rows[1:3] == [
        "Nova does not answer here, fewer instances shown: no route",
        "Problem: no CIB",
    ]


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
    assert status.table(seen).splitlines()[0] == first


def test_what_needs_an_operator_is_told_where_the_evacuator_runs() -> None:
    health = evacuator_status.Health(1, "c-1", "novaha", 0.1, "", 0.0, "", 0.0, ("make room",))
    rows = status.table(evacuator_status.own(health, (), ())).splitlines()
    assert rows[:2] == ["Evacuator: pid 1 on c-1. Nova: answers.", "Attention: make room"]
