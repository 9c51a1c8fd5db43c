"""Law 5 of docs/design.md on a model of Nova: settled means settled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaha.core.errors import RefusedError
from novaha.core.model import Migration
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from tests.fakes.faults import Empty, Late
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with


def test_law_5_accepted_is_not_recovered() -> None:
    site = site_with()
    site.nova.spawn_delay = 100
    site.fence("compute-1")
    site.pass_time(90)
    assert record(site).state is RecoveryState.RUNNING


def test_law_5_an_empty_list_once_is_not_the_end() -> None:
    site = site_with()
    site.nova.instances_on, real = (lambda host: []), site.nova.instances_on  # type: ignore
    site.fence("compute-1")
    loop = site.loop
    assert loop is not None
    while not site.nova.hosts["compute-1"].forced_down:
        loop.turn()
    loop.turn()  # reads an empty list, once
    site.nova.instances_on = real  # type: ignore[method-assign]
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_5_a_new_evacuator_does_not_close_what_the_old_one_may_still_ask_for() -> None:
    """It knows of no instance, and Nova shows none: its predecessor's request is on its way."""
    site = site_with(running=1)
    site.nova.spawn_delay = 15
    site.fence("compute-1")
    site.pass_time(4)
    assert site.nova.flights
    site.nova.faults["instances_on"] = [Empty()] * 8
    site.nova.faults["evacuations_from"] = [Empty()] * 8
    site.start_evacuator()
    site.pass_time(10)
    assert record(site).state is RecoveryState.RUNNING
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_5_an_instance_that_a_short_list_left_out_is_noted_before_it_is_asked_for() -> None:
    """Found by the model: a cell that is down for a moment makes an answer 200 too short."""
    site = site_with(running=1, stopped=1)
    site.nova.faults["instances_on"] = [Empty()]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert "off-0" in (record(site).before or {})
    assert_moved(site)


@pytest.mark.parametrize("short", [1, 2])
def test_law_5_the_host_stays_open_for_an_instance_that_was_left_out_before(short: int) -> None:
    """Found by the random sites: it was closed in the very turn in which that was noted."""
    site = site_with(running=0, stopped=1)
    site.nova.faults["instances_on"] = [Empty()] * short
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_5_shut_off_instances_go_last_and_end_shut_off() -> None:
    site = site_with(running=3, stopped=2)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert [i[:3] for _, i in site.nova.requests] == ["run"] * 3 + ["off"] * 2
    assert_moved(site)


def test_law_5_shut_off_in_error_on_the_way_ends_shut_off() -> None:
    site = site_with(running=0, stopped=1)
    for host in ("compute-2", "compute-3"):
        site.nova.hosts[host].room = 0
    site.fence("compute-1")
    site.run_until(lambda: site.nova.instances["off-0"].vm_state == "error")
    site.kill_evacuator()  # a new one must still know
    site.start_evacuator()
    site.nova.hosts["compute-2"].room = 10
    site.run_until(lambda: recovered(site))
    assert site.where()["off-0"] == ("compute-2", "stopped")
    assert site.nova.guests["off-0"] == set()


def test_law_5_no_room_waits_without_keeping_the_others() -> None:
    site = site_with(running=3)
    site.nova.hosts["compute-2"].room = 1
    site.nova.hosts["compute-3"].room = 1
    site.fence("compute-1")
    site.pass_time(60)
    moved = [i for i, (host, _) in site.where().items() if host != "compute-1"]
    assert len(moved) == 2
    assert record(site).state is RecoveryState.RUNNING
    site.nova.hosts["compute-3"].room = 5
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_5_what_nova_refuses_is_named_and_ends_the_wait() -> None:
    site = site_with(running=1)
    site.nova.add_instance("in-build", "compute-1", "building")
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert site.where()["in-build"][0] == "compute-1"
    assert site.loop is not None
    left = {i.id: i.detail for i in site.loop.reports[0].instances}
    assert "building" in left["in-build"]


