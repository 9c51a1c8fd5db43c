"""What a turn does about whole hosts, as tables: what was read -> the steps, and what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from novaha.core.model import Action, EvacuationLog, Instance
from novaha.core.planner import plan
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, Failure, OtherRequest, Outcome, Policy
from novaha.core.steps import (
    Act,
    Claim,
    Complete,
    Disable,
    Doubt,
    Evacuate,
    HostReport,
    KeepOut,
    Plan,
    Prepare,
    Progress,
    Step,
)
from novaha.core.view import HostView
from tests.unit.core.situations import (
    ALIVE,
    DEAD,
    FENCED,
    NOW,
    OTHER,
    POLICY,
    SERVICE,
    instance,
    record,
    row,
    view,
)

PENDING, RUNNING, RECOVERED = (
    RecoveryState.PENDING,
    RecoveryState.RUNNING,
    RecoveryState.RECOVERED,
)


class Case(NamedTuple):
    name: str
    steps: list[str]
    known: dict[str, Any]
    says: str = ""


def table(*cases: Case) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def told(step: Step) -> str:
    """A step as the tables write it."""
    match step:
        case Evacuate(instance=i, target=target):
            return f"evacuate {i} to {target}" if target else f"evacuate {i}"
        case Act(instance=i, action=action):
            return f"{action} {i}"
        case Prepare():
            parts = [*sorted(step.marks), *(f"{i}={s}" for i, s in step.before.items())]
            parts += ["force-down"] * step.force_down + ["claim"] * step.claim
            return " ".join(["prepare", *parts])
        case Complete(unmoved=unmoved):
            return " ".join(["complete", *sorted(unmoved)])
        case Doubt(reason=reason):
            return f"doubt: {reason}"
        case KeepOut(reason=reason):
            return f"disable: {reason}"
    return type(step).__name__.lower()


def decided(*views: HostView, **policy: Any) -> Plan:
    return plan(views, replace(POLICY, **policy), NOW)


def check(case: Case) -> None:
    found = decided(view(**case.known))
    assert [told(s) for s in (*found.steps, *found.after_prepare)] == case.steps
    assert all(s.node == DEAD for s in (*found.steps, *found.after_prepare))
    (report,) = found.reports
    known = view(**case.known)
    assert case.says in report.detail
    assert report.record == known.record
    if case.says in ("recovering", "recovered", "preparing"):
        assert report.detail == case.says
    claims = case.steps == ["claim"] or (known.record.state is PENDING and not case.steps)
    assert report.host == (None if claims else DEAD)


def untouched(**changes: Any) -> dict[str, Any]:
    """A host that was flagged, and about which nobody has asked Nova for anything."""
    service = replace(SERVICE, forced_down=False, enabled=True)
    flagged = record(state=PENDING, owner="", marks=frozenset(), before=None)
    return {"record": flagged, "mine": False, "service": service, **changes}


PREPARED = ["prepare forced force-down claim", "evacuate a"]


@table(
    Case("its fencing is confirmed", PREPARED, untouched()),
    Case("Nova knows already", ["prepare claim", "evacuate a"], untouched(service=replace(SERVICE, enabled=True))),
    Case("it was not read yet", ["claim"], untouched(service=None), "fencing confirmed"),
    Case("it was prepared before", ["claim"], untouched(record=record(state=PENDING, before={})), "confirmed"),
    Case("older agents began", ["claim"], untouched(record=record(state=PENDING, before=None, marks=frozenset({"adopted"})))),
    Case("its fencing is not confirmed", [], untouched(fence_confirmed=False), "waiting for Pacemaker"),
    Case("fenced on request already", [], untouched(fence_confirmed=False, fenced_on_request=True), "fenced once more already"),
    Case("fenced on request, still to be confirmed", [], untouched(fence_confirmed=False, fenced_on_request=True), "waiting for Pacemaker to confirm"),
    Case("it is back already", PREPARED, untouched(online_for=1.0)),
    Case("an evacuation failed a moment ago", PREPARED[:1], untouched(failures={"a": Failure(1, NOW - 9.9)})),
    Case("an evacuation failed some time ago", PREPARED, untouched(failures={"a": Failure(1, NOW - 10)})),
    Case("no power was cut", [], untouched(fence_confirmed=False, record=record(state=PENDING, before=None, marks=frozenset({"unproven"}))), "cut no power"),
    Case("it has lived since", [], untouched(fence_confirmed=False, record=record(state=PENDING, before=None, marks=frozenset({"doubted"}))), "in service since"),
    Case("nothing cuts its power", [], untouched(unproven="no device"), "not safe to evacuate: no device"),
    Case("it has a problem", [], untouched(problem="no such host"), "no such host"),
    Case("its record is out of date", ["doubt: it lives"], untouched(doubt="it lives"), "to be fenced again"),
    Case("what was off is noted", ["prepare forced a=stopped force-down claim", "evacuate a"], untouched(instances=(instance(vm_state="stopped"),))),
    Case("what was paused is noted, and reset in the next turn", ["prepare forced a=paused force-down claim"], untouched(instances=(instance(vm_state="paused"),))),
    Case("its list is of a turn before", ["prepare forced force-down claim"], untouched(is_stale=True)),
)  # fmt: skip
def test_law_1_a_flagged_host(case: Case) -> None:
    check(case)


RAN = {"service": replace(SERVICE, enabled=True)}


@table(
    Case("somebody else's", ["claim"], {"mine": False}, "taking over"),
    Case("has a problem", [], {"problem": "Nova is away"}, "Nova is away"),
    Case("not read", [], {"service": None}, "not read yet"),
    Case("out of date", ["doubt: it lives"], {"doubt": "it lives"}, "it lives: to be fenced again"),
    Case("not prepared", ["prepare", "evacuate a"], {"record": record(before=None)}, "preparing"),
    Case("not prepared nor forced down", ["prepare forced force-down", "evacuate a"], {"record": record(before=None), "service": replace(SERVICE, forced_down=False)}, "preparing"),
    Case("prepared, not forced down", ["forcedown"], {"service": replace(SERVICE, forced_down=False)}, "telling Nova"),
    Case("one shows that was not noted", ["prepare a=stopped"], {"instances": (instance(vm_state="stopped"),)}, "preparing"),
    Case("an instance to move", ["evacuate a"], {}, "recovering"),
    Case("by a list of a turn before", [], {"is_stale": True}, "recovering"),
    Case("one to make evacuable", ["reset to error a"], {"record": record(before={"a": "paused"}), "instances": (instance(vm_state="paused"),)}, "recovering"),
    Case("one to make evacuable, by a list of a turn before", [], {"record": record(before={"a": "paused"}), "instances": (instance(vm_state="paused"),), "is_stale": True}),
    Case("one to stop elsewhere, by a list of a turn before", ["stop b"], {"record": record(before={"b": "stopped"}), "instances": (), "is_stale": True, "moved": {"b": instance("b", host=ALIVE)}, "done_since": {"b": 0.0}}),
    Case("enabled still, nothing to ask", ["disable"], {**RAN, "instances": ()}),
    Case("enabled still, requests first", ["evacuate a"], RAN),
    Case("enabled still, a request is out", [], {**RAN, "attempts": {"a": Attempt(Outcome.SENDING, NOW)}}),
    Case("enabled still, all under way", ["disable"], {**RAN, "attempts": {"a": Attempt(Outcome.ACCEPTED, NOW)}}),
    Case("enabled still, out of date", ["doubt: it lives"], {**RAN, "doubt": "it lives"}),
    Case("nothing left", [], {"instances": ()}),
    Case("nothing left, seen twice", ["complete"], {"instances": (), "settled_before": True}),
    Case("nothing left, seen twice, by an old list", [], {"instances": (), "settled_before": True, "is_stale": True}),
    Case("nothing left, requests of a predecessor", [], {"instances": (), "settled_before": True, "quiet_until": NOW + 0.1}),
    Case("nothing left, they cannot come", ["complete"], {"instances": (), "settled_before": True, "quiet_until": NOW}),
    Case("what is refused is named", ["complete a"], {"instances": (instance(vm_state="building"),), "record": record(before={"a": "building"}), "settled_before": True}),
    Case("what is deleted is named", ["complete a"], {"instances": (instance(task_state="deleting"),), "settled_before": True}),
    Case("one moves, seen twice", [], {"moved": {"b": None}, "attempts": {"a": Attempt(Outcome.ACCEPTED, NOW)}, "settled_before": True}),
    Case("what has left is not named", ["complete"], {"instances": (), "moved": {"b": instance("b", host=ALIVE)}, "settled_before": True}),
)  # fmt: skip
def test_a_host_in_recovery(case: Case) -> None:
    check(case)


def home(**changes: Any) -> dict[str, Any]:
    """A recovered host whose nova-compute was seen to run."""
    service = replace(
        SERVICE, up=True, forced_down=False, enabled=False, disabled_reason="novaha: x"
    )
    known = {"record": record(state=RECOVERED), "instances": (), "service": service}
    return {**known, "alive": True, "heartbeat_since_unforce": True, **changes}


FORCED = replace(SERVICE, forced_down=True, enabled=False, disabled_reason="novaha: x")
ENABLED = replace(SERVICE, up=True, forced_down=False, enabled=True)
BY_OPERATOR = replace(ENABLED, enabled=False, disabled_reason="maintenance")
WITHOUT_REASON = replace(BY_OPERATOR, disabled_reason="")
UNMARKED = record(state=RECOVERED, marks=frozenset())
ADOPTED = record(state=RECOVERED, marks=frozenset({"adopted"}))
OLDER_DONE = (row(1, "done"), row(2, "error"))


@table(
    Case("it has a problem", [], home(problem="Nova is away"), "Nova is away"),
    Case("not read", [], home(service=None), "recovered"),
    Case("its nova-compute is not back", [], home(alive=False, service=FORCED), "waiting to hear"),
    Case("it is back", ["unforce"], home(service=FORCED), "returning to service"),
    Case("the operator's force-down", ["enable"], home(record=UNMARKED, service=replace(FORCED)), "returning"),
    Case("the operator's force-down alone", ["drop"], home(record=UNMARKED, service=replace(FORCED, enabled=True)), "back in service"),
    Case("finished evacuations are open", [], home(service=FORCED, migrations=(row(1, "done"),)), "close 1 finished"),
    Case("an older finished one is open", ["restart"], home(service=FORCED, migrations=OLDER_DONE), "close 1 finished"),
    Case("it was restarted for that", [], home(service=FORCED, migrations=OLDER_DONE, restarted=True), "close 1 finished"),
    Case("one of two open ones is the newest", [], home(service=FORCED, migrations=(row(1, "done"), row(2, "done"))), "close 2 finished"),
    Case("not up in Nova yet", [], home(service=replace(BY_OPERATOR, up=False)), "waiting for Nova"),
    Case("up by an old heartbeat", [], home(heartbeat_since_unforce=False), "waiting for Nova"),
    Case("up by an old heartbeat, nothing to enable", ["drop"], home(heartbeat_since_unforce=False, service=ENABLED), "back in service"),
    Case("up, our disable", ["enable"], home(), "returning to service"),
    Case("up, the operator's disable", ["drop"], home(service=BY_OPERATOR), "back in service"),
    Case("up, a disable without reason", ["drop"], home(service=WITHOUT_REASON), "back in service"),
    Case("up, the older agents' disable", ["enable"], home(record=ADOPTED, service=WITHOUT_REASON), "returning"),
    Case("up, a reason, older agents began", ["drop"], home(record=ADOPTED, service=BY_OPERATOR), "back in service"),
    Case("in service", ["drop"], home(service=ENABLED), "back in service"),
    Case("in service, a late answer may come", [], home(service=ENABLED, unanswered_at=NOW - 89.9), "no answer to"),
    Case("in service, no late answer can come", ["drop"], home(service=ENABLED, unanswered_at=NOW - 90), "back in service"),
    Case("what stayed is booted first", ["hard reboot a"], home(instances=(instance(),)), "bringing up what stayed"),
    Case("what stayed is being booted", [], home(instances=(instance(task_state="rebooting"),), others={"a": OtherRequest(Action.HARD_REBOOT, NOW - 9.9)}), "bringing up what stayed"),
    Case("what stayed was not booted", ["hard reboot a"], home(instances=(instance(task_state="rebooting"),), others={"a": OtherRequest(Action.HARD_REBOOT, NOW - 10)})),
    Case("what stayed cannot be helped", ["enable"], home(instances=(instance(vm_state="paused"),)), "returning"),
    Case("out of date", ["drop"], home(doubt="it lives"), "it lives: dropped"),
)  # fmt: skip
def test_laws_4_and_6_a_recovered_host(case: Case) -> None:
    check(case)


def ago(*minutes: float) -> tuple[datetime, ...]:
    """Fencings so many minutes before the record's own."""
    return tuple(FENCED - timedelta(minutes=m) for m in minutes)


