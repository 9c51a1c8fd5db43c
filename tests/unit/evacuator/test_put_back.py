"""Laws 1 and 2 of docs/design.md where an old record comes back: a copy of the CIB is pushed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from novaha.core.record import Record, to_attributes
from novaha.core.recovery import Event, RecoveryState
from novaha.evacuator.doubts import Newest
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with

FORMS = ["pending", "own", "foreign", "unprepared", "adopted"]
HOUR = 3600.0


def copies(site: Site) -> dict[str, Record]:
    """Copies of compute-1's record, as they may be taken from its fencing to its return."""
    pending = record(site)
    site.run_until(lambda: record(site).before is not None)
    running = record(site)
    return {
        "pending": pending,
        "own": running,
        "foreign": replace(running, owner="controller-2#00000000"),
        "unprepared": pending.after(Event.CLAIM, owner="controller-2#00000000"),
        "adopted": pending.adopt(),
    }


def in_service_again(site: Site, for_seconds: float = HOUR) -> None:
    """compute-1 is recovered, returns, and gets instances."""
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    for instance in list(site.nova.instances):
        site.nova.remove(instance)
    for number in range(3):
        site.nova.add_instance(f"run-{number}", "compute-1")
    site.pass_time(for_seconds, step=5)


def lived(form: str, *, another_process: bool, for_seconds: float = HOUR) -> Site:
    """A site where a record of this form has come back."""
    site = site_with()
    site.fence("compute-1")
    copy = copies(site)[form]
    in_service_again(site, for_seconds)
    if another_process:
        site.kill_evacuator()
        site.start_evacuator()
    site.nova.requests.clear()
    site.nova.calls.clear()
    site.put_back("compute-1", to_attributes(copy))
    return site


def assert_untouched(site: Site) -> None:
    """Nothing was asked of Nova about a host that lives."""
    assert site.nova.requests == []
    assert not site.nova.hosts["compute-1"].forced_down
    assert site.nova.hosts["compute-1"].enabled
    assert all(where == {"compute-1"} for i, where in site.nova.guests.items() if i in site.where())


