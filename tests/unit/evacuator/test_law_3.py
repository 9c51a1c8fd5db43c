"""Law 3 of docs/design.md on a model of Nova: a fenced host is never forgotten."""

from __future__ import annotations

from novaha.core.errors import NotSentError
from novaha.core.recovery import RecoveryState
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with


def test_law_3_an_outage_of_nova_only_delays() -> None:
    site = site_with()
    site.fence("compute-1")
    site.nova.down = NotSentError("list", "connection refused")
    site.pass_time(120)
    assert record(site).state is RecoveryState.RUNNING
    site.nova.down = None
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_3_a_second_fencing_is_not_closed_by_the_first_recovery() -> None:
    site = site_with()
    site.fence("compute-1")
    site.pass_time(2)
    first = record(site).fence_id
    site.nova.advance(2)
    site.fence("compute-1", confirmed=False)
    site.pass_time(30)
    assert record(site).fence_id != first
    assert record(site).state is RecoveryState.PENDING


def test_law_3_a_second_fencing_in_the_middle_costs_no_instance() -> None:
    site = site_with(running=5, stopped=2)
    site.nova.spawn_delay = 20
    site.fence("compute-1")
    site.pass_time(5)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert len(site.nova.requests) == 7
