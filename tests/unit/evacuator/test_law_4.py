"""Law 4 of docs/design.md on a model of Nova: nothing starts too early."""

from __future__ import annotations

from dataclasses import replace

from novaha.core.errors import RefusedError
from novaha.core.model import ComputeService
from tests.unit.evacuator.sites import recovered, site_with


def test_law_4_the_host_is_held_until_everything_is_settled() -> None:
    site = site_with()
    site.nova.spawn_delay = 30
    site.fence("compute-1")
    site.pass_time(10)
    assert not site.boot("compute-1")
    site.run_until(lambda: recovered(site))
    assert site.nova.hosts["compute-1"].forced_down
    assert site.boot("compute-1")


def test_law_4_not_returned_before_nova_compute_runs() -> None:
    site = site_with()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(60)
    assert site.nova.hosts["compute-1"].forced_down
    assert site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    host = site.nova.hosts["compute-1"]
    assert (host.forced_down, host.enabled) == (False, True)
    assert not host.hidden, "enabled before Nova saw it up: no instance is scheduled to it"


def test_law_4_a_heartbeat_of_before_the_death_is_none() -> None:
    """Found on the lab: Nova believes a host up for a while that is back at once, and tells its
    nova-compute of being enabled only while it does. Too late by a moment, the host stays hidden
    from the scheduler until nova-compute starts again."""
    site = site_with()
    enable, beaten = site.nova.enable, list[bool]()

    def enabled(service: ComputeService) -> None:
        beaten.append(site.nova.hosts["compute-1"].last_beat > booted)
        enable(service)

    site.nova.enable = enabled  # type: ignore[method-assign]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    booted = site.nova.now
    assert booted < 30  # Nova has not noticed yet
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert beaten == [True]


def test_law_4_our_own_changes_of_the_service_are_no_heartbeat() -> None:
    """Found on the lab: a host without instances was un-forced while it was off."""
    site = site_with(running=0)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(60)
    assert site.nova.hosts["compute-1"].forced_down
    assert not site.nova.hosts["compute-1"].enabled
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)


def test_law_4_evacuations_that_died_with_their_destination_keep_nobody_away() -> None:
    """Found on the lab: they stay `pre-migrating` for ever, beside those that succeeded."""
    site = site_with(running=4)
    site.nova.spawn_delay = 20
    site.fence("compute-1")
    site.pass_time(5)
    site.fence("compute-2")
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert any(m.status == "pre-migrating" for m in site.nova.migrations)


def test_law_4_an_instance_with_two_finished_records_keeps_nobody_away() -> None:
    """Found on the lab: nova-compute closes one record an instance and start."""
    site = site_with(running=2)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    first = site.nova.migrations[0]
    site.nova.migrations.append(replace(first, id=99, destination=None, status="accepted"))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert not site.nova.hosts["compute-1"].forced_down


def test_law_4_after_another_fencing_the_old_heartbeat_counts_for_nothing() -> None:
    site = site_with()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.nova.faults["set_forced_down"] = [RefusedError("force", 400, "records remain")] * 500
    site.boot("compute-1")
    site.pass_time(5)
    site.nova.faults.clear()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(30)
    assert site.nova.hosts["compute-1"].forced_down
