"""The operator's marks of the chaos runs: law 6 is judged by when they were taken off."""

from __future__ import annotations

import time
from typing import Any

import pytest
from novahalab.chaos import laws
from novahalab.chaos.faults import Faults
from novahalab.chaos.history import History, Service, Timeline
from novahalab.chaos.marks import DISABLE, DOWN, OPERATOR, Marks
from novahalab.errors import LabError
from novahalab.settings import Settings

HOSTS = ["compute-1", "compute-2", "compute-3"]


class Nova:
    """Notes what is asked for, as the observer sees it. away: hosts for which it fails."""

    def __init__(self, history: History) -> None:
        self.away: set[str] = set()
        self.lost_answers: set[str] = set()
        self._history = history
        self._now = dict.fromkeys(HOSTS, Service(False, False, ""))

    def update_service(self, host: str, **changes: Any) -> None:
        if host in self.away:
            raise LabError("Nova does not answer")
        self.look()
        disabled = changes.get("status", "enabled") == "disabled"
        forced = bool(changes.get("forced_down", False))
        self._now[host] = Service(forced, disabled, changes.get("disabled_reason", ""))
        self.look()
        if host in self.lost_answers:
            raise LabError("Nova's answer is lost")

    def look(self, at: float | None = None) -> None:
        for host, service in self._now.items():
            self._history.services.setdefault(host, Timeline()).add(at or time.time(), service)


@pytest.fixture
def history() -> History:
    """All hosts are well, as far as anybody looks."""
    history = History(began=time.time() - 50)
    for host in HOSTS:
        history.records[host] = Timeline()
        for moment in (history.began, time.time() + 1000):
            history.records[host].add(moment, None)
    return history


@pytest.fixture
def nova(history: History) -> Nova:
    return Nova(history)


@pytest.fixture
def marks(nova: Nova, history: History) -> Marks:
    book = Faults(Settings(3, "2.1.5"), history)
    return Marks(nova, history, book._open, book._close, sleep=lambda _: None)


def accused(history: History, nova: Nova) -> list[str]:
    """As judged some time later."""
    history.ended = time.time() + 500
    nova.look(history.ended)
    return [breach.what for breach in laws.only_ours(history)]


def test_law_6_a_mark_that_cannot_be_taken_off_leaves_no_other_one_open(
    marks: Marks, nova: Nova, history: History
) -> None:
    """The undoing of `no-room` stopped at its first mark, and the calm took the others off."""
    for host in HOSTS:
        marks.put(host, DISABLE)
    nova.away = {HOSTS[0]}
    with pytest.raises(LabError, match="compute-1: Nova does not answer"):
        marks.take_off(HOSTS)
    assert [host for host in HOSTS if host in marks] == HOSTS[:1]
    nova.away.clear()
    marks.take_off_all()
    assert not any(host in marks for host in HOSTS)
    assert accused(history, nova) == []


@pytest.mark.parametrize("kind", [DISABLE, DOWN])
def test_law_6_what_only_the_calm_takes_off_accuses_nobody(
    marks: Marks, nova: Nova, history: History, kind: str
) -> None:
    """Not undone at all: the fault ended before it had its undoing."""
    marks.put("compute-2", kind)
    marks.take_off_all()
    assert accused(history, nova) == []


@pytest.mark.parametrize("kind", [DISABLE, DOWN])
def test_law_6_who_undoes_a_mark_that_is_still_on_is_accused(
    marks: Marks, nova: Nova, history: History, kind: str
) -> None:
    marks.put("compute-2", kind)
    nova.update_service("compute-2", status="enabled", forced_down=False)  # not by the operator
    assert accused(history, nova) == [
        f"the operator's mark on compute-2 ({kind}) was undone",
    ]


def test_a_mark_whose_answer_is_lost_is_taken_off_and_judges_nobody(
    marks: Marks, nova: Nova, history: History
) -> None:
    nova.lost_answers = {"compute-2"}
    with pytest.raises(LabError):
        marks.put("compute-2", DISABLE)
    assert "compute-2" in marks
    nova.lost_answers.clear()
    marks.take_off_all()
    assert "compute-2" not in marks
    assert accused(history, nova) == []


def test_a_host_in_recovery_keeps_its_mark_until_it_is_recovered(
    marks: Marks, history: History
) -> None:
    marks.put("compute-2", DISABLE)
    flagged = object()
    history.records["compute-2"].add(time.time() + 1001, flagged)  # type: ignore[arg-type]
    marks.take_off_all()
    assert "compute-2" in marks
    history.records["compute-2"].add(time.time() + 1002, None)
    marks.take_off_all()
    assert "compute-2" not in marks


def test_the_operators_reason_does_not_look_like_ours() -> None:
    assert not OPERATOR.startswith("novaha")