FLAPS = replace(POLICY, flap_fencings=3)
INSPECTED = replace(POLICY, return_disabled=True)
SLOW = replace(POLICY, return_after=60.0)
KEPT = replace(BY_OPERATOR, disabled_reason="novaha: kept out, fenced 3 times")
IS_KEPT = record(state=RECOVERED, marks=frozenset({"forced", "kept"}))
NOTE_IT = f"disable: {KEPT.disabled_reason}"
LET_IN = record(state=RECOVERED, marks=frozenset({"forced", "admitted"}))
THRICE = (
    "disable: novaha: kept out, fenced 3 times within 3600 s: "
    "2025-12-31T23:10:00Z 2025-12-31T23:40:00Z 2026-01-01T00:00:00Z"
)
INSPECT = (
    "disable: novaha: kept out, to be looked at by an operator ([evacuator] return = disabled)"
)


class Return(NamedTuple):
    name: str
    policy: Policy
    steps: list[str]
    known: dict[str, Any]
    says: str = ""


@pytest.mark.parametrize(
    "case",
    [
        Return("fenced three times", FLAPS, [THRICE], home(service=FORCED, fencings=ago(0, 50, 20))),
        Return("the first too long ago", FLAPS, ["unforce"], home(service=FORCED, fencings=ago(0, 20, 61))),
        Return("just within the window", FLAPS, [THRICE.replace("23:10", "23:00")], home(service=FORCED, fencings=ago(0, 20, 60))),
        Return("two are the same one", FLAPS, ["unforce"], home(service=FORCED, fencings=ago(0, 20, 20.1))),
        Return("never", POLICY, ["unforce"], home(service=FORCED, fencings=ago(0, 20, 50))),
        Return("Pacemaker has forgotten", FLAPS, ["unforce"], home(service=FORCED)),
        Return("let in before", FLAPS, ["unforce"], home(record=LET_IN, service=FORCED, fencings=ago(0, 20, 50))),
        Return("not back yet", FLAPS, [], home(alive=False, service=FORCED, fencings=ago(0, 20, 50)), "waiting to hear"),
        Return("our disable never came", FLAPS, [THRICE], home(service=replace(FORCED, enabled=True, disabled_reason=""), fencings=ago(0, 20, 50))),
        Return("the operator's disable", FLAPS, ["unforce"], home(service=replace(BY_OPERATOR, forced_down=True), fencings=ago(0, 20, 50))),
        Return("the operator's force-down", FLAPS, ["drop"], home(record=UNMARKED, service=replace(FORCED, enabled=True), fencings=ago(0, 20, 50))),
        Return("the older agents' disable", FLAPS, [THRICE], home(record=ADOPTED, service=WITHOUT_REASON, fencings=ago(0, 20, 50))),
        Return("the operator has enabled it", FLAPS, ["drop"], home(service=ENABLED, fencings=ago(0, 20, 50)), "back in service"),
        Return("kept out, forced down still", FLAPS, ["unforce"], home(record=IS_KEPT, service=replace(KEPT, forced_down=True))),
        Return("kept out", FLAPS, [], home(record=IS_KEPT, service=KEPT), "kept out of service: fenced 3 times; `novaha release compute-1` lets it in"),
        Return("kept out, and flapping by itself is no reason any more", POLICY, [], home(record=IS_KEPT, service=KEPT), "kept out of service"),
        Return("kept out, seen by another process", POLICY, [], home(record=IS_KEPT, service=KEPT, alive=False), "kept out of service"),
        Return("kept out, away again", POLICY, [], home(record=IS_KEPT, service=replace(KEPT, up=False), alive=False), "waiting to hear"),
        Return("kept out, not noted in the record yet", POLICY, [NOTE_IT], home(service=KEPT)),
        Return("kept out, and it died and is back", POLICY, [NOTE_IT], home(service=replace(KEPT, forced_down=True))),
        Return("kept out, what stayed comes up", FLAPS, ["hard reboot a"], home(record=IS_KEPT, service=KEPT, instances=(instance(),)), "bringing up"),
        Return("let in", FLAPS, ["enable"], home(record=LET_IN, service=KEPT), "returning to service"),
        Return("to be inspected", INSPECTED, [INSPECT], home(service=FORCED)),
        Return("inspected", INSPECTED, ["enable"], home(record=LET_IN), "returning to service"),
        Return("flapping comes first", replace(INSPECTED, flap_fencings=1), [THRICE.replace("3 times", "once").replace("2025-12-31T23:10:00Z 2025-12-31T23:40:00Z ", "")], home(service=FORCED, fencings=ago(0))),
        Return("not stable yet", SLOW, [], home(up_for=59.9), "when its nova-compute has been up for 60 s"),
        Return("not up", SLOW, [], home(), "when its nova-compute has been up for 60 s"),
        Return("stable", SLOW, ["enable"], home(up_for=60.0), "returning to service"),
        Return("stable or not, what stayed comes up", SLOW, ["hard reboot a"], home(up_for=1.0, instances=(instance(),)), "bringing up"),
        Return("let in, and not stable yet", SLOW, [], home(record=LET_IN, up_for=1.0)),
        Return("not stable, our disable never came", SLOW, ["disable: novaha: fenced, recovery fence-1"], home(service=replace(FORCED, enabled=True))),
        Return("not stable, the operator's disable", SLOW, ["drop"], home(service=BY_OPERATOR, up_for=1.0)),
    ],
    ids=lambda case: case.name,
)  # fmt: skip
def test_laws_4_and_6_how_a_host_comes_back(case: Return) -> None:
    found = plan([view(**case.known)], case.policy, NOW)
    assert [told(step) for step in found.steps] == case.steps
    assert case.says in found.reports[0].detail


