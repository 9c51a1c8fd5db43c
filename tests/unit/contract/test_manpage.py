"""Roff shows the text that it was made of, whatever is in it."""

from __future__ import annotations

import pytest

from novaha.contract import manpage


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        (".conf is no macro", "\\&.conf is no macro"),
        ("'quoted'", "\\&'quoted'"),
        ("--apply", "\\-\\-apply"),
        ("a\\b", "a\\(rsb"),
        ("one\n.two", "one\n\\&.two"),
    ],
)
def test_escape(text: str, roff: str) -> None:
    assert manpage.escape(text) == roff
