"""What an operator tells the brake, as it stands in the configuration: these forms never change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from novaha.core.steering import (
    Held,
    Pause,
    Permit,
    SteeringError,
    held_text,
    in_force,
    pause_text,
    permit_text,
    read_held,
    read_pause,
    read_permit,
    word,
)

AT = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)
THERE = AT.astimezone(timezone(timedelta(hours=9)))
END = datetime(2026, 1, 2, 8, 30, 0, tzinfo=UTC)
LONG = "x" * 300


@pytest.mark.parametrize(
    ("permit", "text"),
    [
        (Permit(AT, "alice"), "2026-01-01T12:00:05Z alice"),
        (Permit(AT, "alice", "it is dead"), "2026-01-01T12:00:05Z alice it is dead"),
    ],
)
def test_a_permit(permit: Permit, text: str) -> None:
    assert permit_text(permit) == text
    assert read_permit(text) == permit


@pytest.mark.parametrize(
    ("pause", "text"),
    [
        (Pause(AT, "bob", ""), "2026-01-01T12:00:05Z resumed bob"),
        (Pause(AT, "bob", "new switch"), "2026-01-01T12:00:05Z resumed bob new switch"),
        (
            Pause(AT, "bob", "new switch", END),
            "2026-01-01T12:00:05Z 2026-01-02T08:30:00Z bob new switch",
        ),
    ],
)
def test_a_pause(pause: Pause, text: str) -> None:
    assert pause_text(pause) == text
    assert read_pause(text) == pause


def test_a_hold() -> None:
    text = "2026-01-01T12:00:05Z too-many"
    assert held_text(Held(AT, "too-many")) == text
    assert read_held(text) == Held(AT, "too-many")


@pytest.mark.usefixtures("elsewhere")
def test_moments_are_kept_in_utc() -> None:
    assert held_text(Held(AT, "alone")) == "2026-01-01T12:00:05Z alone"
    assert pause_text(Pause(AT, "a", "", END)) == "2026-01-01T12:00:05Z 2026-01-02T08:30:00Z a"
    assert permit_text(Permit(AT, "a")) == "2026-01-01T12:00:05Z a"
    assert permit_text(Permit(THERE, "a")) == permit_text(Permit(AT, "a"))
    assert pause_text(Pause(THERE, "a", "", THERE)) == pause_text(Pause(AT, "a", "", AT))
    assert held_text(Held(THERE, "alone")) == held_text(Held(AT, "alone"))
    for moment in (
        read_permit("2026-01-01T12:00:05Z a").at,
        read_held("2026-01-01T12:00:05Z a").since,
    ):
        assert moment.utcoffset() == timedelta(0)


def test_a_reason_is_one_line_with_an_end() -> None:
    odd = Permit(AT, "", f"  it\nis\x1b[2J  dead {LONG}")
    text = permit_text(odd)
    assert text == f"2026-01-01T12:00:05Z unknown {f'it is [2J dead {LONG}'[:200]}"
    assert read_permit(text).why == f"it is [2J dead {LONG}"[:200]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("alice", "alice"),
        ("Jo.Doe+x-1@host_7", "Jo.Doe+x-1@host_7"),
        ("a b\tc\x1bd;e", "a_b_c_d_e"),
        ("é", "é"),
        ("", "unknown"),
        (LONG, "x" * 200),
    ],
)
def test_a_name_is_one_word(name: str, kept: str) -> None:
    assert word(name) == kept
    assert read_permit(permit_text(Permit(AT, name, "why not"))) == Permit(AT, kept, "why not")
    assert read_pause(pause_text(Pause(AT, name, "why not"))) == Pause(AT, kept, "why not")


@pytest.mark.parametrize(
    "text", ["", "2026-01-01T12:00:05Z", "yesterday bob", "2026-01-01T12:00:05Z\tbob", " "]
)
def test_what_no_operator_has_said(text: str) -> None:
    for read, where in [
        (read_permit, "novaha-proceed"),
        (read_pause, "novaha-pause"),
        (read_held, "novaha-held"),
    ]:
        with pytest.raises(SteeringError) as caught:
            read(text)
        assert str(caught.value) == f"{where} in the cluster's configuration cannot be read"


def test_a_pause_whose_end_cannot_be_read() -> None:
    with pytest.raises(SteeringError, match="novaha-pause"):
        read_pause("2026-01-01T12:00:05Z later bob")
    with pytest.raises(SteeringError, match="novaha-pause"):
        read_pause("2026-01-01T12:00:05Z Resumed bob")
    assert read_pause("2026-01-01T12:00:05Z resumed") == Pause(AT, "", "")


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("after", "holds"),
    [
        (timedelta(0), True),
        (timedelta(hours=1), True),
        (timedelta(hours=1) + SECOND, False),
        (-timedelta(hours=1), True),
        (-timedelta(hours=1) - SECOND, False),
    ],
)
def test_a_permit_lasts_an_hour_and_is_not_from_the_future(after: timedelta, holds: bool) -> None:
    assert Permit(AT, "alice").holds(AT + after) is holds
    said = in_force(Permit(AT, "alice", "it is dead"), AT + after)
    assert said == ("alice (it is dead)" if holds else "")


@pytest.mark.parametrize(
    ("until", "now", "said"),
    [
        (None, AT + timedelta(days=99), "new switch, by bob until resumed"),
        (END, END - SECOND, "new switch, by bob until 2026-01-02 08:30:00 UTC"),
        (END, END, ""),
        (END, END + SECOND, ""),
    ],
)
def test_a_pause_ends_at_its_end(until: datetime | None, now: datetime, said: str) -> None:
    assert in_force(Pause(AT, "bob", "new switch", until), now) == said


def test_where_nobody_has_said_anything() -> None:
    assert in_force(None, AT) == ""
    assert in_force(Permit(AT, "alice"), AT) == "alice"
