"""A host dies: the whole way, on a real Pacemaker and a real Nova.

Nothing here depends on how fast the machine is: waits end a failed test, they prove nothing.
"""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from novahalab import layout
from novahalab.chaos.operator import Operator
from novahalab.watcher import Watcher

from tests.lab.site import Site

pytestmark = pytest.mark.lab


def twelve(site: Site, host: str = "compute-1") -> dict[str, str]:
    """Ten running instances and two that are shut off, on one host; id to status."""
    made = site.nova.servers_create(12, host=host, stopped=2, name_prefix=f"on-{host}")
    return {server.id: server.status for server in made}


def elsewhere(site: Site, instances: dict[str, str], *dead: str) -> bool:
    """Whether every instance is on a living host in the state it had before."""
    servers = site.servers()
    # Nova's list may be short for a moment, when its database has just come back.
    return instances.keys() <= servers.keys() and all(
        servers[i].host not in dead and servers[i].status == status and not servers[i].task_state
        for i, status in instances.items()
    )


def assert_running_once(site: Site, watcher: Watcher, instances: dict[str, str]) -> None:
    """Each instance that ran runs exactly where Nova says, the others nowhere (laws 2 and 5)."""
    watcher.look()
    assert watcher.twice == []
    servers = site.servers()
    for instance, status in instances.items():
        host = servers[instance].host
        running = [
            p.parent.name
            for p in layout.GUESTS.glob(f"*/{instance}")
            if p.read_text().startswith("RUNNING")
        ]
        assert running == ([host] if status == "ACTIVE" else []), instance


