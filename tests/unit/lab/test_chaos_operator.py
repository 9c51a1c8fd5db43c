"""The operator of the chaos runs does what novaha says, in novaha's own words."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from novahalab import layout
from novahalab.chaos import operator
from novahalab.chaos.operator import Operator

from novaha.evacuator import status
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import site_with
from tests.unit.evacuator.test_law_2 import disturbed


def shown(site: Site) -> str:
    assert site.loop is not None
    return json.dumps({"hosts": [status.host(report) for report in site.loop.reports]})


def test_the_host_with_a_guest_that_nova_has_lost_is_ended_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_with(running=1)
    site.fence("compute-1")
    where = disturbed(site, "run-0")

    def answer(name: str) -> SimpleNamespace:
        """Only where the evacuator runs is the reason known."""
        knows = name == layout.CONTROLLERS[-1]
        text = shown(site) if knows else '{"hosts": []}'
        return SimpleNamespace(exec=lambda argv, timeout: SimpleNamespace(stdout=text))

    monkeypatch.setattr(operator, "Sandbox", answer)
    ended: list[str] = []
    obedient = Operator(ended.append)
    obedient.obey()
    assert ended == []
    site.pass_time(60)
    for _ in range(3):
        obedient.obey()
    assert ended == [where]
