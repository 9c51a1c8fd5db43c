"""Law 2 of docs/design.md on a model of Nova: at most one evacuation in flight per instance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaha.core.errors import NotSentError, UnknownOutcomeError
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from novaha.evacuator.loop import SupersededError
from tests.fakes.cluster import Site
from tests.fakes.faults import Lost
from tests.unit.evacuator.sites import assert_moved, record, recovered, site_with


def test_law_2_one_request_an_instance_when_nothing_fails() -> None:
    site = site_with(running=10, stopped=2)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    asked = [instance for _, instance in site.nova.requests]
    assert sorted(asked) == sorted(site.nova.instances)
    assert_moved(site)


def test_law_2_a_lost_answer_is_not_sent_again() -> None:
    site = site_with(running=1)
    site.nova.faults["evacuate"] = [Lost(UnknownOutcomeError("evacuate", "timed out"))]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert len(site.nova.requests) == 1


@pytest.mark.parametrize("seconds", [0.5, 1, 2, 5, 20])
def test_law_2_a_new_evacuator_knows_where_a_live_migration_may_have_arrived(
    seconds: float,
) -> None:
    """The first try found no room there, and Nova shows no task any more."""
    site = site_with(running=1)
    site.nova.add_instance("moving", "compute-1", form="migrating")
    receiver = site.nova.receivers["moving"] = "compute-2"
    site.nova.landed.add("moving")
    site.nova.hosts[receiver].room = 0
    site.fence("compute-1")
    site.pass_time(seconds)
    site.start_evacuator()
    site.pass_time(300)
    assert site.nova.guests["moving"] <= {receiver}
    site.nova.hosts[receiver].room = 10
    site.run_until(lambda: recovered(site))
    assert site.nova.instances["moving"].host == receiver


def test_law_2_an_evacuation_that_died_with_a_host_that_is_back_binds_nobody() -> None:
    """It was fenced since: nothing runs there, and Nova may find there what never ran."""
    site = site_with(running=1)
    site.fencing.computes = frozenset(site.nova.hosts)
    site.nova.spawn_delay = 5
    site.nova.hosts["compute-3"].room = 0
    site.fence("compute-1")
    site.pass_time(4)
    site.fence("compute-2")  # half-way
    site.nova.hosts["compute-2"].room = 0
    site.pass_time(20)
    site.run_until(lambda: site.boot("compute-2"))
    site.run_until(lambda: site.records.read("compute-2") is None)
    site.start_evacuator()
    site.nova.hosts["compute-3"].room = 10
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_2_an_unknown_answer_without_a_trace_waits_long_before_a_second_try() -> None:
    site = site_with(running=1)
    site.nova.faults["evacuate"] = [UnknownOutcomeError("evacuate", "500")]
    site.fence("compute-1")
    site.pass_time(60)
    assert site.nova.requests == []
    site.run_until(lambda: recovered(site))
    assert len(site.nova.requests) == 1


def test_law_2_a_request_that_never_left_is_tried_again_soon() -> None:
    site = site_with(running=1)
    site.nova.faults["evacuate"] = [NotSentError("evacuate", "connection refused")]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site), limit=30)


def test_law_2_a_new_evacuator_reads_before_it_asks() -> None:
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


def test_law_2_a_new_evacuator_waits_for_requests_that_do_not_show_yet() -> None:
    site = site_with(running=1)
    site.nova.faults["evacuate"] = [UnknownOutcomeError("evacuate", "still on its way")]
    site.fence("compute-1")
    site.pass_time(2)
    site.kill_evacuator()
    site.start_evacuator()
    begun = site.nova.now
    site.run_until(lambda: bool(site.nova.requests))
    assert site.nova.now - begun >= 30


def test_law_2_a_superseded_evacuator_ends() -> None:
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


def test_law_2_a_frozen_evacuator_sends_nothing_from_an_old_reading() -> None:
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


def test_law_2_never_more_in_flight_than_allowed() -> None:
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


def test_law_2_a_lost_evacuation_is_asked_for_again_only_when_nova_says_it_failed() -> None:
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


def test_law_2_what_stands_still_for_long_is_asked_for_at_the_same_destination() -> None:
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


def test_law_2_time_without_a_conductor_does_not_count() -> None:
    site = site_with(running=1, policy=Policy(stuck_after=600))
    site.nova.spawn_delay = 1e9
    site.fence("compute-1")
    site.pass_time(10)
    site.nova.conductor_up = False
    site.pass_time(1500)
    assert len(site.nova.requests) == 1


def disturbed(site: Site, instance: str) -> str:
    """A stale request ends an instance's task while it is spawned; where its guest stays."""
    site.run_until(lambda: site.nova.instances[instance].task_state == "rebuild_spawning")
    site.nova.set(instance, task_state=None)
    site.run_until(lambda: bool(site.nova.left))
    ((_, where),) = site.nova.left
    return where


def test_law_2_one_that_a_failed_evacuation_left_running_is_not_started_elsewhere() -> None:
    """Found by chaos: what had waited in the bus for a dead host disturbed it when that was back.

    Nova says ERROR, and would take the next request to any host.
    """
    site = site_with(running=1, stopped=1)
    site.fence("compute-1")
    where = disturbed(site, "run-0")
    site.pass_time(300)
    assert site.nova.guests["run-0"] == {where}
    assert record(site).state is RecoveryState.RUNNING
    assert site.loop is not None
    (told,) = [text for text in site.loop.attention if "may have guests" in text]
    assert "1 instances of compute-1" in told
    # Nor by an evacuator that knows only what Nova tells.
    site.start_evacuator()
    site.pass_time(300)
    assert site.nova.guests["run-0"] == {where}
    # An operator ends the guest.
    site.nova.end_guest("run-0", where)
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_2_nor_when_its_host_takes_no_instances_and_an_operator_is_told() -> None:
    site = site_with(running=1)
    site.fence("compute-1")
    where = disturbed(site, "run-0")
    site.nova.hosts[where].room = 0
    site.pass_time(300)
    assert site.nova.guests["run-0"] == {where}
    assert site.loop is not None
    (report,) = site.loop.reports
    assert report.instances[0].detail.startswith(f"may be running on {where}, which alone is asked")
    assert "may have guests that Nova has lost" in " ".join(site.loop.attention)