def test_nova_keeps_the_whole_reason() -> None:
    fencings = tuple(FENCED - timedelta(minutes=minutes) for minutes in range(59))
    (step,) = plan([view(**home(service=FORCED, fencings=fencings))], FLAPS, NOW).steps
    assert isinstance(step, KeepOut)
    assert "fenced 59 times" in step.reason
    assert step.reason.endswith("2026-01-01T00:00:00Z")
    assert len(step.reason) <= 255


def of(node: str, *names: str, seconds: int = 0, **changes: Any) -> HostView:
    """Another host in recovery; its instances are called after it."""
    here: tuple[Instance, ...] = tuple(instance(f"{node}/{n}", host=node) for n in names)
    its = replace(
        changes.pop("record", record()), node=node, fenced=FENCED + timedelta(seconds=seconds)
    )
    service = changes.pop("service", replace(SERVICE, host=node))
    return view(**{"record": its, "host": node, "service": service, "instances": here, **changes})


def asked(found: Plan) -> list[str]:
    return [s.instance for s in (*found.steps, *found.after_prepare) if isinstance(s, Evacuate)]


@pytest.mark.parametrize(
    ("limit", "requests", "more"),
    [
        (1, ["compute-1/a"], True),
        (2, ["compute-1/a", "compute-1/b"], True),
        (3, ["compute-1/a", "compute-1/b", "compute-2/a"], False),
        (9, ["compute-1/a", "compute-1/b", "compute-2/a"], False),
    ],
)
def test_law_2_no_more_than_allowed_the_first_fenced_first(
    limit: int, requests: list[str], more: bool
) -> None:
    found = decided(of(ALIVE, "a", seconds=5), of(DEAD, "a", "b"), max_in_flight=limit)
    assert (asked(found), found.over_capacity) == (requests, more)


