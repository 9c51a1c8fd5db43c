"""What Placement and Nova tell of room: what makes no sense is no room, and no place to go."""

from __future__ import annotations

from typing import Any

import pytest

from novaha.core.errors import UnknownOutcomeError
from novaha.nova.placement import apart, hosts, summaries, together
from novaha.nova.traits import traits
from tests.unit.nova.test_traits import FLAVOR, ROW


def provider(vcpus: tuple[int, int], *traits: str) -> dict[str, Any]:
    return {
        "resources": {
            "VCPU": {"capacity": vcpus[0], "used": vcpus[1]},
            "MEMORY_MB": {"capacity": 1000, "used": 400},
        },
        "traits": list(traits),
    }


def test_what_is_left_on_each_host() -> None:
    body = {"provider_summaries": {"u1": provider((16, 3)), "u2": provider((4, 4), "HW_CPU")}}
    assert summaries("x", body) == {
        "u1": {"VCPU": 13, "MEMORY_MB": 600},
        "u2": {"VCPU": 0, "MEMORY_MB": 600},
    }


def test_a_host_that_the_scheduler_leaves_out_has_no_room() -> None:
    body = {"provider_summaries": {"u1": provider((16, 3), "COMPUTE_STATUS_DISABLED")}}
    assert summaries("x", body) == {}


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"provider_summaries": []}, {"provider_summaries": {"u1": {}}}],
)
def test_an_answer_that_makes_no_sense(body: Any) -> None:
    with pytest.raises(UnknownOutcomeError):
        summaries("x", body)


def test_the_hosts_of_providers() -> None:
    rows = [{"id": "u1", "service": {"host": "compute-1"}}, {"id": 7}, {"id": "u2", "service": 1}]
    assert hosts(rows) == {"u1": "compute-1"}


def test_server_groups_before_and_after_2_64() -> None:
    groups = [
        {"id": "g1", "policy": "anti-affinity", "members": ["a", "b"]},
        {"id": "g2", "policies": ["anti-affinity"], "members": ["c"]},
        {"id": "g3", "policy": "soft-anti-affinity", "members": ["d"]},
        {"id": "g4", "policies": ["affinity"], "members": ["e"]},
        {"id": "g5"},
    ]
    assert apart(groups) == {"g1": ("a", "b"), "g2": ("c",)}
    assert together(groups) == {"e"}


@pytest.mark.parametrize(
    ("changes", "image", "disk"),
    [
        ({}, {"id": "i1"}, 2),  # 1 GB of root, 512 MB of swap
        ({"swap": 0}, {"id": "i1"}, 1),
        ({"swap": 1025, "ephemeral": 10}, {"id": "i1"}, 13),
        ({"swap": 0}, "", None),
        ({"swap": 0, "ephemeral": 3}, "", 3),
    ],
)
def test_what_an_instance_needs(changes: dict[str, int], image: Any, disk: int | None) -> None:
    flavor = {**FLAVOR, "vcpus": 2, "ram": 512, **changes}
    needs = traits({**ROW, "flavor": flavor, "image": image}).needs
    assert needs == {"VCPU": 2, "MEMORY_MB": 512, **({"DISK_GB": disk} if disk else {})}


@pytest.mark.parametrize("odd", [None, "2", 1.5, []])
def test_a_flavor_that_makes_no_sense(odd: Any) -> None:
    assert traits({**ROW, "flavor": {**FLAVOR, "vcpus": odd, "ram": 512}}).needs is None
