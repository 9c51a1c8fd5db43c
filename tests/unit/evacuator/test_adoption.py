"""The older agents' flags are adopted, so that an upgrade loses nothing (ADR 6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from novaha.core.errors import ClusterToolError, NotSentError
from novaha.core.record import FORCED
from novaha.core.recovery import RecoveryState
from novaha.evacuator.older_flags import EVERY
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with

HOST = "compute-1"
IN_HAND = "controller-1@1767225600"
"""What the older evacuator wrote while it worked on a host, and when."""


def flagged_site(value: str = "yes", **options: int) -> Site:
    """compute-1 died under the older agents; ours start afterwards."""
    site = site_with(**options)
    site.fencing.computes = frozenset(site.nova.hosts)
    site.kill_evacuator()
    site.fence_by_older_agents(HOST)
    site.flags.values[HOST] = value
    return site


@pytest.mark.parametrize("value", ["yes", IN_HAND, "no"])
def test_law_3_a_flag_is_adopted_and_its_host_recovered_and_back_in_service(value: str) -> None:
    site = flagged_site(value, running=3, stopped=1)
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert site.flags.values == {}
    assert site.fencing.requested == []
    site.boot(HOST)
    site.run_until(lambda: HOST not in site.records.attributes)
    host = site.nova.hosts[HOST]
    assert (host.enabled, host.forced_down) == (True, False)


def test_law_3_the_record_is_durable_before_the_flag_goes() -> None:
    """The evacuator dies between any two of its steps; the next one finishes."""
    site = flagged_site(running=1)
    for moments in range(40):
        site.start_evacuator()
        site.kill_at(moments)
        site.pass_time(1)
        assert site.flags.values or HOST in site.records.attributes, moments
        site.kill_evacuator()
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert site.flags.values == {}


def test_law_3_while_the_flags_cannot_be_read_everything_else_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = site_with()

    def broken() -> dict[str, str]:
        raise ClusterToolError(["attrd_updater"], 102, "no")

    site.flags.read = broken  # type: ignore[method-assign]
    site.start_evacuator()
    site.fence(HOST)
    site.run_until(lambda: recovered(site))
    site.pass_time(2 * EVERY)
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert "flags cannot be adopted" in notice
    assert caplog.text.count("flags cannot be adopted") == 1


def test_law_1_without_a_history_the_host_is_fenced_once_more() -> None:
    """Pacemaker's state tells that the host is down; the fencers have forgotten it."""
    site = flagged_site(running=2)
    site.fencing.down_since = lambda node: site.time  # type: ignore[method-assign]
    site.fencing.successes.clear()
    site.start_evacuator()
    site.pass_time(50)
    assert record(site).state is RecoveryState.PENDING
    site.pass_time(20)
    assert site.nova.requests == []
    assert site.fencing.requested == [HOST]
    site.fence(HOST)
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_1_a_level_without_a_power_device_proves_nothing() -> None:
    site = flagged_site(running=1)
    site.fencing.unproven[HOST] = "no power device"
    site.start_evacuator()
    site.pass_time(100)
    assert record(site).unproven
    assert site.nova.requests == []


def back_in_service(site: Site) -> None:
    site.boot(HOST)
    site.nova.hosts[HOST].forced_down = False
    site.nova.hosts[HOST].enabled = True


@pytest.mark.parametrize("value", ["yes", IN_HAND, "no"])
def test_law_1_a_host_that_is_back_in_service_is_left_alone(value: str) -> None:
    site = flagged_site(value, running=2)
    back_in_service(site)
    site.start_evacuator()
    site.pass_time(3 * EVERY)
    assert site.records.attributes == {}
    assert site.nova.requests == []
    assert site.fencing.requested == []
    # What the older NovaCompute may yet look for stays; what claims something wrong does not.
    assert site.flags.values == ({HOST: "no"} if value == "no" else {})


def test_law_1_an_older_agents_last_word_on_a_host_in_maintenance_moves_nothing() -> None:
    """It stays for months; the host was forced down by hand since, and its guests run."""
    site = flagged_site("no", running=2)
    back_in_service(site)
    site.nova.hosts[HOST].forced_down = True
    site.start_evacuator()
    site.pass_time(3 * EVERY)
    assert site.records.attributes == {}
    assert site.fencing.requested == []


