"""novaha is taken out of a cluster that runs, and set up again."""

from __future__ import annotations

import pytest
from novahalab import cluster, layout
from novahalab.watcher import Watcher

from tests.lab.site import Site
from tests.lab.test_scenario import assert_running_once, elsewhere, twelve

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def pids(site: Site) -> dict[str, list[str]]:
    return {node: site.compute_processes(node) for node in site.computes}


def test_nothing_stops_when_novaha_goes_and_it_comes_back(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    before = pids(site)
    fencings = {node: len(site.fencings(node)) for node in site.computes}
    said = site.on(layout.CONTROLLERS[0], "novaha", "setup", "--remove", "--apply")
    assert "systemctl enable nova-compute" in said
    configured = site.on_any_controller("cibadmin", "--query", "--scope", "configuration")
    for ours in (
        "NovaEvacuate",
        "NovaCompute",
        "fence_compute",
        "novaha-hold",
        "novaha_alert",
        "osprole",
    ):
        assert ours not in configured
    # Whatever Pacemaker had to do about it is done.
    site.on_any_controller("crm_resource", "--wait", "--timeout=60s")
    assert pids(site) == before
    assert {node: len(site.fencings(node)) for node in site.computes} == fencings
    status = cluster.status()
    assert status is not None
    assert cluster.whole(site.computes)(status) == ""
    assert elsewhere(site, instances, *(n for n in site.computes if n != "compute-1"))
    assert site.on(layout.CONTROLLERS[0], "sh", "-c", "novaha status; echo $?").endswith("3\n")

    site.on(layout.CONTROLLERS[0], "novaha", "setup", "--apply")
    if "fence_heuristics_compute" in site.on_any_controller("cibadmin", "--query"):
        # Hosts die here all the time: as in the lab's own set-up.
        site.on_any_controller("pcs", "stonith", "update", "nova-brake", "window=1")
    site.wait("novaha is back", site.whole)
    assert pids(site) == before, "a start of what runs already does nothing"
    site.lab("crash", "compute-1")
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"))
    assert_running_once(site, watcher, instances)
    site.wait("the host is back", site.whole, 300)


def test_law_3_a_host_in_recovery_keeps_novaha_in_place(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    site.spawn_delay(10)
    site.lab("crash", "compute-1")
    site.wait("the recovery runs", lambda: site.state("compute-1") == "running")
    command = "novaha setup --remove --apply 2>&1; echo $?"
    said = site.on(layout.CONTROLLERS[0], "sh", "-c", command)
    assert said.endswith("1\n")
    assert "compute-1 is in recovery" in said
    assert site.evacuator()
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"), 300)
    assert set(site.evacuations(instances).values()) == {1}
    site.spawn_delay(0)
    site.wait("the host is back", site.whole, 300)
