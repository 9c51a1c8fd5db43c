"""Fencings that an administrator confirmed by hand, and levels that prove nothing."""

from __future__ import annotations

import pytest

from novaha.core.errors import NotSentError
from novaha.core.recovery import RecoveryState
from novaha.evacuator.confirmed_by_hand import to_be_told
from tests.fakes.cluster import Site


def dead_site() -> Site:
    """compute-1 is dead, its power device too: no agent ever ran."""
    site = Site()
    site.fencing.computes = frozenset(site.nova.hosts)
    site.nova.add_instance("run-1", "compute-1")
    site.nova.crash("compute-1")
    return site


def confirm(site: Site, host: str = "compute-1") -> None:
    """`pcs stonith confirm`."""
    site.fencing.by_hand[host] = site.time
    site.fencing.successes.append((host, site.time))


def test_law_3_a_host_confirmed_by_hand_is_recovered() -> None:
    site = dead_site()
    site.pass_time(10)
    assert site.records.attributes == {}
    confirm(site)
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")
    assert site.loop is not None
    assert site.loop.notices == ()


@pytest.mark.parametrize("typed", ["COMPUTE-1", "Compute-1"])
def test_law_3_a_host_confirmed_in_any_case_is_recovered(typed: str) -> None:
    """Pacemaker takes the name as it was typed, and compares without case."""
    site = dead_site()
    confirm(site, typed)
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")
    assert set(site.records.attributes) == {"compute-1"}
    assert site.records.seen["compute-1"]
    assert site.loop is not None
    assert site.loop.notices == ()


def test_law_3_a_flagged_host_confirmed_in_another_case_is_recovered() -> None:
    site = dead_site()
    site.fence("compute-1", confirmed=False)
    site.pass_time(30)
    assert not site.nova.requests
    confirm(site, "COMPUTE-1")
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")


def test_a_confirmation_in_two_spellings_is_one() -> None:
    site = dead_site()
    site.recover = False
    site.start_evacuator()
    confirm(site)
    confirm(site, "COMPUTE-1")
    site.pass_time(10)
    assert site.loop is not None
    assert set(site.loop.notices) == set(to_be_told(site.records, site.fencing))
    assert len(set(site.loop.notices)) == 1
    assert "novaha recover compute-1" in site.loop.notices[0]


def test_law_1_a_confirmation_under_another_name_is_told_and_flags_nothing() -> None:
    site = dead_site()
    confirm(site, "compute-1.example.org")
    confirm(site, "controller-9")
    site.pass_time(30)
    assert site.records.attributes == {}
    assert site.nova.requests == []
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert "compute-1.example.org was confirmed by hand" in notice
    evidence, confirm_it = "`novaha evidence compute-1`", "`stonith_admin --confirm compute-1`"
    assert 0 <= notice.find(evidence) < notice.find(confirm_it)


def test_law_3_or_the_operator_is_told_the_one_command(caplog: pytest.LogCaptureFixture) -> None:
    site = dead_site()
    site.recover = False
    site.start_evacuator()
    confirm(site)
    site.pass_time(30)
    assert site.nova.requests == []
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert "novaha recover compute-1" in notice
    assert caplog.text.count("novaha recover compute-1") == 1
    # The same on every other controller, where no evacuator runs.
    assert to_be_told(site.records, site.fencing) == (notice,)


def test_law_1_a_confirmation_is_used_once() -> None:
    site = dead_site()
    confirm(site)
    site.run_until(lambda: "compute-1" in site.records.attributes)
    site.run_until(
        lambda: (
            (r := site.records.read("compute-1")) is not None and r.state is RecoveryState.RECOVERED
        )
    )
    site.boot("compute-1")
    site.run_until(lambda: site.records.attributes == {})
    # It is shut down for maintenance a day later; the history still shows the confirmation.
    site.start_evacuator()
    site.nova.add_instance("run-2", "compute-1")
    site.nova.crash("compute-1")
    site.pass_time(60)
    assert site.records.attributes == {}