@pytest.mark.parametrize(("unchanged", "requests"), [(0.0, 1), (29.9, 1), (30.0, 2), (100.0, 2)])
def test_what_stands_still_takes_no_place(unchanged: float, requests: int) -> None:
    moving = {f"{DEAD}/a": Attempt(Outcome.SENDING, NOW)}
    busy = of(DEAD, "a", "b", "c", attempts=moving, unchanged_for={f"{DEAD}/a": unchanged})
    assert len(asked(decided(busy, max_in_flight=2))) == requests


def test_what_did_not_run_comes_last() -> None:
    off = record(before={f"{DEAD}/a": "stopped"})
    assert asked(decided(of(DEAD, "a", "b", record=off), of(ALIVE, "c", seconds=1))) == [
        f"{DEAD}/b",
        f"{ALIVE}/c",
        f"{DEAD}/a",
    ]


UNTOLD = replace(SERVICE, host=OTHER, forced_down=False)


@pytest.mark.parametrize(
    ("name", "owned", "other", "waits"),
    [
        ("another dead host is untold", NOW, {"service": UNTOLD}, True),
        ("for a while only", NOW - 3, {"service": UNTOLD}, False),
        ("nearly so long", NOW - 2.9, {"service": UNTOLD}, True),
        ("all are told", NOW, {}, False),
        ("the other has a problem", NOW, {"service": UNTOLD, "problem": "away"}, False),
        ("the other is not safe", NOW, {"service": UNTOLD, "unproven": "no"}, False),
        ("the other is out of date", NOW, {"service": UNTOLD, "doubt": "it lives"}, False),
        ("the other waits for another fencing", NOW, {"record": record(state=PENDING, marks=frozenset({"doubted"})), "fence_confirmed": False}, False),
        ("the other is somebody else's", NOW, {"service": UNTOLD, "mine": False}, False),
        ("the other is flagged", NOW, {"record": record(state=PENDING), "fence_confirmed": False}, True),
    ],
)  # fmt: skip
def test_requests_wait_a_moment_until_nova_knows_of_all_dead_hosts(
    name: str, owned: float, other: dict[str, Any], waits: bool
) -> None:
    found = decided(of(DEAD, "a", owned_at=owned), of(OTHER, **{"owned_at": 0.0, **other}))
    assert asked(found) == ([] if waits else [f"{DEAD}/a"])
    assert found.over_capacity is waits


