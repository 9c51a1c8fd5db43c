"""The brake: many hosts are silent at once (law 10), on a real Pacemaker and a real Nova."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from novahalab import cluster, layout, network
from novahalab.watcher import Watcher

from tests.lab.conftest import one_generation
from tests.lab.site import Site
from tests.lab.test_scenario import assert_running_once, elsewhere

# On the other generations it was tried by hand: docs/adr/0009.
pytestmark = [pytest.mark.lab, one_generation]

COMPUTES = layout.computes(3)
ORDINARY = {"limit": "50%,100", "window": "1", "hold_recoveries": "false"}


@contextmanager
def parameters(site: Site, **given: str) -> Iterator[None]:
    """Meanwhile the brake has these. Its window is short: hosts die here all the time."""
    update = ("pcs", "stonith", "update", "nova-brake")
    site.on_any_controller(*update, *(f"{name}={value}" for name, value in given.items()))
    try:
        yield
    finally:
        site.on_any_controller(*update, *(f"{name}={ORDINARY[name]}" for name in given))


def two_each(site: Site) -> dict[str, str]:
    """Two running instances on each host; id to status."""
    return {
        server.id: server.status
        for host in COMPUTES
        for server in site.nova.servers_create(2, host=host, name_prefix=f"on-{host}")
    }


def moved(site: Site, instances: dict[str, str], *dead: str) -> bool:
    """Whether those of each dead host are elsewhere, as they were.

    A dead host that is back in service may have taken instances of another one.
    """
    servers = site.servers()
    return elsewhere(site, instances) and not any(
        servers[i].host == host and servers[i].name.startswith(f"on-{host}-")
        for i in instances
        for host in dead
    )


def fencings(site: Site) -> dict[str, int]:
    return {host: len(site.fencings(host)) for host in COMPUTES}


def held(site: Site) -> set[str]:
    """The hosts of which `novaha status` says that they are held, where the evacuator runs."""
    told = notices(site)
    return {host for host in COMPUTES if f"{host}: its power-off is held" in told}


def notices(site: Site) -> str:
    """What `novaha status` tells an operator where the evacuator runs."""
    told = json.loads(site.on(site.evacuator(), "novaha", "status", "--output", "json"))
    return "\n".join(told["notices"])


def cut(hosts: tuple[str, ...] = COMPUTES) -> None:
    """The switch of the cluster network fails: for all these hosts at one moment."""
    for host in hosts:
        network.cut(host, "cluster")


def heal(hosts: tuple[str, ...] = COMPUTES) -> None:
    for host in hosts:
        network.heal(host, "cluster")


def lost(site: Site, host: str) -> bool:
    """Whether Pacemaker wants to fence the host."""
    shown = site.on_any_controller("crm_mon", "-1", "--output-as=xml")
    line = next(x for x in shown.splitlines() if f'<node name="{host}"' in x)
    return 'unclean="true"' in line


def assert_never_stopped(watcher: Watcher, instances: dict[str, str], since: float) -> None:
    """Each guest was seen to run on one host, all the time."""
    watcher.look()
    for instance in instances:
        spans = [span for span in watcher.runs[instance] if span[2] >= since]
        assert len(spans) == 1, spans
        assert time.time() - spans[0][2] < 5, "it runs no more"


@pytest.mark.parametrize(
    "seconds", [20, *(pytest.param(n, marks=pytest.mark.slow) for n in (60, 300))]
)
def test_law_10_all_hosts_are_cut_off_and_none_is_powered_off(
    site: Site, watcher: Watcher, seconds: int
) -> None:
    instances = two_each(site)
    before, began = fencings(site), time.time()
    cut()
    site.wait("all are held", lambda: held(site) == set(COMPUTES))
    time.sleep(max(0.0, began + seconds - time.time()))
    assert fencings(site) == before
    heal()
    healed = time.time()
    site.wait("the site is whole", lambda: site.whole() and not held(site))
    print(f"whole again after {time.time() - healed:.0f} s")
    assert fencings(site) == before, "a host that runs was powered off"
    assert_never_stopped(watcher, instances, began)
    assert site.evacuations(instances).total() == 0


def test_law_3_one_host_is_really_dead_among_them(site: Site, watcher: Watcher) -> None:
    """It is fenced and recovered, and the others are not touched."""
    instances = two_each(site)
    before, began = fencings(site), time.time()
    cut()
    site.lab("crash", "compute-2", "--kind", "panic")
    site.wait("all are held", lambda: held(site) == set(COMPUTES))
    assert fencings(site) == before
    heal()
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-2"))
    site.wait("the site is whole", lambda: site.whole() and not held(site), 300)
    after = fencings(site)
    assert after["compute-2"] > before["compute-2"]
    assert {h: n for h, n in after.items() if h != "compute-2"} == {
        h: n for h, n in before.items() if h != "compute-2"
    }
    assert_running_once(site, watcher, instances)
    stayed = {i: s for i, s in instances.items() if len(watcher.runs[i]) == 1}
    assert len(stayed) == 4
    assert_never_stopped(watcher, stayed, began)


def end_the_evacuator(site: Site) -> None:
    """Kill it. Pacemaker starts no resource while a lost host is not fenced, and so not this."""
    site.on(site.evacuator(), "pkill", "-9", "-f", "--", "-m novaha.evacuator$", check=False)
    site.wait("it runs nowhere", lambda: not site.evacuator(), 60)


@pytest.mark.slow
def test_law_10_the_evacuator_dies_while_all_hosts_are_held(site: Site, watcher: Watcher) -> None:
    """Nobody but the brake itself can bring them back."""
    instances = two_each(site)
    before, began = fencings(site), time.time()
    cut()
    site.wait("all are held", lambda: held(site) == set(COMPUTES))
    end_the_evacuator(site)
    heal()
    site.wait("the site is whole", lambda: site.whole() and not held(site), 300)
    assert site.evacuator()
    assert fencings(site) == before, "a host that runs was powered off"
    assert_never_stopped(watcher, instances, began)


@pytest.mark.slow
def test_law_3_the_evacuator_dies_during_a_pause(site: Site, watcher: Watcher) -> None:
    """A host died meanwhile: after the pause it is fenced and recovered all the same."""
    instances = two_each(site)
    site.on(site.evacuator(), "novaha", "pause", "--reason", "a switch is replaced", "--yes")
    site.lab("crash", "compute-1")
    site.wait("it is held", lambda: held(site) == {"compute-1"})
    end_the_evacuator(site)
    site.on_any_controller("novaha", "resume")
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"), 300)
    site.wait("the site is whole", lambda: site.whole() and not held(site), 300)
    assert_running_once(site, watcher, instances)


@pytest.mark.slow
def test_a_rack_dies_within_the_limit_and_is_recovered(site: Site, watcher: Watcher) -> None:
    instances = two_each(site)
    before = fencings(site)
    for host in ("compute-1", "compute-2"):
        site.lab("crash", host, "--kind", "panic")
    site.wait("all are elsewhere", lambda: moved(site, instances, "compute-1", "compute-2"), 300)
    site.wait("the site is whole", site.whole, 300)
    assert fencings(site)["compute-3"] == before["compute-3"]
    assert_running_once(site, watcher, instances)


@pytest.mark.slow
def test_a_rack_dies_beyond_the_limit_and_an_operator_lets_it_go(
    site: Site, watcher: Watcher
) -> None:
    instances = two_each(site)
    before, dead = fencings(site), ("compute-1", "compute-2")
    with parameters(site, limit="1"):
        for host in dead:
            site.lab("crash", host, "--kind", "panic")
        site.wait("one is held", lambda: held(site))
        # Whichever Pacemaker asked for first went, within the limit, or none.
        waiting = held(site)
        time.sleep(15)
        assert {h for h in waiting if fencings(site)[h] > before[h]} == set()
        shown = site.on(site.evacuator(), "novaha", "evidence", min(waiting))
        assert "silent" in shown
        assert "power-off held" in shown
        site.on_any_controller("novaha", "proceed", "--all", "--yes", "--reason", "they are dead")
        site.wait("all are elsewhere", lambda: moved(site, instances, *dead), 300)
        site.wait("the site is whole", lambda: site.whole() and not held(site), 300)
    assert_running_once(site, watcher, instances)


@pytest.mark.slow
def test_a_host_dies_during_a_pause(site: Site, watcher: Watcher) -> None:
    instances = two_each(site)
    before = fencings(site)
    site.on_any_controller("novaha", "pause", "--yes", "--reason", "switch upgrade", "--for", "1h")
    try:
        site.lab("crash", "compute-1")
        site.wait("it is held", lambda: held(site) == {"compute-1"})
        time.sleep(15)
        assert fencings(site) == before
        assert "paused: switch upgrade" in notices(site)
    finally:
        site.on_any_controller("novaha", "resume")
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"), 300)
    site.wait("the site is whole", lambda: site.whole() and not held(site), 300)
    assert_running_once(site, watcher, instances)


def connected_from(site: Site, host: str) -> str:
    """The controller that has Pacemaker's connection to the host."""
    now = cluster.status()
    return now.resources.get(host, [""])[0] if now else ""