def test_law_5_what_is_settled_stays_so_beside_an_orphan_record() -> None:
    """Found on the lab: asked for twice, an instance keeps an `accepted` record for ever."""
    site = site_with(running=2)
    site.nova.spawn_delay = 20
    site.fence("compute-1")
    site.pass_time(5)
    first = site.nova.migrations[0]
    site.nova.migrations.append(replace(first, id=99, destination=None, status="accepted"))
    site.nova.failed_actions.add(first.instance)  # its newest action is over
    site.run_until(lambda: recovered(site), limit=200)
    assert_moved(site)


def test_law_5_settled_although_its_newest_record_never_ends() -> None:
    """Of two requests Nova carried out one, and left the record of the other as it was."""
    site = site_with(running=1)
    site.fence("compute-1")
    site.run_until(lambda: site.nova.instances["run-0"].host != "compute-1")
    created = site.nova.migrations[-1].created
    site.nova.migrations.append(
        Migration(99, "run-0", "compute-1", "compute-2", "pre-migrating", created)
    )
    site.run_until(lambda: recovered(site), limit=4000)


def test_law_5_deleted_meanwhile_is_settled() -> None:
    site = site_with(running=2)
    site.nova.spawn_delay = 10
    site.fence("compute-1")
    site.pass_time(3)
    del site.nova.instances["run-0"]
    site.run_until(lambda: recovered(site))


def test_law_5_a_destination_that_dies_is_left_only_once_it_is_fenced() -> None:
    site = site_with(running=4)
    site.nova.spawn_delay = 20
    site.fence("compute-1")
    site.pass_time(5)
    requests = len(site.nova.requests)
    site.nova.crash("compute-2")
    site.pass_time(60)
    assert len(site.nova.requests) == requests
    site.fence("compute-2")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_5_a_dead_destination_is_not_closed_before_its_arrivals_are_asked_for_anew() -> None:
    """Found by the random histories: the arrivals would have been `pre-migrating` for ever."""
    site = site_with(running=3, policy=Policy(max_in_flight=1))
    site.nova.add_host("compute-4")
    site.fence("compute-1")
    site.pass_time(0.5)
    site.start_evacuator()  # a new one, which waits before it asks for anything
    destination = next(m.destination for m in site.nova.migrations)
    assert destination is not None
    site.fence(destination)
    site.pass_time(0.5)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site) and recovered(site, destination))
    assert_moved(site)


@pytest.mark.parametrize("late", [20.0, 60.0])
def test_law_5_a_reset_of_ours_that_comes_late_does_not_stay(late: float) -> None:
    """Found by the random sites: carried out after the evacuation, it left an instance in ERROR."""
    site = site_with(running=0)
    site.nova.add_instance("paused-0", "compute-1", "paused")
    site.nova.add_instance("rescued-0", "compute-1", "rescued")
    site.nova.faults["act"] = [Late(late), Late(late)]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(200)
    assert {i: state for i, (_, state) in site.where().items()} == {
        "paused-0": "paused",
        "rescued-0": "stopped",
    }


def test_law_5_an_instance_that_a_list_leaves_out_is_not_settled() -> None:
    """Found by the random sites: shut off before, it ended running, and nobody looked again."""
    site = site_with(running=0)
    site.nova.add_instance("off-0", "compute-1", "error-stopped")
    site.nova.hosts["compute-2"].room = site.nova.hosts["compute-3"].room = 0
    site.fence("compute-1")
    site.run_until(lambda: site.nova.instances["off-0"].fault != "")
    site.nova.faults["instances_on"] = [Empty()]
    site.pass_time(3)
    site.nova.hosts["compute-2"].room = 9
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_5_a_state_that_was_lost_with_a_second_host_is_given_back() -> None:
    """Found by the random sites: the first recovery took ERROR on the second host for the end."""
    site = site_with(running=0)
    site.nova.add_instance("off-0", "compute-1", "error-stopped")
    site.nova.hosts["compute-3"].room = 0
    site.fence("compute-1")
    site.run_until(lambda: site.where()["off-0"] == ("compute-2", "active"))
    site.nova.faults["act"] = [RefusedError("stop", 409, "not now")] * 2
    site.fence("compute-2")
    site.run_until(lambda: site.nova.instances["off-0"].fault != "")
    site.pass_time(60)
    site.nova.hosts["compute-3"].room = 9
    site.run_until(lambda: recovered(site) and recovered(site, "compute-2"))
    assert site.where()["off-0"] == ("compute-3", "stopped")
