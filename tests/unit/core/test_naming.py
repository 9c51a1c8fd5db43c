"""Which host of Nova a node is: never the wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core.errors import (
    AmbiguousHostError,
    AmbiguousNodeError,
    SharedHostError,
    UnknownHostError,
    UnknownNodeError,
)
from novaha.core.naming import alike, find_node, node_named, nova_host, short


@pytest.mark.parametrize(
    ("node", "hosts", "expected"),
    [
        ("compute-1", ["compute-1", "compute-10"], "compute-1"),
        ("compute-1", ["compute-1.a.example", "compute-2.a.example"], "compute-1.a.example"),
        ("compute-1.a.example", ["compute-1", "compute-2"], "compute-1"),
        ("Compute-1", ["compute-1"], "compute-1"),
        ("compute-1", ["COMPUTE-1.A.example"], "COMPUTE-1.A.example"),
        (
            "compute-1.a.example",
            ["Compute-1.a.Example", "compute-1.b.example"],
            "Compute-1.a.Example",
        ),
        ("compute-1", ["compute-1."], "compute-1."),
        ("10.0.0.1", ["10.0.0.1", "10.0.0.2", "10"], "10.0.0.1"),
        ("10", ["10.0.0.1", "10"], "10"),
        ("fd00::1", ["fd00::1", "fd00::1.example"], "fd00::1"),
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


@pytest.mark.parametrize(
    ("node", "hosts"),
    [
        # [DEFAULT] host was changed: one of them is what is left, and has the exact name.
        ("compute-1", ["compute-1", "compute-1.localdomain"]),
        ("compute-1.localdomain", ["compute-1", "compute-1.localdomain"]),
        ("compute-1", ["compute-1", "COMPUTE-1"]),
        ("compute-1", ["Compute-1", "COMPUTE-1"]),
        ("compute-1.a", ["compute-1.a", "compute-1.A"]),
        ("compute-1", ["compute-1", "compute-1.a", "compute-1.b"]),
        ("COMPUTE-1", ["compute-1.a", "compute-1.b"]),
        ("compute-1", ["compute-1", "compute-1."]),
    ],
)
def test_law_1_a_host_that_differs_by_domain_or_case_makes_it_ambiguous(
    node: str, hosts: list[str]
) -> None:
    for order in (hosts, hosts[::-1]):
        with pytest.raises(AmbiguousHostError, match=r"host_names.*domain") as caught:
            nova_host(node, order)
        assert set(hosts) == set(caught.value.hosts)
        assert all(host in str(caught.value) for host in hosts)


@pytest.mark.parametrize(
    ("node", "domain", "expected"),
    [
        ("compute-1", "localdomain", "compute-1.localdomain"),
        ("COMPUTE-1", ".LocalDomain.", "compute-1.localdomain"),
        ("compute-1.localdomain", "localdomain", "compute-1.localdomain"),
        ("compute-1", "b.example", "compute-1.b.example"),
        ("compute-1", "X.example", "compute-1.x.example"),
    ],
)
def test_the_domain_decides(node: str, domain: str, expected: str) -> None:
    hosts = ["compute-1", "compute-1.localdomain", "compute-1.b.example", "compute-2.localdomain"]
    hosts.append("compute-1.x.example")
    assert nova_host(node, hosts, domain=domain) == expected


def test_a_domain_that_decides_nothing_leaves_it_ambiguous() -> None:
    with pytest.raises(AmbiguousHostError):
        nova_host("compute-1", ["compute-1", "compute-1.a"], domain="c")
    with pytest.raises(AmbiguousHostError):
        nova_host("compute-1", ["compute-1.a", "compute-1.A"], domain="a")
    assert nova_host("compute-1", ["compute-1"], domain="c") == "compute-1"


@pytest.mark.parametrize("key", ["compute-1", "COMPUTE-1", "Compute-1"])
@pytest.mark.parametrize("expected", ["compute-1", "compute-1.localdomain"])
def test_the_operators_word_decides_in_any_case(key: str, expected: str) -> None:
    hosts = ["compute-1", "compute-1.localdomain"]
    assert nova_host("compute-1", hosts, {key: expected}, domain="localdomain") == expected
    assert nova_host("compute-1", hosts, {key: expected.upper()}) == expected


def test_an_operator_who_says_two_things_has_not_decided() -> None:
    given = {"compute-1": "compute-1", "COMPUTE-1": "compute-1.localdomain"}
    with pytest.raises(AmbiguousHostError, match="host_names"):
        nova_host("compute-1", ["compute-1", "compute-1.localdomain"], given)


def test_an_operator_who_names_a_host_that_there_is_twice_has_not_decided() -> None:
    with pytest.raises(AmbiguousHostError) as caught:
        nova_host("c1", ["compute-1", "Compute-1"], {"c1": "COMPUTE-1"})
    assert caught.value.hosts == ("Compute-1", "compute-1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("compute-1.a.", "compute-1.a", True),
        ("compute-1.a", "Compute-1.A.", True),
        (".compute-1", "compute-1", False),
        ("compute-1.a", "compute-1.b", False),
        ("compute-1", "compute-1.b", True),
    ],
)
def test_names_that_are_alike(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is same
    assert alike(other, one) is same


def test_what_is_given_to_another_node_is_no_candidate() -> None:
    hosts = ["compute-1", "compute-1.localdomain"]
    assert nova_host("compute-1", hosts, {"hv-1": "compute-1.localdomain"}) == "compute-1"


@pytest.mark.parametrize(
    ("nodes", "hosts", "given"),
    [
        (["compute-1", "compute-1.a"], ["compute-1"], {}),
        (["compute-1", "compute-1.a"], ["compute-1.a"], {}),
        (["compute-1.a", "compute-1.b"], ["compute-1"], {}),
        (["compute-1", "hv-1"], ["compute-1"], {"HV-1": "compute-1"}),
        (["hv-1", "hv-2"], ["compute-1"], {"hv-1": "compute-1", "hv-2": "COMPUTE-1"}),
    ],
)
def test_law_1_two_nodes_are_never_one_host(
    nodes: list[str], hosts: list[str], given: dict[str, str]
) -> None:
    """One of them may be alive, and would be evacuated as the dead one."""
    for node in nodes:
        with pytest.raises(SharedHostError, match="host_names") as caught:
            nova_host(node, hosts, given, nodes=nodes)
        assert set(caught.value.nodes) == set(nodes)


def test_nodes_that_are_no_trouble_to_each_other() -> None:
    nodes = ["compute-1", "compute-2", "compute-1.b"]
    hosts = ["compute-1.a", "compute-2", "hv-9"]
    given = {"compute-1": "compute-1.a", "compute-1.b": "hv-9", "gone": "compute-2"}
    assert [nova_host(node, hosts, given, nodes=nodes) for node in nodes] == hosts


def test_law_1_a_node_that_may_be_this_host_or_another_shares_it() -> None:
    """`compute-1` may be any of the two hosts; nobody knows which."""
    with pytest.raises(SharedHostError) as caught:
        nova_host("compute-1.a", ["compute-1.a", "compute-1.b"], nodes=["Compute-1", "compute-1.a"])
    assert caught.value.nodes == ("Compute-1", "compute-1.a")


@pytest.mark.parametrize(
    ("other", "hosts", "given"),
    [
        ("compute-1.b", ["compute-1.b", "compute-1.B"], {}),
        ("compute-1", ["hv-1", "hv-2"], {"compute-1": "hv-1", "COMPUTE-1": "hv-2"}),
    ],
)
def test_a_node_of_which_nobody_knows_what_it_is_is_no_trouble_to_others(
    other: str, hosts: list[str], given: dict[str, str]
) -> None:
    nodes, everything = ["compute-1.a", other], ["compute-1.a", *hosts]
    with pytest.raises(AmbiguousHostError):
        nova_host(other, everything, given, nodes=nodes)
    assert nova_host("compute-1.a", everything, given, nodes=nodes) == "compute-1.a"


@pytest.mark.parametrize("name", ["compute-1", "COMPUTE-1", "Compute-1"])
def test_a_node_is_found_in_any_case_under_its_own_name(name: str) -> None:
    assert find_node(name, ["controller-1", "compute-1"]) == "compute-1"
    assert node_named(name, ["compute-1"]) == "compute-1"


def test_a_node_that_is_not_found() -> None:
    assert find_node("compute-10", ["compute-1"]) is None
    with pytest.raises(UnknownNodeError, match=r"compute-10.*compute-1"):
        node_named("compute-10", ["compute-1"])


def test_nodes_that_differ_by_case_only() -> None:
    nodes = ["compute-1", "COMPUTE-1"]
    assert find_node("COMPUTE-1", nodes) == "COMPUTE-1"
    with pytest.raises(AmbiguousNodeError, match="COMPUTE-1, compute-1"):
        find_node("Compute-1", nodes)


def test_the_operators_word_wins_but_must_exist() -> None:
    assert nova_host("c1", ["compute-1"], {"c1": "compute-1"}) == "compute-1"
    with pytest.raises(UnknownHostError):
        nova_host("c1", ["c1"], {"c1": "compute-1"})


names = st.from_regex(r"[abAB]-?[12](\.[xyX])?\.?", fullmatch=True)


@given(names, st.lists(names, unique=True))
def test_law_1_only_the_one_host_that_is_alike(node: str, hosts: list[str]) -> None:
    candidates = [host for host in hosts if alike(host, node)]
    try:
        found = nova_host(node, hosts)
    except UnknownHostError:
        found = None
    except AmbiguousHostError as error:
        assert sorted(error.hosts) == sorted(candidates)  # noqa: PT017 (nothing may be raised)
        return
    assert candidates == ([] if found is None else [found])
    assert found is None or short(found).lower() == short(node).lower()


@given(st.lists(names, unique=True, min_size=2, max_size=3), st.lists(names, unique=True))
def test_law_1_no_two_nodes_get_one_host(nodes: list[str], hosts: list[str]) -> None:
    found = []
    for node in nodes:
        try:
            found.append(nova_host(node, hosts, nodes=nodes))
        except (UnknownHostError, AmbiguousHostError, SharedHostError):
            continue
    # Pacemaker takes those that differ by case for one node.
    assert len(found) == len(set(found)) or len({node.lower() for node in nodes}) < len(nodes)
