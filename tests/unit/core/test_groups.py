"""The groups of hosts that Nova's zones and aggregates make."""

from __future__ import annotations

import pytest

from novaha.core.groups import Aggregate, Place, groups

R7, R8 = Aggregate("rack-7"), Aggregate("rack-8")
SSD = Aggregate("ssd", {"disk": "ssd"})


def rack(name: str) -> Aggregate:
    return Aggregate("any", {"rack": name})


@pytest.mark.parametrize(
    ("place", "racks", "found"),
    [
        (Place("az1"), "", {"novaha-zone": "az1"}),
        (Place(""), "", {}),
        (Place("az1", (SSD,)), "", {"novaha-zone": "az1"}),
        (Place("az1", (rack("r7"), SSD)), "", {"novaha-zone": "az1", "novaha-rack": "r7"}),
        (Place("", (rack("r7"), rack("r7"))), "", {"novaha-rack": "r7"}),
        (Place("", (R7, SSD)), "", {}),
        (Place("", (R7, SSD)), "rack-*", {"novaha-rack": "rack-7"}),
        (Place("", (R7, rack("r7"))), "rack-*", {"novaha-rack": "r7"}),
        (Place("", (Aggregate("a", {"novaha-group": "pdu 3"}),)), "", {"novaha-group": "pdu 3"}),
    ],
)
def test_what_a_host_belongs_to(place: Place, racks: str, found: dict[str, str]) -> None:
    told = groups({"compute-1": place, "compute-2": Place("az2")}, racks)
    assert told.attributes["compute-1"] == found
    assert told.problems == ()


def test_a_host_of_which_nova_tells_no_zone_is_in_none() -> None:
    told = groups({"compute-1": Place(""), "compute-2": Place("a"), "compute-3": Place("b")})
    assert told.attributes == {
        "compute-1": {},
        "compute-2": {"novaha-zone": "a"},
        "compute-3": {"novaha-zone": "b"},
    }
    assert told.problems == ()


def test_a_name_of_255_signs_is_the_longest() -> None:
    told = groups({"compute-1": Place("", (rack("r" * 255),))})
    assert told.attributes == {"compute-1": {"novaha-rack": "r" * 255}}


def test_one_zone_for_all_hosts_is_no_group() -> None:
    told = groups({"compute-1": Place("nova"), "compute-2": Place("nova"), "compute-3": Place()})
    assert set(map(len, told.attributes.values())) == {0}


@pytest.mark.parametrize(
    ("aggregates", "said"),
    [
        ((rack("r7"), rack("r8")), "several groups of novaha-rack: r7, r8; none is taken"),
        ((R7, R8), "several groups of novaha-rack: rack-7, rack-8; none is taken"),
        ((rack("r7\nx"),), "compute-1: what Nova has for novaha-rack is no name of a group"),
        ((rack("r" * 256),), "compute-1: what Nova has for novaha-rack is no name of a group"),
    ],
)
def test_what_is_of_no_use_is_told_and_not_taken(
    aggregates: tuple[Aggregate, ...], said: str
) -> None:
    told = groups({"compute-1": Place("", aggregates)}, "rack-*")
    assert told.attributes == {"compute-1": {}}
    (problem,) = told.problems
    assert said in problem
