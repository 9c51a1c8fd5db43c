"""The laws of docs/design.md, against the real loop and a model of Nova."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaha.core.errors import NotSentError, RefusedError, UnknownOutcomeError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from novaha.evacuator.loop import SupersededError
from tests.fakes.cluster import Site
from tests.fakes.faults import Empty, Lost


def site_with(running: int = 4, stopped: int = 0, **options: object) -> Site:
    site = Site(**options)
    for number in range(running):
        site.nova.add_instance(f"run-{number}", "compute-1")
    for number in range(stopped):
        site.nova.add_instance(f"off-{number}", "compute-1", "stopped")
    return site


def record(site: Site, node: str = "compute-1") -> Record:
    found = site.records.read(node)
    assert found is not None
    return found


def recovered(site: Site, node: str = "compute-1") -> bool:
    found = site.records.read(node)
    return found is not None and found.state is RecoveryState.RECOVERED


def assert_moved(site: Site, source: str = "compute-1") -> None:
    for instance, (host, state) in site.where().items():
        assert host != source, instance
        assert state == ("active" if instance.startswith("run") else "stopped"), instance


class TestNeverBeforeTheFence:
    """Law 1."""

    def test_law_1_nothing_is_requested_before_pacemaker_confirms(self) -> None:
        site = site_with()
        site.fence("compute-1", confirmed=False)
        site.pass_time(30)
        assert site.nova.requests == []
        assert not site.nova.hosts["compute-1"].forced_down
        assert record(site).state is RecoveryState.PENDING

    def test_law_1_an_older_fencing_confirms_nothing(self) -> None:
        site = site_with()
        site.fencing.successes.append(("compute-1", site.time))
        site.nova.advance(10)
        site.fence("compute-1", confirmed=False)
        site.pass_time(30)
        assert site.nova.requests == []

    def test_law_1_the_host_is_forced_down_before_the_first_request(self) -> None:
        site = site_with()
        site.fence("compute-1")
        site.run_until(lambda: bool(site.nova.requests))
        calls = site.nova.calls
        assert calls.index("set_forced_down") < calls.index("evacuate")

    def test_law_1_no_request_while_nova_does_not_take_the_force_down(self) -> None:
        site = site_with()
        site.nova.faults["set_forced_down"] = [UnknownOutcomeError("force", "500")] * 20
        site.fence("compute-1")
        site.pass_time(15)
        assert site.nova.requests == []
        site.run_until(lambda: recovered(site))
        assert_moved(site)

    def test_law_1_a_host_without_a_record_is_never_touched(self) -> None:
        site = site_with()
        site.nova.crash("compute-1")
        site.nova.hosts["compute-1"].forced_down = True
        site.pass_time(150)
        assert set(site.nova.calls) == {"services"}  # a question now and then, nothing else
        assert len(site.nova.calls) <= 3

    def test_law_1_a_lost_history_leads_to_one_more_fencing_and_no_request(self) -> None:
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


class TestAtMostOneInFlight:
    """Law 2."""

    def test_law_2_one_request_an_instance_when_nothing_fails(self) -> None:
        site = site_with(running=10, stopped=2)
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        asked = [instance for _, instance in site.nova.requests]
        assert sorted(asked) == sorted(site.nova.instances)
        assert_moved(site)

    def test_law_2_a_lost_answer_is_not_sent_again(self) -> None:
        site = site_with(running=1)
        site.nova.faults["evacuate"] = [Lost(UnknownOutcomeError("evacuate", "timed out"))]
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        assert len(site.nova.requests) == 1

    def test_law_2_an_unknown_answer_without_a_trace_waits_long_before_a_second_try(self) -> None:
        site = site_with(running=1)
        site.nova.faults["evacuate"] = [UnknownOutcomeError("evacuate", "500")]
        site.fence("compute-1")
        site.pass_time(60)
        assert site.nova.requests == []
        site.run_until(lambda: recovered(site))
        assert len(site.nova.requests) == 1

    def test_law_2_a_request_that_never_left_is_tried_again_soon(self) -> None:
        site = site_with(running=1)
        site.nova.faults["evacuate"] = [NotSentError("evacuate", "connection refused")]
        site.fence("compute-1")
        site.run_until(lambda: recovered(site), limit=30)

    def test_law_2_a_new_evacuator_reads_before_it_asks(self) -> None:
        site = site_with(running=6)
        site.nova.spawn_delay = 60
        site.fence("compute-1")
        site.pass_time(5)
        assert len(site.nova.requests) == 6
        site.kill_evacuator()
        site.pass_time(5)
        site.start_evacuator()
        site.run_until(lambda: recovered(site))
        assert len(site.nova.requests) == 6

    def test_law_2_a_new_evacuator_waits_for_requests_that_do_not_show_yet(self) -> None:
        site = site_with(running=1)
        site.nova.faults["evacuate"] = [UnknownOutcomeError("evacuate", "still on its way")]
        site.fence("compute-1")
        site.pass_time(2)
        site.kill_evacuator()
        site.start_evacuator()
        begun = site.nova.now
        site.run_until(lambda: bool(site.nova.requests))
        assert site.nova.now - begun >= 30

    def test_law_2_a_superseded_evacuator_ends(self) -> None:
        site = site_with()
        site.nova.spawn_delay = 60
        site.fence("compute-1")
        site.pass_time(3)
        old = site.loop
        assert old is not None
        site.start_evacuator("controller-2#new")
        site.pass_time(3)
        with pytest.raises(SupersededError):
            old.turn()

    def test_law_2_a_frozen_evacuator_sends_nothing_from_an_old_reading(self) -> None:
        site = site_with(running=1)
        loop = site.loop
        assert loop is not None
        actor, read = loop._actor, loop._actor.owns
        # As if the process had slept between reading the records and sending.
        actor.owns = lambda owned, at: read(owned, at - 60)  # type: ignore[method-assign]
        site.fence("compute-1")
        site.pass_time(20)
        assert record(site).before is not None
        assert site.nova.requests == []

    def test_law_2_never_more_in_flight_than_allowed(self) -> None:
        site = site_with(running=20, policy=Policy(max_in_flight=3))
        site.nova.spawn_delay = 5
        site.fence("compute-1")

        def in_flight() -> int:
            return sum(1 for m in site.nova.migrations if m.status in ("accepted", "pre-migrating"))

        most = 0
        while not recovered(site):
            site.pass_time(0.5)
            most = max(most, in_flight())
        assert most == 3

    def test_law_2_a_lost_evacuation_is_asked_for_again_only_when_nova_says_it_failed(self) -> None:
        """Found on the lab: Keystone stopped, the conductor gave up, and the row stayed."""
        site = site_with(running=1)
        site.nova.spawn_delay = 1e9
        site.fence("compute-1")
        site.pass_time(300)
        assert len(site.nova.requests) == 1
        site.nova.flights.clear()  # nobody works on it any more
        site.nova.failed_actions.add("run-0")
        site.nova.spawn_delay = 1
        site.run_until(lambda: recovered(site))
        assert_moved(site)

    def test_law_2_what_stands_still_for_long_is_asked_for_at_the_same_destination(self) -> None:
        site = site_with(running=1, policy=Policy(stuck_after=600))
        site.nova.spawn_delay = 1e9
        asked: list[str | None] = []
        site.fence("compute-1")
        site.pass_time(300)
        (first,) = site.nova.migrations
        watch = site.nova.on_request
        site.nova.on_request = lambda i, target: (asked.append(target), watch(i, target))[0]
        site.pass_time(600)
        assert asked[:1] == [first.destination]

    def test_law_2_time_without_a_conductor_does_not_count(self) -> None:
        site = site_with(running=1, policy=Policy(stuck_after=600))
        site.nova.spawn_delay = 1e9
        site.fence("compute-1")
        site.pass_time(10)
        site.nova.conductor_up = False
        site.pass_time(1500)
        assert len(site.nova.requests) == 1


class TestNeverForgotten:
    """Law 3."""

    def test_law_3_an_outage_of_nova_only_delays(self) -> None:
        site = site_with()
        site.fence("compute-1")
        site.nova.down = NotSentError("list", "connection refused")
        site.pass_time(120)
        assert record(site).state is RecoveryState.RUNNING
        site.nova.down = None
        site.run_until(lambda: recovered(site))
        assert_moved(site)

    def test_law_3_a_second_fencing_is_not_closed_by_the_first_recovery(self) -> None:
        site = site_with()
        site.fence("compute-1")
        site.pass_time(2)
        first = record(site).fence_id
        site.nova.advance(2)
        site.fence("compute-1", confirmed=False)
        site.pass_time(30)
        assert record(site).fence_id != first
        assert record(site).state is RecoveryState.PENDING

    def test_law_3_a_second_fencing_in_the_middle_costs_no_instance(self) -> None:
        site = site_with(running=5, stopped=2)
        site.nova.spawn_delay = 20
        site.fence("compute-1")
        site.pass_time(5)
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        assert_moved(site)
        assert len(site.nova.requests) == 7


class TestNothingTooEarly:
    """Law 4."""

    def test_law_4_the_host_is_held_until_everything_is_settled(self) -> None:
        site = site_with()
        site.nova.spawn_delay = 30
        site.fence("compute-1")
        site.pass_time(10)
        assert not site.boot("compute-1")
        site.run_until(lambda: recovered(site))
        assert site.nova.hosts["compute-1"].forced_down
        assert site.boot("compute-1")

    def test_law_4_not_returned_before_nova_compute_runs(self) -> None:
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

    def test_law_4_our_own_changes_of_the_service_are_no_heartbeat(self) -> None:
        """Found on the lab: a host without instances was un-forced while it was off."""
        site = site_with(running=0)
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        site.pass_time(60)
        assert site.nova.hosts["compute-1"].forced_down
        assert not site.nova.hosts["compute-1"].enabled
        site.boot("compute-1")
        site.run_until(lambda: "compute-1" not in site.records.attributes)

    def test_law_4_evacuations_that_died_with_their_destination_keep_nobody_away(self) -> None:
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

    def test_law_4_an_instance_with_two_finished_records_keeps_nobody_away(self) -> None:
        """Found on the lab: nova-compute closes one record an instance and start."""
        site = site_with(running=2)
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        first = site.nova.migrations[0]
        site.nova.migrations.append(replace(first, id=99, destination=None, status="accepted"))
        site.boot("compute-1")
        site.run_until(lambda: "compute-1" not in site.records.attributes)
        assert not site.nova.hosts["compute-1"].forced_down

    def test_law_4_after_another_fencing_the_old_heartbeat_counts_for_nothing(self) -> None:
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


class TestSettledMeansSettled:
    """Law 5."""

    def test_law_5_accepted_is_not_recovered(self) -> None:
        site = site_with()
        site.nova.spawn_delay = 100
        site.fence("compute-1")
        site.pass_time(90)
        assert record(site).state is RecoveryState.RUNNING

    def test_law_5_an_empty_list_once_is_not_the_end(self) -> None:
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

    def test_law_5_an_instance_that_a_short_list_left_out_is_noted_before_it_is_asked_for(
        self,
    ) -> None:
        """Found by the model: a cell that is down for a moment makes an answer 200 too short."""
        site = site_with(running=1, stopped=1)
        site.nova.faults["instances_on"] = [Empty()]
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        assert "off-0" in (record(site).before or {})
        assert_moved(site)

    def test_law_5_shut_off_instances_go_last_and_end_shut_off(self) -> None:
        site = site_with(running=3, stopped=2)
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        assert [i[:3] for _, i in site.nova.requests] == ["run"] * 3 + ["off"] * 2
        assert_moved(site)

    def test_law_5_shut_off_in_error_on_the_way_ends_shut_off(self) -> None:
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

    def test_law_5_no_room_waits_without_keeping_the_others(self) -> None:
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

    def test_law_5_what_nova_refuses_is_named_and_ends_the_wait(self) -> None:
        site = site_with(running=1)
        site.nova.add_instance("in-build", "compute-1", "building")
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        assert site.where()["in-build"][0] == "compute-1"
        assert site.loop is not None
        left = {i.id: i.detail for i in site.loop.reports[0].instances}
        assert "building" in left["in-build"]

    def test_law_5_what_is_settled_stays_so_beside_an_orphan_record(self) -> None:
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

    def test_law_5_deleted_meanwhile_is_settled(self) -> None:
        site = site_with(running=2)
        site.nova.spawn_delay = 10
        site.fence("compute-1")
        site.pass_time(3)
        del site.nova.instances["run-0"]
        site.run_until(lambda: recovered(site))

    def test_law_5_a_destination_that_dies_is_left_only_once_it_is_fenced(self) -> None:
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

    def test_law_5_a_dead_destination_is_not_closed_before_its_arrivals_are_asked_for_anew(
        self,
    ) -> None:
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


class TestTouchOnlyWhatIsOurs:
    """Law 6."""

    def test_law_6_an_operators_force_down_stays(self) -> None:
        site = site_with()
        site.nova.hosts["compute-1"].forced_down = True
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        site.boot("compute-1")
        site.run_until(lambda: "compute-1" not in site.records.attributes)
        assert site.nova.hosts["compute-1"].forced_down

    def test_law_6_an_operators_disable_stays(self) -> None:
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

    def test_law_6_a_disable_of_ours_that_came_late_is_undone(self) -> None:
        """Found by the model: Nova carried it out after the host had returned."""
        site = site_with(running=0)
        site.nova.hosts["compute-2"].enabled = False
        site.nova.hosts["compute-2"].disabled_reason = "novaha: fenced, recovery of yesterday"
        site.nova.hosts["compute-3"].enabled = False
        site.nova.hosts["compute-3"].disabled_reason = "maintenance"
        site.pass_time(70)
        assert site.nova.hosts["compute-2"].enabled
        assert not site.nova.hosts["compute-3"].enabled

    def test_law_6_what_came_to_a_host_that_is_back_is_not_touched(self) -> None:
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

    def test_law_6_nor_by_an_evacuator_that_did_not_do_the_recovery(self) -> None:
        site = site_with(running=1)
        site.fence("compute-1")
        site.run_until(lambda: recovered(site))
        site.nova.add_instance("off-arrived", "compute-1", "stopped")
        site.start_evacuator()
        site.boot("compute-1")
        site.run_until(lambda: "compute-1" not in site.records.attributes)
        assert site.where()["off-arrived"] == ("compute-1", "stopped")
