"""A host that is kept out of service when it comes back, and let in by an operator."""

from __future__ import annotations

from datetime import datetime

import pytest
from novahalab.watcher import Watcher

from tests.lab.conftest import one_generation
from tests.lab.site import Site
from tests.lab.test_operator import DEAD, configured, of_host, restart_evacuator, status
from tests.lab.test_scenario import assert_running_once, elsewhere

# What decides is the evacuator's, and Pacemaker's history alone; it counts the same everywhere.
pytestmark = [pytest.mark.lab, pytest.mark.slow, one_generation]

HOST = DEAD
KEPT_OUT = "novaha: kept out"


def kept_out(site: Site) -> bool:
    """Whether the host is back, and Nova sends nothing to it because of our mark."""
    service = site.nova.service(HOST)
    return (
        service["state"] == "up"
        and not service["forced_down"]
        and service["status"] == "disabled"
        and service["disabled_reason"].startswith(KEPT_OUT)
    )


def told(site: Site) -> str:
    """What `novaha status` says of the host where the evacuator runs, "" while it is not there."""
    return str(of_host(site).get("detail", ""))


def assert_told(site: Site, why: str) -> None:
    """Status, what needs an operator, and doctor name the host and the command that lets it in."""
    lets_in = f"`novaha release {HOST}` lets it in"
    assert told(site).startswith(f"kept out of service: {why}")
    assert told(site).endswith(lets_in)
    assert any(
        needed.startswith(f"{HOST} is kept out of service: {why}") and needed.endswith(lets_in)
        for needed in status(site)["evacuator"]["attention"]
    )
    found = site.on(site.evacuator(), "novaha", "doctor", check=False)
    assert "kept out of service until an operator lets it in" in found
    assert f"novaha release {HOST}" in found


def test_a_host_that_is_fenced_again_and_again_is_kept_out(site: Site, watcher: Watcher) -> None:
    instances = {s.id: s.status for s in site.nova.servers_create(2, host=HOST)}
    with configured(site, "flap_fencings = 2"):
        # The hosts of the tests before were fenced within the hour, too.
        site.on_any_controller("pcs", "stonith", "history", "cleanup", HOST)
        site.lab("crash", HOST)
        site.wait("all are elsewhere", lambda: elsewhere(site, instances, HOST))
        site.wait("once is no reason", site.whole, 300)
        site.lab("crash", HOST)
        site.wait("it is kept out", lambda: kept_out(site), 300)
        assert "fenced 2 times within 3600 s" in site.nova.service(HOST)["disabled_reason"]
        site.wait("it is told", lambda: told(site).startswith("kept out"))
        assert_told(site, "fenced 2 times within 3600 s")
        # What keeps it out is no process's memory.
        restart_evacuator(site)
        site.wait("it is told again", lambda: told(site).startswith("kept out"))
        assert kept_out(site)
        assert not site.whole()
        site.on_any_controller("novaha", "release", "--yes", HOST)
        site.wait("the site is whole", site.whole, 300)
    assert_running_once(site, watcher, instances)


def test_every_host_comes_back_disabled_where_the_site_wants_that(
    site: Site, watcher: Watcher
) -> None:
    """Whoever enables it in Nova lets it in, too."""
    instances = {s.id: s.status for s in site.nova.servers_create(2, host=HOST)}
    with configured(site, "return = disabled"):
        site.lab("crash", HOST)
        site.wait("all are elsewhere", lambda: elsewhere(site, instances, HOST))
        site.wait("it is kept out", lambda: kept_out(site), 300)
        site.wait("it is told", lambda: told(site).startswith("kept out"))
        assert_told(site, "to be looked at by an operator")
        site.nova.update_service(HOST, status="enabled")
        site.wait("the site is whole", site.whole, 300)
    assert_running_once(site, watcher, instances)


def test_a_host_has_to_stay_up_before_it_is_used(site: Site) -> None:
    with configured(site, "return_after = 30"):
        begun = len(site.journal())
        site.lab("crash", HOST)
        site.wait("it is flagged", lambda: site.state(HOST) != "absent")
        site.wait(
            "it is up and waits",
            lambda: (
                site.nova.service(HOST)["state"] == "up"
                and "when its nova-compute has been up for 30 s" in told(site)
            ),
            300,
        )
        assert site.nova.service(HOST)["status"] == "disabled"
        site.wait("the site is whole", site.whole, 300)
        times = {
            x["event"]: datetime.fromisoformat(x["time"])
            for x in site.journal()[begun:]
            if x.get("node") == HOST and x["event"] in ("unforce", "enable")
        }
    assert (times["enable"] - times["unforce"]).total_seconds() >= 30
