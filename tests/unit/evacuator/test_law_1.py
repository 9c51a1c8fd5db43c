"""Law 1 of docs/design.md on a model of Nova: never before the fence."""

from __future__ import annotations

from novaha.core.errors import UnknownOutcomeError
from novaha.core.recovery import RecoveryState
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with


def test_law_1_nothing_is_requested_before_pacemaker_confirms() -> None:
    site = site_with()
    site.fence("compute-1", confirmed=False)
    site.pass_time(30)
    assert site.nova.requests == []
    assert not site.nova.hosts["compute-1"].forced_down
    assert record(site).state is RecoveryState.PENDING


def test_law_1_an_older_fencing_confirms_nothing() -> None:
    site = site_with()
    site.fencing.successes.append(("compute-1", site.time))
    site.nova.advance(10)
    site.fence("compute-1", confirmed=False)
    site.pass_time(30)
    assert site.nova.requests == []


def test_law_1_the_host_is_forced_down_before_the_first_request() -> None:
    site = site_with()
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    calls = site.nova.calls
    assert calls.index("set_forced_down") < calls.index("evacuate")


def test_law_1_no_request_while_nova_does_not_take_the_force_down() -> None:
    site = site_with()
    site.nova.faults["set_forced_down"] = [UnknownOutcomeError("force", "500")] * 20
    site.fence("compute-1")
    site.pass_time(15)
    assert site.nova.requests == []
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_1_nothing_is_asked_for_again_that_has_come_up_on_another_host() -> None:
    """Its first evacuation waited in the bus for a dead host that is back; the list is old."""
    site = site_with(running=1)
    for host in ("compute-2", "compute-3"):
        site.nova.hosts[host].room = 0
    site.fence("compute-1")
    site.run_until(lambda: [m.status for m in site.nova.migrations] == ["error"])
    site.nova.hosts["compute-3"].forced_down = True
    shown = site.nova.instances_on("compute-1")
    site.nova.instances_on = lambda host: shown  # type: ignore[method-assign]
    site.nova.set("run-0", host="compute-3", vm_state="active", task_state=None)
    asked = len(site.nova.requests)
    site.pass_time(60)
    assert len(site.nova.requests) == asked


def test_law_1_a_host_without_a_record_is_never_touched() -> None:
    site = site_with()
    site.nova.crash("compute-1")
    site.nova.hosts["compute-1"].forced_down = True
    site.pass_time(150)
    assert set(site.nova.calls) == {"services"}  # a question now and then, nothing else
    assert len(site.nova.calls) <= 3


def test_law_1_a_lost_history_leads_to_one_more_fencing_and_no_request() -> None:
    site = site_with()
    site.fence("compute-1", confirmed=False)
    site.pass_time(90)
    assert site.fencing.requested == ["compute-1"]
    assert site.nova.requests == []
    # A fencing that leads to no confirmation either is not asked for over and over.
    site.fence("compute-1", confirmed=False)
    site.pass_time(200)
    assert site.fencing.requested == ["compute-1"]
    assert site.loop is not None
    assert "fenced once more" in site.loop.reports[0].detail
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
