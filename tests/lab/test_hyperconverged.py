"""Every cluster node is a compute host, and the one dies that the evacuator runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from novahalab import layout
from novahalab.watcher import Watcher

from tests.lab.conftest import GENERATIONS
from tests.lab.site import Site
from tests.lab.test_scenario import assert_running_once, elsewhere, twelve

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture(params=GENERATIONS)
def converged(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A lab of its own: three full cluster nodes, which are the compute hosts."""
    site = Site(layout.CONTROLLERS)
    site.lab("down", timeout=300)
    site.lab("up", "--hyperconverged", "--pacemaker", request.param, timeout=1800)
    yield site
    if getattr(request.node, "failed", False):
        print(site.describe())
    site.lab("down", timeout=300)


def test_a_compute_host_dies_with_the_evacuator_on_it(converged: Site) -> None:
    site = converged
    site.wait("the site is whole", site.whole, 300)
    victim = site.evacuator()
    assert victim in layout.CONTROLLERS
    watcher = Watcher(layout.GUESTS)
    watcher.start()
    instances = twelve(site, victim)
    site.lab("crash", victim)
    site.wait("the host is flagged", lambda: site.state(victim) != "absent")
    site.wait("another node runs the evacuator", lambda: site.evacuator() not in ("", victim))
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, victim), 300)
    assert set(site.evacuations(instances).values()) == {1}
    assert_running_once(site, watcher, instances)
    # Law 4: until its record allows it, the node that is back runs no nova-compute.
    early = []

    def back() -> bool:
        running = site.compute_processes(victim)
        if running and site.records().get(victim, {}).get("novaha-hold") == "true":
            early.append(victim)
        return site.whole()

    site.wait("the host is back", back, 300)
    assert early == []
    watcher.stop()
    assert watcher.twice == []
    (new,) = site.nova.servers_create(1, host=victim, name_prefix="new")
    assert new.host == victim
    assert "evacuate-placement" not in site.on(
        victim, "sh", "-c", "novaha doctor | grep -w error || :"
    )