@contextmanager
def deaf(controller: str, hosts: tuple[str, ...] = COMPUTES) -> Iterator[None]:
    """What this controller sends to compute hosts is lost; to other controllers all is well."""
    network.deafen(controller, hosts, "cluster")
    try:
        yield
    finally:
        network.undeafen(controller, hosts, "cluster")


def move_evacuator(site: Site, controller: str) -> None:
    role = ("crm_resource", "--resource", "nova-evacuate")
    if site.evacuator() != controller:
        site.on_any_controller(*role, "--move", "--node", controller)
        site.wait("the evacuator has moved", lambda: site.evacuator() == controller)
        site.on_any_controller(*role, "--clear")


@pytest.mark.slow
@pytest.mark.parametrize("with_the_evacuator", [False, True])
def test_law_10_one_controller_is_cut_from_the_hosts_only(
    site: Site, watcher: Watcher, with_the_evacuator: bool
) -> None:
    """Pacemaker has lost one host or more there, and all that is wrong is that controller."""
    instances = two_each(site)
    controller = connected_from(site, COMPUTES[0])
    others = [name for name in layout.CONTROLLERS if name != controller]
    move_evacuator(site, controller if with_the_evacuator else others[0])
    before, began = fencings(site), time.time()
    with deaf(controller):
        site.wait("a host is held", lambda: held(site))
        # Longer than a host that proves nothing is held. Pacemaker may connect from there again.
        time.sleep(20 if with_the_evacuator else 90)
        assert fencings(site) == before, "a host that runs was powered off"
    site.wait("the site is whole", lambda: site.whole() and not held(site))
    assert fencings(site) == before, "a host that runs was powered off"
    assert_never_stopped(watcher, instances, began)
    assert site.evacuations(instances).total() == 0


