"""A pause, or limits: no recovery begins, one that runs is finished."""

from __future__ import annotations

from datetime import timedelta

from novaha.core.brake import Host
from novaha.core.recovery import RecoveryState
from novaha.core.steering import Pause
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with


def test_no_recovery_begins_while_it_lasts_and_it_is_told_why() -> None:
    site = site_with()
    site.pause = Pause(site.time, "bob@controller-1", "switch upgrade")
    site.fence("compute-1")
    site.pass_time(60)
    assert site.nova.requests == []
    assert not site.nova.hosts["compute-1"].forced_down
    assert record(site).state is RecoveryState.PENDING
    assert site.loop is not None
    (report,) = site.loop.reports
    why = "switch upgrade, by bob@controller-1 until resumed"
    assert report.detail == f"new recoveries are paused: {why}"
    (notice,) = site.loop.attention
    assert notice == f"fencing and new recoveries are paused: {why}; `novaha resume` ends that"


def test_it_begins_when_somebody_resumes() -> None:
    site = site_with()
    site.pause = Pause(site.time, "bob", "work")
    site.fence("compute-1")
    site.pass_time(30)
    site.pause = None
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert site.loop is not None
    assert site.loop.notices == ()


def test_it_begins_when_the_pause_expires() -> None:
    site = site_with()
    site.pause = Pause(site.time, "bob", "work", site.time + timedelta(seconds=40))
    site.fence("compute-1")
    site.pass_time(35)
    assert site.nova.requests == []
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_a_recovery_that_runs_is_finished() -> None:
    site = site_with(running=8)
    site.fence("compute-1")
    site.run_until(lambda: record(site).state is RecoveryState.RUNNING)
    site.pause = Pause(site.time, "bob", "work")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_also_by_the_next_evacuator() -> None:
    site = site_with(running=8)
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    site.pause = Pause(site.time, "bob", "work")
    site.kill_evacuator()
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_no_fencing_is_asked_for_meanwhile() -> None:
    """Pacemaker has forgotten the fencing: after the pause the host is fenced once more."""
    site = site_with()
    site.pause = Pause(site.time, "bob", "work")
    site.fence("compute-1", confirmed=False)
    site.pass_time(120)
    assert site.fencing.requested == []
    site.pause = None
    site.pass_time(120)
    assert site.fencing.requested == ["compute-1"]


def test_no_recovery_begins_while_more_hosts_have_failed_than_the_limits_allow() -> None:
    site = site_with()
    nodes = [f"compute-{n}" for n in range(1, 4)]
    site.failed = {n: Host(n, off=True, recovering=True, waits=True) for n in nodes}
    site.brake = {"hold_recoveries": "true", "limit": "2"}
    site.fence("compute-1")
    site.pass_time(60)
    assert site.nova.requests == []
    assert record(site).state is RecoveryState.PENDING
    assert site.loop is not None
    (report,) = site.loop.reports
    why = "3 of 3 compute hosts have failed (compute-1, compute-2, compute-3), 2 may"
    lets_go = "`novaha proceed compute-1` lets it be recovered"
    assert report.detail == f"new recoveries are paused: {why}"
    assert site.loop.attention == (f"compute-1: its recovery is held: {why}; {lets_go}",)
    site.failed = {n: site.failed[n] for n in nodes[:2]}
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert site.loop.notices == ()
