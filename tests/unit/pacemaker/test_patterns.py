"""Patterns of fencing levels, against the C library that Pacemaker asks."""

from __future__ import annotations

import ctypes
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaha.pacemaker.patterns import matches, problem

REG_EXTENDED, REG_NOSUB = 1, 8


def by_the_c_library(pattern: str, name: str) -> bool | None:
    """As Pacemaker's fencer does it; None where it says "Bad regex"."""
    library = ctypes.CDLL(None)
    compiled = ctypes.create_string_buffer(512)  # regex_t has 64 bytes
    if library.regcomp(compiled, pattern.encode(), REG_EXTENDED | REG_NOSUB):
        return None
    found = library.regexec(compiled, name.encode(), 0, None, 0) == 0
    library.regfree(compiled)
    return found


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("compute-.*", "compute-1", True),
        ("^compute-[0-9]+$", "compute-12", True),
        ("^compute-[0-9]+$", "compute-12.example.org", False),
        ("compute-[[:digit:]]", "compute-1", True),
        ("compute-[[:digit:]]", "compute-a", False),
        ("compute-[[:alpha:]_[:digit:]]+$", "compute-a_1", True),
        ("^(compute|hv)-", "hv-1", True),
        ("^compute-1$", "COMPUTE-1", False),  # unlike names, patterns are compared with case
        ("pute", "compute-1", True),
        ("", "compute-1", True),
        ("compute-()1", "compute-1", True),
        ("compute-(|a)1", "compute-1", True),
        ("[]c]ompute", "compute-1", True),
        ("compute[-]1", "compute-1", True),
        ("[[.c.]]ompute", "compute-1", True),
        ("[[=c=]]ompute", "compute-1", True),
        ("o{1}m", "compute-1", True),
        ("o{,2}mp", "compute-1", True),
        ("x{0}", "compute-1", True),
        ("compute-1)", "compute-1)", True),
        (r"\<compute\>", "a.compute-1", True),
        (r"compute\-1", "compute-1", True),
        (r"\d", "compute-1", False),  # an escaped d is a d
        (r"compute-1\'", "compute-1", True),
        ("a**", "compute-1", True),
        ("(?:a)", "compute-1", None),
        ("(?i)compute", "compute-1", None),
        ("*compute", "compute-1", None),
        ("^*compute", "compute-1", None),
        ("compute-(", "compute-1", None),
        ("compute-[", "compute-1", None),
        ("compute-{", "compute-1", None),
        ("compute-{2,1}", "compute-1", None),
        ("compute-[9-0]", "compute-1", None),
        ("compute-[[:foo:]]", "compute-1", None),
        ("compute-\\", "compute-1", None),
        ("a|*b", "compute-1", None),
        (r"\1", "compute-1", None),
    ],
)
def test_a_pattern_means_what_the_c_library_says(
    pattern: str, name: str, expected: bool | None
) -> None:
    assert by_the_c_library(pattern, name) is expected
    assert matches(pattern, name) is bool(expected)
    assert bool(problem(pattern)) is (expected is None)


PIECES = [
    *("a", "b", "-", "1", ".", "*", "+", "?", "(", ")", "|", "[", "]", "^", "$", "{", "}", ","),
    *("{2}", "{1,2}", "{,2}", "{2,}", "{0}", "\\", "\\.", "\\w", "\\b", "\\<", "\\1", "\\B"),
    *("[[:digit:]]", "[^a]", "[a-", "-]", "[:alpha:]", "[.-.]", "[=a=]", "(a)", "[]", "[^]"),
]


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    st.text(alphabet="ab1-.]\\{)^", max_size=5),
)
def test_law_1_any_pattern_means_what_the_c_library_says(pattern: str, name: str) -> None:
    """A wrong yes would take a level for the node's that is not, a wrong no the reverse."""
    found = matches(pattern, name)
    if found is not None:
        assert found is bool(by_the_c_library(pattern, name))
    if problem(pattern) == "":
        assert by_the_c_library(pattern, name) is not None


HARD = [
    "(a+)+$",
    "((a*)*)*b",
    "(a|a)*$x",
    "(.*){1,30}(.*){1,30}x",
    "((a{1,100}){1,100}){1,100}",
    "(((){32767}){32767}){32767}",
    "a{1,32767}" * 50,
    "(" * 4000,
    "(" * 200 + ")" * 200,
    "(a)\\1*" * 9,
    "x" * 100_000,
    "[" + "a-z" * 500 + "]",
    "[[.hyphen.]]",
]


@pytest.mark.parametrize("pattern", HARD, ids=range(len(HARD)))
def test_law_7_no_pattern_takes_long_or_raises(pattern: str) -> None:
    began = time.process_time()
    matches(pattern, "a" * 256)
    matches(pattern, "a" * 100_000)
    assert time.process_time() - began < 5.0  # nested quantifiers would take years


@pytest.mark.parametrize("pattern", [r"(a)\1", "[[.hyphen.]]", "a{1,32767}", "(" * 99 + ")" * 99])
def test_what_cannot_be_told_is_said_to_be_so(pattern: str) -> None:
    assert matches(pattern, "aa") is None
    assert problem(pattern)


@given(st.text())
def test_law_7_nothing_but_an_answer(pattern: str) -> None:
    assert matches(pattern, "compute-1") in (True, False, None)
    assert isinstance(problem(pattern), str)


@given(st.from_regex(r"[a-z0-9.-]+", fullmatch=True))
def test_a_plain_name_matches_itself(name: str) -> None:
    assert matches(f"^{re.escape(name)}$", name) is True
