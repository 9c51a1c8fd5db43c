"""Parameters: declared once, checked without outside help."""

from __future__ import annotations

import pytest

from novaha.contract.parameters import (
    Parameter,
    ParameterError,
    ignored,
    to_bool,
    to_number,
    validate,
)

NAME = Parameter(name="name", shortdesc="a name", required=True)
FLAG = Parameter(name="flag", shortdesc="a flag", type="boolean")
COUNT = Parameter(name="count", shortdesc="a count", type="integer")
WAIT = Parameter(name="wait", shortdesc="a time", type="second", deprecated=True)
OLD = Parameter(name="old", shortdesc="older", deprecated=True, replaced_by="name")
ALL = (NAME, FLAG, COUNT, WAIT, OLD)


@pytest.mark.parametrize("text", ["1", "true", "Yes", " on ", "Y"])
def test_true(text: str) -> None:
    assert to_bool("flag", text) is True


@pytest.mark.parametrize("text", ["", "0", "False", "no", "off"])
def test_false(text: str) -> None:
    assert to_bool("flag", text) is False


@pytest.mark.parametrize("text", ["-1", "x", "", "nan", "1 2"])
def test_no_number(text: str) -> None:
    with pytest.raises(ParameterError):
        to_number("wait", text, float)


def test_seconds_may_have_their_unit() -> None:
    assert to_number("wait", " 1.5s", float) == 1.5


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "a", "flag": "maybe"},
        {"name": "a", "count": "1.5"},
        {"name": "a", "wait": "-1"},
    ],
)
def test_validate_refuses(given: dict[str, str]) -> None:
    with pytest.raises(ParameterError):
        validate(ALL, given)


def test_validate_accepts_what_is_right_and_what_it_does_not_know() -> None:
    validate(ALL, {"name": "a", "flag": "no", "count": "3", "wait": "2s", "unknown": "x"})


def test_only_parameters_that_mean_nothing_are_named_as_ignored() -> None:
    assert ignored(ALL, ["old", "wait", "name", "unknown"]) == ("wait",)
