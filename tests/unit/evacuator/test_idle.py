"""An evacuator with nothing to do asks Nova now and then: a fault shows before a host dies."""

from __future__ import annotations

import pytest

from novaha.core.errors import ComputeApiError
from tests.fakes import faults
from tests.unit.evacuator.sites import site_with

MINUTES = 10


@pytest.mark.parametrize("problem", [faults.TIMED_OUT, faults.UNAUTHORIZED, faults.UNREACHABLE])
def test_what_keeps_nova_from_answering_is_shown_while_no_host_is_dead(
    problem: ComputeApiError,
) -> None:
    site = site_with()
    site.nova.down = problem
    site.pass_time(2)
    assert problem.detail in site.loop.nova_problem, "it asks as soon as it runs"
    site.nova.down = None
    site.pass_time(61)
    assert site.loop.nova_problem == ""
    site.nova.down = problem
    site.pass_time(61)
    assert problem.detail in site.loop.nova_problem
    assert site.nova.requests == []


def test_it_asks_once_a_minute_and_for_little() -> None:
    site = site_with()
    site.pass_time(2)
    site.nova.calls.clear()
    site.pass_time(60 * MINUTES)
    assert site.nova.calls == ["services"] * MINUTES