def test_law_2_the_death_of_its_host_ends_it_too() -> None:
    site = site_with(running=1)
    site.fence("compute-1")
    where = disturbed(site, "run-0")
    site.fence(where)
    site.run_until(lambda: recovered(site) and recovered(site, where))
    assert_moved(site)
    assert site.where()["run-0"][0] not in ("compute-1", where)


def test_law_2_also_when_that_host_is_back_before_anybody_looks() -> None:
    site = site_with(running=1)
    site.fence("compute-1")
    where = disturbed(site, "run-0")
    site.kill_evacuator()
    site.pass_time(5)
    site.fence(where)
    site.boot(where)
    site.records.attributes.pop(where)
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def closed_early(site: Site) -> str:
    """Evacuated by hand from a dead host that is back before it is brought up, and dies again.

    What had waited in the bus for that host ends its task.
    """
    site.nova.spawn_delay = 40
    site.nova.crash("compute-1")
    site.pass_time(20)
    site.nova.foreign_evacuate("run-0")
    site.pass_time(2)
    site.boot("compute-1")
    site.nova.set("run-0", task_state=None)
    (flight,) = site.nova.flights.values()
    return str(flight.destination)


def test_law_2_a_source_that_was_back_closes_what_goes_on_all_the_same() -> None:
    site = site_with(running=1)
    destination = closed_early(site)
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.requests) == 1)
    assert {f.wanted or f.destination for f in site.nova.flights.values()} == {destination}


def test_law_2_what_was_evacuated_again_since_is_not_asked_about_one_by_one() -> None:
    site = site_with(running=8)
    for host in ("compute-2", "compute-3"):
        site.nova.hosts[host].room = 8 if host == "compute-2" else 0
    for host in ("compute-1", "compute-2"):
        site.fence(host)
        site.run_until(lambda host=host: recovered(site, host))
        site.run_until(lambda host=host: site.boot(host))
        site.run_until(lambda host=host: site.records.read(host) is None)
    assert {server.host for server in site.nova.instances.values()} == {"compute-1"}
    site.nova.hosts["compute-3"].room = 100
    site.nova.calls.clear()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert "evacuation_log" not in site.nova.calls
    assert {server.host for server in site.nova.instances.values()} == {"compute-2", "compute-3"}


def test_law_2_what_was_brought_up_and_moved_back_may_go_anywhere() -> None:
    site = site_with(running=1)
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    former = site.nova.instances["run-0"].host
    site.run_until(lambda: site.boot("compute-1"))
    site.run_until(lambda: site.records.read("compute-1") is None)
    site.nova.set("run-0", host="compute-1")
    site.nova.guests["run-0"] = {"compute-1"}
    site.nova.hosts[former].room = 0
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert site.nova.instances["run-0"].host not in ("compute-1", former)


def test_law_5_what_fails_to_spawn_may_go_anywhere_at_once() -> None:
    """Such a failure comes before the guest runs."""
    site = site_with(running=2)
    site.nova.hosts["compute-2"].spawn_fails = True
    targets: list[str | None] = []
    site.nova.on_request = lambda instance, target: targets.append(target)
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.migrations) > 3)
    assert set(targets) == {None}


def test_law_5_why_an_evacuation_failed_is_asked_again_when_nova_does_not_say_yet() -> None:
    """It names the failure a moment later; "already exists" alone binds nothing to a host."""
    site = site_with(running=1)
    site.fence("compute-1")
    site.nova.left.add(("run-0", "compute-2"))  # as of a destination that died and is back
    real, silent = site.nova.evacuation_fault, iter(range(1))
    site.nova.evacuation_fault = (  # type: ignore[method-assign]
        lambda instance, since: "" if next(silent, None) is not None else real(instance, since)
    )
    hidden = site.nova.instances_on
    site.nova.instances_on = lambda host: [  # type: ignore[method-assign]
        replace(instance, fault="") for instance in hidden(host)
    ]
    site.run_until(lambda: len(site.nova.migrations) > 1)
    assert site.loop is not None
    site.nova.hosts["compute-2"].room = 0
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_2_what_is_read_before_a_second_request_may_show_that_the_first_goes_on() -> None:
    """The list is a moment old; read by itself, the instance is being built."""
    site = site_with(running=1)
    for host in ("compute-2", "compute-3"):
        site.nova.hosts[host].spawn_fails = True
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.requests) == 1)
    real = site.nova.instance
    site.nova.instance = lambda instance: replace(  # type: ignore[method-assign]
        real(instance), task_state="rebuild_spawning"
    )
    site.pass_time(60)
    assert len(site.nova.requests) == 1
    for host in ("compute-2", "compute-3"):
        site.nova.hosts[host].spawn_fails = False
    site.nova.instance = real  # type: ignore[method-assign]
    site.run_until(lambda: recovered(site))
    assert len(site.nova.requests) == 2
    assert_moved(site)
