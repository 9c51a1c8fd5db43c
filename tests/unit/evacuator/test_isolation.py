"""What goes wrong for one host stops no other, directly."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from novaha.core.errors import ClusterToolError, NotSentError
from novaha.core.planner import plan
from novaha.core.record import first_record
from novaha.core.situation import Policy
from novaha.core.steps import Plan
from novaha.core.view import HostView
from novaha.evacuator import isolation

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy()
TOLD = "internal error on {}, see the log; it is tried again"


def view(node: str, **changes: object) -> HostView:
    return replace(HostView(first_record(node, f"f-{node}", WHEN)), **changes)  # type: ignore[arg-type]


ONE, TWO, THREE = view("compute-1"), view("compute-2"), view("compute-3")


def test_what_was_seen() -> None:
    other = view("compute-1", host="hv1")
    assert isolation.seen(ONE, lambda: other) is other


def test_an_error_of_ours_is_the_hosts_problem(caplog: pytest.LogCaptureFixture) -> None:
    def look() -> HostView:
        raise NotSentError("list the instances", "connection refused")

    assert isolation.seen(ONE, look) == replace(
        ONE, problem="list the instances: connection refused"
    )
    assert caplog.records == []


def test_a_mistake_is_named_with_its_place_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def look() -> HostView:
        raise KeyError("x")

    assert isolation.seen(ONE, look) == replace(ONE, problem=TOLD.format("compute-1"))
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert told.getMessage() == "internal error on compute-1"
    assert "in look" in caplog.text


@pytest.mark.parametrize(
    "error", [ClusterToolError(["cibadmin"], 102, ""), KeyboardInterrupt(), SystemExit(1)]
)
def test_what_concerns_all_hosts_is_not_one_hosts(error: BaseException) -> None:
    def look() -> HostView:
        raise error

    with pytest.raises(type(error)):
        isolation.seen(ONE, look)


class Planner:
    """The planner, with a mistake that it meets at some hosts."""

    def __init__(self, *bad: str, together: bool = False) -> None:
        self.bad = set(bad)
        self.together = together
        self.asked: list[tuple[list[str], float, float]] = []

    def __call__(
        self, views: Sequence[HostView], policy: Policy, now: float, room_since: float
    ) -> Plan:
        assert policy is POLICY
        nodes = [v.node for v in views if not v.problem]
        self.asked.append((nodes, now, room_since))
        if self.bad & set(nodes) or (self.together and len(nodes) > 1):
            raise ZeroDivisionError("a mistake")
        return plan(views, policy, now, room_since)


@pytest.mark.parametrize(
    ("bad", "held"),
    [
        ((), ()),
        (("compute-1",), ("compute-1",)),
        (("compute-2",), ("compute-2",)),
        (("compute-1", "compute-3"), ("compute-1", "compute-3")),
        (("compute-1", "compute-2", "compute-3"), ("compute-1", "compute-2", "compute-3")),
    ],
)
def test_a_host_for_which_no_plan_can_be_made_is_held_alone(
    bad: tuple[str, ...], held: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = Planner(*bad)
    monkeypatch.setattr(isolation, "plan", planner)
    views = [ONE, TWO, THREE]
    found, used = isolation.planned(views, POLICY, 7.0, 3.0)
    assert {v.node: v.problem for v in used if v.problem} == {n: TOLD.format(n) for n in held}
    assert [v for v in used if not v.problem] == [v for v in views if v.node not in held]
    assert [v.node for v in used] == ["compute-1", "compute-2", "compute-3"]
    assert found == plan(used, POLICY, 7.0, 3.0)
    assert {times for _, *times in planner.asked for times in [tuple(times)]} == {(7.0, 3.0)}


def test_what_no_single_host_is_the_reason_of_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "plan", Planner(together=True))
    with pytest.raises(ZeroDivisionError) as caught:
        isolation.planned([ONE, TWO], POLICY, 0.0, 0.0)
    assert caught.value.__suppress_context__
    monkeypatch.setattr(isolation, "plan", Planner("compute-1", together=True))
    with pytest.raises(ZeroDivisionError):
        isolation.planned([ONE, TWO, THREE], POLICY, 0.0, 0.0)


def test_of_no_hosts_there_is_a_plan() -> None:
    found, used = isolation.planned([], POLICY, 0.0, 0.0)
    assert (found, used) == (plan([], POLICY, 0.0, 0.0), [])
