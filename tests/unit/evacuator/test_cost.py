"""What a recovery asks of Nova: no more than it needs, at any number of instances."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from novaha.core.errors import NotSentError, RecordConflictError
from novaha.core.model import Migration
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from tests.fakes.cluster import Site
from tests.fakes.faults import UNAVAILABLE, Empty, Fault, Late
from tests.fakes.nova import EPOCH
from tests.unit.evacuator.sites import assert_moved, recovered, site_with


def asked(site: Site) -> Counter[str]:
    return Counter(site.nova.calls)


@pytest.mark.parametrize("instances", [50, 200])
def test_half_a_request_for_each_instance_beyond_its_evacuate(instances: int) -> None:
    site = site_with(running=instances)
    site.pass_time(6)
    site.nova.calls.clear()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    calls = asked(site)
    assert calls.pop("evacuate") == instances
    calls.pop("conductor_is_up")  # comes with the services
    assert calls.total() <= instances * 1.5
    assert calls["instance"] == 0


def test_what_a_list_does_not_show_is_asked_for_by_itself() -> None:
    site = site_with(running=8)
    site.nova.faults["instances_changed"] = [Empty()] * 100
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert asked(site)["instance"] == 8


def test_a_first_request_needs_no_reading_of_its_instance_though_it_moved_before() -> None:
    """What an earlier recovery asked for has ended: that one is over."""
    site = site_with(running=4)
    for host in ("compute-1", "compute-2", "compute-3", "compute-1"):
        site.nova.calls.clear()
        site.fence(host)
        site.run_until(lambda host=host: recovered(site, host))
        site.boot(host)
        site.run_until(lambda host=host: site.records.read(host) is None)
    assert site.nova.calls.count("evacuate") >= 1
    assert "instance" not in site.nova.calls[: site.nova.calls.index("evacuate")]


@pytest.mark.parametrize("status", ["accepted", "pre-migrating", "done"])
def test_law_2_what_may_be_on_its_way_is_read_before_the_request(status: str) -> None:
    site = site_with(running=1)
    site.nova.migrations.append(
        Migration(1, "run-0", "compute-1", "compute-2", status, EPOCH - timedelta(days=1))
    )
    site.nova.failed_actions.add("run-0")
    site.fence("compute-1")
    site.run_until(lambda: "evacuate" in site.nova.calls)
    assert "instance" in site.nova.calls[: site.nova.calls.index("evacuate")]


def test_law_2_the_second_request_of_a_recovery_reads_its_instance_first() -> None:
    site = site_with(running=1)
    for host in site.nova.hosts.values():
        host.spawn_fails = host.name != "compute-1"
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.requests) == 2)
    first, second = (n for n, call in enumerate(site.nova.calls) if call == "evacuate")
    assert "instance" not in site.nova.calls[:first]
    assert site.nova.calls[second - 1] == "instance"


def test_nova_is_left_alone_while_all_that_was_asked_for_comes_up() -> None:
    for in_flight, calm in ((64, True), (3, False)):
        site = site_with(running=4, policy=Policy(max_in_flight=in_flight))
        site.pass_time(1)
        site.fence("compute-1")
        assert site.loop is not None
        pause = site.loop.turn()
        assert len(site.nova.requests) == min(4, in_flight)
        assert (pause >= 5.0) is calm


def test_law_5_deleted_ones_in_a_list_are_asked_for() -> None:
    site = site_with(running=8)
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.requests) == 8)
    site.run_until(lambda: all(m.status == "done" for m in site.nova.migrations))
    site.nova.remove("run-3")
    site.run_until(lambda: recovered(site))
    assert "run-3" not in site.nova.instances
    assert_moved(site)


def test_one_turn_from_a_claim_to_the_first_request() -> None:
    site = site_with(running=3)
    site.pass_time(1)
    site.nova.calls.clear()
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    before = site.nova.calls[: site.nova.calls.index("evacuate")]
    assert before == ["services", "instances_on", "evacuations_from", "set_forced_down"]


@pytest.mark.parametrize(("seconds", "readings"), [(1.0, 1), (10.0, 2)])
def test_one_reading_serves_the_claim_and_the_first_requests(seconds: float, readings: int) -> None:
    """And where the writing in between took long, there is another one (law 2)."""
    site = site_with(running=3)
    site.pass_time(1)
    site.nova.calls.clear()
    swap, before = site.records.swap, list[str]()

    def slow(old: Record, new: Record) -> None:
        if old.state is RecoveryState.PENDING:
            before.extend(site.nova.calls)
            site.nova.advance(seconds)
        swap(old, new)

    site.records.swap = slow  # type: ignore[method-assign]
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    assert before == ["services", "instances_on", "evacuations_from"]
    assert site.nova.calls[: site.nova.calls.index("evacuate")] == [
        *before,
        "set_forced_down",
        *before * (readings - 1),
    ]


def test_law_5_a_reading_ahead_that_fails_is_made_up_for() -> None:
    site = site_with(running=3, stopped=1)
    site.nova.faults["instances_on"] = [UNAVAILABLE]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


@pytest.mark.parametrize("fault", [UNAVAILABLE, Late(2.0), NotSentError("force", "refused")])
def test_law_1_no_request_follows_a_force_down_that_nova_did_not_confirm(fault: Fault) -> None:
    site = site_with(running=3)
    site.pass_time(1)
    site.nova.faults["set_forced_down"] = [fault]
    site.fence("compute-1")
    assert site.loop is not None
    site.loop.turn()
    site.loop.turn()
    assert site.nova.calls[-1] == "set_forced_down"
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_law_2_no_more_first_requests_than_there_may_be_under_way() -> None:
    site = site_with(running=9, policy=Policy(max_in_flight=4))
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    assert len(site.nova.requests) == 4


def test_law_6_nova_is_not_touched_before_the_mark_of_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_with(running=3)
    site.pass_time(1)
    swap = site.records.swap

    def conflict_once(old: object, new: object) -> None:
        if new.before is not None:  # type: ignore[attr-defined]
            monkeypatch.setattr(site.records, "swap", swap)
            assert "set_forced_down" not in site.nova.calls
            raise RecordConflictError("compute-1")
        swap(old, new)  # type: ignore[arg-type]

    monkeypatch.setattr(site.records, "swap", conflict_once)
    site.fence("compute-1")
    assert site.loop is not None
    site.loop.turn()
    assert "set_forced_down" not in site.nova.calls
    site.run_until(lambda: recovered(site))
    assert_moved(site)
