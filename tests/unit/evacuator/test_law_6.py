"""Law 6 of docs/design.md on a model of Nova: touch only what is ours."""

from __future__ import annotations

import pytest

from novaha.core.recovery import RecoveryState
from tests.fakes.faults import Late
from tests.unit.evacuator.sites import record, recovered, site_with


def test_law_6_an_operators_force_down_stays() -> None:
    site = site_with()
    site.nova.hosts["compute-1"].forced_down = True
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.nova.hosts["compute-1"].forced_down


def test_law_6_an_operators_disable_stays() -> None:
    site = site_with()
    site.nova.hosts["compute-1"].enabled = False
    site.nova.hosts["compute-1"].disabled_reason = "maintenance until Friday"
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    host = site.nova.hosts["compute-1"]
    assert (host.enabled, host.disabled_reason) == (False, "maintenance until Friday")
    assert not host.forced_down


def test_law_6_a_disable_of_ours_that_came_late_is_undone() -> None:
    """Found by the model: Nova carried it out after the host had returned."""
    site = site_with(running=0)
    site.nova.hosts["compute-2"].enabled = False
    site.nova.hosts["compute-2"].disabled_reason = "novaha: fenced, recovery of yesterday"
    site.nova.hosts["compute-3"].enabled = False
    site.nova.hosts["compute-3"].disabled_reason = "maintenance"
    site.pass_time(70)
    assert site.nova.hosts["compute-2"].enabled
    assert not site.nova.hosts["compute-3"].enabled


def test_law_6_what_came_to_a_host_that_is_back_is_not_touched() -> None:
    """Found on the lab: an evacuation that had waited for the host arrived, shut off, and was
    rebooted together with what had stayed there."""
    site = site_with(running=1)
    site.nova.add_instance("in-build", "compute-1", "building")
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(2)
    site.nova.add_instance("off-arrived", "compute-1", "stopped")
    for _ in range(2):
        site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.where()["off-arrived"] == ("compute-1", "stopped")


def test_law_6_nor_by_an_evacuator_that_did_not_do_the_recovery() -> None:
    site = site_with(running=1)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.nova.add_instance("off-arrived", "compute-1", "stopped")
    site.start_evacuator()
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.where()["off-arrived"] == ("compute-1", "stopped")


def test_law_6_a_force_down_of_ours_that_came_late_is_undone() -> None:
    """Found by the model: Nova carried it out after the host had returned, for good."""
    site = site_with(running=0)
    site.nova.faults["set_forced_down"] = [Late(60)]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    site.pass_time(100)
    assert not site.nova.hosts["compute-1"].forced_down


@pytest.mark.parametrize("state", [RecoveryState.RUNNING, RecoveryState.RECOVERED])
def test_law_6_nor_does_it_stay_when_another_evacuator_had_asked_for_it(
    state: RecoveryState,
) -> None:
    site = site_with(running=0)
    site.nova.faults["set_forced_down"] = [Late(60)]
    site.fence("compute-1")
    site.run_until(lambda: not site.nova.faults["set_forced_down"] and record(site).state is state)
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    site.pass_time(100)
    assert not site.nova.hosts["compute-1"].forced_down
