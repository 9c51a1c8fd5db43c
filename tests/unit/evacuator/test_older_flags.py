"""What becomes of each flag of the older agents, directly: one look at the flags."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import NotSentError, UnknownHostError
from novaha.core.model import ComputeService
from novaha.evacuator.journal import Journal
from novaha.evacuator.older_flags import Adoption
from tests.fakes.pacemaker import FakeFencing, FakeOlderFlags, FakeRecords

DOWN = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)
NOW = DOWN + timedelta(minutes=9)
NODES = frozenset({"compute-1", "compute-2", "compute-3"})
LEFT = ComputeService("s", "", up=False, forced_down=True, enabled=False)
"""As the older fence_compute leaves it."""


class Site:
    """Three compute nodes, of which none is down. Nova calls each as Pacemaker does."""

    def __init__(self, journal: Path | None = None) -> None:
        self.records = FakeRecords()
        self.flags = FakeOlderFlags()
        self.down: dict[str, datetime] = {}
        self.fencing = FakeFencing(computes=NODES)
        self.fencing.down_since = self.down.get  # type: ignore[method-assign]
        self.off: set[str] = set()
        self.fencing.nodes = lambda: self.off
        self.services = {node: replace(LEFT, host=node) for node in NODES}
        self.nova: Exception | None = None
        self.seconds = 0.0
        self.adoption = Adoption(
            self.flags,
            self.records,
            self.fencing,
            self._services,
            self._name,
            Journal(journal),
            now=lambda: NOW,
            clock=lambda: self.seconds,
        )

    def _services(self) -> list[ComputeService]:
        if self.nova:
            raise self.nova
        return list(self.services.values())

    def _name(self, node: str, hosts: frozenset[str]) -> str:
        if node not in hosts:
            raise UnknownHostError(node, hosts)
        return node

    def take(self) -> bool:
        return self.adoption.poll(at_once=True)

    def flagged(self) -> dict[str, datetime]:
        return {n: r.fenced for n, r in self.records.read_all().items()}  # type: ignore[union-attr]


def test_whether_a_host_was_flagged_anew() -> None:
    site = Site()
    assert site.take() is False
    site.down["compute-1"] = DOWN
    assert site.take() is False, "nobody has flagged it"
    site.flags.values["compute-1"] = "yes"
    assert site.take() is True
    assert site.flagged() == {"compute-1": DOWN}
    assert site.flags.values == {}
    assert site.take() is False
    site.flags.values["compute-1"] = "yes"
    assert site.take() is False, "it has a record"
    assert site.flags.values == {}


def test_the_flags_are_looked_at_once_a_minute() -> None:
    site = Site()
    site.adoption.poll()
    for seconds, reads in ((59.9, 1), (60.0, 2), (119.9, 2), (120.0, 3)):
        site.seconds = seconds
        site.adoption.poll()
        assert site.flags.reads == reads, seconds
    site.adoption.poll(at_once=True)
    assert site.flags.reads == 4


def test_only_a_compute_node_that_is_still_off_needs_no_flag() -> None:
    site = Site()
    site.down |= dict.fromkeys(("compute-1", "compute-2", "controller-1"), DOWN)
    site.services["controller-1"] = replace(LEFT, host="controller-1")
    assert site.take() is False, "they are back"
    site.off = {"compute-1", "controller-1"}
    assert site.take() is True
    assert site.flagged() == {"compute-1": DOWN}


MEMBER = "controller-1"
AT = DOWN + timedelta(seconds=60)
"""The last moment at which the older fence_compute may have told Nova."""


def member(off: bool = True, **service: Any) -> Site:
    """A cluster node that is a compute host, was fenced, and of which nobody has a flag."""
    site = Site()
    site.fencing.computes = NODES | {MEMBER}
    site.fencing.full = frozenset({MEMBER, "controller-2"})
    site.fencing.is_online = lambda node: not off or node != MEMBER
    site.off = {MEMBER, "controller-2"}
    site.fencing.still_off = frozenset  # type: ignore[method-assign]
    site.fencing.successes = [(MEMBER, DOWN - timedelta(days=30)), (MEMBER, DOWN)]
    site.services[MEMBER] = replace(LEFT, host=MEMBER, last_seen=DOWN, **service)
    site.services["compute-1"] = replace(LEFT, host="compute-1", up=True, last_seen=NOW)
    return site


@pytest.mark.parametrize("flag", ["", "no"])
@pytest.mark.parametrize("seen", [None, DOWN - timedelta(days=1), DOWN, AT])
def test_law_1_a_cluster_node_that_is_still_off_is_fenced_once_more(
    flag: str, seen: datetime | None
) -> None:
    site = member()
    site.services[MEMBER] = replace(site.services[MEMBER], last_seen=seen)
    if flag:
        site.flags.values[MEMBER] = flag
    assert site.take() is True
    assert site.flagged() == {MEMBER: NOW}, "later than any fencing in the history"
    assert site.take() is False
    assert site.flagged() == {MEMBER: NOW}
    assert site.flags.values == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda site: site.fencing.successes.clear(),
        lambda site: site.fencing.by_hand.update({MEMBER: DOWN}),
        lambda site: site.services.update(
            {MEMBER: replace(site.services[MEMBER], last_seen=AT + timedelta(seconds=1))}
        ),
        lambda site: setattr(site.fencing, "computes", NODES),
        lambda site: setattr(site.fencing, "full", frozenset()),
    ],
    ids=["never fenced", "confirmed by hand", "has lived since", "no compute host", "no member"],
)
def test_law_1_of_a_cluster_node_everything_has_to_tell_that_it_is_down(change: Any) -> None:
    site = member()
    change(site)
    assert site.take() is False
    assert site.flagged() == {}
    assert site.adoption.notices == ()


@pytest.mark.parametrize(
    "site",
    [
        member(off=False),
        member(enabled=True),
        member(forced_down=False),
        member(disabled_reason="maintenance"),
    ],
    ids=["online", "enabled", "not forced down", "somebody's reason"],
)
def test_law_6_a_cluster_node_that_is_not_as_the_older_agents_left_it(site: Site) -> None:
    assert site.take() is False
    assert site.flagged() == {}


@pytest.mark.parametrize("ahead", [59, 61, 3600, -600])
def test_a_clock_of_nova_that_differs_hides_no_cluster_node(ahead: int) -> None:
    site, by = member(), timedelta(seconds=ahead)
    for host, last in ((MEMBER, DOWN), ("compute-1", NOW)):
        site.services[host] = replace(site.services[host], last_seen=last + by)
    assert site.take() is True


def test_members_are_asked_who_is_online_only_where_they_are_compute_hosts() -> None:
    site = member()

    def online() -> frozenset[str]:
        raise AssertionError("asked")

    site.fencing.online = online  # type: ignore[method-assign]
    site.fencing.full = frozenset({"controller-2"})
    assert site.take() is False


def test_what_is_told_of_one_hides_nothing_of_another() -> None:
    site = member()
    site.nova = NotSentError("services", "connection refused")
    site.off, site.down["compute-3"] = {"compute-3", MEMBER}, DOWN
    site.fencing.still_off = lambda: frozenset({"compute-3"})  # type: ignore[method-assign]
    site.take()
    assert [notice.split()[0] for notice in site.adoption.notices] == ["compute-3", MEMBER]


def test_a_cluster_node_waits_for_nova_and_for_its_record() -> None:
    site = member()
    site.nova = NotSentError("services", "connection refused")
    assert site.take() is False
    assert site.adoption.notices == (
        "controller-1 was flagged by the older agents (erased); not adopted yet: "
        "services: connection refused",
    )
    site.nova = None
    site.records.flag_fenced(MEMBER, fenced=DOWN, unproven=False, adopted=False)
    assert site.take() is False
    assert site.flagged() == {MEMBER: DOWN}


def test_a_flag_is_of_the_node_that_it_names_whatever_nova_calls_it() -> None:
    site = Site()
    site.services.clear()
    site.down["compute-1"] = DOWN
    site.flags.values["COMPUTE-1"] = "yes"
    assert site.take() is True
    assert site.flagged() == {"compute-1": DOWN}


def test_everything_is_told_that_there_is_to_tell() -> None:
    site = Site()
    site.flags.values = {"compute 8": "yes", "compute-2": "yes", "hv;1": "controller-1@1"}
    site.services["compute-2"] = replace(LEFT, host="compute-2", forced_down=False)
    site.nova = None
    site.off, site.down["compute-3"] = {"compute-3"}, DOWN
    assert site.take() is True
    first, second, third = site.adoption.notices
    assert first == (
        "the older agents flagged compute 8 (yes), and it is not clear which node that is; "
        "if it has to be recovered: pcs stonith fence NODE; in any case: "
        "attrd_updater --delete --name evacuate --node 'compute 8'"
    )
    assert second == (
        "compute-2 was flagged by the older agents (yes) and has been back since, and its "
        "nova-compute does not run; if its instances do not either: pcs stonith fence compute-2; "
        "if they do: attrd_updater --delete --name evacuate --node compute-2"
    )
    assert third.endswith("--node 'hv;1'")
    assert site.flagged() == {"compute-3": DOWN}


def test_while_nova_does_not_answer_what_only_nova_knows_waits() -> None:
    site = Site()
    site.nova = NotSentError("services", "connection refused")
    site.flags.values["compute-2"] = "yes"
    site.off, site.down["compute-3"] = {"compute-3"}, DOWN
    assert site.take() is False
    assert site.adoption.notices == (
        "compute-2 was flagged by the older agents (yes); not adopted yet: "
        "services: connection refused",
        "compute-3 was flagged by the older agents (erased); not adopted yet: "
        "services: connection refused",
    )
    site.nova = None
    assert site.take() is True
    assert site.flagged() == {"compute-2": NOW, "compute-3": DOWN}
    assert site.adoption.notices == ()


def test_what_is_kept_of_adoptions(tmp_path: Path) -> None:
    site = Site(tmp_path / "journal")
    site.flags.values["compute-1"] = "yes"
    site.off = {"compute-3"}
    site.down |= {"compute-1": DOWN, "compute-3": DOWN}
    site.take()
    written = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [{**line, "time": ""} for line in written] == [
        {
            "time": "",
            "event": "flagged",
            "node": node,
            "reason": f"the older agents left {left}",
        }
        for node, left in (("compute-1", "evacuate=yes"), ("compute-3", "a force-down in Nova"))
    ]