@pytest.mark.parametrize("another_process", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_law_1_a_host_that_has_lived_since_is_fenced_again_and_not_evacuated(
    form: str, another_process: bool
) -> None:
    site = lived(form, another_process=another_process)
    site.pass_time(50)
    assert_untouched(site)
    assert record(site).doubted
    site.pass_time(150)
    assert site.fencing.requested == ["compute-1"]
    assert_untouched(site)


@pytest.mark.parametrize("another_process", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_law_2_after_the_other_fencing_it_is_recovered_and_nothing_runs_twice(
    form: str, another_process: bool
) -> None:
    site = lived(form, another_process=another_process)
    site.run_until(lambda: site.fencing.requested == ["compute-1"])
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert len(site.nova.requests) == 3
    assert site.fencing.requested == ["compute-1"]


def test_law_1_an_evacuator_that_starts_after_the_doubt_keeps_it() -> None:
    site = lived("pending", another_process=False)
    site.run_until(lambda: record(site).doubted)
    site.kill_evacuator()
    site.start_evacuator()
    site.run_until(lambda: site.fencing.requested == ["compute-1"])
    assert_untouched(site)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_1_a_fencing_without_our_device_clears_the_doubt_too() -> None:
    """It writes no record: the doubt must not hold the recovery up for ever."""
    site = lived("pending", another_process=True)
    site.run_until(lambda: site.fencing.requested == ["compute-1"])
    site.nova.crash("compute-1")
    site.confirm("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_1_an_administrators_word_of_today_clears_the_doubt() -> None:
    site = lived("pending", another_process=True)
    site.run_until(lambda: record(site).doubted)
    site.nova.crash("compute-1")
    site.nova.advance(2)
    site.fencing.by_hand["compute-1"] = site.time
    site.confirm("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_1_an_administrators_word_of_then_does_not() -> None:
    site = site_with()
    site.fence("compute-1")
    pending = record(site)
    site.nova.advance(2)
    site.fencing.by_hand["compute-1"] = site.time
    in_service_again(site)
    site.kill_evacuator()
    site.start_evacuator()
    site.nova.requests.clear()
    site.put_back("compute-1", to_attributes(pending))
    site.pass_time(200)
    assert_untouched(site)


def test_law_1_a_copy_that_is_pushed_while_the_host_returns_is_seen_at_once() -> None:
    """No clock tells that: its recovery was seen to be over."""
    site = site_with()
    site.fence("compute-1")
    copy = copies(site)["own"]
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.nova.add_instance("run-9", "compute-1")
    site.nova.requests.clear()
    site.put_back("compute-1", to_attributes(copy))
    site.pass_time(200)
    assert site.nova.requests == []
    assert site.fencing.requested == ["compute-1"]


def test_law_1_a_copy_of_the_doubted_record_is_doubted_again() -> None:
    site = lived("pending", another_process=True)
    site.run_until(lambda: record(site).doubted)
    copy = record(site)
    site.fence("compute-1")
    in_service_again(site)
    site.kill_evacuator()
    site.start_evacuator()
    site.nova.requests.clear()
    site.put_back("compute-1", to_attributes(copy))
    site.pass_time(50)
    assert_untouched(site)
    assert record(site).fence_id != copy.fence_id


def test_law_1_a_record_older_than_the_last_fencing_is_doubted() -> None:
    """It was off all the time, as Nova and Pacemaker see it, but not by this fencing."""
    site = site_with()
    site.fence("compute-1")
    copy = record(site)
    site.nova.advance(600)
    site.fence("compute-1")
    site.nova.advance(5)
    site.kill_evacuator()
    site.start_evacuator()
    site.put_back("compute-1", to_attributes(copy))
    site.pass_time(5)
    assert record(site).doubted
    assert site.nova.requests == []


def test_law_6_a_record_of_a_recovery_that_was_over_is_dropped_and_undoes_nothing() -> None:
    site = site_with()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    copy = record(site)
    in_service_again(site)
    host = site.nova.hosts["compute-1"]
    host.forced_down, host.enabled, host.disabled_reason = True, False, "maintenance"
    site.put_back("compute-1", to_attributes(copy))
    site.pass_time(60)
    assert "compute-1" not in site.records.attributes
    assert (host.forced_down, host.enabled) == (True, False)
    assert site.fencing.requested == []


def test_law_2_what_an_instance_was_in_the_earlier_failure_does_not_count() -> None:
    site = site_with(running=1, stopped=1)
    site.fence("compute-1")
    copy = copies(site)["own"]
    assert copy.before == {"off-0": "stopped"}
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    site.nova.add_instance("off-0", "compute-1")  # its owner has started it
    site.pass_time(HOUR, step=5)
    site.put_back("compute-1", to_attributes(copy))
    site.run_until(lambda: site.fencing.requested == ["compute-1"])
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert site.where()["off-0"][1] == "active"


def test_the_oldest_of_what_is_remembered_goes_first() -> None:
    newest = Newest(3)
    for text in ("a", "b", "c", "a", "d"):
        newest.add(text)
    assert [text for text in "abcd" if text in newest] == ["b", "c", "d"]
    assert len(newest) == 3


# What looks like life, and is none


def recovers(site: Site) -> None:
    site.run_until(lambda: recovered(site))
    assert site.fencing.requested == []
    assert_moved(site)


def test_a_host_that_boots_while_it_is_recovered_is_not_fenced_again() -> None:
    site = site_with()
    site.nova.spawn_delay = 40
    site.fence("compute-1")
    site.pass_time(10)
    site.boot("compute-1")
    site.pass_time(200)
    site.kill_evacuator()
    site.start_evacuator()
    recovers(site)


def test_a_heartbeat_on_its_way_when_the_host_died_is_no_life() -> None:
    site = site_with()
    site.kill_evacuator()
    site.fence("compute-1")
    site.nova.advance(20)
    site.nova.hosts["compute-1"].updated = site.nova.now
    site.nova.hosts["compute-1"].last_beat = site.nova.now
    site.boot("compute-1")
    site.start_evacuator()
    recovers(site)


@pytest.mark.parametrize("forced", [True, False])
def test_an_operator_who_changes_the_service_of_a_host_that_is_off_is_no_life(forced: bool) -> None:
    site = site_with()
    site.kill_evacuator()
    site.fence("compute-1")
    site.nova.advance(600)
    host = site.nova.hosts["compute-1"]
    host.forced_down, host.updated = forced, site.nova.now
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert site.fencing.requested == []


def test_our_own_force_down_and_disable_are_no_life_to_the_next_evacuator() -> None:
    site = site_with()
    site.nova.spawn_delay = 200
    site.fence("compute-1")
    site.pass_time(100)
    site.boot("compute-1")
    host = site.nova.hosts["compute-1"]
    host.updated = site.nova.now  # the disable was late
    site.kill_evacuator()
    site.start_evacuator()
    recovers(site)


@pytest.mark.parametrize("minutes", [-90, -2, 2, 90])
def test_a_clock_of_nova_that_differs_costs_no_fencing(minutes: int) -> None:
    """And a record that came back is found by it all the same, if it is older than that."""
    site = site_with()
    services, off = site.nova.services, timedelta(minutes=minutes)

    def shifted() -> list:
        return [replace(s, last_seen=s.last_seen + off) for s in services()]

    site.nova.services = shifted  # type: ignore[method-assign]
    site.kill_evacuator()
    site.start_evacuator()
    site.fence("compute-1")
    site.pass_time(3)
    site.boot("compute-1")
    recovers(site)


def test_a_clock_ahead_that_nobody_else_shows_costs_one_fencing_and_no_more() -> None:
    """The whole rack is down: no other heartbeat tells what time it is to Nova."""
    site = site_with()
    services = site.nova.services
    off = timedelta(minutes=90)

    def shifted() -> list:
        return [
            replace(s, last_seen=s.last_seen + off if s.host == "compute-1" else None)
            for s in services()
        ]

    site.nova.services = shifted  # type: ignore[method-assign]
    site.kill_evacuator()
    site.nova.advance(600)
    site.fence("compute-1")
    site.boot("compute-1")
    site.nova.advance(200)
    site.start_evacuator()
    for _ in range(40):
        site.pass_time(20)
        if len(site.fencing.requested) > len(getattr(site, "served", [])):
            site.served = list(site.fencing.requested)  # type: ignore[attr-defined]
            site.fence("compute-1")
            site.boot("compute-1")
    assert len(site.fencing.requested) <= 1
    assert recovered(site) or "compute-1" not in site.records.attributes


def test_retry_of_a_running_recovery_is_no_record_that_came_back() -> None:
    site = site_with()
    site.nova.spawn_delay = 60
    site.fence("compute-1")
    site.pass_time(10)
    old = record(site)
    site.records.swap(old, old.after(Event.RETRY, owner=""))
    recovers(site)


def test_release_lets_a_doubted_host_back_without_a_fencing() -> None:
    site = lived("pending", another_process=True)
    site.run_until(lambda: record(site).doubted)
    old = record(site)
    site.records.swap(old, old.after(Event.RELEASE, owner=""))
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    site.pass_time(200)
    assert site.fencing.requested == []
    assert_untouched(site)


def test_the_states_of_a_doubted_record() -> None:
    """Doubt is a fencing in the table of states: pending, with nothing of the old record."""
    site = site_with()
    site.fence("compute-1")
    site.pass_time(5)
    doubted = record(site).doubt("new", site.time)
    assert (doubted.state, doubted.owner, doubted.before) == (RecoveryState.PENDING, "", None)
    assert doubted.marks == {"doubted"}
    assert not doubted.fence_again("newer", site.time).doubted
