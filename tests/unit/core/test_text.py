"""What may be shown to anybody: one line, bounded, and nothing secret in it."""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote

import pytest

from novaha.core.text import line, tree

SECRETS = ["Sec$ret/Part", "pa ss\twörd", "a'b\"c\\d", "<x&y>z", "  lead", "100%=#;", "€uro\n12"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        json.dumps,
        quote,
        shlex.quote,
        lambda s: quote(s, safe=""),
        lambda s: f"http://user:{quote(s, safe='')}@keystone/",
        lambda s: str(s.encode()),
        lambda s: f"{{'key': {s!r}}}",
    ],
)
def test_law_9_a_secret_is_masked_in_every_form(secret: str, shown) -> None:
    text = line(f"no login with {shown(secret)} here", [secret])
    rest = text.replace("no login with", "").replace("here", "")
    for word in secret.split():
        assert word not in rest
        assert quote(word, safe="") not in rest
    assert "***" in text


def test_a_short_secret_does_not_make_all_text_unreadable() -> None:
    assert line("a cat ate 'at' last", ["at"]) == "a cat ate '***' last"
    assert line("nothing to mask", ["", " "]) == "nothing to mask"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://user:pass@host:5000/v3 now", "at http://***@host:5000/v3 now"),
        ("at http://user:p/s@s?=x@host/v3", "at http://***@host/v3"),
        ("at 'https://user@host/'", "at 'https://***@host/'"),
        ("http://host/v3?token=abc&x=1 failed", "http://host/v3?… failed"),
        ("url: /v3/auth?secret=abc (Caused by", "url: /v3/auth?… (Caused by"),
        ("//node[@uname='c']", "//node[@uname='c']"),
        ("is it there? a=b", "is it there? a=b"),
        ("(is user_id meant?)", "(is user_id meant?)"),
    ],
)
def test_a_url_is_shown_without_its_user_and_query(text: str, shown: str) -> None:
    assert line(text) == shown


def test_one_line_without_control_characters() -> None:
    assert line("a\nb\r\x1b[2Jc\x00d\u202ee\x9bf\udc80g \t h") == "a b [2Jc d e f g h"
    line("\udcff").encode()


def test_it_has_an_end() -> None:
    assert len(line("x" * 10_000)) == 400
    assert line("xxxxx", longest=3) == "xx…"


def test_data_keeps_its_form() -> None:
    data = {"pid": 7, "ok": None, "hosts": [{"detail": "a\x1bb s3cret"}], "x": ("y\n",), "f": 0.5}
    shown = {"pid": 7, "ok": None, "hosts": [{"detail": "a b ***"}], "x": ["y"], "f": 0.5}
    assert tree(data, ["s3cret"]) == shown
