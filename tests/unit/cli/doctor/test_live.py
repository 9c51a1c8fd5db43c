"""What runs and what is online, against what is configured."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from novaha.cli.doctor import live as checks
from novaha.cli.doctor.finding import Check, Verdict
from novaha.cli.doctor.live import LIVE, Running
from novaha.core.record import first_record
from novaha.pacemaker.fencing import FenceEvent
from novaha.pacemaker.live import Failure, Live
from tests.unit.cli.doctor.sites import NODES, cluster, only

DEVICES = ("ipmi-1", "ipmi-2", "ipmi-c", "flag")
ALL_WELL = Live(
    dc=True,
    quorum=True,
    online=dict.fromkeys(NODES, True),
    running={
        "evac": frozenset({"controller-1"}),
        "nc": frozenset({"compute-1", "compute-2"}),
        **{device: frozenset({"controller-1"}) for device in DEVICES},
    },
)
FLAGGED = {"compute-1": first_record("compute-1", "f", datetime(2026, 1, 1, tzinfo=UTC))}


OF_THE_MOMENT = [check for check in LIVE if check.name != "fencings"]


def running(live: Live | None = ALL_WELL, flagged: bool = False, problem: str = "") -> Running:
    return Running(cluster().now, FLAGGED if flagged else {}, live, problem)


@pytest.mark.parametrize("check", LIVE, ids=lambda c: c.name)
def test_a_cluster_that_runs(check: Check[Running]) -> None:
    assert list(check.look(running())) == []


@pytest.mark.parametrize("check", OF_THE_MOMENT, ids=lambda c: c.name)
def test_what_cannot_be_told(check: Check[Running]) -> None:
    found = only(check.look(running(None, problem="crm_mon is ill")), Verdict.NOT_CHECKED)
    assert found.detail == "crm_mon is ill"
    found = only(check.look(running(replace(ALL_WELL, dc=False))), Verdict.NOT_CHECKED)
    assert "DC" in found.detail


def test_no_quorum() -> None:
    only(checks.quorum(running(replace(ALL_WELL, quorum=False))))


def test_an_offline_node_is_named_and_whether_it_is_being_recovered() -> None:
    off = replace(ALL_WELL, online={**ALL_WELL.online, "compute-1": False})
    assert only(checks.online(running(off)), Verdict.WARNING).detail == "it is offline"
    found = only(checks.online(running(off, flagged=True)), Verdict.WARNING)
    assert (found.subject, found.remedy) == ("compute-1", "novaha status")


@pytest.mark.parametrize("resource", ["evac", "ipmi-1", "flag"])
def test_what_runs_nowhere(resource: str) -> None:
    without = {name: nodes for name, nodes in ALL_WELL.running.items() if name != resource}
    found = only(checks.runs(running(replace(ALL_WELL, running=without))))
    assert found.subject == resource
    assert found.remedy.endswith(f"pcs resource cleanup {resource}")


def test_nova_compute_runs_on_every_host_that_is_online_and_not_held() -> None:
    one = {**ALL_WELL.running, "nc": frozenset({"compute-2"})}
    stopped = replace(ALL_WELL, running=one)
    assert only(checks.runs(running(stopped))).subject == "compute-1"
    assert list(checks.runs(running(stopped, flagged=True))) == []
    off = replace(stopped, online={**ALL_WELL.online, "compute-1": False})
    assert list(checks.runs(running(off))) == []


def test_failures_of_ours_with_their_reason() -> None:
    failure = Failure("nc", "compute-1", "start", "recovery of compute-1 is running")
    foreign = Failure("galera", "controller-1", "monitor", "theirs")
    found = only(
        checks.failures(running(replace(ALL_WELL, failures=(failure, foreign)))), Verdict.WARNING
    )
    assert found.detail == "start failed on compute-1: recovery of compute-1 is running"
    assert found.remedy == "pcs resource cleanup nc"


def fencing(status: str, minute: int, node: str = "compute-1") -> FenceEvent:
    return FenceEvent(node, "reboot", status, datetime(2026, 1, 1, 0, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("events", "failed"),
    [
        ([fencing("failed", 1)], True),
        ([fencing("failed", 2), fencing("success", 1)], True),
        ([fencing("success", 2), fencing("failed", 1)], False),
        ([FenceEvent("compute-1", "reboot", "pending", None)], False),
        ([fencing("failed", 1, "gone-1")], False),
    ],
)
def test_only_a_last_fencing_that_failed_is_trouble(events, failed: bool) -> None:
    found = list(checks.fencings(replace(running(), fencings=events)))
    assert bool(found) is failed
    for trouble in found:
        assert trouble.verdict is Verdict.ERROR
        assert trouble.remedy.startswith("stonith_admin --history compute-1")


def test_a_node_without_a_fencer() -> None:
    only(checks.fencings(replace(running(), fencings=None)), Verdict.NOT_CHECKED)
