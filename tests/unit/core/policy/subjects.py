"""Instances as a policy sees them."""

from __future__ import annotations

from typing import Any

from novaha.core.groups import Aggregate, Place
from novaha.core.policy.match import Subject
from novaha.core.policy.traits import ImageTraits, Traits

TRAITS: dict[str, Any] = {
    "project": "p1",
    "flavor": "m1.small",
    "extra_specs": {"hw:cpu_policy": "shared"},
    "image": "i1",
    "tags": ("web",),
    "metadata": {},
    "local_disk": False,
}


def subject(**changes: Any) -> Subject:
    """An instance of which everything is known; what is given instead."""
    own = {name: changes.pop(name) for name in TRAITS if name in changes}
    given: dict[str, Any] = {
        "id": "u1",
        "name": "web-1",
        "host": "compute-1",
        "place": Place("az1", (Aggregate("rack-1", {"rack": "1"}),)),
        "images": {"i1": ImageTraits({"os_type": "linux"}, ("gold",))},
    }
    return Subject(**{**given, "traits": Traits(**{**TRAITS, **own}), **changes})
