"""A host dies in each of the ways of `lab deaths`, and what becomes of its instances."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from novahalab import bmc, cluster, layout
from novahalab.watcher import Watcher

from tests.lab.conftest import one_generation
from tests.lab.site import Site
from tests.lab.test_brake import held

pytestmark = pytest.mark.lab

FIRST, SECOND, THIRD = "compute-1", "compute-2", "compute-3"


def running(site: Site, count: int, host: str) -> list[str]:
    """So many instances that run on a host, by id."""
    return [s.id for s in site.nova.servers_create(count, host=host, name_prefix=f"on-{host}")]


def where(instance: str) -> list[str]:
    """The hosts on which its guest runs."""
    found = layout.GUESTS.glob(f"*/{instance}")
    return sorted(p.parent.name for p in found if p.read_text().startswith("RUNNING"))


def recovered(site: Site, instances: list[str], *dead: str) -> bool:
    """Whether each runs on a host that lives, by Nova and by its hypervisor."""
    servers = site.servers()
    return all(
        servers[i].status == "ACTIVE"
        and servers[i].host not in dead
        and not servers[i].task_state
        and where(i) == [servers[i].host]
        for i in instances
    )


def failed_fencings(site: Site, node: str) -> int:
    """How many fencings of a node have failed, by Pacemaker's history."""
    history = site.on_any_controller(
        "stonith_admin", "--history", node, "--output-as=xml", "--verbose"
    )
    events = ET.fromstring(history).iter("fence_event")
    return sum(event.get("status") == "failed" for event in events)


def moved_before_the_power_was_cut(watcher: Watcher, instances: list[str], node: str) -> list[str]:
    """The instances that were seen elsewhere before the BMC of `node` had done its work (law 1)."""
    off = bmc.powered_off(node, watcher.runs[instances[0]][0][1])
    assert off is not None, f"the BMC of {node} has not cut its power"
    return [
        i
        for i in instances
        if any(host != node and first < off for host, first, _ in watcher.runs[i])
    ]


@one_generation
def test_law_1_a_panic_and_a_hang_at_the_same_time(site: Site, watcher: Watcher) -> None:
    """The one that hangs answers, as one would that lives. Is it judged before the death of the
    other one is proven, it waits for an operator (law 10)."""
    panicked, hung = running(site, 2, FIRST), running(site, 2, SECOND)
    watcher.look()
    site.lab("crash", FIRST, "--kind", "panic")
    site.lab("crash", SECOND, "--kind", "hang")
    watcher.look()
    assert [where(i) for i in panicked] == [[], []], "a kernel that panics runs no guests"

    def is_judged() -> bool:
        return SECOND in held(site) or recovered(site, hung, SECOND)

    site.wait("the one that hangs is held, or let go", is_judged)
    if SECOND in held(site):
        assert [where(i) for i in hung] == [[SECOND], [SECOND]]
        site.on_any_controller("novaha", "proceed", SECOND, "--reason", "it hangs", "--yes")
    # A host that is back in service already may take instances of the other one.
    site.wait(
        "all run elsewhere",
        lambda: recovered(site, panicked, FIRST) and recovered(site, hung, SECOND),
    )
    watcher.look()
    assert moved_before_the_power_was_cut(watcher, panicked, FIRST) == []
    assert moved_before_the_power_was_cut(watcher, hung, SECOND) == []
    assert set(site.evacuations([*panicked, *hung]).values()) == {1}
    site.wait("both are back", site.whole)


@one_generation
def test_law_1_the_cable_alone_then_the_guests_run_until_the_fencing(
    site: Site, watcher: Watcher
) -> None:
    instances = running(site, 2, FIRST)
    watcher.look()
    site.lab("crash", FIRST, "--kind", "cable")
    assert [where(i) for i in instances] == [[FIRST], [FIRST]]
    site.wait("all run elsewhere", lambda: recovered(site, instances, FIRST))
    watcher.look()
    assert moved_before_the_power_was_cut(watcher, instances, FIRST) == []
    site.wait("its recovery is over", lambda: site.state(FIRST) == "recovered")
    site.lab("heal", FIRST, "cluster")
    site.wait("it is back", site.whole)
    assert set(site.evacuations(instances).values()) == {1}


