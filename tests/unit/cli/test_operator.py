"""release, retry and recover: one step of the recovery, by compare-and-swap."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.cli import operator
from novaha.core.errors import RecordError
from novaha.core.record import Record, first_record
from novaha.core.recovery import Event, RecoveryState

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = first_record("compute-1", "fence-1", WHEN)
RUNNING = PENDING.after(Event.CLAIM, owner="controller-1#a")
RECOVERED = RUNNING.after(Event.COMPLETE)


class Store:
    """The records of one node."""

    def __init__(self, record: Record | None, *, broken: bool = False) -> None:
        self.record = record
        self.broken = broken
        self.seen = ""

    def seen_confirmation(self, node: str) -> str:
        return self.seen

    def note_confirmation(self, node: str, moment: str) -> None:
        self.seen = moment

    def read(self, node: str) -> Record | None:
        if self.broken:
            raise RecordError(node, "nonsense")
        return self.record

    def swap(self, old: Record, new: Record) -> None:
        assert old == self.record
        self.record = new

    def flag_fenced(self, node: str, *, fenced: datetime | None = None) -> Record:
        moment = fenced or datetime(2026, 1, 2, tzinfo=UTC)
        old = self.record
        self.record = (
            old.fence_again("fence-2", moment) if old else first_record(node, "fence-2", moment)
        )
        return self.record


class History:
    """Pacemaker's word about compute-1."""

    def __init__(self, moment: datetime | None, *, online: bool = False) -> None:
        self.moment = moment
        self.online = online

    def history(self) -> History:
        return self

    def confirmed_by_hand(self) -> dict[str, datetime]:
        return {"compute-1": self.moment} if self.moment else {}

    def is_online(self, node: str) -> bool:
        return self.online


def arguments(*, force: bool = False) -> argparse.Namespace:
    return argparse.Namespace(host="compute-1", force=force, fence_id=None)


def status(moving: int = 0, problem: str = "") -> dict[str, Any]:
    return {"problem": problem, "hosts": [{"node": "compute-1", "counts": {"moving": moving}}]}


def release(store: Store, shown: dict[str, Any], *, force: bool = False) -> int:
    return operator.release(arguments(force=force), store, lambda: shown)  # type: ignore[arg-type]


@pytest.mark.parametrize("record", [PENDING, RUNNING])
def test_release_ends_the_hold(record: Record) -> None:
    store = Store(record)
    assert release(store, status()) == 0
    assert store.record is not None
    assert store.record.state is RecoveryState.RECOVERED
    assert not store.record.hold
    assert store.record.fence_id == "fence-1"


@pytest.mark.parametrize("shown", [status(moving=2), status(problem="no answer")])
def test_law_2_nothing_is_released_while_evacuations_may_be_under_way(
    shown: dict[str, Any],
) -> None:
    store = Store(RUNNING)
    with pytest.raises(operator.UnsettledError, match="--force"):
        release(store, shown)
    assert store.record == RUNNING
    release(store, shown, force=True)
    assert store.record is not None
    assert not store.record.hold


def test_retry_begins_anew_and_takes_it_from_its_owner() -> None:
    store = Store(RUNNING)
    assert operator.retry(arguments(), store) == 0  # type: ignore[arg-type]
    assert store.record is not None
    assert (store.record.state, store.record.owner) == (RecoveryState.PENDING, "")
    assert store.record.fenced == WHEN  # it is still down: that fencing holds


def test_law_1_retry_of_a_host_that_was_let_go_wants_another_fencing() -> None:
    store = Store(RECOVERED)
    assert operator.retry(arguments(), store) == 0  # type: ignore[arg-type]
    assert store.record is not None
    assert (store.record.state, store.record.fence_id) == (RecoveryState.PENDING, "fence-2")
    assert store.record.fenced > WHEN


def test_retry_writes_nonsense_anew() -> None:
    store = Store(None, broken=True)
    assert operator.retry(arguments(), store) == 0  # type: ignore[arg-type]
    assert store.record is not None
    assert store.record.hold


@pytest.mark.parametrize("record", [PENDING, RUNNING, RECOVERED])
def test_release_lets_a_host_in_until_it_is_fenced_again(record: Record) -> None:
    store = Store(record)
    assert not record.admitted
    assert release(store, status()) == 0
    assert store.record is not None
    assert store.record.state is RecoveryState.RECOVERED
    assert store.record.admitted
    assert not store.record.fence_again("fence-2", WHEN).admitted


@pytest.mark.parametrize("command", ["retry", "release"])
@pytest.mark.parametrize("record", [RUNNING, RECOVERED])
def test_what_is_meant_for_another_fencing_is_not_done(command: str, record: Record) -> None:
    store = Store(record)
    meant = argparse.Namespace(host="compute-1", force=True, fence_id="fence-0")
    with pytest.raises(operator.OtherFencingError, match="another fence id"):
        getattr(operator, command)(meant, store)
    assert store.record == record
    meant.fence_id = record.fence_id
    assert getattr(operator, command)(meant, store) == 0
    assert store.record != record


@pytest.mark.parametrize("command", ["retry", "release"])
def test_nonsense_has_no_fence_id(command: str) -> None:
    store = Store(None, broken=True)
    meant = argparse.Namespace(host="compute-1", force=True, fence_id="fence-0")
    with pytest.raises(operator.OtherFencingError):
        getattr(operator, command)(meant, store)
    assert store.record is None


def test_recover_flags_a_host_that_was_confirmed_by_hand() -> None:
    store = Store(None)
    assert operator.recover(arguments(), store, History(WHEN)) == 0  # type: ignore[arg-type]
    assert store.record is not None
    assert store.record.fenced == WHEN


@pytest.mark.parametrize("history", [History(None), History(WHEN, online=True)])
def test_law_1_recover_needs_a_confirmation_and_a_host_that_is_down(history: History) -> None:
    store = Store(None)
    with pytest.raises(operator.NotConfirmedError, match="pcs stonith confirm compute-1"):
        operator.recover(arguments(), store, history)  # type: ignore[arg-type]
    assert store.record is None


def test_law_1_recover_uses_a_confirmation_once() -> None:
    store = Store(None)
    operator.recover(arguments(), store, History(WHEN))  # type: ignore[arg-type]
    store.record = None  # it is back; then it is taken out of the cluster in peace
    with pytest.raises(operator.NotConfirmedError):
        operator.recover(arguments(), store, History(WHEN))  # type: ignore[arg-type]
    assert store.record is None
    later = WHEN + timedelta(hours=1)
    operator.recover(arguments(), store, History(later))  # type: ignore[arg-type]
    assert store.record is not None
