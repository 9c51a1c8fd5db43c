"""The transition table: complete, and nothing beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core.errors import TransitionError
from novaha.core.recovery import TRANSITIONS, Event, RecoveryState, holds, step

states = st.sampled_from(RecoveryState)
events = st.sampled_from(Event)


@given(states, events)
def test_every_pair_steps_by_the_table_or_is_an_error(state: RecoveryState, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert step(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(TransitionError):
            step(state, event)


@given(states)
def test_law_3_a_fencing_leads_to_pending_from_any_state(state: RecoveryState) -> None:
    assert step(state, Event.FENCE) is RecoveryState.PENDING


@given(st.lists(events))
def test_law_4_a_hold_ends_only_by_completion_or_by_the_operator(history: list[Event]) -> None:
    state = RecoveryState.ABSENT
    for event in history:
        try:
            after = step(state, event)
        except TransitionError:
            continue
        if holds(state) and not holds(after):
            assert event in (Event.COMPLETE, Event.RELEASE)
        if event is Event.COMPLETE:
            assert state is RecoveryState.RUNNING
        state = after


def test_persisted_names_never_change() -> None:
    assert [str(s) for s in RecoveryState] == ["absent", "pending", "running", "recovered"]
    assert [str(e) for e in Event] == [
        "fence",
        "claim",
        "prepare",
        "complete",
        "release",
        "retry",
        "return",
    ]


def test_nova_compute_is_held_until_its_host_is_recovered() -> None:
    assert [s for s in RecoveryState if holds(s)] == [RecoveryState.PENDING, RecoveryState.RUNNING]


def test_the_whole_table() -> None:
    told = {(str(state), str(event)): str(after) for (state, event), after in TRANSITIONS.items()}
    assert told == {
        ("absent", "fence"): "pending",
        ("pending", "fence"): "pending",
        ("running", "fence"): "pending",
        ("recovered", "fence"): "pending",
        ("pending", "claim"): "running",
        ("running", "claim"): "running",
        ("running", "prepare"): "running",
        ("running", "complete"): "recovered",
        ("pending", "release"): "recovered",
        ("running", "release"): "recovered",
        ("recovered", "release"): "recovered",
        ("running", "retry"): "pending",
        ("recovered", "return"): "absent",
    }


def test_a_step_that_is_not_in_the_table_is_named() -> None:
    with pytest.raises(TransitionError, match=r"absent.*claim|claim.*absent"):
        step(RecoveryState.ABSENT, Event.CLAIM)
