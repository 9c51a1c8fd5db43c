"""What becomes of each confirmation by hand, directly: one look at the history."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novaha.core.errors import NotSentError
from novaha.core.record import from_attributes
from novaha.evacuator.confirmed_by_hand import Confirmations, confirmation_is_open, text
from novaha.evacuator.journal import Journal
from tests.fakes.pacemaker import FakeFencing, FakeRecords

DOWN = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)
NODES = frozenset({"compute-1", "compute-2", "compute-3"})


class Site:
    """Three compute hosts that are dead, of which Nova heard last before that."""

    def __init__(
        self,
        nodes: frozenset[str] = NODES,
        *,
        recover: bool = True,
        journal: Path | None = None,
    ) -> None:
        self.records = FakeRecords()
        self.online: set[str] = set()
        self.fencing = FakeFencing(computes=nodes, is_online=self.online.__contains__)
        self.heard: dict[str, datetime | None] = {}
        self.silent: set[str] = set()
        self.confirmations = Confirmations(
            self.records,
            self.fencing,
            Journal(journal),
            recover=recover,
            last_seen=self._last_seen,
        )

    def _last_seen(self, node: str) -> datetime | None:
        if node in self.silent:
            raise NotSentError("services", "connection refused")
        return self.heard.get(node)

    def confirm(self, *names: str, at: datetime = DOWN) -> None:
        self.fencing.by_hand |= dict.fromkeys(names, at)

    def flagged(self) -> dict[str, datetime]:
        return {n: from_attributes(n, a).fenced for n, a in self.records.attributes.items()}


def seen_before(site: Site) -> None:
    site.records.note_confirmation("compute-1", "2026-01-01T12:00:05Z")


def seen_another(site: Site) -> None:
    site.records.note_confirmation("compute-1", "2026-01-01T12:00:04Z")
    site.records.note_confirmation("compute-2", "2026-01-01T12:00:05Z")


def flagged_already(site: Site) -> None:
    site.records.flag("compute-1", DOWN)


def another_is_flagged(site: Site) -> None:
    site.records.flag("compute-2", DOWN)


def unreadable(site: Site) -> None:
    site.records.flag("compute-1", DOWN)
    site.records.attributes["compute-1"]["novaha-state"] = "gibberish"


def back(site: Site) -> None:
    site.online.add("compute-1")


@pytest.mark.parametrize(
    ("known", "news"),
    [
        (lambda _: None, True),
        (seen_before, False),
        (seen_another, True),
        (flagged_already, False),
        (another_is_flagged, True),
        (unreadable, False),
        (back, False),
    ],
)
def test_law_1_which_confirmation_is_news(known: Callable[[Site], None], news: bool) -> None:
    site = Site()
    known(site)
    assert confirmation_is_open("compute-1", DOWN, site.records, site.fencing) is news
    site.confirm("compute-1")
    before = site.flagged() if known is not unreadable else None
    assert site.confirmations.poll() == ()
    if before is not None:
        assert site.flagged() == before | ({"compute-1": DOWN} if news else {})
    assert site.records.seen_confirmation("compute-1") == "2026-01-01T12:00:05Z"


@pytest.mark.parametrize(
    ("seconds", "flagged"),
    [(None, True), (-99, True), (0, True), (60, True), (60.001, False), (3600, False)],
)
def test_law_1_a_host_that_nova_heard_a_minute_later_was_back(
    seconds: float | None, flagged: bool
) -> None:
    site = Site()
    site.confirm("compute-1")
    site.heard["compute-1"] = None if seconds is None else DOWN + timedelta(seconds=seconds)
    told = site.confirmations.poll()
    assert site.flagged() == ({"compute-1": DOWN} if flagged else {})
    assert len(told) == (0 if flagged else 1)
    assert site.confirmations.poll() == told, "and so it is told in the next turn"
    site.online.add("compute-1")
    assert site.confirmations.poll() == (), "until it is back"


def test_no_confirmation_hides_those_after_it() -> None:
    """Whatever it is: it has served, may mean two nodes, is spelled twice, or is of no node."""
    site = Site(NODES | {"COMPUTE-2"})
    site.confirm("compute-1", "Compute-2", "COMPUTE-1", "controller-7", "compute-3")
    for _ in range(2):
        (told,) = site.confirmations.poll()
        assert told.startswith("a confirmation by hand is not taken up: 'Compute-2' could be any")
        assert site.flagged() == {"compute-1": DOWN, "compute-3": DOWN}
    later = DOWN + timedelta(seconds=9)
    site.records.attributes.clear()
    site.confirm("compute-3", at=later)
    site.confirmations.poll()
    assert site.flagged() == {"compute-3": later}, "those that have served have served"


def test_everything_is_told_that_there_is_to_tell() -> None:
    site = Site(NODES | {"COMPUTE-2"})
    site.silent.add("compute-3")
    site.confirm("Compute-2", "compute-1.example", "compute-3")
    told = site.confirmations.poll()
    assert [words.split()[0] for words in told] == ["a", "compute-1.example", "compute-3"]
    assert "its recovery begins when Nova can be asked: " in told[2]
    assert site.flagged() == {}
    site.silent.clear()
    assert len(site.confirmations.poll()) == 2
    assert site.flagged() == {"compute-3": DOWN}


def test_what_is_kept_of_confirmations(tmp_path: Path) -> None:
    site = Site(journal=tmp_path / "journal")
    site.heard["compute-2"] = DOWN + timedelta(minutes=5)
    site.confirm("compute-1", "compute-2")
    site.confirmations.poll()
    first, second = map(json.loads, (tmp_path / "journal").read_text().splitlines())
    assert {**first, "time": ""} == {
        "time": "",
        "event": "flagged",
        "node": "compute-1",
        "reason": "confirmed by hand to be down",
    }
    assert {**second, "time": ""} == {
        "time": "",
        "event": "confirmation refuted",
        "node": "compute-2",
        "seen": "2026-01-01T12:05:05Z",
    }


@pytest.mark.usefixtures("elsewhere")
def test_a_confirmation_is_noted_in_utc() -> None:
    assert text(DOWN) == "2026-01-01T12:00:05Z"
    assert text(DOWN.astimezone(None)) == "2026-01-01T12:00:05Z"
