"""Text in the columns of a terminal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.cli import formats, screen


@given(st.lists(st.text("abcdef-é漢", min_size=1, max_size=12), min_size=1), st.integers(20, 90))
def test_lines_fit_and_every_word_is_whole(words: list[str], width: int) -> None:
    lines = screen.wrapped(" ".join(words), width, "* ")
    assert all(screen.cells(line) <= width or len(line.split()) <= 2 for line in lines)
    assert " ".join(lines).split()[1:] == words
    assert all(line.startswith("  ") for line in lines[1:])


def test_a_command_stays_in_one_line() -> None:
    lines = screen.wrapped("see `novaha evidence compute-1`, and act", 40)
    assert lines == ["see `novaha evidence compute-1`, and act"]
    lines = screen.wrapped("you may see `novaha evidence compute-1`", 38)
    assert lines == ["you may see", "`novaha evidence compute-1`"]


def test_a_word_beyond_the_width_is_not_broken() -> None:
    assert screen.wrapped("a " + "x" * 50 + " b", 40) == ["a " + "x" * 50, "b"]


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("漢字", 4, "漢字"), ("漢字", 3, "漢…")],
)
def test_what_does_not_fit_is_shortened(text: str, room: int, shown: str) -> None:
    assert screen.shortened(text, room) == shown
    assert screen.cells(shown) <= room


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (7500, "2h05m"), (90000, "1d01h")],
)
def test_a_span_of_time(seconds: float, shown: str) -> None:
    assert screen.span(timedelta(seconds=seconds)) == shown


def test_a_narrow_terminal_counts_as_one_of_40_columns(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    assert screen.size()[0] == 40


ROWS = [{"Name": 'a "b", c\nd', "Count": 3, "Up": True, "None": None}]


def test_each_format() -> None:
    import csv
    import json

    import yaml

    columns = list(ROWS[0])
    plain = {"Name": 'a "b", c d', "Count": 3, "Up": True, "None": None}
    assert json.loads(formats.rendered("json", columns, ROWS)) == [plain]
    assert yaml.safe_load(formats.rendered("yaml", columns, ROWS)) == [plain]
    head, row = csv.reader(formats.rendered("csv", columns, ROWS).splitlines())
    assert head == columns
    assert row == ['a "b", c d', "3", "True", ""]
    assert formats.rendered("value", ["Count", "Up"], ROWS) == "3 True"
    assert "| Count |" in formats.rendered("table", ["Count"], ROWS)


@pytest.mark.parametrize("form", formats.FORMATS)
def test_no_row_is_no_error(form: str) -> None:
    shown = formats.rendered(form, ["Name"], [])
    assert shown == {"json": "[]", "yaml": "[]", "value": "", "csv": '"Name"'}.get(form, shown)


def test_columns_are_found_in_any_case() -> None:
    assert formats.chosen(["Fence ID", "Host"], ["host", "fence_id"]) == ["Host", "Fence ID"]
    assert formats.chosen(["A", "B"], []) == ["A", "B"]
    with pytest.raises(formats.ColumnError):
        formats.chosen(["A"], ["B"])


def test_a_sheet_fits_and_what_does_not_stand_beside_its_name_stands_below_it() -> None:
    long = "x" * 36
    rows = [("LOOKED AT", "FOUND"), ("Pacemaker", "lost, " * 9 + "held"), ("network", long)]
    assert screen.sheet(rows, 40) == [
        "LOOKED AT  FOUND",
        "Pacemaker  lost, lost, lost, lost, lost,",
        "           lost, lost, lost, lost, held",
        "network",
        f"  {long}",
    ]