def test_law_1_a_host_let_go_of_in_peace_is_left_alone() -> None:
    """Pacemaker's connection to it was stopped, long after a fencing; its guests run on."""
    site = flagged_site("no", running=2)
    back_in_service(site)
    site.fencing.is_online = lambda node: False
    site.start_evacuator()
    site.pass_time(3 * EVERY)
    assert site.records.attributes == {}


@pytest.mark.parametrize("value", ["yes", IN_HAND])
def test_law_1_a_host_that_rebooted_before_it_was_evacuated_is_fenced_once_more(
    value: str,
) -> None:
    """Back, and not let in by anybody: what ran on it is lost, and it may be starting now."""
    site = flagged_site(value, running=2)
    site.nova.hosts[HOST].powered = True
    site.fencing.down.clear()
    site.pass_time(5)
    site.start_evacuator()
    site.run_until(lambda: site.fencing.requested == [HOST])
    assert site.nova.requests == []
    assert record(site).hold
    site.fence(HOST)
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_a_host_of_which_nothing_is_certain_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    site = flagged_site(running=1)
    site.nova.hosts[HOST].forced_down = False
    site.fencing.down.clear()
    site.start_evacuator()
    site.pass_time(3 * EVERY)
    assert site.records.attributes == {}
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert f"pcs stonith fence {HOST}" in notice
    assert caplog.text.count("nova-compute does not run") == 1


def test_while_nova_is_away_a_flag_of_a_host_that_is_back_waits() -> None:
    site = flagged_site(running=1)
    site.nova.hosts[HOST].powered = True
    site.fencing.down.clear()
    site.nova.down = NotSentError("GET", "no connection")
    site.start_evacuator()
    site.pass_time(30)
    assert site.records.attributes == {}
    assert site.flags.values == {HOST: "yes"}
    site.nova.down = None
    site.run_until(lambda: HOST in site.records.attributes)


def test_law_2_what_the_older_evacuator_asked_for_last_may_still_arrive() -> None:
    site = flagged_site(IN_HAND, running=2)
    site.start_evacuator()
    site.pass_time(25)
    assert record(site).state is RecoveryState.RUNNING
    assert site.nova.requests == []
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_2_an_evacuation_that_the_older_evacuator_began_is_followed() -> None:
    site = flagged_site("no", running=1)
    site.nova.evacuate("run-0")
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert len(site.nova.requests) == 1
    assert_moved(site)


def test_law_6_a_disable_with_a_reason_is_an_operators_and_stays() -> None:
    site = flagged_site(running=1)
    site.nova.hosts[HOST].disabled_reason = "bad memory"
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert FORCED in record(site).marks
    site.boot(HOST)
    site.run_until(lambda: HOST not in site.records.attributes)
    host = site.nova.hosts[HOST]
    assert (host.enabled, host.forced_down) == (False, False)


def test_law_6_without_a_flag_nobodys_disable_is_undone() -> None:
    site = site_with(running=1)
    site.nova.hosts[HOST].enabled = False
    site.fence(HOST)
    site.run_until(lambda: recovered(site))
    site.boot(HOST)
    site.run_until(lambda: HOST not in site.records.attributes)
    assert not site.nova.hosts[HOST].enabled


@pytest.mark.parametrize("state", [RecoveryState.RUNNING, RecoveryState.RECOVERED])
def test_a_flag_beside_a_record_of_the_same_fencing_only_goes(state: RecoveryState) -> None:
    site = site_with(running=1)
    site.fencing.computes = frozenset(site.nova.hosts)
    site.fence(HOST)
    site.run_until(lambda: record(site).state is state)
    fence_id = record(site).fence_id
    site.flags.values[HOST] = "yes"
    site.run_until(lambda: not site.flags.values)
    assert record(site).fence_id == fence_id


