"""Operators' commands say what they will do, and ask where somebody can answer."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import pytest

from novaha.cli import asking, brake, main, operator
from novaha.core.record import Record, first_record
from novaha.core.recovery import Event
from tests.unit.cli.test_operator import Store

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = first_record("compute-1", "fence-1", WHEN)
RECOVERED = PENDING.after(Event.CLAIM, owner="controller-1#a").after(Event.COMPLETE)


class Answers:
    """Standard input: a terminal or not, and what is typed there."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, answer: str = ""
    ) -> None:
        self.questions: list[str] = []
        self._terminal = terminal
        self._answer = answer
        monkeypatch.setattr(asking.sys, "stdin", self)
        monkeypatch.setattr("builtins.input", self._input)

    def isatty(self) -> bool:
        return self._terminal

    def _input(self, question: str) -> str:
        self.questions.append(question)
        return self._answer


def run(done: list[str], effect: str = "It ends.", *, yes: bool = False) -> int:
    def command(args: argparse.Namespace) -> int:
        done.append(args.host)
        return 0

    args = argparse.Namespace(host="compute-1", yes=yes)
    return asking.asked(lambda args: effect, "end {host}?", command)(args)


@pytest.mark.parametrize("answer", ["y", "Yes ", "YES"])
def test_yes_does_it(monkeypatch, capsys, answer: str) -> None:
    typed = Answers(monkeypatch, terminal=True, answer=answer)
    done: list[str] = []
    assert run(done) == 0
    assert done == ["compute-1"]
    assert typed.questions == ["end compute-1? [y/N] "]
    assert capsys.readouterr().out == "It ends.\n"


@pytest.mark.parametrize("answer", ["", "n", "no", "what?"])
def test_anything_else_does_not(monkeypatch, answer: str) -> None:
    Answers(monkeypatch, terminal=True, answer=answer)
    done: list[str] = []
    with pytest.raises(asking.NotDoneError):
        run(done)
    assert done == []


def test_a_script_is_not_asked_and_neither_is_who_says_yes(monkeypatch) -> None:
    for terminal, yes in ((False, False), (True, True)):
        typed = Answers(monkeypatch, terminal=terminal)
        done: list[str] = []
        assert run(done, yes=yes) == 0
        assert (done, typed.questions) == (["compute-1"], [])


def test_what_will_be_refused_is_not_asked_for(monkeypatch, capsys) -> None:
    typed = Answers(monkeypatch, terminal=True)
    done: list[str] = []
    assert run(done, "") == 0
    assert typed.questions == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("effect", "record", "said"),
    [
        (operator.effect_of_release, PENDING, "starts on compute-1"),
        (operator.effect_of_release, RECOVERED, "let back into service"),
        (operator.effect_of_retry, PENDING, "what was given up is tried once more"),
        (operator.effect_of_retry, RECOVERED, "fenced once more, what runs on it ends"),
    ],
)
def test_what_is_said_depends_on_the_record(effect, record: Record, said: str) -> None:
    args = argparse.Namespace(host="compute-1")
    assert said in effect(args, Store(record))
    assert effect(args, Store(None)) == ""
    assert "makes no sense" in effect(args, Store(None, broken=True))


def test_recover_and_pause_say_the_risk() -> None:
    args = argparse.Namespace(host="compute-1", duration="2h")
    assert "disks are corrupted" in operator.effect_of_recover(args)
    assert "for 2h, or until `novaha resume`" in brake._effect_of_pause(args)


@pytest.mark.parametrize("name", ["release", "retry", "recover", "pause", "proceed"])
def test_each_takes_a_reason_and_a_yes(name: str) -> None:
    words = [name, "--reason", "why", "--yes", *([] if name == "pause" else ["compute-1"])]
    args = main.parser().parse_args(words)
    assert (args.reason, args.yes) == ("why", True)