@pytest.mark.slow
def test_law_10_the_network_of_the_apis_alone_is_away(site: Site, watcher: Watcher) -> None:
    instances = two_each(site)
    before, began = fencings(site), time.time()
    nodes = (*layout.CONTROLLERS, *COMPUTES)
    for node in nodes:
        network.cut(node, "api")
    time.sleep(60)
    assert held(site) == set()
    for node in nodes:
        network.heal(node, "api")
    site.wait("the site is whole", site.whole)
    assert fencings(site) == before, "a host that runs was powered off"
    assert_never_stopped(watcher, instances, began)
    assert site.evacuations(instances).total() == 0


@pytest.mark.slow
def test_law_3_a_broken_brake_lets_a_single_death_through(site: Site, watcher: Watcher) -> None:
    instances = two_each(site)
    with parameters(site, limit="nonsense"), broken(site, "novaha/pacemaker/computes.py"):
        begun = len(site.fencings(COMPUTES[0]))
        site.lab("crash", COMPUTES[0])
        site.wait("all are elsewhere", lambda: moved(site, instances, COMPUTES[0]), 300)
        assert len(site.fencings(COMPUTES[0])) > begun
        logs = [site.on(c, "cat", "/var/log/pacemaker/pacemaker.log") for c in layout.CONTROLLERS]
        assert any("the brake cannot judge (RuntimeError: broken by a test)" in x for x in logs)
    site.wait("the site is whole", site.whole, 300)
    assert_running_once(site, watcher, instances)