def test_what_was_owned_for_long_does_not_wait_for_a_host_that_is_prepared() -> None:
    fresh = of(OTHER, "b", record=record(before=None), service=UNTOLD, owned_at=NOW, seconds=1)
    found = decided(of(DEAD, "a", owned_at=0.0), fresh)
    assert [s.instance for s in found.steps if isinstance(s, Evacuate)] == [f"{DEAD}/a"]
    assert [s.instance for s in found.after_prepare] == [f"{OTHER}/b"]


@pytest.mark.parametrize(
    ("name", "owned", "other", "at_once", "afterwards"),
    [
        ("it is gathering, nothing is prepared", NOW, None, [f"{DEAD}/a"], []),
        ("it is gathering, another is prepared", NOW, {"owned_at": NOW}, [], [f"{DEAD}/a", f"{OTHER}/b"]),
        ("it is gathering, one of long ago is prepared", NOW, {"owned_at": 0.0}, [], [f"{DEAD}/a", f"{OTHER}/b"]),
        ("it is of long ago, another too", 0.0, {"owned_at": 0.0}, [f"{DEAD}/a"], [f"{OTHER}/b"]),
    ],
)  # fmt: skip
def test_law_1_which_requests_follow_the_record(
    name: str, owned: float, other: dict[str, Any] | None, at_once: list[str], afterwards: list[str]
) -> None:
    views = [of(DEAD, "a", owned_at=owned)]
    if other is not None:
        new = record(before=None)
        views.append(of(OTHER, "b", record=new, service=UNTOLD, seconds=1, **other))
    found = decided(*views)
    assert [s.instance for s in found.steps if isinstance(s, Evacuate)] == at_once
    assert [s.instance for s in found.after_prepare] == afterwards


