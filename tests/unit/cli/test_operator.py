"""release and retry: one step of the recovery, by compare-and-swap."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import pytest

from novaha.cli import operator
from novaha.core.errors import TransitionError
from novaha.core.record import Record, first_record
from novaha.core.recovery import Event, RecoveryState

PENDING = first_record("compute-1", "fence-1", datetime(2026, 1, 1, tzinfo=UTC))
RUNNING = PENDING.after(Event.CLAIM, owner="controller-1#a")


class Store:
    def __init__(self, record: Record) -> None:
        self.record = record

    def read(self, node: str) -> Record | None:
        return self.record if node == self.record.node else None

    def swap(self, old: Record, new: Record) -> None:
        assert old == self.record
        self.record = new


ARGS = argparse.Namespace(host="compute-1")


@pytest.mark.parametrize("record", [PENDING, RUNNING])
def test_release_ends_the_hold(record: Record) -> None:
    store = Store(record)
    assert operator.release(ARGS, store) == 0  # type: ignore[arg-type]
    assert store.record.state is RecoveryState.RECOVERED
    assert not store.record.hold
    assert store.record.fence_id == "fence-1"


def test_retry_begins_anew_and_takes_it_from_its_owner() -> None:
    store = Store(RUNNING)
    assert operator.retry(ARGS, store) == 0  # type: ignore[arg-type]
    assert store.record.state is RecoveryState.PENDING
    assert store.record.owner == ""


def test_what_the_table_does_not_have_is_refused() -> None:
    store = Store(RUNNING.after(Event.COMPLETE))
    with pytest.raises(TransitionError):
        operator.release(ARGS, store)  # type: ignore[arg-type]
