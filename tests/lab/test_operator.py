"""What needs an operator, and what an operator may do: on a real Pacemaker and a real Nova."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from novahalab import cluster, layout
from novahalab.process import Process
from novahalab.watcher import Watcher

from tests.lab.site import Site
from tests.lab.test_scenario import assert_running_once, elsewhere, twelve

pytestmark = [pytest.mark.lab, pytest.mark.slow]

DEAD, SECOND, THIRD = "compute-1", "compute-2", "compute-3"
POWER, FLAG = f"ipmi-{DEAD}", "fence-nova"


@contextmanager
def hung_bmc(node: str) -> Iterator[None]:
    """The node's BMC answers nobody."""
    bmc = Process.load(layout.BMC / node / "pid")
    assert bmc is not None
    bmc.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        bmc.signal(signal.SIGCONT)


@contextmanager
def level(site: Site, *devices: str) -> Iterator[None]:
    """An administrator has set up the host's fencing wrongly; `novaha setup` puts it right."""
    site.on_any_controller("pcs", "stonith", "level", "remove", "1", "target", DEAD)
    site.on_any_controller("pcs", "stonith", "level", "add", "1", DEAD, *devices)
    try:
        yield
    finally:
        site.on_any_controller("novaha", "setup", "--apply")


@contextmanager
def configured(site: Site, line: str) -> Iterator[None]:
    """A line more in the section [evacuator] of every controller's novaha.conf, its last one."""
    file = "/etc/novaha/novaha.conf"
    for controller in layout.CONTROLLERS:
        site.on(controller, "sed", "-i", f"$ a {line}", file)
    restart_evacuator(site)
    try:
        yield
    finally:
        for controller in layout.CONTROLLERS:
            site.on(controller, "sed", "-i", f"/^{line}$/d", file)
        restart_evacuator(site)


def restart_evacuator(site: Site) -> None:
    site.on_any_controller("crm_resource", "--restart", "--resource", "nova-evacuate")
    site.wait("the evacuator runs", site.evacuator)


def fencings(site: Site, status: str) -> int:
    """How many fencings of the host Pacemaker remembers that ended so."""
    shown = site.on_any_controller(
        "stonith_admin", "--history", DEAD, "--output-as=xml", "--verbose"
    )
    return shown.count(f'status="{status}"')


def of_host(site: Site, controller: str = "") -> dict[str, Any]:
    """What `novaha status` says of the host on one controller; {} if nothing."""
    answer = status(site, controller)
    return next((host for host in answer["hosts"] if host["node"] == DEAD), {})


def status(site: Site, controller: str = "") -> dict[str, Any]:
    """`novaha status` on a controller, that of the evacuator if none is named."""
    text = site.on(controller or site.evacuator(), "novaha", "status", "--output", "json")
    answer = json.loads(text)
    assert isinstance(answer, dict)
    return answer


def attention(site: Site, controller: str) -> list[str]:
    """What one is told on a controller that needs an operator."""
    answer = status(site, controller)
    said = (answer["evacuator"] or answer["told"] or {}).get("attention", [])
    assert isinstance(said, list)
    return said


def log(site: Site) -> str:
    """What the evacuator that runs has in its log."""
    return site.on(site.evacuator(), "cat", "/var/log/novaha/nova-evacuate.log")


def assert_untouched(site: Site, instances: dict[str, str], since: int) -> None:
    """Nothing was asked of Nova about the host or its instances (laws 1 and 6)."""
    assert site.evacuations(instances).total() == 0
    assert not site.nova.service(DEAD)["forced_down"]
    asked = {line["event"] for line in site.journal()[since:] if line.get("node") == DEAD}
    assert asked <= {"fencing requested", "fencing failed", "attention", "attention over"}


@contextmanager
def let_go(site: Site) -> Iterator[None]:
    """Pacemaker has let go of the host in peace; its guests run on."""
    role = ("crm_resource", "--meta", "--resource", DEAD)
    site.on_any_controller(*role, "--set-parameter", "target-role", "--parameter-value", "Stopped")
    try:
        site.wait("Pacemaker has let go of it", lambda: not online(site))
        yield
    finally:
        site.on_any_controller(*role, "--delete-parameter", "target-role")


def online(site: Site) -> bool:
    now = cluster.status()
    assert now is not None
    return now.nodes.get(DEAD) == "online"


