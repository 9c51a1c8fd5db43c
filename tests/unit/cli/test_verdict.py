"""The verdict of a snapshot: what makes an operator's work, and what does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.cli.verdict import Level, commands, judge

NOW = datetime(2026, 1, 1, 2, 0, 0, tzinfo=UTC)


def host(state: str = "running", ago: float = 10, **more: Any) -> dict[str, Any]:
    fenced = (NOW - timedelta(seconds=ago)).isoformat().replace("+00:00", "Z")
    known = {"node": "compute-1", "state": state, "fenced": fenced, "detail": "d", "held": True}
    return known | {"total": 4, "settled": 1, "counts": {}, "instances": []} | more


def snapshot(*hosts: Any, notices: tuple[str, ...] = (), **health: Any) -> dict[str, Any]:
    nova = {"ok": True, "problem": "", "silent_for": 0.0} | health.pop("nova", {})
    evacuator = {"pid": 1, "node": "controller-2", "turn_age": 0.1, "problem": ""}
    evacuator |= {"failing_for": 0.0, "nova": nova, "attention": []} | health
    return {"version": 1, "evacuator": evacuator, "notices": list(notices), "hosts": list(hosts)}


def elsewhere(*hosts: Any, **more: Any) -> dict[str, Any]:
    known = {"version": 1, "evacuator": None, "problem": "", "notices": [], "missing": []}
    return known | {"told": None, "evacuator_on": "controller-2", "hosts": list(hosts)} | more


def told(**more: Any) -> dict[str, Any]:
    known = {"node": "controller-2", "age": 10, "problem": "", "attention": []}
    return known | {"nova": {"ok": True, "problem": ""}} | more


CALM = {
    "nothing": (snapshot(), Level.OK),
    "nothing elsewhere": (elsewhere(), Level.OK),
    "recovered, not back": (snapshot(host("recovered", 99999)), Level.OK),
    "running for long": (snapshot(host("running", 99999)), Level.RECOVERING),
    "just fenced": (snapshot(host("pending", 300)), Level.RECOVERING),
    "one of two runs": (snapshot(host("recovered"), host()), Level.RECOVERING),
    "left on purpose": (
        snapshot(host("recovered", counts={"excluded": 2, "released": 1, "settled": 1})),
        Level.OK,
    ),
    "Nova missed once": (
        snapshot(host(), nova={"ok": False, "problem": "x", "silent_for": 60.0}),
        Level.RECOVERING,
    ),
    "a turn failed once": (snapshot(problem="no CIB", failing_for=60.0), Level.OK),
    "it has moved": (elsewhere(told=told(node="controller-1")), Level.OK),
    "nobody asked where it runs": (
        {key: value for key, value in elsewhere().items() if key != "evacuator_on"},
        Level.OK,
    ),
    "Nova cannot be asked here": (elsewhere(problem="no novaha.conf"), Level.OK),
}


@pytest.mark.parametrize("case", CALM)
def test_nothing_has_to_be_done(case: str) -> None:
    seen, level = CALM[case]
    verdict = judge(seen, NOW)
    assert (verdict.level, verdict.tasks) == (level, ())


PAUSED = "fencing and new recoveries are paused: switch, by root; `novaha resume` ends that"
NEEDED = {
    "a sentence": (snapshot(host(), attention=["make room"]), "make room", ()),
    "a notice": (snapshot(notices=(PAUSED,)), PAUSED, ("novaha resume",)),
    "pending for long": (snapshot(host("pending", 301)), "has not begun", ("novaha doctor",)),
    "refused": (
        snapshot(host("recovered", counts={"refused": 1})),
        "1 instance of compute-1 cannot be recovered",
        ("novaha status compute-1", "novaha retry compute-1"),
    ),
    "unreadable": (
        elsewhere({"node": "c;1", "state": "unreadable", "held": True, "detail": "nonsense"}),
        "c;1 is held, its record makes no sense: nonsense",
        ("novaha retry 'c;1'",),
    ),
    "hangs": (snapshot(turn_age=181.0), "hangs", ("crm_mon -1rf",)),
    "gets nowhere": (snapshot(problem="no CIB", failing_for=61.0), "no CIB", ("novaha doctor",)),
    "Nova is silent": (
        snapshot(nova={"ok": False, "problem": "time-out", "silent_for": 61.0}),
        "time-out",
        ("novaha doctor --only cloud",),
    ),
    "told that Nova is silent": (
        elsewhere(told=told(nova={"ok": False, "problem": "time-out"})),
        "time-out",
        ("novaha doctor --only cloud",),
    ),
    "runs nowhere": (
        elsewhere(evacuator_on=""),
        "on no node",
        ("crm_mon -1rf", "novaha doctor --only cluster"),
    ),
    "tells nothing": (
        elsewhere(told=told(age=601)),
        "has told nothing",
        ("novaha status", "novaha doctor"),
    ),
    "not set up": (
        elsewhere(missing=["resource of X"], evacuator_on=""),
        "does not protect",
        ("novaha setup",),
    ),
}


@pytest.mark.parametrize("case", NEEDED)
def test_an_operator_has_to_do_something(case: str) -> None:
    seen, text, typed = NEEDED[case]
    verdict = judge(seen, NOW)
    (task,) = verdict.tasks
    assert verdict.level is Level.ATTENTION
    assert text in task.text
    assert task.commands == typed
    json.dumps(verdict.data())


def test_a_pause_explains_why_nothing_begins() -> None:
    verdict = judge(snapshot(host("pending", 9999), notices=(PAUSED,)), NOW)
    assert [task.text for task in verdict.tasks] == [PAUSED]


def test_the_same_is_said_once() -> None:
    broken = {"node": "compute-1", "state": "unreadable", "held": True, "detail": "no state"}
    said = "compute-1: no state; held until it is repaired, `novaha retry compute-1` rewrites it"
    seen = elsewhere(broken, notices=[said], told=told(attention=[said]))
    (task,) = judge(seen, NOW).tasks
    assert task.commands == ("novaha retry compute-1",)


@pytest.mark.parametrize(
    ("sentence", "typed"),
    [
        (
            "look: `novaha evidence 'a b'`, `novaha proceed x` lets",
            ("novaha evidence 'a b'", "novaha proceed x"),
        ),
        (
            "make room (novaha status) and release them (novaha release c-1)",
            ("novaha release c-1",),
        ),
        ("fenced again; if it is in order: novaha release c-1", ("novaha release c-1",)),
        (
            "confirm it: `pcs stonith confirm c-1 --force`; then go",
            ("pcs stonith confirm c-1 --force",),
        ),
        ("novaha retry $'c\\x07 1'; then wait", ("novaha retry $'c\\x07 1'",)),
        ("`novaha evidence …` shows it", ()),
        ("see novaha status, Cinder and the storage", ()),
    ],
)
def test_commands_of_a_sentence(sentence: str, typed: tuple[str, ...]) -> None:
    assert commands(sentence) == typed
