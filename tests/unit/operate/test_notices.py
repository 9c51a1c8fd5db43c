"""Notices: one id a fault, from its begin to its end, on whichever controller."""

from __future__ import annotations

from datetime import timedelta

import pytest

from novaha.operate.entries import Entry
from novaha.operate.notices import Faults, Filter, Notice, Severity, Status
from tests.unit.operate.servers import BEGAN


class Story:
    """Events of evacuators, one a second."""

    def __init__(self) -> None:
        self.seconds = 0
        self.numbers: dict[str, int] = {}

    def __call__(self, event: str, node: str = "a", by: str = "w", **data: object) -> Entry:
        self.seconds += 1
        self.numbers[by] = self.numbers.get(by, -1) + 1
        time = BEGAN + timedelta(seconds=self.seconds)
        named = {"node": node} if node else {}
        return Entry(f"{by}.{self.numbers[by]}", time, "c-1", event, {**named, **data})


def follow(faults: Faults, *entries: Entry) -> list[Notice]:
    return [notice for entry in entries for notice in faults.follow(entry)]


def brief(notices: list[Notice]) -> list[tuple[str, str, str]]:
    return [(n.kind, str(n.status), n.severity.name) for n in notices]


def test_the_failure_of_a_host() -> None:
    story = Story()
    faults = Faults()
    told = follow(
        faults,
        story("claimed", fence_id="f", before=""),
        story("requested", instance="i", outcome="accepted", message=""),
        story("recovered", unmoved={"i": "why"}),
        story("returned"),
    )
    assert brief(told) == [
        ("host failure", "firing", "WARNING"),
        ("requested", "event", "DEBUG"),
        ("host failure", "resolved", "WARNING"),
        ("returned", "event", "INFO"),
    ]
    begun, _, over, _ = told
    assert begun.fault == over.fault != ""
    assert (over.began, over.time) == (begun.time, BEGAN + timedelta(seconds=3))
    assert over.summary == "a is recovered; 1 instances were not moved"
    assert len({n.id for n in told}) == 4
    assert faults.open == []


def test_what_needs_an_operator() -> None:
    story = Story()
    faults = Faults()
    told = follow(
        faults,
        story("claimed", fence_id="f", before=""),
        story("attention", code="no-place", text="make room"),
        story("attention", "b", code="no-place", text="make room"),
        story("attention over", code="no-place"),
    )
    assert brief(told[1:]) == [
        ("no-place", "firing", "CRITICAL"),
        ("no-place", "firing", "CRITICAL"),
        ("no-place", "resolved", "CRITICAL"),
    ]
    assert told[1].fault == told[3].fault != told[2].fault
    assert [n.node for n in faults.open] == ["a", "b"], "the host itself, and the other one"


def test_each_recovery_is_a_fault_of_its_own() -> None:
    story = Story()
    faults = Faults()
    rounds = [
        follow(
            faults,
            story("claimed", fence_id=fence_id, before=""),
            story("attention", code="x", text=""),
            story("returned"),
        )
        for fence_id in ("f", "g")
    ]
    for told in rounds:
        assert brief(told)[2:] == [
            ("host failure", "resolved", "WARNING"),
            ("x", "resolved", "CRITICAL"),
            ("returned", "event", "INFO"),
        ], "what is open is over with the host's return"
        assert told[0].fault == told[2].fault
        assert told[1].fault == told[3].fault
    assert {n.fault for n in rounds[0]} & {n.fault for n in rounds[1]} == {""}


def test_what_is_wrong_after_a_recovery_is_none_of_its_faults() -> None:
    story = Story()
    told = follow(
        Faults(),
        story("claimed", fence_id="f", before=""),
        story("attention", code="x", text=""),
        story("returned"),
        story("attention", code="x", text=""),
    )
    assert told[1].fault != told[-1].fault


def test_another_controller_gives_the_same_id() -> None:
    story = Story()
    first, second = Faults(), Faults()
    begun = follow(first, story("claimed", fence_id="f", before=""), story("attention", code="x"))
    again = follow(
        second,
        story("claimed", by="v", fence_id="f", before="w"),
        story("attention", by="v", code="x"),
        story("attention over", by="v", code="x"),
        story("recovered", by="v", unmoved={}),
    )
    assert [n.fault for n in begun] == [n.fault for n in again[:2]]
    assert [n.fault for n in again[2:]] == [begun[1].fault, begun[0].fault]
    assert again[0].id != begun[0].id


def test_what_the_next_evacuator_does_not_tell_is_repeated_no_more() -> None:
    story = Story()
    faults = Faults()
    follow(faults, story("attention", code="x"), story("attention", "b", code="y"))
    follow(faults, story("operator", by="somebody", action="retry", who="root", reason=""))
    assert len(faults.open) == 2, "a command is no evacuator"
    follow(faults, story("attention", "b", by="v", code="y"))
    assert [n.node for n in faults.open] == ["b"]


def test_a_pause() -> None:
    story = Story()
    told = follow(Faults(), story("paused", "", reason="work"), story("resumed", "", reason="work"))
    assert brief(told) == [("paused", "firing", "WARNING"), ("paused", "resolved", "WARNING")]
    assert told[0].fault == told[1].fault
    assert told[0].summary == "fencing is paused: work"


def test_it_goes_on_where_it_was() -> None:
    story = Story()
    entries = [
        story("claimed", fence_id="f", before=""),
        story("attention", code="x", text="\u2028é"),
        story("recovered", unmoved={}),
        story("attention over", code="x"),
        story("returned"),
    ]
    whole = Faults()
    wanted = [whole.follow(entry) for entry in entries]
    stepwise, state = [], ""
    for entry in entries:
        faults = Faults(state)
        stepwise.append(faults.follow(entry))
        state = faults.state()
    assert stepwise == wanted
    assert state == whole.state()


@pytest.mark.parametrize("state", ["", "{}", "nonsense", "[]", '{"open": {"a": {}}}', "3"])
def test_a_state_that_is_none_is_the_beginning(state: str) -> None:
    assert Faults(state).state() == Faults().state()


def test_what_is_told() -> None:
    story = Story()
    faults = Faults()
    notices = follow(
        faults,
        story("claimed", fence_id="f", before=""),
        story("attention", code="x"),
        story("operator", action="retry", who="root", reason=""),
        story("requested", instance="i", outcome="accepted", message=""),
    )

    def told(wanted: Filter) -> list[str]:
        return [n.kind for n in notices if wanted.lets(n)]

    assert told(Filter()) == ["host failure", "x"]
    assert told(Filter(Severity.CRITICAL)) == ["x"]
    assert told(Filter(Severity.INFO)) == ["host failure", "x", "operator"]
    assert told(Filter(Severity.DEBUG)) == ["host failure", "x", "operator", "requested"]
    assert told(Filter(Severity.CRITICAL, frozenset({"requested"}))) == ["requested"]


def test_plain_data() -> None:
    (notice,) = Faults().follow(Story()("claimed", fence_id="f", before=""))
    plain = notice.plain()
    assert (plain["status"], plain["severity"]) == ("firing", "warning")
    assert plain["began"] == plain["time"] == "2026-01-02T03:04:06.000Z"
    assert plain["data"] == {"node": "a", "fence_id": "f", "before": ""}
    assert notice.status is Status.FIRING
