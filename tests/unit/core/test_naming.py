"""Which host of Nova a node is: never the wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core.errors import AmbiguousHostError, UnknownHostError
from novaha.core.naming import nova_host, short


@pytest.mark.parametrize(
    ("node", "hosts", "expected"),
    [
        ("compute-1", ["compute-1", "compute-10"], "compute-1"),
        ("compute-1", ["compute-1.a.example", "compute-2.a.example"], "compute-1.a.example"),
        ("compute-1.a.example", ["compute-1", "compute-2"], "compute-1"),
        ("Compute-1", ["compute-1"], "compute-1"),
        ("compute-1", ["compute-1", "compute-1.a.example"], "compute-1"),
    ],
)
def test_found(node: str, hosts: list[str], expected: str) -> None:
    assert nova_host(node, hosts) == expected


def test_two_domains_are_two_machines() -> None:
    with pytest.raises(UnknownHostError):
        nova_host("compute-1.a.example", ["compute-1.b.example"])


def test_two_candidates_are_an_error_that_names_both() -> None:
    with pytest.raises(AmbiguousHostError, match=r"compute-1\.a.*compute-1\.b.*host_names"):
        nova_host("compute-1", ["compute-1.a", "compute-1.b"])


def test_the_operators_word_wins_but_must_exist() -> None:
    assert nova_host("c1", ["compute-1"], {"c1": "compute-1"}) == "compute-1"
    with pytest.raises(UnknownHostError):
        nova_host("c1", ["c1"], {"c1": "compute-1"})


names = st.from_regex(r"[a-c]-?[12](\.[xy])?", fullmatch=True)


@given(names, st.lists(names, unique=True))
def test_never_a_host_with_another_short_name(node: str, hosts: list[str]) -> None:
    try:
        found = nova_host(node, hosts)
    except (UnknownHostError, AmbiguousHostError):
        return
    assert short(found) == short(node)
    assert found == node or node not in hosts
