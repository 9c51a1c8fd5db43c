"""What a recovery asks of Nova: no more than it needs, at any number of instances."""

from __future__ import annotations

from collections import Counter

import pytest

from novaha.core.errors import RecordConflictError
from tests.fakes.cluster import Site
from tests.fakes.faults import Empty
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
    site.nova.faults["instances_changed"] = [Empty()]
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert asked(site)["instance"] == 8


def test_law_5_deleted_ones_in_a_list_are_asked_for() -> None:
    site = site_with(running=8)
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.requests) == 8)
    site.run_until(lambda: all(m.status == "done" for m in site.nova.migrations))
    site.nova.remove("run-3")
    site.run_until(lambda: recovered(site))
    assert "run-3" not in site.nova.instances
    assert_moved(site)


def test_two_turns_from_a_claim_to_the_first_request() -> None:
    site = site_with(running=3)
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    before = site.nova.calls[: site.nova.calls.index("evacuate")]
    assert before.index("set_forced_down") > before.index("instances_on")
    calls = Counter(before)
    assert calls["instances_on"] == 1
    # Law 1: that the host is forced down is read from Nova, after the list.
    assert before[before.index("set_forced_down") :].count("services") == 1
    assert before[before.index("set_forced_down") :].count("evacuations_from") == 1


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
    site.loop.turn()
    assert "set_forced_down" not in site.nova.calls
    site.run_until(lambda: recovered(site))
    assert_moved(site)
