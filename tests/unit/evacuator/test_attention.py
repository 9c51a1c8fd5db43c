"""What an operator is told of by the cluster's own status: only what does not go away by itself."""

from __future__ import annotations

from novaha.core.errors import ComputeApiError
from novaha.core.record import STATE
from novaha.evacuator.attention import Since
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import recovered, site_with


def told(site: Site) -> tuple[str, ...]:
    assert site.loop is not None
    return site.loop.attention


def test_a_recovery_that_goes_well_is_nobodys_business() -> None:
    site = site_with()
    site.fence("compute-1")
    said: set[str] = set()
    site.run_until(lambda: bool(said.update(told(site)) or recovered(site)))
    assert said == set()


def test_a_fencing_that_proves_nothing() -> None:
    site = site_with()
    site.fencing.unproven["compute-1"] = "a level has no power device"
    site.fence("compute-1")
    site.pass_time(5)
    assert told(site) == ("compute-1 is not safe to evacuate: a level has no power device",)
    site.fencing.unproven.clear()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert told(site) == ()


def test_a_record_that_cannot_be_read_and_the_command_that_mends_it() -> None:
    site = site_with()
    site.fence("compute-1", confirmed=False)
    site.records.attributes["compute-1"][STATE] = "gibberish"
    assert site.loop is not None
    site.loop.turn()
    (text,) = told(site)
    assert "gibberish" in text
    assert "novaha retry compute-1" in text


def test_instances_that_find_no_place() -> None:
    site = site_with(running=2)
    for host in site.nova.hosts.values():
        host.room = 0
    site.fence("compute-1")
    site.pass_time(20)
    assert told(site) == ()  # it may be for a moment
    site.run_until(lambda: bool(told(site)))
    (text,) = told(site)
    assert text.startswith("2 instances of compute-1 find no place elsewhere")
    for host in site.nova.hosts.values():
        host.room = 1000
    site.run_until(lambda: recovered(site))
    assert told(site) == ()


def test_a_silent_nova_is_no_trouble_of_one_host() -> None:
    site = site_with()
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    site.nova.down = ComputeApiError("list", "connection refused")
    site.pass_time(30)
    assert told(site) == ()


def test_since() -> None:
    since = Since()
    assert since.seconds(5.0) == 0.0
    since.note(True, 10.0)
    since.note(True, 12.0)
    assert since.seconds(15.0) == 5.0
    since.note(False, 16.0)
    assert since.seconds(17.0) == 0.0