def test_law_3_a_host_that_older_agents_fence_after_its_recovery_is_recovered_again() -> None:
    """One controller has novaha's fence_compute, the other one not yet."""
    site = site_with(running=1)
    site.fencing.computes = frozenset(site.nova.hosts)
    site.fence(HOST)
    site.run_until(lambda: recovered(site))
    fence_id = record(site).fence_id
    site.pass_time(5)
    site.nova.hosts[HOST].powered = True
    site.nova.add_instance("run-late", HOST)
    site.fence_by_older_agents(HOST)
    site.run_until(lambda: record(site).fence_id != fence_id)
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_flags_are_looked_at_seldom_and_not_before_the_first_request() -> None:
    site = site_with(running=1)
    site.pass_time(10)
    assert site.flags.reads == 1
    site.pass_time(EVERY)
    assert site.flags.reads == 2
    # A new evacuator on a flagged host.
    site.fence(HOST)
    loop = site.start_evacuator()
    reads = site.flags.reads
    while not site.nova.requests:
        assert site.flags.reads == reads, "read before the first request"
        loop.turn()
        site.nova.advance(0.1)


def test_a_fencing_that_nobody_recorded_has_the_flags_looked_at_at_once() -> None:
    """Pacemaker 3 erases them within seconds."""
    site = site_with(running=1)
    site.fencing.computes = frozenset(site.nova.hosts)
    site.pass_time(10)
    assert site.loop is not None
    site.fence_by_older_agents(HOST)
    site.loop._woken = True
    assert site.loop.turn() == 0.0
    assert HOST in site.records.attributes


FULL = f"{HOST}.example.org"


def test_law_3_a_flag_under_novas_name_of_the_host_is_adopted() -> None:
    """The older fence_compute flags what Nova calls the host, not what Pacemaker does."""
    site = flagged_site(running=1)
    site.flags.values = {FULL: "yes"}
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert site.flags.values == {}


def test_a_flag_of_nobody_is_told_of() -> None:
    site = flagged_site(running=1)
    back_in_service(site)
    site.flags.values = {"compute-9": "yes", "compute-8": "no"}
    site.start_evacuator()
    site.pass_time(2 * EVERY)
    assert site.records.attributes == {}
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert "--node compute-9" in notice


def test_law_3_a_host_whose_flag_pacemaker_has_erased_is_adopted_by_what_nova_knows() -> None:
    """Measured: it is gone as soon as Pacemaker has tried to reach the dead host."""
    site = flagged_site(running=2, stopped=1)
    site.flags.values.clear()
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert site.fencing.requested == []
    site.boot(HOST)
    site.run_until(lambda: HOST not in site.records.attributes)
    host = site.nova.hosts[HOST]
    assert (host.enabled, host.forced_down) == (True, False)


def operator_disabled(site: Site) -> None:
    site.nova.hosts[HOST].disabled_reason = "bad memory"


def not_forced_down(site: Site) -> None:
    site.nova.hosts[HOST].forced_down = False


def reached_since(site: Site) -> None:
    site.fencing.down.clear()


def confirmed_by_hand(site: Site) -> None:
    site.recover = False
    site.fencing.by_hand[HOST] = site.time


@pytest.mark.parametrize(
    "otherwise", [operator_disabled, not_forced_down, reached_since, confirmed_by_hand]
)
def test_law_1_without_a_flag_all_that_the_older_agents_leave_has_to_be_there(
    otherwise: Callable[[Site], None],
) -> None:
    site = flagged_site(running=1)
    site.flags.values.clear()
    otherwise(site)
    site.start_evacuator()
    site.pass_time(3 * EVERY)
    assert site.records.attributes == {}
    assert site.fencing.requested == []


def test_without_a_flag_a_nova_that_is_away_is_waited_for() -> None:
    site = flagged_site(running=1)
    site.flags.values.clear()
    site.nova.down = NotSentError("GET", "no connection")
    site.start_evacuator()
    site.pass_time(30)
    assert site.records.attributes == {}
    assert site.loop is not None
    assert "not adopted yet" in site.loop.notices[0]
    site.nova.down = None
    site.run_until(lambda: recovered(site))
    assert_moved(site)
