"""Groups that come before others: who waits for whom, and for how long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core.policy.order import Group, Member, ancestors, cycle, waiting

CHAIN = {
    "db": Group("db", active_for=5, delay=3, timeout=60),
    "app": Group("app", after=("db",)),
    "web": Group("web", after=("app",)),
    "free": Group("free"),
}


def graph(**after: str) -> dict[str, Group]:
    return {name: Group(name, after=tuple(names.split())) for name, names in after.items()}


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ({}, ()),
        (CHAIN, ()),
        (graph(a="a"), ("a", "a")),
        (graph(a="b c", b="d", c="d", d=""), ()),
        (graph(a="gone"), ()),
    ],
)
def test_groups_that_wait_for_each_other(groups: dict[str, Group], wanted: tuple[str, ...]) -> None:
    assert cycle(groups) == wanted


def test_a_cycle_is_named_in_its_order() -> None:
    found = cycle(graph(x="", a="b x", b="c", c="a"))
    assert found[0] == found[-1]
    assert set(found) == {"a", "b", "c"}
    assert all(later in graph(a="b x", b="c", c="a")[one].after for one, later in pairwise(found))


def test_what_comes_before_however_far() -> None:
    assert ancestors("web", CHAIN) == {"app", "db"}
    assert ancestors("db", CHAIN) == ancestors("gone", CHAIN) == frozenset()
    assert ancestors("a", graph(a="gone")) == frozenset()


NOW = 1000.0
WAITS = {"app": ("db",), "web": ("db",)}


@pytest.mark.parametrize(
    ("members", "began", "wanted"),
    [
        ([], {}, {}),
        ([Member("db")], {"db": NOW}, WAITS),
        ([Member("db", NOW - 7.9)], {"db": NOW - 20}, WAITS),
        ([Member("db", NOW - 8)], {"db": NOW - 20}, {}),
        ([Member("db", NOW - 8), Member("db")], {"db": NOW - 20}, WAITS),
        ([Member("db")], {"db": NOW - 59.9}, WAITS),
        ([Member("db")], {"db": NOW - 60}, {}),
        ([Member("app")], {"app": NOW}, {"web": ("app",)}),
        (
            [Member("app"), Member("db")],
            {"app": NOW, "db": NOW},
            {"app": ("db",), "web": ("app", "db")},
        ),
        ([Member("app"), Member("db")], {"app": NOW, "db": NOW - 60}, {"web": ("app",)}),
        ([Member("free")], {"free": NOW}, {}),
        ([Member("gone")], {"gone": NOW}, {}),
    ],
)
def test_who_waits(
    members: list[Member], began: dict[str, float], wanted: dict[str, tuple[str, ...]]
) -> None:
    assert waiting(members, began, CHAIN, NOW) == wanted


NAMES = ("a", "b", "c", "d", "e")


@given(
    edges=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=10),
    up=st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), st.just(0.0)), max_size=5),
)
def test_nobody_goes_before_what_it_waits_for_and_all_go_in_the_end(
    edges: list[tuple[str, str]], up: dict[str, float | None]
) -> None:
    groups = {n: Group(n, after=tuple(b for a, b in edges if a == n)) for n in NAMES}
    if cycle(groups):
        return
    members = [Member(name, since) for name, since in up.items()]
    began = dict.fromkeys(up, 0.0)
    waits = waiting(members, began, groups, 1.0)
    for name in NAMES:
        open_before = {o for o in ancestors(name, groups) if o in up and up[o] is None}
        assert set(waits.get(name, ())) == open_before
    open_groups = {n for n in up if up[n] is None}
    assert not open_groups or any(n not in waits for n in open_groups), "somebody can go on"
    assert waiting(members, began, groups, 300.0) == {}, "a time-out ends all waiting"