def test_law_5_all_instances_come_back_elsewhere_as_they_were(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    fenced_before = len(site.fencings("compute-1"))
    begun = len(site.journal())
    site.lab("crash", "compute-1")
    site.wait("the host is flagged", lambda: site.state("compute-1") != "absent")
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"))
    assert len(site.fencings("compute-1")) > fenced_before
    assert_running_once(site, watcher, instances)
    assert set(site.evacuations(instances).values()) == {1}
    site.wait("the host is back", site.whole)
    journal = site.journal()[begun:]
    events = [line["event"] for line in journal]
    assert events.index("claimed") < events.index("forcedown") < events.index("requested")
    # Law 1: Pacemaker's own word that the host is down came first.
    fenced = max(
        datetime.fromisoformat(str(e.get("completed")).replace(" ", "T", 1).replace(" ", ""))
        for e in site.fencings("compute-1")
    )
    first = next(line for line in journal if line["event"] == "requested")
    assert datetime.fromisoformat(first["time"]).timestamp() >= int(fenced.timestamp())
    last_running = max(i for i, x in enumerate(journal) if _asked_for(x, instances, "ACTIVE"))
    first_stopped = min(i for i, x in enumerate(journal) if _asked_for(x, instances, "SHUTOFF"))
    assert last_running < first_stopped or len(instances) < 64
    (back,) = site.nova.servers_create(1, host="compute-1", name_prefix="new")
    assert back.host == "compute-1"


def _asked_for(line: dict[str, object], instances: dict[str, str], status: str) -> bool:
    return line["event"] == "requested" and instances.get(str(line["instance"])) == status


def test_law_4_and_8_a_host_that_returns_early_waits_and_holds_up_nobody(
    site: Site, watcher: Watcher
) -> None:
    instances = twelve(site)
    site.spawn_delay(300)  # until it is released
    site.lab("crash", "compute-1")
    site.wait("the recovery runs", lambda: site.state("compute-1") == "running")
    site.lab("boot", "compute-1")
    site.wait("the host is online again", lambda: _online(site, "compute-1"))
    assert site.state("compute-1") == "running"
    assert site.compute_processes("compute-1") == []
    # While it waits, another host dies: it is fenced while the first one still waits.
    others = len(site.fencings("compute-2"))
    site.lab("crash", "compute-2")
    site.wait("the second host is fenced", lambda: len(site.fencings("compute-2")) > others)
    assert site.state("compute-1") == "running", "it was fenced only after the first recovery"
    assert site.compute_processes("compute-1") == []
    site.spawn_delay(0)
    early: list[str] = []

    def all_back() -> bool:
        # Process first: a hold that ends in between then accuses nobody.
        running = site.compute_processes("compute-1")
        held = site.records().get("compute-1", {}).get("novaha-hold") == "true"
        if running and held:
            early.append("compute-1")
        return elsewhere(site, instances, "compute-1", "compute-2") or site.whole()

    site.wait("all are elsewhere", all_back, 300)
    site.wait("both hosts are back", site.whole, 300)
    assert early == []
    assert_running_once(site, watcher, instances)
    for host in ("compute-1", "compute-2"):
        (new,) = site.nova.servers_create(1, host=host, name_prefix="new")
        assert new.host == host


def _online(site: Site, node: str) -> bool:
    return f'name="{node}" id="{node}" online="true"' in site.on_any_controller(
        "crm_mon", "-1", "--output-as=xml"
    )


def test_law_2_and_3_the_evacuator_and_its_controller_die(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    site.spawn_delay(15)
    site.lab("crash", "compute-1")
    site.wait("requests are out", lambda: site.evacuations(instances).total() > 0)
    first = site.evacuator()
    pid = site.on(first, "cat", "/run/novaha/evacuator.pid").split()[0]
    site.on(first, "kill", "-9", pid)
    site.wait(
        "another process has taken over",
        lambda: (
            site.records().get("compute-1", {}).get("novaha-owner", "")
            and any(pid != p for p in _evacuator_pids(site))
        ),
    )
    second = site.evacuator()
    site.lab("crash", second)
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"), 300)
    assert site.evacuations(instances) == dict.fromkeys(instances, 1)
    assert_running_once(site, watcher, instances)
    site.lab("boot", second)
    site.wait("the site is whole", site.whole, 300)


def _evacuator_pids(site: Site) -> list[str]:
    running = site.evacuator()
    text = site.on(running, "cat", "/run/novaha/evacuator.pid", check=False) if running else ""
    return text.split()[:1]


def test_law_8_hosts_that_stay_dead_keep_no_other_from_coming_back(site: Site) -> None:
    """Found by chaos: Pacemaker looked for nova-compute on them, too, before it started it
    anywhere."""
    away = ("compute-2", "compute-3")
    for node in away:
        site.lab("cut", node, "cluster")
    site.wait("they are given up", lambda: all(site.state(n) == "recovered" for n in away))
    site.lab("crash", "compute-1")
    site.wait("the host is flagged", lambda: site.state("compute-1") != "absent")
    site.wait("it runs nova-compute again", lambda: site.compute_processes("compute-1"))
    site.wait("it is back in service", lambda: site.state("compute-1") == "absent")
    assert all(site.state(n) == "recovered" for n in away), "they were to stay away"
    for node in away:
        site.lab("heal", node, "cluster")
    site.wait("all are back", site.whole)


@pytest.mark.slow  # what Nova could not even write down is found out by its standing still
@pytest.mark.parametrize(
    ("service", "seconds"), [("nova-api", 60), ("keystone", 20), ("database", 20)]
)
def test_law_3_and_7_an_outage_only_delays_and_fencing_needs_nobody(
    site: Site, watcher: Watcher, service: str, seconds: float
) -> None:
    instances = twelve(site)
    more = {
        s.id: s.status
        for s in site.nova.servers_create(2, host="compute-2", name_prefix="on-compute-2")
    }
    fenced_before = len(site.fencings("compute-2"))
    site.spawn_delay(5)
    site.lab("crash", "compute-1")
    site.wait("requests are out", lambda: site.evacuations(instances).total() > 0)
    site.lab("stop", service)
    stopped_at = time.monotonic()
    site.lab("crash", "compute-2")
    site.wait("it is fenced", lambda: len(site.fencings("compute-2")) > fenced_before)
    # Tokens outlive Keystone for a while, so that it may even be recovered by now.
    assert site.state("compute-2") in ("pending", "running", "recovered")
    time.sleep(max(0.0, stopped_at + seconds - time.monotonic()))
    site.spawn_delay(0)
    site.lab("start", service)
    # The database may go between the boot of a guest and the word of it: that one is for people.
    operator = Operator(lambda host: site.lab("crash", host))

    def living() -> bool:
        operator.obey()
        return elsewhere(site, instances | more, "compute-1", "compute-2") or site.whole()

    site.wait("all are on a living host", living, 500)
    site.wait("the hosts are back", site.whole, 500)
    assert elsewhere(site, instances | more)
    assert_running_once(site, watcher, instances | more)


def test_law_3_a_flagged_host_outlives_the_whole_cluster(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    site.lab("stop", "nova-api")
    site.lab("crash", "compute-1")
    site.wait("the host is flagged", lambda: site.state("compute-1") in ("pending", "running"))
    for controller in layout.CONTROLLERS:
        site.lab("crash", controller)
    for controller in layout.CONTROLLERS:
        site.lab("boot", controller)
    site.wait("the cluster answers", lambda: bool(site.records()))
    assert site.state("compute-1") in ("pending", "running")
    site.lab("start", "nova-api")
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"), 300)
    assert set(site.evacuations(instances).values()) == {1}
    assert_running_once(site, watcher, instances)
    site.wait("the site is whole", site.whole, 300)
