"""What is known of the hosts around: when room may have appeared, who is back, who is off."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from novaha.core.errors import ClusterToolError, NotSentError
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Failure
from novaha.evacuator.site import SiteWatch
from tests.unit.core.situations import ALIVE, DEAD, NOW, OTHER, SERVICE, record
from tests.unit.evacuator.ledgers import know, ledger_of

NEVER = float("-inf")
OPEN = replace(SERVICE, host=ALIVE, up=True, forced_down=False, enabled=True)
OVER = record(state=RecoveryState.RECOVERED)
FAILED = {"a": Failure(1, NOW)}


@dataclass
class Site:
    """Pacemaker and Nova in one; each question is noted."""

    now: float = NOW
    back: frozenset[str] = frozenset()
    away: frozenset[str] = frozenset()
    deleted: str = "x"
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        answers: Any = self
        self.around = SiteWatch(answers, answers, lambda: self.now)
        self.ledger = ledger_of(DEAD, OTHER)
        self.page = self.ledger.of(DEAD)

    def _answer(self, question: str, answer: Any) -> Any:
        self.asked.append(question)
        if self.error:
            raise self.error
        return answer

    def online(self) -> frozenset[str]:
        return self._answer("online", self.back)

    def still_off(self) -> frozenset[str]:
        return self._answer("still off", self.away)

    def last_deleted(self) -> str:
        return self._answer("last deleted", self.deleted)

    def look(self, *records: Any) -> None:
        known = records or (record(),)
        self.asked.clear()
        self.around.look_who_is_back({r.node: r for r in known}, self.ledger)
        self.around.note_online(DEAD, self.page, self.now)

    def failed(self, failures: Any) -> None:
        know(self.page, failures=failures)


@pytest.mark.parametrize(
    "closed", [{"up": False}, {"enabled": False}, {"forced_down": True}], ids=str
)
def test_room_may_appear_where_a_host_opens(closed: dict[str, bool]) -> None:
    around = (site := Site()).around
    assert around.open_hosts is None
    around.note_open([OPEN, replace(OPEN, host=OTHER, **closed)])
    assert (around.open_hosts, around.room_since) == ({ALIVE}, NEVER)
    around.note_open([])
    assert (around.open_hosts, around.room_since) == (frozenset(), NEVER)
    site.now += 1
    around.note_open([OPEN])
    assert (around.open_hosts, around.room_since) == ({ALIVE}, NOW + 1)
    site.now += 1
    around.note_open([OPEN])
    assert around.room_since == NOW + 1


def test_room_may_appear_where_an_instance_is_deleted() -> None:
    around = (site := Site()).around
    around.look_for_room(site.ledger)
    assert site.asked == [], "nothing waits for room"
    site.failed(FAILED)
    for deleted, room_since in (("x", NEVER), ("x", NEVER), ("y", NOW), ("y", NOW)):
        site.deleted = deleted
        around.look_for_room(site.ledger)
        assert around.room_since == room_since
    site.error = NotSentError("servers", "away")
    around.look_for_room(site.ledger)
    site.error, site.now = None, NOW + 5
    around.look_for_room(site.ledger)
    assert around.room_since == NOW, "the same as before"
    site.failed({})
    around.look_for_room(site.ledger)
    site.failed(FAILED)
    site.deleted = "z"
    around.look_for_room(site.ledger)
    assert around.room_since == NOW, "what was deleted when nothing waited is no news"


@pytest.mark.parametrize(
    ("records", "failures", "alive", "asked"),
    [
        ((record(),), {}, False, []),
        ((record(),), FAILED, False, ["online"]),
        ((OVER,), {}, False, ["still off"]),
        ((OVER,), {}, True, []),
        ((record(), replace(OVER, node=OTHER)), FAILED, False, ["online", "still off"]),
    ],
)
def test_pacemaker_is_asked_only_where_it_matters(
    records: tuple[Any, ...], failures: Any, alive: bool, asked: list[str]
) -> None:
    site = Site()
    know(site.page, failures=failures, alive=alive)
    site.look(*records)
    assert site.asked == asked


def test_for_how_long_a_host_is_back() -> None:
    site = Site(back=frozenset({DEAD}))
    site.look()
    assert site.page.presence.online_for(site.now) is None, "nobody was asked"
    site.failed(FAILED)
    site.look()
    assert site.page.presence.online_for(site.now) == 0
    site.now += 9
    site.look()
    assert site.page.presence.online_for(site.now) == 9
    site.error = ClusterToolError(["crm_mon"], 1, "")
    site.look()
    assert site.page.presence.online_for(site.now) == 9, "Pacemaker does not say"
    site.error, site.back = None, frozenset({OTHER})
    site.look()
    assert site.page.presence.online_for(site.now) is None


def test_which_hosts_are_off() -> None:
    site = Site(away=frozenset({DEAD}))
    assert site.around.off == frozenset()
    site.look(OVER)
    assert site.around.off == {DEAD}
    site.error = ClusterToolError(["crm_mon"], 1, "")
    site.look(OVER)
    assert site.around.off == frozenset(), "nobody knows"
    site.error = None
    site.look(record())
    assert site.around.off == frozenset(), "nobody was asked"


def test_the_first_answer_is_no_news() -> None:
    site = Site()
    site.failed(FAILED)
    site.around.look_for_room(site.ledger)
    assert site.around.room_since == NEVER
