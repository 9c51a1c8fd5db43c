"""What the evacuator remembers of a host."""

from __future__ import annotations

from dataclasses import replace

from novaha.core.model import Migration
from novaha.evacuator.memory import HostMemory
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import site_with


def watched(memory: HostMemory, site: Site, rows: list[Migration], now: float) -> dict[str, float]:
    instances = site.nova.instances_on("compute-1")
    memory.watch(instances, {row.instance: row for row in rows}, now, works=True)
    return memory.unchanged_for


def test_who_waits_while_others_are_taken_up_does_not_stand_still() -> None:
    site = site_with(running=3)
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.migrations) == 3)
    first, second, third = (replace(m, destination=None) for m in site.nova.migrations)
    memory = HostMemory(first_seen=0.0)
    watched(memory, site, [first, second, third], 0.0)
    assert watched(memory, site, [first, second, third], 5.0) == dict.fromkeys(
        ("run-0", "run-1", "run-2"), 5.0
    )
    taken_up = replace(first, destination="compute-2")
    assert max(watched(memory, site, [taken_up, second, third], 10.0).values()) == 0.0
    assert watched(memory, site, [taken_up, second, third], 17.0)["run-2"] == 7.0


def test_one_that_is_asked_for_again_and_again_does_not_hide_what_stands_still() -> None:
    site = site_with(running=2)
    site.fence("compute-1")
    site.run_until(lambda: len(site.nova.migrations) == 2)
    first, second = (replace(m, destination=None) for m in site.nova.migrations)
    memory = HostMemory(first_seen=0.0)
    for turn in range(5):
        failing = replace(first, id=first.id + 10 * turn, status="error")
        still = watched(memory, site, [failing, second], 5.0 * turn)
    assert still[second.instance] == 20.0
