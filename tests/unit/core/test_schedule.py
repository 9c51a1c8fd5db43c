"""Which hosts and instances come first: each part of the schedule by itself, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from novaha.core import schedule
from novaha.core.hosts import Decision, decide
from novaha.core.recovery import RecoveryState
from novaha.core.schedule import Closing
from novaha.core.steps import Complete, Evacuate, KeepOut, Unforce
from novaha.core.view import HostView
from tests.unit.core.situations import (
    ALIVE,
    DEAD,
    NOW,
    OTHER,
    POLICY,
    SERVICE,
    instance,
    overview,
    record,
    row,
    view,
)
from tests.views import changed

ENABLED = replace(SERVICE, enabled=True)
UNTOLD = replace(SERVICE, forced_down=False)


def of(node: str, *names: str, **changes: Any) -> HostView:
    """A host in recovery; its instances are called after it."""
    here = tuple(instance(f"{node}/{name}", host=node) for name in names)
    its = replace(changes.pop("record", record()), node=node)
    service = replace(changes.pop("service", SERVICE), host=node)
    return view(**{"record": its, "host": node, "service": service, "instances": here, **changes})


def decided(views: Sequence[HostView]) -> list[Decision]:
    everywhere = schedule.overview(views, float("-inf"))
    return [decide(host, everywhere, POLICY, NOW) for host in views]


def closed(*views: HostView) -> Closing:
    return schedule.close(views, decided(views), NOW)


def over(node: str, **changes: Any) -> HostView:
    """A host of which nothing is left, in the turn before as well."""
    return of(node, settled_before=True, **changes)


@pytest.mark.parametrize(
    ("unchanged", "moved", "seconds"),
    [
        ([], {}, 0.0),
        ([{}], {}, 0.0),
        ([{"a": 5.0, "b": 7.0}], {}, 5.0),
        ([{"a": 5.0}, {"b": 3.0}], {}, 3.0),
        ([{"a": 5.0}, {"b": 3.0}], {"b": None}, 5.0),
        ([{"b": 3.0}], {"b": None}, 0.0),
    ],
)
def test_for_how_long_nothing_has_moved(
    unchanged: list[dict[str, float]], moved: dict[str, None], seconds: float
) -> None:
    views = [view(unchanged_for=its, moved=moved) for its in unchanged]
    assert schedule.overview(views, 0.0).still_for == seconds


def test_each_host_has_its_decision() -> None:
    views = [of(DEAD), of(OTHER)]
    decisions = decided(views)
    none = schedule.request(views, decisions, POLICY, NOW)
    for wrong in (decisions[:1], [*decisions, decisions[0]]):
        with pytest.raises(ValueError, match="zip"):
            schedule.close(views, wrong, NOW)
        with pytest.raises(ValueError, match="zip"):
            schedule.request(views, wrong, POLICY, NOW)
        with pytest.raises(ValueError, match="zip"):
            schedule.rest(views, wrong, none)


RECOVERED = record(state=RecoveryState.RECOVERED)


@pytest.mark.parametrize(
    ("name", "known", "ends"),
    [
        ("nothing is left", {}, True),
        ("recovered already", {"record": RECOVERED}, False),
        ("flagged again", {"record": record(state=RecoveryState.PENDING)}, False),
        ("in doubt", {"doubt": "it lives"}, False),
        ("one can be asked for", {"instances": (instance(),)}, False),
        ("a predecessor's requests may come", {"quiet_until": NOW + 0.1}, False),
        ("they cannot come any more", {"quiet_until": NOW}, True),
        ("somebody else's", {"mine": False}, False),
        ("it has a problem", {"problem": "Nova is away"}, False),
        ("not prepared", {"record": record(before=None)}, False),
        ("not read", {"service": None}, False),
        ("Nova is not told", {"service": UNTOLD}, False),
    ],
)
def test_law_5_which_host_has_come_to_its_end(name: str, known: dict[str, Any], ends: bool) -> None:
    found = closed(view(**{"instances": (), "settled_before": True, **known}))
    assert found.ended == ({DEAD} if ends else set())
    assert found.complete == ((Complete(DEAD, {}),) if ends else ())
    assert not found.open


def test_law_5_a_host_that_is_not_judged_does_not_end() -> None:
    """Neither one whose instances nobody judged, nor one that is in doubt or recovered."""
    for changes in ({}, {"doubt": "it lives"}, {"record": RECOVERED}):
        host = view(settled_before=True, **changes)
        unjudged = Decision(replace(decided([host])[0].report, instances=()))
        assert schedule.close([host], [unjudged], NOW) == Closing(frozenset(), (), frozenset())
        host = changed(host, instances=())
        ends = not changes
        assert schedule.close([host], [unjudged], NOW).ended == ({DEAD} if ends else set())


ON_ITS_WAY = {"migrations": (row(1, "accepted", DEAD, instance="x"),), "moved": {}}


def test_law_5_no_host_hides_the_end_of_those_after_it() -> None:
    """Whatever the first one is: not recovering, with work left, held open, or not seen twice."""
    last = over("compute-9")
    for first, kind in [
        (of(OTHER, record=RECOVERED, alive=False), "passed over"),
        (of(OTHER, "a"), "has requests"),
        (of(OTHER, quiet_until=NOW + 1), "waits"),
        (of(OTHER, service=UNTOLD), "is not done"),
        (of(OTHER), "not seen twice"),
    ]:
        found = closed(first, last)
        assert found.complete == (Complete("compute-9", {}),), kind
        assert found.ended == ({OTHER, "compute-9"} if kind == "not seen twice" else {"compute-9"})
    on_its_way = of(ALIVE, **ON_ITS_WAY)
    found = closed(over(DEAD), last, on_its_way)
    assert (found.open, found.complete) == ({DEAD}, (Complete("compute-9", {}),))


IS_NOT_TOLD = of(ALIVE, service=UNTOLD)
HAS_REQUESTS = of(OTHER, "a", service=ENABLED)
HAS_JUST_BEGUN = of("compute-8", service=ENABLED, owned_at=NOW)


@pytest.mark.parametrize(
    ("others", "disabled"),
    [
        ([], [DEAD]),
        ([HAS_REQUESTS], [DEAD]),
        ([HAS_JUST_BEGUN], [DEAD, "compute-8"]),
        ([IS_NOT_TOLD], [DEAD]),
        ([IS_NOT_TOLD, HAS_JUST_BEGUN], [DEAD]),
        ([IS_NOT_TOLD, HAS_REQUESTS], [DEAD]),
        ([IS_NOT_TOLD, HAS_REQUESTS, HAS_JUST_BEGUN], [DEAD]),
    ],
)
def test_which_services_are_disabled_now(others: list[HostView], disabled: list[str]) -> None:
    views = [of(DEAD, service=ENABLED), *others]
    requests = schedule.request(views, decided(views), POLICY, NOW)
    assert [step.node for step in schedule.disable(views, requests, NOW)] == disabled


@pytest.mark.parametrize(
    ("name", "known", "rests"),
    [
        ("all of it was asked for", {}, True),
        ("in doubt", {"doubt": "it lives"}, False),
        ("flagged", {"record": record(state=RecoveryState.PENDING)}, False),
        ("recovered", {"record": RECOVERED}, False),
    ],
)
def test_which_host_rests(name: str, known: dict[str, Any], rests: bool) -> None:
    """By the same decision: that of a host with one instance to ask for."""
    decision = decided([view()])
    requests = schedule.request([view()], decision, POLICY, NOW)
    assert [evacuate.instance for evacuate in requests.asked] == ["a"]
    assert schedule.rest([view(**known)], decision, requests) == ({DEAD} if rests else set())


@pytest.mark.parametrize(
    ("unchanged", "places"),
    [({}, 0), ({"b": 0.4}, 0), ({"b": 0.5}, 1), ({"a": 0.5}, 0)],
)
def test_only_what_has_not_stood_still_takes_a_place(
    unchanged: dict[str, float], places: int
) -> None:
    """One moves, one could be asked for; an evacuation counts as still after half a second."""
    busy = view(
        instances=(instance(), instance("b", task_state="rebuilding")), unchanged_for=unchanged
    )
    hasty = replace(POLICY, lost_after=0.5, max_in_flight=1)
    found = schedule.request([busy], [decide(busy, overview(), hasty, NOW)], hasty, NOW)
    assert [evacuate.instance for evacuate in found.asked] == ["a"] * places
    assert isinstance(found.now[0], Evacuate) if places else not found.now


@pytest.mark.parametrize(
    ("enabled", "after", "kept"),
    [
        (True, 0.0, False),
        (True, 0.5, True),
        (True, 60.0, True),
        (False, 60.0, False),
        (False, 0.0, False),
    ],
)
def test_a_host_that_our_disable_never_reached_is_not_let_up_before_it_is_disabled(
    enabled: bool, after: float, kept: bool
) -> None:
    back = view(
        record=RECOVERED, alive=True, instances=(), service=replace(SERVICE, enabled=enabled)
    )
    slow = replace(POLICY, return_after=after)
    (step,) = decide(back, overview(), slow, NOW).steps
    reason = "novaha: fenced, recovery fence-1"
    assert step == (KeepOut(DEAD, reason) if kept else Unforce(DEAD))
