"""As much at once as Nova answers quickly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core.pacing import Window


def answers(window: Window, count: int, took: float, now: float = 0.0) -> float:
    """So many answers, one after the other; when the last one came."""
    for _ in range(count):
        window.answered(now, now + took)
        now += took
    return now


def test_a_few_go_first_and_each_answer_makes_room_for_one_more() -> None:
    window = Window(8)
    sizes = [window.size]
    for _ in range(10):
        answers(window, 1, 0.1)
        sizes.append(window.size)
    assert sizes == [4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8]
    assert Window(2).size == 2


def test_slow_answers_halve_it_once_for_those_sent_together() -> None:
    window = Window(8)
    now = answers(window, 40, 0.1)
    for late in range(8):
        window.answered(now, now + 1.0 + late / 100)
    assert window.size == 4
    window.answered(now + 2, now + 3)
    assert window.size == 2


def test_a_nova_that_is_always_slow_is_not_overloaded() -> None:
    window = Window(8)
    answers(window, 40, 3.0)
    assert window.size == 8


def test_what_is_quick_enough_is_never_slow() -> None:
    window = Window(8)
    now = answers(window, 40, 0.01)
    answers(window, 10, 0.4, now)
    assert window.size == 8


def test_turned_away_it_goes_down_to_one_and_comes_back() -> None:
    window = Window(8)
    now = 0.0
    for _ in range(6):
        window.overloaded(now, now + 0.1)
        now += 1
    assert window.size == 1
    answers(window, 60, 0.1, now)
    assert window.size == 8


def test_a_nova_that_became_slower_for_good_is_believed_in_the_end() -> None:
    window = Window(8)
    now = answers(window, 40, 0.2)
    now = answers(window, 10, 2.0, now)
    assert window.size == 1
    answers(window, 200, 2.0, now)
    assert window.size == 8


@pytest.mark.parametrize(
    ("quickest", "took", "slow"),
    [(0.1, 0.5, False), (0.1, 0.51, True), (1.0, 4.0, False), (1.0, 4.01, True), (2.0, 7.9, False)],
)
def test_slow_is_more_than_half_a_second_and_four_times_the_quickest(
    quickest: float, took: float, slow: bool
) -> None:
    window = Window(4)
    window.answered(0.0, quickest)
    window.answered(10.0, 10.0 + took)
    assert window.size == (2 if slow else 4)


def test_once_it_was_too_much_a_whole_round_of_answers_makes_room_for_one_more() -> None:
    window = Window(8)
    window.overloaded(0.0, 1.0)
    sizes = []
    for _ in range(8):
        answers(window, 1, 0.1, 2.0)
        sizes.append(window.size)
    assert sizes == [2, 2, 3, 3, 3, 4, 4, 4]


@pytest.mark.parametrize(("sent", "size"), [(0.9, 4), (1.0, 2), (1.1, 2)])
def test_what_was_sent_before_it_was_halved_does_not_halve_it_again(sent: float, size: int) -> None:
    window = Window(8)
    answers(window, 4, 0.1)
    window.overloaded(0.0, 1.0)
    window.overloaded(sent, 2.0)
    assert window.size == size


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=100),
)
def test_it_stays_within_its_bounds(limit: int, happened: list[tuple[float, bool]]) -> None:
    window = Window(limit)
    now = 0.0
    for took, fine in happened:
        (window.answered if fine else window.overloaded)(now, now + took)
        now += took
        assert 1 <= window.size <= limit
