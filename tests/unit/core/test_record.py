"""The record's codec: what was written is what is read, and nonsense is an error."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core import record as names
from novaha.core.errors import RecordError, TransitionError
from novaha.core.record import Record, first_record, from_attributes, to_attributes
from novaha.core.recovery import Event, RecoveryState

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
records = st.builds(
    Record,
    node=tokens,
    state=st.sampled_from([s for s in RecoveryState if s is not RecoveryState.ABSENT]),
    fence_id=st.uuids().map(str),
    fenced=st.just(WHEN),
    owner=st.one_of(st.just(""), tokens),
    marks=st.frozensets(tokens),
    before=st.one_of(
        st.none(), st.dictionaries(st.uuids().map(str), st.sampled_from(["stopped", "paused"]))
    ),
)


@given(records)
def test_what_is_written_is_what_is_read(record: Record) -> None:
    assert from_attributes(record.node, to_attributes(record)) == record


def test_the_attributes_are_those_of_the_design() -> None:
    record = first_record("compute-1", "some-id", WHEN)
    assert to_attributes(record) == {
        "novaha-recovery": "pending",
        "novaha-hold": "true",
        "novaha-fence-id": "some-id",
        "novaha-fenced": "2026-01-02T03:04:05Z",
    }
    assert names.set_id("compute-1") == "novaha-compute-1"
    assert names.attribute_id("compute-1", names.STATE) == "novaha-compute-1-state"


@pytest.mark.parametrize(
    "change",
    [
        {"novaha-recovery": "nonsense"},
        {"novaha-recovery": "absent"},
        {"novaha-fenced": "yesterday"},
        {"novaha-before": "stopped"},
        {"novaha-fence-id": None},
    ],
)
def test_nonsense_is_an_error_that_names_the_node(change: dict[str, str | None]) -> None:
    attributes = {**to_attributes(first_record("compute-1", "id", WHEN)), **change}
    with pytest.raises(RecordError, match="compute-1"):
        from_attributes("compute-1", {k: v for k, v in attributes.items() if v is not None})


def test_law_3_another_fencing_keeps_what_must_be_undone_and_known() -> None:
    record = (
        first_record("compute-1", "one", WHEN)
        .after(Event.CLAIM, owner="controller-1#1")
        .prepared({"forced"}, {"i": "stopped"})
        .fence_again("two", WHEN)
    )
    assert (record.state, record.fence_id, record.owner) == (RecoveryState.PENDING, "two", "")
    assert (record.marks, record.before) == (frozenset({"forced"}), {"i": "stopped"})


@given(records)
def test_law_4_held_is_what_the_location_rule_reads(record: Record) -> None:
    assert (to_attributes(record)["novaha-hold"] == "true") == record.hold


WHOLE = Record(
    "compute-1",
    RecoveryState.RUNNING,
    "some-id",
    WHEN,
    "controller-1#7",
    frozenset({"forced", "adopted"}),
    {"i": "stopped", "h": "stopped", "j": "paused"},
)
WRITTEN = {
    "novaha-recovery": "running",
    "novaha-hold": "true",
    "novaha-fence-id": "some-id",
    "novaha-fenced": "2026-01-02T03:04:05Z",
    "novaha-owner": "controller-1#7",
    "novaha-marks": "adopted forced",
    "novaha-before": "paused=j stopped=h,i",
}


def test_a_whole_record_is_written_in_a_stable_order() -> None:
    assert to_attributes(WHOLE) == WRITTEN
    assert from_attributes("compute-1", WRITTEN) == WHOLE
    assert to_attributes(replace(WHOLE, state=RecoveryState.RECOVERED))["novaha-hold"] == "false"


def test_the_time_is_written_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    east = WHEN.astimezone(timezone(timedelta(hours=2)))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    written = to_attributes(first_record("x", "id", east))["novaha-fenced"]
    monkeypatch.undo()
    time.tzset()
    assert written == "2026-01-02T03:04:05Z"


def test_the_ids_in_the_cib_are_those_of_the_design() -> None:
    assert {name: names.attribute_id("a b:1", name) for name in names.NAMES} == {
        "novaha-recovery": "novaha-a_b_1-state",
        "novaha-hold": "novaha-a_b_1-hold",
        "novaha-fence-id": "novaha-a_b_1-fence-id",
        "novaha-fenced": "novaha-a_b_1-fenced",
        "novaha-owner": "novaha-a_b_1-owner",
        "novaha-marks": "novaha-a_b_1-marks",
        "novaha-before": "novaha-a_b_1-before",
    }
    assert names.set_id("Az.9_-") == "novaha-Az.9_-"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"novaha-recovery": None}, "attribute novaha-recovery is missing"),
        ({"novaha-fenced": None}, "attribute novaha-fenced is missing"),
        ({"novaha-fence-id": None}, "attribute novaha-fence-id is missing"),
        ({"novaha-recovery": "absent"}, "state 'absent' is never written"),
        ({"novaha-recovery": "lost"}, "'lost' is not a valid RecoveryState"),
        ({"novaha-fenced": "1999-12-31T23:59:59Z"}, "the year of novaha-fenced cannot be"),
        ({"novaha-fenced": "9000-01-01T00:00:00Z"}, "the year of novaha-fenced cannot be"),
        ({"novaha-hold": "false"}, "novaha-hold does not fit the state 'running'"),
        ({"novaha-recovery": "recovered"}, "novaha-hold does not fit the state 'recovered'"),
        ({"novaha-fence-id": ""}, "novaha-fence-id is empty, too long"),
        ({"novaha-fence-id": "a b"}, "characters that it cannot have"),
        ({"novaha-fence-id": "x" * 301}, "novaha-fence-id is empty, too long"),
        ({"novaha-owner": ""}, "novaha-owner is empty, too long"),
        ({"novaha-owner": "<x>"}, "novaha-owner is empty, too long"),
        ({"novaha-before": "stopped"}, "'stopped' in novaha-before is not STATE=ID,ID"),
        ({"novaha-before": "=a"}, "'=a' in novaha-before"),
        ({"novaha-before": "stopped="}, "'stopped=' in novaha-before"),
        ({"novaha-before": "stopped=a,,b"}, "'stopped=a,,b' in novaha-before"),
        ({"novaha-before": "paused=c stopped"}, "'stopped' in novaha-before"),
    ],
)
def test_what_is_wrong_with_a_record_is_told(change: dict[str, str | None], told: str) -> None:
    attributes = {k: v for k, v in {**WRITTEN, **change}.items() if v is not None}
    with pytest.raises(RecordError) as error:
        from_attributes("compute-1", attributes)
    assert told in str(error.value)
    assert "compute-1" in str(error.value)


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({"novaha-hold": None}, {}),
        ({"novaha-owner": None}, {"owner": ""}),
        ({"novaha-marks": None}, {"marks": frozenset()}),
        ({"novaha-marks": "  new   old "}, {"marks": frozenset({"new", "old"})}),
        ({"novaha-before": None}, {"before": None}),
        ({"novaha-before": ""}, {"before": {}}),
        ({"novaha-before": "a=1=2,3"}, {"before": {"1=2": "a", "3": "a"}}),
        ({"novaha-fence-id": "x" * 300}, {"fence_id": "x" * 300}),
        ({"novaha-fenced": "2000-01-01T00:00:00Z"}, {"fenced": datetime(2000, 1, 1, tzinfo=UTC)}),
        ({"novaha-fenced": "8999-01-01T00:00:00Z"}, {"fenced": datetime(8999, 1, 1, tzinfo=UTC)}),
    ],
)
def test_what_can_be_read(change: dict[str, str | None], read: dict[str, Any]) -> None:
    attributes = {k: v for k, v in {**WRITTEN, **change}.items() if v is not None}
    assert from_attributes("compute-1", attributes) == replace(WHOLE, **read)


@pytest.mark.parametrize("unproven", [False, True])
def test_law_1_a_fencing_that_cut_no_power_is_marked(unproven: bool) -> None:
    first = first_record("compute-1", "one", WHEN, unproven=unproven)
    assert first == Record(
        "compute-1",
        RecoveryState.PENDING,
        "one",
        WHEN,
        marks=frozenset({"unproven"} if unproven else ()),
    )
    old = replace(WHOLE, marks=frozenset({"forced", "unproven", "doubted", "admitted", "kept"}))
    later = WHEN + timedelta(minutes=1)
    assert old.fence_again("two", later, unproven=unproven) == Record(
        "compute-1",
        RecoveryState.PENDING,
        "two",
        later,
        "",
        frozenset({"forced", "unproven"} if unproven else {"forced"}),
        WHOLE.before,
    )


def test_a_record_in_doubt_keeps_nothing_of_the_old_one() -> None:
    later = WHEN + timedelta(minutes=1)
    assert WHOLE.doubt("two", later) == Record(
        "compute-1", RecoveryState.PENDING, "two", later, marks=frozenset({"doubted"})
    )


def test_a_record_that_older_agents_began_has_their_force_down() -> None:
    found = first_record("compute-1", "one", WHEN, unproven=True).adopt()
    assert found.marks == {"unproven", "adopted", "forced"}


def test_each_event_changes_the_state_and_the_owner_only_when_told() -> None:
    assert WHOLE.after(Event.COMPLETE) == replace(WHOLE, state=RecoveryState.RECOVERED)
    assert WHOLE.after(Event.CLAIM, owner="me") == replace(WHOLE, owner="me")
    assert WHOLE.after(Event.RETRY, owner="") == replace(
        WHOLE, state=RecoveryState.PENDING, owner=""
    )
    with pytest.raises(TransitionError):
        WHOLE.after(Event.RETURN)


def test_what_is_prepared_is_added_to_the_marks_and_replaces_the_states() -> None:
    assert WHOLE.prepared(["other"], {"k": "paused"}) == replace(
        WHOLE, marks=WHOLE.marks | {"other"}, before={"k": "paused"}
    )
    with pytest.raises(TransitionError):
        first_record("compute-1", "one", WHEN).prepared([], {})


@pytest.mark.parametrize(
    ("attributes", "marks", "before"),
    [
        ({}, set(), None),
        ({"novaha-marks": "forced"}, {"forced"}, None),
        ({"novaha-marks": "adopted"}, {"adopted"}, None),
        ({"novaha-marks": "unproven doubted other"}, set(), None),
        ({"novaha-marks": "forced", "novaha-before": "stopped=a"}, {"forced"}, {"a": "stopped"}),
        ({"novaha-marks": "adopted", "novaha-before": "stopped=a"}, {"adopted"}, None),
        ({"novaha-marks": "forced", "novaha-before": "nonsense"}, {"forced"}, None),
    ],
)
def test_law_6_what_can_be_kept_of_a_record_that_cannot_be_read(
    attributes: dict[str, str], marks: set[str], before: dict[str, str] | None
) -> None:
    new = first_record("compute-1", "two", WHEN, unproven=True)
    found = new.salvage(attributes)
    assert found == replace(new, marks=frozenset({"unproven"} | marks), before=before)


@pytest.mark.parametrize(
    ("change", "true"),
    [
        ({"state": RecoveryState.PENDING, "before": None}, {"hold", "untouched"}),
        ({"state": RecoveryState.PENDING, "before": {}}, {"hold"}),
        ({"state": RecoveryState.RUNNING, "before": None}, {"hold"}),
        ({"state": RecoveryState.RECOVERED, "before": None}, set()),
        ({"state": RecoveryState.RECOVERED, "marks": frozenset({"unproven"})}, {"unproven"}),
        ({"state": RecoveryState.RECOVERED, "marks": frozenset({"doubted"})}, {"doubted"}),
        (
            {"state": RecoveryState.PENDING, "before": None, "marks": frozenset({"adopted"})},
            {"hold", "adopted"},
        ),
        ({"state": RecoveryState.RECOVERED, "marks": frozenset({"admitted"})}, {"admitted"}),
        ({"state": RecoveryState.RECOVERED, "marks": frozenset({"kept"})}, {"kept"}),
    ],
)
def test_what_a_record_tells(change: dict[str, Any], true: set[str]) -> None:
    found = replace(WHOLE, **{"marks": frozenset(), **change})
    names = ("hold", "untouched", "unproven", "adopted", "doubted", "admitted", "kept")
    told = {name: getattr(found, name) for name in names}
    assert told == {name: name in true for name in told}


def test_law_6_what_is_ours_to_undo_is_not_forgotten_when_a_host_is_kept_out_or_let_in() -> None:
    marked = replace(WHOLE, state=RecoveryState.RUNNING, marks=frozenset({"forced"}))
    assert marked.keep_out() == replace(marked, marks=frozenset({"forced", "kept"}))
    for event, more in (
        (Event.RELEASE, {"admitted"}),
        (Event.COMPLETE, set()),
        (Event.CLAIM, set()),
        (Event.RETRY, set()),
    ):
        assert marked.after(event).marks == {"forced", *more}, event
