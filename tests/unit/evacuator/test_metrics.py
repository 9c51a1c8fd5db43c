"""What is counted and measured of the events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.core import events
from novaha.evacuator import status
from novaha.evacuator.attention import Code
from novaha.evacuator.metrics import BUCKETS, Histogram, Metrics

FENCED = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return FENCED + timedelta(seconds=seconds)


def snapshot(*hosts: Any, **more: Any) -> dict[str, Any]:
    known = {"problem": "", "failing_for": 0.0, "nova_problem": "", "nova_silent_for": 0.0}
    health = status.Health(1, "c-2", "novaha", 2.0, **(known | {"attention": ()} | more))
    return {**status.own(health, (), ()), "hosts": list(hosts)}


def metrics(told: Iterable[tuple[float, events.Event]] = (), fenced: Any = FENCED) -> Metrics:
    found = Metrics(lambda node: fenced)
    for moment, event in told:
        found.take(at(moment), event)
    return found


def samples(found: Metrics, seen: dict[str, Any] | None = None) -> dict[str, float]:
    """Value by name and labels, as Prometheus writes them."""
    data = json.loads(json.dumps(found.data(seen or snapshot(), at(100))))
    return {
        family["name"] + suffix + "".join(f",{k}={v}" for k, v in labels.items()): value
        for family in data["families"]
        for suffix, labels, value in family["samples"]
    }


def test_every_counter_is_born_at_0_for_every_label() -> None:
    seen = samples(metrics())
    counters = {name: value for name, value in seen.items() if "_total" in name}
    assert set(counters.values()) == {0}
    assert {name for name in counters if "requests_total,outcome" in name} == {
        f"novaha_evacuation_requests_total,outcome={one}"
        for one in ("accepted", "unknown", "not sent", "refused")
    }
    assert {f"novaha_attention_events_total,code={code}" for code in Code} <= counters.keys()
    assert seen["novaha_recovery_phase_duration_seconds_count,phase=request"] == 0
    assert seen["novaha_recovery_duration_seconds_bucket,le=+Inf"] == 0


def whole(node: str = "k1") -> list[tuple[float, events.Event]]:
    return [
        (0.5, events.Claimed(node, "f", "")),
        (0.7, events.Requested(node, "i1", "unknown", "time-out")),
        (0.9, events.Requested(node, "i1", "accepted", "")),
        (1.0, events.Requested(node, "i2", "accepted", "")),
        (1.5, events.Requested(node, "i3", "refused", "no")),
        (8.9, events.Settled(node, "i1", "vm", "k2", "active")),
        (31.0, events.Settled(node, "i2", "vm", "k2", "active")),
        (33.0, events.Settled(node, "i4", "vm", "k2", "active")),
        (40.5, events.Recovered(node, {"i3": "refused"})),
        (90.0, events.Returned(node)),
    ]


def test_a_recovery_is_counted_and_measured() -> None:
    seen = samples(metrics(whole()))
    for name, value in {
        "recoveries_claimed_total": 1,
        "recoveries_total": 1,
        "hosts_returned_total": 1,
        "evacuation_requests_total,outcome=accepted": 2,
        "evacuation_requests_total,outcome=refused": 1,
        "instances_settled_total": 3,
        "instances_unmoved_total": 1,
        "recovery_duration_seconds_sum": 40.5,
        "recovery_duration_seconds_bucket,le=30": 0,
        "recovery_duration_seconds_bucket,le=60": 1,
        "recovery_duration_seconds_bucket,le=+Inf": 1,
        "recovery_phase_duration_seconds_sum,phase=claim": 0.5,
        "recovery_phase_duration_seconds_sum,phase=request": 0.4,
        "recovery_phase_duration_seconds_sum,phase=instances": 39.6,
        "instance_evacuation_duration_seconds_count": 2,
        "instance_evacuation_duration_seconds_sum": 38.0,
        "instance_evacuation_duration_seconds_bucket,le=10": 1,
    }.items():
        assert seen[f"novaha_{name}"] == pytest.approx(value), name


def test_of_a_recovery_that_another_has_begun_the_phases_are_not_known() -> None:
    seen = samples(metrics(whole()[-2:]))
    assert seen["novaha_recovery_duration_seconds_count"] == 1
    assert seen["novaha_recovery_phase_duration_seconds_count,phase=claim"] == 0


def test_where_the_flag_is_not_known_nothing_is_measured_from_it() -> None:
    seen = samples(metrics(whole(), fenced=None))
    assert seen["novaha_recovery_duration_seconds_count"] == 0
    assert seen["novaha_recovery_phase_duration_seconds_count,phase=claim"] == 0
    assert seen["novaha_recovery_phase_duration_seconds_count,phase=instances"] == 1


def test_what_else_is_counted() -> None:
    told: list[events.Event] = [
        events.FencingRequested("k1"),
        events.FencingFailed("k1", "no"),
        events.Attention("k1", "no-place", "make room"),
        events.Attention("k1", "a new code", "see"),
        events.Lost(7),
        events.Paused("work"),
    ]
    seen = samples(metrics((0, event) for event in told))
    assert seen["novaha_fencing_requests_total"] == seen["novaha_fencings_failed_total"] == 1
    assert seen["novaha_attention_events_total,code=no-place"] == 1
    assert seen["novaha_attention_events_total,code=a new code"] == 1
    assert seen["novaha_events_lost_total"] == 7


def test_gauges_of_the_moment() -> None:
    host = {"node": "k1", "counts": {"moving": 2, "refused": 1}}
    seen = samples(metrics(), snapshot(host, attention=("x", "y")))
    assert seen["novaha_last_turn_timestamp_seconds"] == at(98).timestamp()
    assert seen["novaha_last_successful_turn_timestamp_seconds"] == at(98).timestamp()
    assert (seen["novaha_nova_up"], seen["novaha_attention"]) == (1, 2)
    assert seen["novaha_host_instances,host=k1,progress=moving"] == 2
    assert seen["novaha_host_instances,host=k1,progress=waiting"] == 0
    silent = samples(metrics(), snapshot(nova_problem="time-out", nova_silent_for=30.0))
    assert silent["novaha_nova_up"] == 0
    assert silent["novaha_last_successful_turn_timestamp_seconds"] == at(68).timestamp()
    fresh = samples(metrics(), snapshot(nova_problem=None))
    assert "novaha_nova_up" not in fresh
    assert fresh["novaha_last_successful_turn_timestamp_seconds"] == 0


def test_a_value_on_a_bound_belongs_below_it_and_a_negative_one_counts_as_0() -> None:
    found = Histogram()
    for seconds in (-5.0, BUCKETS[0], BUCKETS[-1], BUCKETS[-1] + 1):
        found.observe(seconds)
    counts = {labels["le"]: value for _, labels, value in found.samples({}) if "le" in labels}
    assert counts["1"] == 2
    assert counts["3600"] == 3
    assert counts["+Inf"] == 4
    assert found.total == BUCKETS[0] + 2 * BUCKETS[-1] + 1


def test_no_instance_is_a_label() -> None:
    shown = json.dumps(metrics(whole()).data(snapshot(), at(100)))
    assert "i1" not in shown
    assert "k1" not in shown, "a host is one only while it has a record"
