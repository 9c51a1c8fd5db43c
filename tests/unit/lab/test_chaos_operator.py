"""The operator of the chaos runs does what novaha says, in novaha's own words."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from novahalab import layout
from novahalab.chaos import operator
from novahalab.chaos.operator import Operator

from novaha.evacuator import status
from novaha.evacuator.held import HeldHost
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import site_with
from tests.unit.evacuator.test_held import BEGAN
from tests.unit.evacuator.test_held import Site as HeldSite
from tests.unit.evacuator.test_law_2 import disturbed


def shown(site: Site) -> str:
    assert site.loop is not None
    return json.dumps({"hosts": [status.host(report) for report in site.loop.reports]})


def held(reason: str) -> str:
    """As novaha.evacuator.held says it."""
    site = HeldSite()
    site.watch.hosts = (HeldHost("compute-1", BEGAN, reason),)
    return json.dumps({"hosts": [], "notices": list(site.watch.notices())})


@pytest.mark.parametrize(
    ("reason", "let_go"),
    [
        ("it answers, but Nova heard last from its nova-compute at 11:59:55 UTC", ["compute-1"]),
        ("it is silent, and the others are not: it is about to be fenced", []),
        ("this controller reaches none of the 3 other compute hosts that it asked", []),
    ],
)
def test_a_held_host_of_which_nobody_can_tell_is_let_go_after_a_while(
    reason: str, let_go: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    clock = [0.0]

    def run(argv: list[str], timeout: float) -> SimpleNamespace:
        asked.append(argv)
        return SimpleNamespace(stdout=held(reason))

    monkeypatch.setattr(operator, "Sandbox", lambda name: SimpleNamespace(exec=run))
    monkeypatch.setattr(operator.time, "monotonic", lambda: clock[0])
    obedient = Operator(lambda host: None)
    for now in (0.0, 20.0, 40.0, 41.0):
        clock[0] = now
        obedient.obey()
    assert [argv[2] for argv in asked if argv[1] == "proceed"] == let_go


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
