"""Whether Nova has ceased to hear from a host: measured by the heartbeats of the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from novaha.core.heartbeats import Heartbeats

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OTHERS = ("b", "c", "d")


def watched(rounds: int, *beating: str, first: datetime | None = BEGAN) -> Heartbeats:
    """What was seen in so many looks after the first, in which these had a new heartbeat."""
    beats = Heartbeats()
    beats.note(dict.fromkeys(("a", *OTHERS), first))
    for number in range(rounds):
        beats.note({node: BEGAN + timedelta(seconds=10 * (number + 1)) for node in beating})
    return beats


@pytest.mark.parametrize(
    ("rounds", "beating", "silent"),
    [
        (2, OTHERS, False),
        (3, OTHERS, True),
        (3, ("b", "c"), True),
        (3, ("b",), False),
        (9, ("b",), False),
        (3, (), False),
        (9, ("a", *OTHERS), False),
        (9, ("a",), False),
    ],
)
def test_a_host_is_silent_when_most_others_were_heard_three_times(
    rounds: int, beating: tuple[str, ...], silent: bool
) -> None:
    assert watched(rounds, *beating).show_silence("a", OTHERS) is silent


def test_law_10_one_heartbeat_is_enough_to_live() -> None:
    beats = watched(9, *OTHERS)
    assert beats.of("a") == 0
    beats.note({"a": BEGAN + timedelta(seconds=1)})
    assert beats.of("a") == 1
    assert not beats.show_silence("a", OTHERS)


def test_what_was_seen_first_proves_nothing() -> None:
    """It may be from before."""
    assert watched(0).of("b") == 0
    assert watched(1, first=None).of("b") == 0


def test_a_first_heartbeat_ever_counts() -> None:
    assert watched(1, "b", first=None).of("b") == 1


def test_a_clock_that_was_set_back_makes_a_heartbeat_no_less_one() -> None:
    beats = watched(0)
    beats.note({"b": BEGAN - timedelta(hours=1)})
    assert beats.of("b") == 1


def test_the_same_answer_again_or_none_is_no_heartbeat() -> None:
    beats = watched(0)
    beats.note({"b": BEGAN})
    beats.note({"b": None})
    beats.note({})
    assert beats.of("b") == 0


def test_where_there_are_no_others_nobody_is_silent() -> None:
    assert not watched(9).show_silence("a", ())