def turns(site: Site, count: int) -> None:
    """Wait until the evacuator has looked at everything so many times more."""
    for _ in range(count):
        begun = time.monotonic()

        def turned(since: float = begun) -> bool:
            passed = time.monotonic() - since
            return bool(status(site)["evacuator"]["turn_age"] < passed)

        site.wait("the evacuator turns", turned)


def test_law_3_a_host_whose_fencing_is_confirmed_by_hand_is_recovered(
    site: Site, watcher: Watcher
) -> None:
    instances = twelve(site)
    begun, failed = len(site.journal()), fencings(site, "failed")
    with hung_bmc(DEAD):
        site.lab("crash", DEAD)
        site.wait("its fencing fails", lambda: fencings(site, "failed") > failed, 300)
        assert_untouched(site, instances, begun)
        assert site.state(DEAD) == "absent"
        site.on_any_controller("pcs", "stonith", "confirm", DEAD, "--force")
        site.wait("all are elsewhere", lambda: elsewhere(site, instances, DEAD), 300)
    assert_running_once(site, watcher, instances)
    assert set(site.evacuations(instances).values()) == {1}
    flagged = [line for line in site.journal()[begun:] if line["event"] == "flagged"]
    assert [line["node"] for line in flagged] == [DEAD]
    assert "by hand" in flagged[0]["reason"]
    site.lab("boot", DEAD)
    site.wait("the host is back", site.whole, 300)


def test_law_3_or_the_operator_is_told_the_command_that_recovers_it(
    site: Site, watcher: Watcher
) -> None:
    instances = twelve(site)
    begun, failed = len(site.journal()), fencings(site, "failed")
    command = f"novaha recover {DEAD}"
    with configured(site, "confirmed_by_hand = tell"):
        with hung_bmc(DEAD):
            site.lab("crash", DEAD)
            site.wait("its fencing fails", lambda: fencings(site, "failed") > failed, 300)
            refused = site.lab("exec", "controller-1", "--", *command.split(), check=False)
            assert refused == "", "nobody has confirmed anything yet"
            site.on_any_controller("pcs", "stonith", "confirm", DEAD, "--force")
            site.wait("it is told", lambda: command in str(status(site)["notices"]))
            for controller in layout.CONTROLLERS:
                assert command in str(status(site, controller)["notices"]), controller
            assert command in log(site)
            turns(site, 2)
            assert_untouched(site, instances, begun)
            assert site.state(DEAD) == "absent"
            site.on_any_controller(*command.split())
            site.wait("all are elsewhere", lambda: elsewhere(site, instances, DEAD), 300)
        assert_running_once(site, watcher, instances)
        assert set(site.evacuations(instances).values()) == {1}
        site.lab("boot", DEAD)
        site.wait("the host is back", site.whole, 300)
        assert status(site)["notices"] == []
    # A day later somebody stops Pacemaker on the host, for an update, and its guests run on. The
    # history still has the confirmation, and this evacuator, which would act on one, is new.
    begun = len(site.journal())
    (new,) = site.nova.servers_create(1, host=DEAD, name_prefix="new")
    with let_go(site):
        turns(site, 3)
        assert site.state(DEAD) == "absent"
        assert status(site)["notices"] == []
        assert_untouched(site, {new.id: new.status}, begun)
    site.wait("Pacemaker has it again", site.whole, 300)
    assert_running_once(site, watcher, {new.id: new.status})


def test_law_1_with_our_agent_first_nothing_moves_before_the_power_is_off(
    site: Site, watcher: Watcher
) -> None:
    instances = twelve(site)
    begun = len(site.journal())
    with level(site, FLAG, POWER):
        with hung_bmc(DEAD):
            failed = fencings(site, "failed")
            site.lab("cut", DEAD, "cluster")  # it lives, and so do its guests
            site.wait("it is flagged", lambda: site.state(DEAD) == "pending", 300)
            site.wait("its fencing fails", lambda: fencings(site, "failed") > failed, 300)
            turns(site, 2)
            assert site.state(DEAD) == "pending"
            assert "waiting for Pacemaker to confirm" in of_host(site)["detail"]
            assert_untouched(site, instances, begun)
        site.wait("all are elsewhere", lambda: elsewhere(site, instances, DEAD), 400)
    assert_running_once(site, watcher, instances)
    assert set(site.evacuations(instances).values()) == {1}
    site.lab("heal")
    site.wait("the host is back", site.whole, 400)


