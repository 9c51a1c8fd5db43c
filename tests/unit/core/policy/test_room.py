"""Whether there is room elsewhere: what fits by the numbers, and why something does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaha.core.policy.room import (
    DISK,
    MEMORY,
    VCPU,
    Free,
    Outcome,
    Placed,
    Room,
    Wanted,
    failures_left,
    worst,
)


def free(host: str, memory: int, vcpus: int = 8, zone: str = "") -> Free:
    return Free(host, {VCPU: vcpus, MEMORY: memory, DISK: 100}, zone)


def wanted(name: str, memory: int, host: str = "a", **more: Any) -> Wanted:
    return Wanted(name, host, {VCPU: 1, MEMORY: memory}, **more)


def room(*hosts: Free, **members: set[str]) -> Room:
    return Room({h.host: h for h in hosts}, members)


def placed(found: list[Placed]) -> dict[str, str]:
    return {p.wanted.id: p.host or str(p.outcome) for p in found}


def test_each_goes_where_most_memory_is_free() -> None:
    found = room(free("a", 9000), free("b", 1000), free("c", 800)).place(
        [wanted("x", 300), wanted("y", 300), wanted("z", 300)], {"a"}
    )
    assert placed(found) == {"x": "b", "y": "c", "z": "b"}


def test_by_priority_and_then_the_largest_first() -> None:
    found = room(free("b", 1000)).place(
        [wanted("small", 300), wanted("large", 800), wanted("soon", 500, priority=90)], {"a"}
    )
    assert placed(found) == {"soon": "b", "large": "no room", "small": "b"}


@pytest.mark.parametrize(
    ("one", "hosts", "why"),
    [
        (wanted("x", 900), (free("b", 800), free("c", 100)), "no host has 900 MEMORY_MB free"),
        (wanted("x", 100), (free("b", 800, vcpus=0),), "no host has 1 VCPU free"),
        (wanted("x", 100), (), "no host is left"),
        (wanted("x", 1, zone="z1"), (free("b", 800, zone="z2"),), "no host of zone z1 takes "),
        (wanted("x", 1, apart="g"), (free("b", 800),), "its server group is on every host that"),
        (Wanted("x", "a", {"CUSTOM_GPU": 1}), (free("b", 800),), "no host has 1 CUSTOM_GPU free"),
    ],
)
def test_why_there_is_no_room(one: Wanted, hosts: tuple[Free, ...], why: str) -> None:
    (found,) = room(*hosts, g={"b"}).place([one], {"a"})
    assert found.outcome is Outcome.NO_ROOM
    assert found.why.startswith(why)


def test_what_the_numbers_do_not_tell() -> None:
    (found,) = room(free("b", 800)).place([wanted("x", 1, unclear="its flavor has NUMA")], {"a"})
    assert (found.outcome, found.why) == (Outcome.UNCLEAR, "its flavor has NUMA")


def test_members_of_a_group_go_apart_and_the_dead_host_does_not_count() -> None:
    there = room(free("b", 800), free("c", 700), free("a", 1), g={"a", "c"})
    found = there.place([wanted("x", 1, apart="g"), wanted("y", 1, apart="g")], {"a"})
    assert placed(found) == {"x": "b", "y": "no room"}


def test_two_hosts_are_never_given_the_same_room() -> None:
    hosts = room(free("a", 0), free("b", 0), free("c", 500))
    by_host = {"a": [wanted("x", 400)], "b": [wanted("y", 400, "b")], "c": []}
    assert worst(hosts, by_host) == {}
    left, dead, lost = failures_left(hosts, by_host, 3)
    assert (left, set(dead)) == (1, {"a", "b"})
    assert len(lost) == 1


def test_a_host_that_alone_loses_something() -> None:
    hosts = room(free("a", 0), free("b", 100), free("c", 100))
    by_host = {"a": [wanted("x", 400)], "b": [wanted("y", 10, "b")], "c": []}
    left, dead, lost = failures_left(hosts, by_host, 2)
    assert (left, dead, [p.wanted.id for p in lost]) == (0, ("a",), ["x"])


def test_all_may_die_where_there_is_nothing() -> None:
    assert failures_left(room(free("a", 1), free("b", 1)), {"a": [], "b": []}, 5) == (2, (), [])


@given(
    frees=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), min_size=1, max_size=6),
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2)), max_size=12),
)
def test_what_is_said_to_fit_fits_and_nothing_is_forgotten(
    frees: list[tuple[int, int]], sizes: list[tuple[int, int]]
) -> None:
    hosts = {f"h{n}": free(f"h{n}", m, v) for n, (m, v) in enumerate(frees)}
    asked = [wanted(f"i{n}", m, apart="g" if g else "") for n, (m, g) in enumerate(sizes)]
    found = Room(hosts, {"g": {"h0"}}).place(asked, {"a"})
    assert {p.wanted.id for p in found} == {w.id for w in asked}
    used: dict[str, list[Wanted]] = {}
    for p in found:
        if p.outcome is Outcome.FITS:
            used.setdefault(p.host, []).append(p.wanted)
    for host, there in used.items():
        for resource, amount in hosts[host].free.items():
            assert sum(w.needs.get(resource, 0) for w in there) <= amount
        assert sum(w.apart == "g" for w in there) + (host == "h0") <= 1 or not any(
            w.apart for w in there
        )
    for p in found:
        if p.outcome is Outcome.NO_ROOM and not p.wanted.apart:
            for host, one in hosts.items():
                there = used.get(host, [])
                assert any(
                    one.free.get(r, 0) - sum(w.needs.get(r, 0) for w in there) < need
                    for r, need in p.wanted.needs.items()
                ), "it would have fitted in the end"


def test_many_hosts_with_many_instances() -> None:
    hosts = {f"h{n}": free(f"h{n}", 9000 + n, 200) for n in range(60)}
    by_host = {h: [wanted(f"{h}-{n}", 100 + 10 * (n % 7), h) for n in range(50)] for h in hosts}
    left, dead, _ = failures_left(Room(hosts), by_host, 3)
    assert (left, dead) == (3, ())
