"""Law 1 by what the fence agents of a level do: one of each kind, through the whole evacuator."""

from __future__ import annotations

import pytest

from novaha.pacemaker.devices import Effect, FenceDevice, known_agents
from novaha.pacemaker.levels import Level, Levels
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import record, site_with

ONE_OF_EACH = {effect: agent for agent, effect in reversed(list(known_agents().items()))}
ONE_OF_EACH[Effect.UNKNOWN] = "fence_site_own"

FLAG = FenceDevice("fence-nova", "fence_compute")


def fenced_by(agent: str, **parameters: str) -> Site:
    site = site_with(running=2)
    use(site, Levels([FenceDevice("one", agent, parameters), FLAG], [level("one,fence-nova")]))
    site.fence("compute-1")
    return site


def level(devices: str) -> Level:
    return Level("l", tuple(devices.split(",")), target="compute-1")


def use(site: Site, levels: Levels) -> None:
    site.fencing.levels = lambda: levels  # type: ignore[method-assign, assignment, return-value]
    site.fencing.unproven = {"compute-1": levels.without_power_device("compute-1")}


@pytest.mark.parametrize("effect", Effect, ids=lambda effect: effect.name.lower())
def test_law_1_only_power_that_was_cut_lets_an_evacuation_begin(effect: Effect) -> None:
    site = fenced_by(ONE_OF_EACH[effect])
    site.pass_time(120)
    if effect is Effect.POWER:
        assert {instance.host for instance in site.nova.instances.values()} != {"compute-1"}
        return
    assert site.nova.requests == []
    assert record(site).hold
    assert site.loop is not None
    (attention,) = site.loop.attention
    assert "compute-1 is not safe to evacuate" in attention
    if effect is not Effect.FLAG:
        assert f"one ({ONE_OF_EACH[effect]}) {effect.value}" in attention


@pytest.mark.parametrize("parameter", ["pcmk_off_action", "action"])
@pytest.mark.parametrize("action", ["status", "metadata", "on", "monitor"])
def test_law_1_an_off_that_does_nothing_lets_none_begin(action: str, parameter: str) -> None:
    site = fenced_by("fence_ipmilan", **{parameter: action})
    site.pass_time(120)
    assert site.nova.requests == []


def test_law_1_what_is_put_right_is_fenced_once_more_before_anything_moves() -> None:
    site = fenced_by("fence_site_own")
    site.pass_time(120)
    declared = FenceDevice("fence-nova", "fence_compute", {"power_agents": "fence_site_own"})
    own = FenceDevice("one", "fence_site_own")
    use(site, Levels([own, declared], [level("one,fence-nova")]))
    site.pass_time(120)
    assert site.fencing.requested == ["compute-1"]
    assert site.nova.requests == []
    site.fence("compute-1")
    site.run_until(lambda: not any(i.host == "compute-1" for i in site.nova.instances.values()))
