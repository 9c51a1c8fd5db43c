"""What a turn has to read of Nova, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from novaha.core.model import newest
from novaha.core.reading import all_just_begun, matters, may_wait
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.steps import HostReport, InstanceReport, Progress
from tests.unit.core.situations import DEAD, NOW, SERVICE, record, row, view

UNTOLD = {"service": replace(SERVICE, forced_down=False)}
NOT_PREPARED = {"record": record(before=None)}

FLAGGED = record(state=RecoveryState.PENDING, node="flagged")
NEW = record(node="new")
NEW_UNPREPARED = replace(NEW, before=None)
OLD = record(node="old")
OLD_UNPREPARED = replace(OLD, before=None)
OVER = record(state=RecoveryState.RECOVERED, node="over")
OVER_UNPREPARED = replace(OVER, before=None)


@pytest.mark.parametrize(
    ("records", "begun"),
    [
        ([], False),
        ([FLAGGED], True),
        ([NEW], False),
        ([NEW_UNPREPARED], True),
        ([NEW, FLAGGED], True),
        ([OLD], False),
        ([OLD_UNPREPARED], False),
        ([OLD, FLAGGED], False),
        ([OLD, NEW_UNPREPARED], False),
        ([OVER], False),
        ([OVER, FLAGGED], True),
        ([OVER_UNPREPARED], True),
    ],
)
def test_whether_all_recoveries_have_just_begun(records: list[Record], begun: bool) -> None:
    """A recovery has for three seconds; only those that are running have a beginning."""
    owned_at = {"new": NOW - 2.9, "old": NOW - 3}
    assert all_just_begun(records, owned_at, NOW) is begun


@pytest.mark.parametrize(
    ("known", "waits", "counts"),
    [
        ({}, True, True),
        ({"service": None}, False, False),
        (UNTOLD, False, False),
        (NOT_PREPARED, False, True),
        ({**NOT_PREPARED, **UNTOLD}, False, True),
        ({"problem": "Nova is away"}, False, False),
        ({"mine": False}, False, False),
        ({"doubt": "it lives"}, True, False),
        ({"record": record(state=RecoveryState.PENDING)}, False, False),
        ({"record": record(state=RecoveryState.RECOVERED)}, False, False),
    ],
)
def test_which_hosts_are_listed_now(known: dict[str, Any], waits: bool, counts: bool) -> None:
    """counts: whether its list matters now. waits: whether nothing is asked for before the other
    hosts are forced down."""
    assert may_wait(view(**known)) is waits
    assert matters(view(**known)) is counts


def test_the_newest_evacuation_of_each_instance_is_that_with_the_highest_number() -> None:
    rows = [row(2, "done"), row(1, "error"), row(5, "error", instance="b"), row(3, "accepted")]
    for order in (rows, rows[::-1]):
        assert newest(order) == {"a": rows[3], "b": rows[2]}
    assert newest([]) == {}


def test_how_many_instances_need_nothing_more() -> None:
    states = [*Progress, Progress.SETTLED]
    instances = tuple(InstanceReport(f"{n}", "", state) for n, state in enumerate(states))
    assert HostReport(record(), DEAD, "", instances).settled == 5
    assert HostReport(record(), DEAD, "").settled == 0
