"""Many hosts at once, on a cluster that is slow to write and a Nova that is slow to answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from tests.fakes.cluster import Site
from tests.fakes.faults import UNAVAILABLE, Late
from tests.unit.evacuator.sites import recovered

RACK = [f"compute-{number}" for number in range(1, 21)]
WRITE = 1.0
"""Seconds that a change of the CIB takes."""


@pytest.fixture
def site() -> Site:
    """A rack of hosts with two instances each, and others; every write takes its time."""
    site = Site(hosts=len(RACK) + 3)
    for host in RACK:
        for number in range(2):
            site.nova.add_instance(f"run-{host}-{number}", host)
    swap = site.records.swap

    def slow(old: Record, new: Record) -> None:
        site.nova.advance(WRITE)
        swap(old, new)

    site.records.swap = slow  # type: ignore[method-assign]
    return site


def test_the_first_instances_do_not_wait_for_the_last_hosts_record(site: Site) -> None:
    for host in RACK:
        site.fence(host)
    site.run_until(lambda: bool(site.nova.requests))
    assert site.nova.requests[0][0] < len(RACK) * WRITE / 2
    site.run_until(lambda: all(recovered(site, host) for host in RACK))
    assert len(site.nova.requests) == 2 * len(RACK)
    assert not any(site.nova.hosts[host].enabled for host in RACK)


def three_with_an_instance() -> Site:
    """Three hosts that are to die, two others, and no request so far."""
    site = Site(hosts=5)
    for host in RACK[:3]:
        site.nova.add_instance(f"run-{host}", host)
    site.pass_time(1)
    site.nova.calls.clear()
    return site


@pytest.mark.parametrize("later", [0.0, 1.5])
def test_nova_knows_of_every_dead_host_before_it_is_asked_to_choose_one(later: float) -> None:
    """It would choose one of the dead, where the request waits until that host is back."""
    site = three_with_an_instance()
    for host in RACK[:3]:
        site.fence(host, confirmed=host == RACK[0])
    site.pass_time(later)
    for host in RACK[1:3]:
        site.confirm(host)
    site.run_until(lambda: bool(site.nova.requests))
    before = site.nova.calls[: site.nova.calls.index("evacuate")]
    assert before.count("set_forced_down") == 3
    site.run_until(lambda: all(recovered(site, host) for host in RACK[:3]))


def test_law_1_no_request_goes_out_beside_a_force_down_that_failed() -> None:
    site = Site(hosts=5)
    for host in RACK[:2]:
        site.nova.add_instance(f"run-{host}", host)
    tell, told = site.nova.set_forced_down, list[str]()

    def fails_once(service, forced_down: bool) -> None:
        assert not site.nova.requests
        told.append(service.host)
        if told == RACK[:2]:
            site.nova.faults["set_forced_down"] = [UNAVAILABLE]
        tell(service, forced_down)

    site.nova.set_forced_down = fails_once  # type: ignore[method-assign]
    for host in RACK[:2]:
        site.fence(host)
    site.run_until(lambda: all(recovered(site, host) for host in RACK[:2]))
    assert told == [*RACK[:2], RACK[1]]
    assert len(site.nova.requests) == 2


def test_the_first_requests_of_several_hosts_follow_in_one_turn() -> None:
    site = three_with_an_instance()
    for host in RACK[:3]:
        site.fence(host)
    site.run_until(lambda: bool(site.nova.requests))
    before = site.nova.calls[: site.nova.calls.index("evacuate")]
    assert before.count("instances_on") == 3
    assert len(site.nova.requests) == 3


def test_the_first_requests_need_no_second_reading() -> None:
    """Nothing was asked for since the hosts were read, a moment ago."""
    site = three_with_an_instance()
    for host in RACK[:3]:
        site.fence(host, confirmed=False)
    assert site.loop is not None
    for host in RACK[:3]:
        site.nova.advance(0.5)
        site.confirm(host)
        site.loop.turn([host])
    assert {instance for _, instance in site.nova.requests} == {f"run-{h}" for h in RACK[:3]}
    before = site.nova.calls[: site.nova.calls.index("evacuate")]
    assert before.count("instances_on") == before.count("evacuations_from") == 3


def test_nova_is_read_for_the_next_host_while_a_turn_is_under_way() -> None:
    site = three_with_an_instance()
    loop = site.loop
    assert loop is not None
    swap, seen = site.records.swap, list[str]()

    def ring_meanwhile(old: Record, new: Record) -> None:
        if old.node == RACK[0] and not seen:
            site.fence(RACK[1])
            site.nova.calls.clear()
            loop.wakeup.wake(RACK[1])
            seen.extend(site.nova.calls)
        swap(old, new)

    site.records.swap = ring_meanwhile  # type: ignore[method-assign]
    site.fence(RACK[0])
    loop.turn([RACK[0]])
    assert seen == ["services", "instances_on", "evacuations_from"]
    loop.turn(loop.wakeup.drain())
    assert site.nova.calls.count("instances_on") == 1
    assert {instance for _, instance in site.nova.requests} >= {f"run-{RACK[1]}"}


def test_who_was_told_first_does_not_wait_longer_than_who_was_told_last() -> None:
    """Where it has been too long since it was read, it is read at once."""
    site = three_with_an_instance()
    swap = site.records.swap

    def slow(old: Record, new: Record) -> None:
        site.nova.advance(1.0 if old.node == RACK[0] else 0.0)
        swap(old, new)

    site.records.swap = slow  # type: ignore[method-assign]
    for host in RACK[:3]:
        site.fence(host, confirmed=False)
    assert site.loop is not None
    site.confirm(RACK[0])
    site.loop.turn([RACK[0]])
    site.nova.advance(2.5)
    for host in RACK[1:3]:
        site.confirm(host)
    assert site.loop.turn(RACK[1:3]) == 0.0
    assert {instance for _, instance in site.nova.requests} == {f"run-{h}" for h in RACK[1:3]}
    site.loop.turn()
    assert {instance for _, instance in site.nova.requests} == {f"run-{h}" for h in RACK[:3]}


def test_different_hosts_are_written_about_side_by_side() -> None:
    """Each of two writes waits for the other."""
    with ThreadPoolExecutor(4) as pool:
        site = Site(hosts=4, pools=(pool, pool))
        swap, together = site.records.swap, threading.Barrier(2, timeout=20)

        def meet(old: Record, new: Record) -> None:
            if old.state is RecoveryState.PENDING:
                together.wait()
            swap(old, new)

        site.records.swap = meet  # type: ignore[method-assign]
        for host in RACK[:2]:
            site.fence(host)
        assert site.loop is not None
        site.loop.turn()
    assert not together.broken
    records = [site.records.read(host) for host in RACK[:2]]
    assert all(r is not None and r.state is RecoveryState.RUNNING for r in records)


def test_what_ran_is_asked_for_before_what_was_shut_off() -> None:
    site = Site(hosts=3, policy=Policy(max_in_flight=1))
    site.nova.add_instance("a-shut-off-one", RACK[0], "stopped")
    site.nova.add_instance("b-running-one", RACK[0])
    site.fence(RACK[0])
    site.run_until(lambda: recovered(site, RACK[0]))
    assert [instance for _, instance in site.nova.requests] == ["b-running-one", "a-shut-off-one"]


def test_a_fencing_that_takes_its_time_is_not_waited_for() -> None:
    site = Site(hosts=5)
    site.nova.add_instance("run-1", RACK[0])
    site.fence(RACK[0])
    site.fence(RACK[1], confirmed=False)
    site.pass_time(6)
    assert [instance for _, instance in site.nova.requests] == ["run-1"]


def test_what_is_begun_is_brought_to_its_end_before_more_is_begun(site: Site) -> None:
    events: list[str] = []
    swap, disable = site.records.swap, site.nova.disable

    def swapped(old: Record, new: Record) -> None:
        swap(old, new)
        events.append(f"{old.state} to {new.state}")

    def disabled(service, reason: str) -> None:
        disable(service, reason)
        events.append("disabled")

    site.records.swap = swapped  # type: ignore[method-assign]
    site.nova.disable = disabled  # type: ignore[method-assign]
    # While evacuations begin, no host is closed: one may be on its way there.
    for instance, (host, _) in site.where().items():
        if host not in sorted(RACK)[:4]:
            site.nova.remove(instance)
    for host in RACK:
        site.fence(host)
    site.run_until(lambda: all(recovered(site, host) for host in RACK))
    last_claim = max(i for i, event in enumerate(events) if event == "pending to running")
    before = events[:last_claim]
    assert before.count("disabled") >= len(RACK) / 2
    assert before.count("running to recovered") > 0


def test_a_host_with_which_nothing_succeeds_keeps_nobody_waiting(site: Site) -> None:
    unanswered = site.nova.set_forced_down

    def never(service, forced_down: bool) -> None:
        if service.host == RACK[0]:
            site.nova.advance(30)
            site.nova.faults["set_forced_down"] = [Late(1e9)]
        unanswered(service, forced_down)

    site.nova.set_forced_down = never  # type: ignore[method-assign]
    for host in RACK:
        site.fence(host)
    site.run_until(lambda: all(recovered(site, host) for host in RACK[1:]), 1800)
    assert not recovered(site, RACK[0])
