"""Recovery records, and the older agents' flags."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from novaha.cli.doctor import records as checks
from novaha.cli.doctor.finding import Check, Verdict
from novaha.cli.doctor.records import RECORDS, Recoveries
from novaha.core.errors import RecordError
from novaha.core.record import first_record
from novaha.core.recovery import Event
from tests.unit.cli.doctor.sites import only

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PENDING = first_record("compute-1", "f", NOW - timedelta(seconds=20))
RUNNING = PENDING.after(Event.CLAIM, owner="controller-1#a")
HEALTH = {"turn_age": 2.0, "problem": "", "nova": {"ok": True, "problem": ""}}
CALM = Recoveries({}, frozenset({"compute-1"}), NOW, health=HEALTH)


@pytest.mark.parametrize("check", RECORDS, ids=lambda c: c.name)
def test_nothing_to_recover(check: Check[Recoveries]) -> None:
    assert list(check.look(CALM)) == []


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (PENDING, "in recovery"),
        (RUNNING, "in recovery"),
        (RUNNING.after(Event.COMPLETE), "not back in service yet"),
        (
            RUNNING.after(Event.COMPLETE).keep_out().after(Event.RELEASE),
            "not back in service yet",
        ),
    ],
)
def test_a_recovery_that_goes_on(record, says: str) -> None:
    found = only(checks.records(replace(CALM, records={"compute-1": record})), Verdict.WARNING)
    assert says in found.detail
    assert found.remedy == "novaha status"


def test_a_host_that_is_kept_out_is_told_with_what_lets_it_in() -> None:
    kept = RUNNING.after(Event.COMPLETE).keep_out()
    found = only(checks.records(replace(CALM, records={"compute-1": kept})), Verdict.WARNING)
    assert "back, and kept out of service until an operator lets it in" in found.detail
    assert found.remedy.splitlines()[-1] == "novaha release compute-1"


def test_a_host_that_waits_for_long_with_nobody_working_on_it() -> None:
    old = replace(PENDING, fenced=NOW - timedelta(minutes=6))
    found = only(checks.records(replace(CALM, records={"compute-1": old})))
    assert "no evacuator has claimed it" in found.detail
    claimed = replace(RUNNING, fenced=NOW - timedelta(hours=2))
    only(checks.records(replace(CALM, records={"compute-1": claimed})), Verdict.WARNING)


def test_law_1_a_fencing_that_proves_nothing_is_named_so() -> None:
    unproven = first_record("compute-1", "f", NOW, unproven=True)
    found = only(checks.records(replace(CALM, records={"compute-1": unproven})), Verdict.WARNING)
    assert found.detail.startswith("fenced without a power device")


def test_a_record_that_makes_no_sense() -> None:
    nonsense = RecordError("compute-1", "attribute novaha-fenced is missing")
    found = only(checks.records(replace(CALM, records={"compute-1": nonsense})))
    assert found.remedy == "novaha retry compute-1"


def test_a_record_of_a_node_that_is_gone() -> None:
    found = only(
        checks.nodes(replace(CALM, records={"compute-1": PENDING}, nodes=frozenset())),
        Verdict.WARNING,
    )
    assert found.remedy == "crm_node --force --remove compute-1"


def test_a_flag_of_the_older_agents() -> None:
    for value in ("yes", "compute-1@1700000000"):
        found = only(checks.older(replace(CALM, older={"compute-1": value})))
        assert found.subject == "compute-1"
        assert "pcs stonith fence compute-1" in found.remedy
    assert list(checks.older(replace(CALM, older={"compute-1": "no"}))) == []
    known = replace(CALM, older={"compute-1": "yes"}, records={"compute-1": PENDING})
    assert list(checks.older(known)) == []


def test_flags_that_cannot_be_read() -> None:
    silent = replace(CALM, older=None, older_problem="no connection")
    assert only(checks.older(silent), Verdict.NOT_CHECKED).detail == "no connection"


@pytest.mark.parametrize(
    ("health", "says"),
    [
        ({"turn_age": 181.0}, "not turned for 181 s"),
        ({"problem": "cibadmin exited with 102"}, "cibadmin exited with 102"),
        ({"nova": {"ok": False, "problem": "sign in: refused"}}, "sign in: refused"),
    ],
)
def test_an_evacuator_that_gets_nowhere(health: dict[str, object], says: str) -> None:
    found = only(checks.evacuator(replace(CALM, health={**HEALTH, **health})))
    assert says in found.detail
    assert "nova-evacuate.log" in found.remedy


def test_an_evacuator_that_has_not_asked_nova_yet_is_well() -> None:
    young = {**HEALTH, "nova": {"ok": None, "problem": ""}}
    found = only(checks.evacuator(replace(CALM, health=young)), Verdict.NOT_CHECKED)
    assert "has not asked Nova yet" in found.detail


def test_an_evacuator_that_is_elsewhere_or_silent() -> None:
    only(checks.evacuator(replace(CALM, health=None)), Verdict.NOT_CHECKED)
    silent = replace(CALM, health=None, health_problem="the evacuator does not answer")
    assert only(checks.evacuator(silent)).detail == "the evacuator does not answer"