@pytest.mark.parametrize(("untold", "disabled"), [(True, []), (False, [DEAD])])
def test_no_disable_before_nova_knows_of_all_dead_hosts(untold: bool, disabled: list[str]) -> None:
    gathering = of(DEAD, owned_at=NOW, service=replace(SERVICE, enabled=True))
    other = of(OTHER, service=UNTOLD) if untold else of(OTHER)
    found = decided(gathering, other).steps
    assert [s.node for s in found if isinstance(s, Disable)] == disabled


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("out of date", {"doubt": "it lives"}),
        ("flagged", {"record": record(state=PENDING), "fence_confirmed": False}),
        ("recovered", {"record": record(state=RECOVERED), "alive": False}),
        ("in recovery", {}),
        ("with a problem", {"problem": "away"}),
    ],
)
def test_a_host_keeps_none_after_it_waiting(name: str, first: dict[str, Any]) -> None:
    found = decided(of(DEAD, **first), of(OTHER, mine=False, seconds=1))
    assert Claim(OTHER) in found.steps
    assert [r.record.node for r in found.reports] == [DEAD, OTHER]


def test_law_5_a_host_that_stays_open_keeps_no_other_open() -> None:
    on_its_way = of(ALIVE, migrations=(row(1, "accepted", DEAD, instance="x"),), seconds=2)
    found = decided(of(DEAD, settled_before=True), of(OTHER, settled_before=True), on_its_way)
    assert [s.node for s in found.steps if isinstance(s, Complete)] == [OTHER]
    assert found.scope.deferred == {DEAD}