def test_pacemaker_remote_alone_that_is_stopped_by_hand(site: Site, watcher: Watcher) -> None:
    """No fencing, no recovery: the guests run on where they are. Pacemaker 2.1.5 drops its own
    connection as it begins to stop (mended in 2.1.6), so that there the host is fenced."""
    instances = running(site, 2, FIRST)
    fenced_before = len(site.fencings(FIRST))
    now = cluster.status()
    assert now is not None
    site.lab("crash", FIRST, "--kind", "remoted-stopped")
    if now.version.startswith("2.1.5"):
        site.wait("all run elsewhere", lambda: recovered(site, instances, FIRST))
        site.wait("it is back", site.whole)
        assert set(site.evacuations(instances).values()) == {1}
        return
    site.wait("it is offline", lambda: site.state_of(FIRST) == "offline")
    assert not site.compute_processes(FIRST), "Pacemaker stops nova-compute first"
    assert (site.state(FIRST), len(site.fencings(FIRST))) == ("absent", fenced_before)
    assert [where(i) for i in instances] == [[FIRST], [FIRST]]
    site.lab("boot", FIRST)
    # Not --cleanup: nothing has failed, so that Pacemaker would have no reason to look again.
    site.on_any_controller("crm_resource", "--refresh", "--resource", FIRST)
    site.wait("it is back", site.whole)
    assert (site.state(FIRST), len(site.fencings(FIRST))) == ("absent", fenced_before)
    assert site.evacuations(instances).total() == 0
    assert recovered(site, instances)


@one_generation
def test_law_1_pacemaker_remote_alone_that_is_killed(site: Site, watcher: Watcher) -> None:
    """Nothing tells Pacemaker that the rest of the host lives: it is fenced like any other."""
    instances = running(site, 2, FIRST)
    watcher.look()
    site.lab("crash", FIRST, "--kind", "remoted-killed")
    assert [where(i) for i in instances] == [[FIRST], [FIRST]]
    site.wait("all run elsewhere", lambda: recovered(site, instances, FIRST))
    watcher.look()
    assert moved_before_the_power_was_cut(watcher, instances, FIRST) == []
    assert set(site.evacuations(instances).values()) == {1}
    site.wait("it is back", site.whole)


@one_generation
def test_law_1_power_and_bmc_together_need_somebody_who_confirms(
    site: Site, watcher: Watcher
) -> None:
    instances = running(site, 2, FIRST)
    failed_before = failed_fencings(site, FIRST)
    watcher.look()
    site.lab("crash", FIRST, "--kind", "power-and-bmc")
    site.wait("its fencing fails", lambda: failed_fencings(site, FIRST) > failed_before)
    assert site.state_of(FIRST) == "unclean"
    assert site.evacuations(instances).total() == 0
    assert [where(i) for i in instances] == [[], []]
    site.on_any_controller("stonith_admin", "--confirm", FIRST)
    site.wait("all run elsewhere", lambda: recovered(site, instances, FIRST))
    assert set(site.evacuations(instances).values()) == {1}
    site.lab("boot", FIRST)
    site.on_any_controller("crm_resource", "--cleanup")
    site.wait("it is back", site.whole)


@one_generation
def test_law_2_a_reboot_quicker_than_its_fencing(site: Site, watcher: Watcher) -> None:
    """Its instances run again, at home or elsewhere, and never on both."""
    instances = running(site, 3, FIRST)
    watcher.look()
    site.lab("crash", FIRST, "--kind", "reboot")
    watcher.look()

    def back() -> bool:
        # The process is of the new boot; Pacemaker and Nova may still tell of the one before.
        return bool(site.compute_processes(FIRST)) and site.whole() and recovered(site, instances)

    site.wait("it is back and all run", back)
    assert all(count == 1 for count in site.evacuations(instances).values())
