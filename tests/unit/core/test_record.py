"""The record's codec: what was written is what is read, and nonsense is an error."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core import record as names
from novaha.core.errors import RecordError
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
