"""What is read of a recovered host, and what follows of it: directly, one look after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.core.model import Action, Instance, Migration
from novaha.core.recovery import RecoveryState
from novaha.core.situation import OtherRequest
from novaha.core.view import HostView
from novaha.evacuator.returning import Returning
from tests.unit.core.situations import DEAD, NOW, SERVICE, instance, record, row, view
from tests.unit.evacuator.ledgers import know, page

SEEN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OVER = record(state=RecoveryState.RECOVERED)
NEVER = float("-inf")


@dataclass
class Site:
    """A host whose recovery is over, and which Pacemaker has not reached since its fencing."""

    here: list[Instance] = field(default_factory=list)
    rows: list[Migration] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    now: float = NOW
    off: bool = True
    seen: datetime | None = SEEN
    up: bool = False
    forced_down: bool = True

    def __post_init__(self) -> None:
        self.page = page(first_seen=1.0, owned_fence_id=OVER.fence_id)
        compute: Any = self
        self.returning = Returning(compute, lambda: self.now)

    def instances_on(self, host: str) -> list[Instance]:
        assert host == DEAD
        self.read.append("instances")
        return self.here

    def evacuations_from(self, host: str) -> list[Migration]:
        assert host == DEAD
        self.read.append("evacuations")
        return self.rows

    def look(self) -> HostView:
        self.read.clear()
        service = replace(SERVICE, last_seen=self.seen, up=self.up, forced_down=self.forced_down)
        seen = view(record=OVER, service=service, instances=(), migrations=())
        return self.returning.look(seen, self.page, off=self.off)

    def beat(self) -> HostView:
        """nova-compute tells Nova that it lives, and that is looked at."""
        assert self.seen is not None
        self.seen += timedelta(seconds=10)
        return self.look()


def test_what_is_read_of_a_host_that_stays_off() -> None:
    site = Site()
    site.look()
    assert site.read == ["instances", "evacuations"]
    site.look()
    assert site.read == []
    site.beat()
    assert site.read == ["evacuations"], "Nova has heard of it"
    site.look()
    assert site.read == []
    site.off = False
    for _ in range(2):
        site.look()
        assert site.read == ["evacuations"], "Pacemaker has reached it"


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("alive", [True, False])
def test_what_stayed_is_read_anew_once_its_nova_compute_lives(
    up: bool, left: bool, alive: bool
) -> None:
    site = Site(here=[instance()] if left else [], up=up)
    site.look()
    site.beat()
    if alive:
        site.beat()
    site.here = [instance(vm_state="error")] if left else []
    found = site.look()
    assert found.presence.alive is alive
    again = alive and left and up
    assert ("instances" in site.read) is again
    assert [i.vm_state for i in found.inventory.instances] == [
        "error" if again else "active"
    ] * left


def test_two_beats_are_a_sign_of_life_or_evacuations_that_it_closes() -> None:
    site = Site()
    seen = [site.look(), site.look(), site.beat(), site.beat()]
    assert [view.presence.alive for view in seen] == [False, False, False, True]
    site = Site(rows=[row(1, "done")], off=False)
    assert not site.look().presence.alive
    site.rows = [row(1, "completed")]
    assert site.look().presence.alive
    assert site.look().presence.alive


def test_a_host_that_was_let_up_is_heard_of_by_a_beat_of_its_own() -> None:
    site = Site(up=True)
    assert not site.beat().presence.heartbeat_since_unforce, "it is forced down"
    site.forced_down = False
    assert not site.look().presence.heartbeat_since_unforce, (
        "that it was let up is a change of its own"
    )
    assert site.beat().presence.heartbeat_since_unforce


def test_for_how_long_it_has_been_up() -> None:
    site = Site(up=True)
    assert [site.look().presence.up_for, site.beat().presence.up_for] == [None, None]
    site.forced_down = False
    assert site.look().presence.up_for is None, "it was not heard of"
    assert site.beat().presence.up_for == 0
    site.now += 7
    assert site.look().presence.up_for == 7
    site.up = False
    assert site.look().presence.up_for is None
    site.up = True
    assert site.look().presence.up_for == 0


@pytest.mark.parametrize(
    ("owner", "shown"),
    [("fence-1", ["a", "b"]), ("", ["b"]), ("fence-0", ["b"])],
)
def test_which_instances_have_stayed(owner: str, shown: list[str]) -> None:
    """Another process knows only those whose evacuation failed."""
    site = Site(here=[instance("a"), instance("b")], rows=[row(1, "error", instance="b")])
    know(site.page, owned_fence_id=owner)
    found = site.look()
    assert [i.id for i in found.inventory.instances] == shown
    assert found.inventory.migrations == (site.rows[0],)


def test_what_has_come_since_has_not_stayed() -> None:
    site = Site(here=[instance("a")], up=True)
    site.look()
    site.beat()
    site.beat()
    site.here = [instance("a"), instance("new")]
    assert [i.id for i in site.look().inventory.instances] == ["a"]


@pytest.mark.parametrize(
    ("ago", "restarted"), [(0, True), (59.9, True), (60, False), (3600, False), (None, False)]
)
def test_a_restart_has_a_minute(ago: float | None, restarted: bool) -> None:
    site = Site()
    if ago is not None:
        know(site.page, restarted_at=NOW - ago)
    assert site.look().requests.restarted is restarted


@pytest.mark.parametrize(
    ("owner", "unanswered_at", "told"),
    [
        ("fence-1", NEVER, NEVER),
        ("fence-1", 7.0, 7.0),
        ("fence-0", NEVER, 1.0),
        ("", 7.0, 7.0),
        ("", 0.5, 1.0),
    ],
)
def test_what_another_process_asked_for_may_come_yet(
    owner: str, unanswered_at: float, told: float
) -> None:
    site = Site()
    know(site.page, owned_fence_id=owner)
    know(site.page, unanswered_at=unanswered_at)
    assert site.look().requests.unanswered_at == told


def test_what_was_asked_for_is_shown_as_it_was_then() -> None:
    site = Site()
    site.page.requests.other("a", OtherRequest(Action.HARD_REBOOT, NOW))
    found = site.look()
    site.page.requests.other("a", OtherRequest(Action.STOP, NOW))
    assert found.requests.others == {"a": OtherRequest(Action.HARD_REBOOT, NOW)}