@pytest.mark.parametrize(
    "between",
    [{"record": record(state=RECOVERED), "alive": False}, {"record": record(before=None)}],
    ids=["recovered", "not prepared"],
)
def test_law_5_a_host_of_which_nothing_comes_hides_none_after_it(between: dict[str, Any]) -> None:
    on_its_way = of(ALIVE, migrations=(row(1, "accepted", DEAD, instance="x"),), seconds=2)
    first = of(DEAD, settled_before=True)
    assert decided(first, of(OTHER, seconds=1, **between), on_its_way).scope.deferred == {DEAD}


@pytest.mark.parametrize(("limit", "requests"), [(1, 0), (2, 0), (3, 1), (4, 2), (5, 2)])
def test_law_2_what_moves_on_any_host_counts(limit: int, requests: int) -> None:
    def busy(node: str) -> HostView:
        return of(node, "a", "b", attempts={f"{node}/a": Attempt(Outcome.SENDING, NOW)})

    assert len(asked(decided(busy(DEAD), busy(OTHER), max_in_flight=limit))) == requests


NEVER_BEGUN = {
    "migrations": (row(1, "accepted", None),),
    "logs": {"a": EvacuationLog(untaken=True)},
}


@pytest.mark.parametrize(
    ("name", "unchanged", "moved", "requests"),
    [
        ("nothing moves", {"a": 90.0, "b": 90.0}, {}, ["a"]),
        ("another moves", {"a": 90.0, "b": 89.9}, {}, []),
        ("another moves that has left", {"a": 90.0, "b": 1.0}, {"b": None}, ["a"]),
        ("only what has left stands still", {"a": 1.0, "b": 90.0}, {"b": None}, []),
        ("nothing is known", {}, {}, []),
    ],
)
def test_law_2_what_nobody_has_begun_is_asked_for_when_nothing_moves(
    name: str, unchanged: dict[str, float], moved: dict[str, None], requests: list[str]
) -> None:
    known = {**NEVER_BEGUN, "unchanged_for": unchanged, "moved": moved}
    assert asked(decided(view(**known))) == requests


def test_exactly_what_is_told_of_a_recovered_host() -> None:
    found = decided(view(**home(service=None, instances=(instance(), instance("b", problem="x")))))
    a, b = found.reports[0].instances
    assert found.reports == (HostReport(record(state=RECOVERED), DEAD, "recovered", (a, b)),)
    assert (a.id, a.name, a.progress, a.where) == ("a", "name-a", Progress.REFUSED, DEAD)
    assert (a.detail, b.detail) == ("stays here, active", "cannot be read: x")


ON_ITS_WAY = {"migrations": (row(1, "accepted", DEAD, instance="x"),), "moved": {}}