@contextmanager
def broken(site: Site, module: str) -> Iterator[None]:
    """Meanwhile this module of the product cannot be imported on any controller."""
    (found,) = {
        path
        for controller in layout.CONTROLLERS
        for path in site.on(controller, "find", "/opt/novaha", "-path", f"*/{module}").split()
    }
    for controller in layout.CONTROLLERS:
        site.on(controller, "cp", "-p", found, f"{found}.kept")
        site.on(controller, "sed", "-i", '$ a raise RuntimeError("broken by a test")', found)
    try:
        yield
    finally:
        for controller in layout.CONTROLLERS:
            site.on(controller, "mv", f"{found}.kept", found)


@pytest.mark.slow
def test_law_10_a_slow_cascade_counts_like_a_sudden_one(site: Site, watcher: Watcher) -> None:
    """Each host is back in service before the next one dies."""
    instances = two_each(site)
    for host in COMPUTES:  # those of the tests before are within the hour, too
        site.on_any_controller("pcs", "stonith", "history", "cleanup", host)
    with parameters(site, window="3600"):
        for host in COMPUTES[:2]:
            site.lab("crash", host)
            site.wait("it is fenced", lambda host=host: site.fencings(host))
            site.wait("all are elsewhere", lambda host=host: elsewhere(site, instances, host))
            site.wait("the site is whole", site.whole, 300)
        last = COMPUTES[2]
        site.lab("crash", last, "--kind", "panic")  # one without power may go: that is seen
        site.wait("the third is held", lambda: held(site) == {last})
        time.sleep(15)
        assert not site.fencings(last)
        assert "3 of 3 compute hosts have failed" in notices(site)
        site.on_any_controller("novaha", "proceed", last, "--yes", "--reason", "it is dead")
        site.wait("all are elsewhere", lambda: elsewhere(site, instances, last), 300)
        site.wait("the site is whole", lambda: site.whole() and not held(site), 300)
    assert_running_once(site, watcher, instances)


@contextmanager
def unbraked(site: Site, *hosts: str) -> Iterator[None]:
    """Meanwhile the brake is not asked about these, as where a watchdog fences them."""
    level = ("pcs", "stonith", "level")
    for host in hosts:
        ours = ("stonith", "nova-brake", *power_of(host))
        site.on_any_controller(*level, "remove", "1", "target", host, *ours)
        site.on_any_controller(*level, "add", "1", host, *power_of(host))
    try:
        yield
    finally:
        for host in hosts:
            site.on_any_controller(*level, "remove", "1", "target", host)
            site.on_any_controller(*level, "add", "1", host, "nova-brake", *power_of(host))


def power_of(host: str) -> tuple[str, str]:
    return (f"ipmi-{host}", "fence-nova")


@pytest.mark.slow
def test_limits_hold_recoveries_of_hosts_that_are_fenced_already(
    site: Site, watcher: Watcher
) -> None:
    instances = two_each(site)
    dead = COMPUTES[:2]
    with unbraked(site, *dead), parameters(site, limit="1", hold_recoveries="true"):
        for host in dead:
            site.lab("crash", host, "--kind", "panic")
        site.wait("both are fenced", lambda: all(site.state(h) == "pending" for h in dead), 120)
        held = [f"{host}: its recovery is held" for host in dead]

        def told() -> bool:
            said = notices(site)
            return all(text in said for text in held)

        site.wait("both wait", told)
        time.sleep(15)
        assert all(site.state(host) == "pending" for host in dead)
        assert site.evacuations(instances).total() == 0
        before = fencings(site)
        site.on_any_controller("novaha", "proceed", "--all", "--yes", "--reason", "as it is")
        site.wait("all are elsewhere", lambda: moved(site, instances, *dead), 300)
        assert fencings(site) == before, "fenced once more"
        site.wait("the site is whole", site.whole, 300)
    assert_running_once(site, watcher, instances)
    assert set(site.evacuations(instances).values()) == {1}
