"""What Pacemaker makes of the agents' contracts: degraded, reloads, secrets, lists of hosts."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from novahalab import layout

from tests.lab.site import Site

pytestmark = [pytest.mark.lab, pytest.mark.slow]

EVACUATE, COMPUTE, FLAG = "nova-evacuate", "nova-compute", "fence-nova"
SECRETS = "/var/lib/pacemaker/lrm/secrets"
CONF = "/etc/novaha/novaha.conf"
LOG = "/var/log/pacemaker/pacemaker.log"


def settled(site: Site, *command: str) -> None:
    """Run a command on a controller, and wait for what Pacemaker makes of it."""
    site.on_any_controller(*command)
    site.on_any_controller("crm_resource", "--wait", "--timeout", "120")


def pid(site: Site) -> str:
    """The evacuator's process."""
    return site.on(site.evacuator(), "cat", "/run/novaha/evacuator.pid").split()[0]


def asked(site: Site, action: str) -> int:
    """How often Pacemaker has had this done to the evacuator."""
    text = f"execution of {action} operation for {EVACUATE} on"
    logs = [site.on(node, "grep", "-c", text, LOG, check=False) for node in layout.CONTROLLERS]
    return sum(int(count or 0) for count in logs)


def degraded(site: Site) -> list[str]:
    """The reasons that Pacemaker shows."""
    shown = site.on_any_controller("crm_mon", "--one-shot", "--output-as=xml")
    return [
        str(failure.get("exitreason"))
        for failure in ET.fromstring(shown).iter("failure")
        if failure.get("exitcode") == "190" and str(failure.get("op_key")).startswith(EVACUATE)
    ]


def health(site: Site) -> dict[str, Any]:
    answer = json.loads(site.on(site.evacuator(), "novaha", "status", "--output", "json"))
    found = answer["evacuator"]
    assert isinstance(found, dict)
    return found


def test_degraded_is_shown_with_its_reason_and_nothing_is_restarted(site: Site) -> None:
    before = pid(site)
    site.lab("stop", "nova-api")
    try:
        site.wait("Pacemaker shows it", lambda: degraded(site), 400)
        (reason,) = degraded(site)
        assert reason.startswith("Nova has not answered since ")
        assert "(novaha doctor --only cloud): " in reason
        text = site.on_any_controller("crm_mon", "--one-shot")
        assert f"{EVACUATE} " in text.partition("Failed Resource Actions")[2]
        failed = site.on_any_controller("crm_resource", "--locate", "--resource", EVACUATE)
        assert site.evacuator() in failed
        assert pid(site) == before
        counts = site.on_any_controller("crm_mon", "--one-shot", "--failcounts")
        assert "fail-count" not in counts.partition("Migration Summary")[2].partition("Failed")[0]
    finally:
        site.lab("start", "nova-api")
    site.wait("it answers again", lambda: health(site)["nova"]["ok"], 120)
    # Pacemaker 2.1 goes on showing what was, until it is told that it has been seen.
    settled(site, "crm_resource", "--cleanup", "--resource", EVACUATE)
    site.wait("it is shown no more", lambda: not degraded(site), 200)
    assert pid(site) == before


def test_a_change_that_needs_no_restart_restarts_nothing(site: Site) -> None:
    # After a cleanup Pacemaker knows only a probe of it, and would restart it for any change.
    settled(site, "pcs", "resource", "restart", EVACUATE)
    site.wait("it answers", lambda: health(site)["nova"]["ok"])
    before, stops, reloads = pid(site), asked(site, "stop"), asked(site, "reload-agent")
    processes = {node: site.compute_processes(node) for node in site.computes}
    try:
        settled(site, "pcs", "resource", "update", EVACUATE, "verbose=true")
        settled(site, "pcs", "resource", "update", COMPUTE, "libvirt_uri=test:///default")
        site.wait("the evacuator has it", lambda: pid(site) != before)
        site.wait("it answers", lambda: health(site)["nova"]["ok"])
        assert asked(site, "reload-agent") == reloads + 1
        assert asked(site, "stop") == stops
        assert {node: site.compute_processes(node) for node in site.computes} == processes
    finally:
        settled(site, "pcs", "resource", "update", EVACUATE, "verbose=")
        settled(site, "pcs", "resource", "update", COMPUTE, "libvirt_uri=")