def test_law_1_our_agent_alone_proves_nothing(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    begun, fenced = len(site.journal()), len(site.fencings(DEAD))
    with level(site, FLAG):
        site.lab("cut", DEAD, "cluster")  # it lives, and so do its guests
        site.wait("it is flagged", lambda: site.state(DEAD) == "pending", 300)
        site.wait("Pacemaker takes it for fenced", lambda: len(site.fencings(DEAD)) > fenced, 300)
        turns(site, 3)
        assert site.state(DEAD) == "pending"
        for controller in layout.CONTROLLERS:
            detail = of_host(site, controller)["detail"]
            assert "not safe to evacuate" in detail
            assert f"no power device beside {FLAG}" in detail
            assert "novaha setup" in detail
        site.wait(
            "every controller tells that it needs an operator",
            lambda: all(DEAD in str(attention(site, c)) for c in layout.CONTROLLERS),
        )
        assert "novaha-digest" not in site.on_any_controller("cibadmin", "--query")
        assert_untouched(site, instances, begun)
        assert_running_once(site, watcher, instances)
    # The level is right again, but the host has not been fenced by it yet: it still runs.
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, DEAD), 400)
    assert_running_once(site, watcher, instances)
    site.lab("heal")
    site.wait("the host is back", site.whole, 400)


def test_law_5_without_room_elsewhere_instances_come_up_at_home_again(
    site: Site, watcher: Watcher
) -> None:
    instances = twelve(site)
    begun = len(site.journal())
    with site.closed(SECOND, THIRD, reason="no room here"):
        site.lab("crash", DEAD)
        site.wait("it is flagged", lambda: site.state(DEAD) != "absent")
        said: set[str] = set()

        def over() -> bool:
            shown = of_host(site)
            said.update(i["detail"] for i in shown.get("instances", ()))
            return site.state(DEAD) in ("recovered", "absent")

        site.wait("the host is let go", over, 400)
        site.wait("all run at home again", lambda: elsewhere(site, instances, SECOND, THIRD), 400)
        site.wait("it is back in service", lambda: site.state(DEAD) == "absent", 300)
        assert any("No valid host" in detail for detail in said)
        (recovered,) = (x for x in site.journal()[begun:] if x["event"] == "recovered")
        assert recovered["unmoved"].keys() == instances.keys()
        for reason in recovered["unmoved"].values():
            assert "found no place elsewhere" in reason
            assert f"comes up on {DEAD} again" in reason
        assert_running_once(site, watcher, instances)
        assert {s.host for s in site.servers().values()} == {DEAD}
        home = site.nova.service(DEAD)
        assert (home["status"], home["state"], home["forced_down"]) == ("enabled", "up", False)
        for host in (SECOND, THIRD):  # law 6
            service = site.nova.service(host)
            assert (service["status"], service["disabled_reason"]) == ("disabled", "no room here")
            assert not service["forced_down"]
    site.wait("the site is whole", site.whole, 300)


def test_law_6_what_an_administrator_has_set_stays_set(site: Site, watcher: Watcher) -> None:
    """One host is out of service though nobody fenced it; another one was so when it died."""
    calm = {s.id: s.status for s in site.nova.servers_create(2, host=THIRD, name_prefix="calm")}
    instances = twelve(site)
    begun = len(site.journal())
    with site.closed(DEAD, THIRD, reason="maintenance of ours"):
        site.nova.update_service(THIRD, forced_down=True)
        try:
            site.lab("crash", DEAD)
            site.wait("all are elsewhere", lambda: elsewhere(site, instances, DEAD), 300)
            site.wait("the record is gone", lambda: site.state(DEAD) == "absent", 300)
            turns(site, 2)
            for host, forced in ((DEAD, False), (THIRD, True)):
                service = site.nova.service(host)
                reason = (service["status"], service["disabled_reason"])
                assert reason == ("disabled", "maintenance of ours"), host
                assert service["forced_down"] is forced, host
            assert {site.servers()[i].host for i in instances} == {SECOND}
            assert {site.servers()[i].host for i in calm} == {THIRD}
            assert site.evacuations(calm).total() == 0
            assert_running_once(site, watcher, instances | calm)
            asked = site.journal()[begun:]
            assert not [x for x in asked if THIRD in (x.get("node"), x.get("host"))]
        finally:
            site.nova.update_service(THIRD, forced_down=False)
    site.wait("the site is whole", site.whole, 300)
