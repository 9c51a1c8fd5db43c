"""The sites are worth judging: each field varies and decides something, and much is evacuated."""

from __future__ import annotations

from dataclasses import fields

import pytest

from novaha.core import steps
from novaha.core.situation import Policy
from novaha.core.steps import Evacuate, Step
from tests.property import sites
from tests.views import FIELDS, value

KINDS = [
    kind
    for kind in vars(steps).values()
    if isinstance(kind, type) and issubclass(kind, Step) and kind is not Step
]

UNUSED = {"held"}
"""What the planner does not look at: it is for people, and for the loop."""


def test_a_third_of_the_sites_yields_an_evacuation() -> None:
    found = sum(
        any(isinstance(step, Evacuate) for step in (*decided.steps, *decided.after_prepare))
        for _, decided in sites.planned()
    )
    assert found >= sites.COUNT / 3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_step_is_met(kind: type[Step]) -> None:
    met = sum(
        any(isinstance(step, kind) for step in (*decided.steps, *decided.after_prepare))
        for _, decided in sites.planned()
    )
    assert met >= 15


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_of_a_view_is_drawn_with_several_values(field: str) -> None:
    values = {repr(value(view, field)) for site in sites.sites() for view in site.views}
    assert len(values) > 1


@pytest.mark.parametrize("field", [f.name for f in fields(Policy)])
def test_each_field_of_the_policy_is_drawn_with_several_values(field: str) -> None:
    assert len({repr(getattr(site.policy, field)) for site in sites.sites()}) > 1


@pytest.mark.parametrize("field", FIELDS[1:])
def test_each_field_of_a_view_decides_something(field: str) -> None:
    hidden = sites.blind(field)
    matters = any(site.plan(hidden) != decided for site, decided in sites.planned())
    assert matters is (field not in UNUSED)
