"""Recoveries that the brake's limits hold: of hosts that are fenced already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from novaha.core import events
from novaha.core.brake import Host
from novaha.core.errors import ClusterToolError
from novaha.core.steering import Permit
from novaha.evacuator.limited import RecoveryLimits
from novaha.pacemaker.computes import Computes

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NODES = ("c1", "c2", "c3", "c4")
ON = {"hold_recoveries": "true"}
FENCED = Host("", off=True, recovering=True, waits=True, ended=True, fenced=BEGAN)


@dataclass
class Site:
    """Four hosts, of which two may fail."""

    hosts: dict[str, Host] = field(default_factory=lambda: {n: Host(n) for n in NODES})
    silent: set[str] = field(default_factory=set)
    permits: dict[str, Permit] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    withdrawn: list[str] = field(default_factory=list)
    told: list[events.Event] = field(default_factory=list)
    seconds: float = 0.0
    views: int = 0

    def __post_init__(self) -> None:
        self.limits = RecoveryLimits(self, self, lambda: self.seconds, self.now)

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def emit(self, event: events.Event) -> None:
        self.told.append(event)

    def view(self) -> Computes:
        self.views += 1
        return Computes(
            dict(self.hosts), {}, quorum=True, permits=self.permits, settings=self.parameters
        )

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        return [replace(h, answers=h.node not in self.silent) for h in view.hosts.values()]

    def withdraw(self, node: str) -> None:
        self.withdrawn.append(node)

    def fence(self, *nodes: str) -> None:
        self.hosts |= {node: replace(FENCED, node=node) for node in nodes}

    def ask(self, *nodes: str, settings: Mapping[str, str] = ON) -> set[str]:
        """Whose recovery of these is held, after a while."""
        self.seconds += 5
        return set(self.limits.ask(nodes, settings))


def test_within_the_limits_recoveries_begin() -> None:
    site = Site()
    site.fence("c1", "c2")
    assert site.ask("c1", "c2") == set()
    assert list(site.limits.notices()) == []


def test_beyond_them_each_waits_and_the_command_is_told() -> None:
    site = Site()
    site.fence("c1", "c2", "c3")
    assert site.ask("c1", "c2", "c3") == {"c1", "c2", "c3"}
    notice, *_ = site.limits.notices()
    assert notice == (
        "c1: its recovery is held: 3 of 4 compute hosts have failed (c1, c2, c3), 2 may; "
        "`novaha proceed c1` lets it be recovered"
    )
    site.ask("c1", "c2", "c3")
    assert [event.event for event in site.told] == ["recovery held"] * 3, "told once each"


@pytest.mark.parametrize("value", ["", "false", "no", "nonsense"])
def test_nothing_is_held_nor_asked_unless_it_is_wanted(value: str) -> None:
    site = Site()
    site.fence(*NODES)
    assert site.ask(*NODES, settings={"hold_recoveries": value}) == set()
    assert site.ask(*NODES, settings={}) == set()
    assert site.views == 0


def test_hosts_that_are_silent_but_not_fenced_yet_count() -> None:
    """The first of many is not recovered while the picture is forming."""
    site = Site()
    site.fence("c1")
    site.silent = {"c1", "c2", "c3"}
    assert site.ask("c1") == {"c1"}
    site.silent = {"c1"}
    assert site.ask("c1") == set()


def test_a_host_that_only_we_do_not_reach_does_not_count_for_ever() -> None:
    site = Site()
    site.fence("c1", "c2")
    site.silent = {"c3"}
    assert site.ask("c1", "c2") == {"c1", "c2"}
    site.seconds += 30
    assert site.ask("c1", "c2") == set()


def test_the_limits_are_those_of_the_device() -> None:
    site = Site(parameters={"limit": "1"})
    site.fence("c1", "c2")
    assert site.ask("c1", "c2") == {"c1", "c2"}
    site.parameters["limit"] = "2"
    assert site.ask("c1", "c2") == set()


def test_an_operator_lets_one_go_and_the_word_is_withdrawn_when_it_has_begun() -> None:
    site = Site()
    site.fence("c1", "c2", "c3")
    site.ask("c1", "c2", "c3")
    site.permits["c2"] = Permit(BEGAN, "bob")
    assert site.ask("c1", "c2", "c3") == {"c1", "c3"}
    assert site.withdrawn == []
    site.ask("c1", "c3")
    assert site.withdrawn == ["c2"]
    del site.permits["c2"]
    site.ask()
    assert site.withdrawn == ["c2"]


def test_a_word_of_an_hour_ago_lets_nobody_go() -> None:
    site = Site(permits={"c1": Permit(BEGAN - timedelta(hours=2), "bob")})
    site.fence("c1", "c2", "c3")
    assert "c1" in site.ask("c1", "c2", "c3")


def test_an_answer_holds_for_a_moment_and_for_the_same_hosts() -> None:
    site = Site()
    site.fence("c1", "c2", "c3")
    for _ in range(3):
        site.limits.ask(("c1", "c2", "c3"), ON)
    assert site.views == 1
    site.limits.ask(("c1", "c2"), ON)
    assert site.views == 2
    site.limits.ask((), ON)
    assert (site.views, site.limits.held) == (2, {})


def test_a_cluster_that_cannot_be_asked_is_no_permission() -> None:
    site = Site()
    site.fence("c1", "c2", "c3")

    def fails() -> Computes:
        raise ClusterToolError(["cibadmin"], 102, "no CIB")

    site.view = fails  # type: ignore[method-assign]
    with pytest.raises(ClusterToolError):
        site.ask("c1", "c2", "c3")
