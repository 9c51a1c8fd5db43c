"""What may be shown to anybody: one line, bounded, and nothing secret in it."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from novaha.core.text import line, plain, tree, word, words

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
    for part in secret.split():
        assert part not in rest
        assert quote(part, safe="") not in rest
    assert "***" in text


FORMS: list[Callable[[str], str]] = [
    str,
    str.strip,
    lambda s: " ".join(s.split()),
    lambda s: quote(s.encode("utf-8", "surrogateescape"), safe=""),
    lambda s: quote(s.encode("utf-8", "surrogateescape")),
    lambda s: quote_plus(s.encode("utf-8", "surrogateescape")),
    lambda s: json.dumps(s)[1:-1],
    lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    lambda s: repr(s)[1:-1],
    lambda s: repr(s.encode("utf-8", "surrogateescape"))[2:-1],
    lambda s: shlex.quote(s)[1:-1] if shlex.quote(s) != s else s,
    lambda s: s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
]


@pytest.mark.parametrize("secret", [*SECRETS, 'ö"\\x', "e\x1b[2J\\s", "sur\udcff rogate", "ab cd"])
@pytest.mark.parametrize("form", FORMS)
def test_law_9_nothing_is_left_of_a_secret_in_any_form(
    secret: str, form: Callable[[str], str]
) -> None:
    assert line(f"no login with |{form(secret)}| here", [secret]) == "no login with |***| here"
    assert plain(f"|{form(secret)}|", ["|no", secret, "x" * 99]) == "|***|"


def test_of_two_secrets_the_longer_is_masked_whole() -> None:
    for secrets in (["secret", "secretive"], ["secretive", "secret"]):
        assert line("a secretive one, a secret one", secrets) == "a *** one, a *** one"


@pytest.mark.parametrize(
    ("secret", "shown"), [("abcd", "x***x ***"), ("abc", "xabcdx abcd"), ("x", "xabcdx abcd")]
)
def test_a_secret_of_four_signs_is_masked_within_words_too(secret: str, shown: str) -> None:
    assert line("xabcdx abcd", [secret]) == shown


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
    assert line("xxx", longest=3) == "xxx"


def test_data_keeps_its_form() -> None:
    data = {"pid": 7, "ok": None, "hosts": [{"detail": "a\x1bb s3cret"}], "x": ("y\n",), "f": 0.5}
    shown = {"pid": 7, "ok": None, "hosts": [{"detail": "a b ***"}], "x": ["y"], "f": 0.5}
    assert tree(data, ["s3cret"]) == shown


NAMES = [
    *(
        "compute-1",
        "compute 1",
        "c;reboot",
        "$(reboot)",
        "`reboot`",
        "a'b",
        'a"b',
        "a\\b",
        "*",
        "~",
    ),
    *("", "a\nb", "a\tb", "\x1b[2J", "\u202egnp", "\udcff", "\udcff'", "é", "it's\n\\n", "!x"),
    *("aX\nb", "\x80", "\udc80", "\x7f", "X'\x1f"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_word_of_the_shell_and_nothing_else(name: str) -> None:
    shown = word(name)
    assert line(f"x {shown} y", longest=1000) == " ".join(f"x {shown} y".split())
    told = subprocess.run(
        ["bash", "-c", f"printf '%s.' {shown}"], capture_output=True, check=True
    ).stdout
    assert told == name.encode("utf-8", "surrogateescape") + b"."


def test_what_no_file_name_can_be_is_a_question_mark_in_the_shell() -> None:
    assert word("a\ud800b") == "$'a\\x3fb'"


def test_a_command_for_copying() -> None:
    assert words(["pcs", "resource", "delete", "a b"]) == "pcs resource delete 'a b'"
    assert words([]) == ""


@pytest.mark.parametrize(
    "sign", [*map(chr, range(32)), "\x7f", "\x9b", "\u202e", "\ufeff", "\udcff"]
)
def test_what_a_terminal_obeys_never_gets_to_it(sign: str) -> None:
    if sign != "\n":
        assert plain(f"a{sign}b\n  c") == "a b\n  c"


def test_lines_and_blanks_of_a_table_stay() -> None:
    assert plain("A    B\n  c  d\n") == "A    B\n  c  d\n"
    assert plain("at https://user:pa@ss@keystone/v3 now") == "at https://***@keystone/v3 now"
    assert plain("it is Secret here", ["Secret"]) == "it is *** here"


@pytest.mark.parametrize("password", ["a'b", 'a"b', "a<b>c", "a/b@c", "x$&/%<'\"", "p"])
def test_law_9_a_login_in_a_url_is_masked_whatever_signs_it_has(password: str) -> None:
    for shown in (line, plain):
        said = shown(f"no route to http://user:{password}@keystone:5000/v3 now")
        assert said == "no route to http://***@keystone:5000/v3 now"
