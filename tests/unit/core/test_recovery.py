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