@pytest.mark.parametrize(
    ("name", "other", "closed"),
    [
        ("nothing comes from the other", {}, True),
        ("one was on its way here", ON_ITS_WAY, False),
        ("one on its way names no destination", {"migrations": (row(1, "accepted", None, instance="x"),)}, False),
        ("that one's log was read", {"migrations": (row(1, "accepted", None, instance="x"),), "logs": {"x": None}}, True),
        ("one was on its way elsewhere", {"migrations": (row(1, "accepted", ALIVE, instance="x"),)}, True),
        ("one has come here", {"migrations": (row(1, "done", DEAD, instance="x"),)}, True),
        ("the other was not prepared", {**ON_ITS_WAY, "record": record(before=None)}, True),
        ("the other is recovered", {**ON_ITS_WAY, "record": record(state=RECOVERED)}, True),
        ("the other is flagged again", {"record": record(state=PENDING), "fence_confirmed": False}, False),
        ("the other is somebody else's", {"mine": False}, False),
        ("the other cannot be read", {"problem": "away"}, False),
        ("that one is settled", {**ON_ITS_WAY, "moved": {"x": None}}, True),
    ],
)  # fmt: skip
def test_law_5_a_host_stays_open_while_something_may_have_been_on_its_way_to_it(
    name: str, other: dict[str, Any], closed: bool
) -> None:
    found = decided(of(DEAD, settled_before=True), of(OTHER, **other))
    assert (Complete(DEAD, {}) in found.steps) is closed
    assert (DEAD in found.scope.ended) is closed
    assert (DEAD in found.scope.deferred) is not closed


NO_ROOM = {
    "instances": (instance(fault="No valid host was found"),),
    "failures": {"a": Failure(1, NOW - 5)},
}


@pytest.mark.parametrize(
    ("name", "known", "released"),
    [
        ("the host is back for long", {"online_for": 300.0}, True),
        ("the host is back, not for long", {"online_for": 299.9}, False),
        ("the host is not back", {"online_for": None}, False),
        ("one still moves", {"online_for": 300.0, "attempts": {"b": Attempt(Outcome.SENDING, NOW)}}, False),
    ],
)  # fmt: skip
def test_what_finds_no_place_is_released_to_the_host_that_is_back(
    name: str, known: dict[str, Any], released: bool
) -> None:
    instances = NO_ROOM["instances"]
    if "attempts" in known:
        instances = (*instances, instance("b"))
    found = decided(view(**{**NO_ROOM, "instances": instances, "settled_before": True, **known}))
    first = found.reports[0].instances[0]
    assert (first.progress is Progress.RELEASED) is released
    assert [s.unmoved.keys() for s in found.steps if isinstance(s, Complete)] == (
        [{"a"}] if released else []
    )
    if released:
        assert "comes up on compute-1 again" in first.detail


@pytest.mark.parametrize(
    ("name", "views", "limit", "resting", "later"),
    [
        ("all is asked for", (of(DEAD, "a"),), 9, {DEAD}, set()),
        ("not all is asked for", (of(DEAD, "a", "b"),), 1, set(), set()),
        ("nothing can be asked for now", (of(DEAD, "a", attempts={f"{DEAD}/a": Attempt(Outcome.SENDING, NOW)}),), 9, {DEAD}, set()),
        ("prepared in this turn", (of(DEAD, "a", record=record(before=None)),), 9, {DEAD}, set()),
        ("all that is left is settled", (of(DEAD, instances=(instance(task_state="deleting"),)),), 9, set(), set()),
        ("nothing is left", (of(DEAD),), 9, set(), set()),
        ("one is made evacuable", (of(DEAD, record=record(before={"a": "paused"}), instances=(instance(vm_state="paused"),)),), 9, set(), set()),
        ("others come next", (of(DEAD, "a"), of(ALIVE, "b", seconds=1), of(OTHER, "c", seconds=2)), 1, {DEAD}, {OTHER}),
    ],
)  # fmt: skip
def test_which_hosts_need_not_be_listed_in_the_next_turn(
    name: str, views: tuple[HostView, ...], limit: int, resting: set[str], later: set[str]
) -> None:
    found = decided(*views, max_in_flight=limit)
    assert (found.scope.resting, found.scope.deferred) == (resting, later)


def test_a_host_that_died_with_its_destination_is_dead_only_when_nova_knows_it() -> None:
    moving = {"migrations": (row(1, "accepted", OTHER),)}
    for told_so, expected in ((True, ["a"]), (False, [])):
        other = of(OTHER, service=replace(SERVICE, host=OTHER, forced_down=told_so), seconds=1)
        assert asked(decided(view(**moving), other)) == expected


def test_steps_come_in_the_order_of_the_fencings_and_names() -> None:
    views = [of(OTHER, mine=False), of(ALIVE, mine=False, seconds=1), of(DEAD, mine=False)]
    assert [s.node for s in decided(*views).steps] == [DEAD, OTHER, ALIVE]
    assert {type(s) for s in decided(*views).steps} == {Claim}
