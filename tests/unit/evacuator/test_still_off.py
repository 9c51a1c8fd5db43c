"""Hosts that are recovered and still off cost Nova nothing each, and are seen when they return."""

from __future__ import annotations

from collections import Counter

import pytest

from novaha.core.errors import ClusterToolError
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import recovered, site_with


@pytest.fixture
def site() -> Site:
    site = site_with(running=3)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(10)
    site.nova.calls.clear()
    return site


def back(site: Site) -> bool:
    return site.records.read("compute-1") is None


def test_nothing_is_asked_about_a_host_that_is_off(site: Site) -> None:
    site.pass_time(60)
    asked = Counter(site.nova.calls)
    assert asked.pop("services") > 0
    assert not asked


def test_it_is_seen_to_return_when_pacemaker_reaches_it(site: Site) -> None:
    assert site.boot("compute-1")
    began = site.nova.now
    site.run_until(lambda: back(site))
    assert site.nova.now - began < 5  # by what it closes, not by its heartbeats


def test_it_is_seen_to_return_though_pacemaker_does_not_reach_it(site: Site) -> None:
    site.fencing.is_online = lambda node: False
    assert site.boot("compute-1")
    site.run_until(lambda: back(site), 60)


def test_it_is_seen_to_return_though_pacemaker_does_not_say(site: Site) -> None:
    def broken(node: str) -> bool:
        raise ClusterToolError(["crm_mon"], 1, "no answer")

    site.fencing.is_online = broken
    assert site.boot("compute-1")
    site.run_until(lambda: back(site), 60)


def test_an_evacuator_that_takes_over_reads_once(site: Site) -> None:
    site.kill_evacuator()
    site.start_evacuator()
    site.pass_time(60)
    asked = Counter(site.nova.calls)
    assert asked["evacuations_from"] == asked["instances_on"] == 1