@contextmanager
def signing_in_by_secret(site: Site, password: str) -> Iterator[None]:
    """No configuration file; the password is where cibsecret(8) puts it, on every controller."""
    directory = f"{SECRETS}/{EVACUATE}"
    lines = (
        f"mkdir -p {directory}",
        f"echo {shlex.quote(password)} >{directory}/password",
        f"printf %s {shlex.quote(password)} | md5sum | cut -d' ' -f1 >{directory}/password.sign",
        f"chmod 600 {directory}/*",
        f"mv {CONF} {CONF}.away",
    )
    login = ("auth_url=http://10.77.2.2:5000/v3", "username=admin", "tenant_name=admin")
    for controller in layout.CONTROLLERS:
        site.on(controller, "sh", "-ec", "\n".join(lines))
    try:
        settled(site, "pcs", "resource", "update", EVACUATE, *login, "password=lrm://")
        yield
    finally:
        for controller in layout.CONTROLLERS:
            site.on(controller, "mv", f"{CONF}.away", CONF)
        names = [pair.partition("=")[0] for pair in (*login, "password=")]
        settled(site, "pcs", "resource", "update", EVACUATE, *(f"{name}=" for name in names))
        for controller in layout.CONTROLLERS:
            site.on(controller, "rm", "-r", SECRETS)


def test_law_9_a_password_that_only_pacemaker_knows(site: Site) -> None:
    with signing_in_by_secret(site, "admin"):
        site.wait("it signs in", lambda: health(site)["nova"]["ok"], 120)
        cib = site.on_any_controller("cibadmin", "--query", "--scope", "resources")
        assert 'name="password" value="lrm://"' in cib
    with signing_in_by_secret(site, "wrong-word"):
        site.wait("it cannot sign in", lambda: health(site)["nova"]["ok"] is False, 120)
        problem = health(site)["nova"]["problem"]
        assert "wrong-word" not in problem
        log = site.on(site.evacuator(), "cat", "/var/log/novaha/nova-evacuate.log")
        assert "wrong-word" not in log
    site.wait("it signs in by the file again", lambda: health(site)["nova"]["ok"], 120)


HOSTS = {
    "dynamic-list": ("pcmk_host_check=dynamic-list", "pcmk_host_list=", "pcmk_host_map="),
    "static-list by a map": (
        "pcmk_host_check=",
        "pcmk_host_list=",
        "pcmk_host_map=compute-1:compute-1.example.org;compute-2:2;compute-3:/redfish/v1/3",
    ),
}


@pytest.mark.parametrize("options", HOSTS.values(), ids=HOSTS)
def test_law_3_however_the_device_is_told_its_hosts(site: Site, options: tuple[str, ...]) -> None:
    """Every compute node is flagged by it, and no controller is its to fence."""
    given = f"pcmk_host_list={' '.join(site.computes)}"
    reset = ("pcmk_host_check=static-list", "pcmk_host_map=", given)
    try:
        settled(site, "pcs", "stonith", "update", FLAG, *options)
        able = site.on_any_controller("stonith_admin", "--list", "compute-1")
        assert FLAG in able
        for controller in layout.CONTROLLERS:
            able = site.on(controller, "stonith_admin", "--list", "controller-2", check=False)
            assert FLAG not in able
        site.lab("crash", "compute-1")
        site.wait("it is flagged", lambda: site.state("compute-1") != "absent")
        site.wait("the host is back", site.whole, 300)
    finally:
        settled(site, "pcs", "stonith", "update", FLAG, *reset)
