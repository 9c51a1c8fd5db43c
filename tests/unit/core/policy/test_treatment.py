"""What the gate makes of the policy: who waits, who never moves, and what is noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from novaha.core import gate
from novaha.core.answers import Code, Go, Never, Wait
from novaha.core.case import Case
from novaha.core.instances import Judge
from novaha.core.policy.match import Condition, Key
from novaha.core.policy.rules import Rule, Rules, Treatment
from novaha.core.policy.traits import Traits
from novaha.core.situation import Overview
from novaha.core.steps import FINAL, Progress
from novaha.core.treatment import to_be_stopped
from tests.unit.core.situations import ALIVE, NOW, POLICY, instance, record, row, view

ZONE = (Condition(Key.ZONE, ("az1",)),)
UNKNOWN = Rule("zone", 3, ZONE, treatment=Treatment.LEAVE)
FROM_VOLUME = Traits(image="", local_disk=False)


def answer(rules: Rules | None, state: dict[str, Any] | None = None, **known: Any) -> Any:
    server = instance(traits=FROM_VOLUME, **(state or {}))
    host = view(instances=(server,), **known)
    overview = Overview(frozenset({host.host or ""}), NOW - 500, 0.0)
    facts = gate.facts(host, overview, replace(POLICY, rules=rules), NOW)
    return gate.may_evacuate(Case(facts, server))


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        (None, Go()),
        (Rules(), Go()),
        (Rules(default=Treatment.LEAVE), Never(Code.POLICY_LEAVES, {"rule": ""})),
        (Rules(default=Treatment.NOTIFY), Never(Code.POLICY_NOTIFIES, {"rule": ""})),
        (Rules((UNKNOWN,)), Wait(Code.POLICY_UNREAD, {"rule": "zone", "text": "zone"})),
        (Rules(unusable="broken"), Wait(Code.POLICY_UNREAD, {"rule": "", "text": "broken"})),
    ],
)
def test_the_gate_asks_the_policy(rules: Rules | None, wanted: Any) -> None:
    assert answer(rules) == wanted


LEAVE = Rules(default=Treatment.LEAVE)


@pytest.mark.parametrize(
    ("state", "known", "code"),
    [
        ({"task_state": "deleting"}, {}, Code.BEING_DELETED),
        ({"problem": "no row"}, {}, Code.UNREADABLE),
        ({}, {"migrations": (row(1, "pre-migrating"),)}, Code.UNDER_WAY),
        ({}, {"quiet_until": NOW + 5}, Code.PREDECESSOR),
        (
            {"vm_state": "building"},
            {"record": record(before={"a": "building"})},
            Code.POLICY_LEAVES,
        ),
        ({}, {}, Code.POLICY_LEAVES),
        ({}, {"migrations": (row(1, "error", None),)}, Code.POLICY_LEAVES),
    ],
)
def test_what_comes_before_the_policy(
    state: dict[str, Any], known: dict[str, Any], code: Code
) -> None:
    assert answer(LEAVE, state, **known).code is code


def test_an_instance_that_may_run_elsewhere_goes_there_whatever_the_policy_says() -> None:
    """Left here, it would start here, too, when its host is back (law 2)."""
    assert answer(LEAVE, receivers={"a": ALIVE}) == Go(ALIVE)
    assert answer(LEAVE, migrations=(row(1, "error"),)) == Go(ALIVE)


@pytest.mark.parametrize("treatment", [Treatment.LEAVE, Treatment.NOTIFY])
def test_what_stays_is_settled(treatment: Treatment) -> None:
    server = instance(traits=FROM_VOLUME)
    host = view(instances=(server,))
    policy = replace(POLICY, rules=Rules(default=treatment))
    judged = Judge(host, Overview(frozenset(), NOW, 0.0), policy, NOW).on_host(server)
    assert judged.report.progress is Progress.EXCLUDED
    assert judged.report.progress in FINAL
    assert judged.step is None


STOP = Rules(default=Treatment.STOPPED)


@pytest.mark.parametrize(
    ("rules", "known", "wanted"),
    [
        (None, {}, {}),
        (Rules(), {}, {}),
        (STOP, {}, {"a": "stopped"}),
        (STOP, {"record": record(before={"a": "stopped"})}, {}),
        (STOP, {"record": record(before={"a": "paused"})}, {"a": "stopped"}),
        (STOP, {"migrations": (row(1, "error"),)}, {}),
        (Rules((UNKNOWN,), default=Treatment.STOPPED), {}, {}),
    ],
)
def test_what_is_to_be_shut_off_is_noted(
    rules: Rules | None, known: dict[str, Any], wanted: dict[str, str]
) -> None:
    assert to_be_stopped(view(instances=(instance(traits=FROM_VOLUME),), **known), rules) == wanted


def test_it_is_noted_before_anything_is_asked_for() -> None:
    assert answer(STOP) == Wait(Code.STATES_NOT_NOTED)
    assert answer(STOP, record=record(before={"a": "stopped"})) == Go()