@pytest.mark.parametrize("recover", [True, False])
def test_law_1_a_confirmation_of_long_ago_confirms_nothing(recover: bool) -> None:
    """Whatever it was good for then: to another evacuator it must not look new."""
    site = dead_site()
    site.fence("compute-1", confirmed=False)  # flagged; its power device does not answer
    confirm(site)
    site.run_until(
        lambda: (
            (r := site.records.read("compute-1")) is not None and r.state is RecoveryState.RECOVERED
        )
    )
    site.boot("compute-1")
    site.run_until(lambda: site.records.attributes == {})
    site.recover = recover
    site.start_evacuator()
    site.nova.add_instance("run-2", "compute-1")
    site.fencing.is_online = lambda node: False  # let go of in peace: its guests run on
    site.pass_time(60)
    assert site.records.attributes == {}
    assert site.loop is not None
    assert site.loop.notices == ()
    assert site.nova.guests["run-2"] == {"compute-1"}


def test_law_1_a_confirmation_that_nobody_noted_confirms_nothing_once_the_host_was_back() -> None:
    """No evacuator ran from the confirmation until the host was back and lost its network."""
    site = dead_site()
    site.kill_evacuator()
    confirm(site)
    site.boot("compute-1")
    site.nova.advance(120)
    site.fencing.is_online = lambda node: False
    site.start_evacuator()
    site.pass_time(60)
    assert site.nova.requests == []
    assert site.nova.guests["run-1"] == {"compute-1"}
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert "Nova had a heartbeat of its nova-compute" in notice
    evidence, confirm_it = "`novaha evidence compute-1`", "`stonith_admin --confirm compute-1`"
    assert 0 <= notice.find(evidence) < notice.find(confirm_it)
    assert site.records.attributes == {}
    # It is off now, and an administrator says so.
    site.nova.crash("compute-1")
    confirm(site)
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")


def test_law_1_while_nova_cannot_say_whether_it_lives_the_host_waits() -> None:
    site = dead_site()
    site.start_evacuator()
    site.nova.down = NotSentError("list", "connection refused")
    confirm(site)
    site.pass_time(60)
    assert site.nova.requests == []
    assert site.loop is not None
    (notice,) = site.loop.notices
    assert "its recovery begins when Nova can be asked: " in notice
    site.nova.down = None
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")


def test_law_1_a_host_that_is_back_is_not_flagged() -> None:
    site = dead_site()
    site.boot("compute-1")
    confirm(site)
    site.pass_time(30)
    assert site.records.attributes == {}


def test_law_1_what_is_no_compute_node_is_not_flagged() -> None:
    site = dead_site()
    site.fencing.computes = frozenset()
    confirm(site)
    site.pass_time(30)
    assert site.records.attributes == {}


WHY = "a fencing level of compute-1 has no power device"


def unproven_site() -> Site:
    """compute-1 is flagged and Pacemaker takes it for fenced, by our device alone."""
    site = dead_site()
    site.fencing.unproven["compute-1"] = WHY
    site.fence("compute-1")
    return site


def test_law_1_a_level_without_a_power_device_proves_nothing() -> None:
    site = unproven_site()
    site.pass_time(100)
    assert site.nova.requests == []
    assert site.fencing.requested == [], "that would only flag it again"
    assert site.loop is not None
    assert WHY in site.loop.reports[0].detail


@pytest.mark.parametrize("looked", [0, 100])
def test_law_1_nor_does_it_once_the_level_is_right(looked: float) -> None:
    """Whether or not any evacuator saw it wrong: the host may run to this moment."""
    site = unproven_site()
    site.pass_time(looked)
    site.fencing.unproven.clear()
    site.pass_time(100)
    assert site.nova.requests == []
    assert site.fencing.requested == ["compute-1"]
    assert site.loop is not None
    assert "cut no power" in site.loop.reports[0].detail
    site.fence("compute-1")
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")


def test_law_1_the_word_of_an_administrator_does() -> None:
    site = unproven_site()
    site.pass_time(30)
    confirm(site)
    site.run_until(lambda: site.nova.instances["run-1"].host != "compute-1")
    assert site.fencing.requested == []
