"""An upgrade from the older agents in the middle of a failure, on a real Pacemaker and Nova.

The older agents themselves run nowhere here: no release of Debian has NovaEvacuate, Debian 12's
`fence_compute` calls inspect.getargspec, which its Python has no more, and the newest wants the
Nova and Keystone clients of the distribution, from before the lab's Nova. So what stands in their
place does to the cluster and to Nova just what they do, in their order, with their commands.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from novahalab import layout
from novahalab.watcher import Watcher

from tests.lab.site import Site
from tests.lab.test_scenario import assert_running_once, elsewhere, twelve

pytestmark = [pytest.mark.lab, pytest.mark.slow]

DEAD, LIVING = "compute-1", ("compute-2", "compute-3")

OLDER_FENCE_COMPUTE = """\
#!/opt/novaha/bin/python -I
import subprocess
import sys

options = dict(line.strip().partition("=")[::2] for line in sys.stdin)
action = (sys.argv[1:] or [options.get("action", "")])[-1]
host = options.get("port") or options.get("plug") or options.get("nodename", "")
flag = ["attrd_updater", "-p", "-n", "evacuate", "-Q", "-N", host]

if action == "metadata":
    print('<?xml version="1.0"?><resource-agent name="fence_compute" shortdesc="older">')
    print('<longdesc/><parameters><parameter name="port" unique="0" required="1">')
    print('<content type="string"/></parameter></parameters><actions>')
    for name in ("on", "off", "reboot", "status", "monitor", "list", "metadata"):
        print(f'<action name="{name}"' + (' automatic="0"/>' if name == "on" else "/>"))
    print("</actions></resource-agent>")
elif action == "list":
    print(*("compute-1", "compute-2", "compute-3"), sep=",\\n")
elif action == "on":
    # It waits for "no" until Pacemaker ends it; that it fails sooner only saves the test's time.
    shown = subprocess.run(flag, capture_output=True, text=True).stdout
    sys.exit('value="yes"' in shown)
elif action == "off":
    from keystoneauth1 import loading, session
    from novaclient import client

    login = loading.get_plugin_loader("password").load_from_options(
        auth_url=options["auth-url"],
        username=options["login"],
        password=options["passwd"],
        project_name=options["tenant-name"],
        user_domain_name="Default",
        project_domain_name="Default",
    )
    nova = client.Client("2.11", session=session.Session(auth=login), endpoint_type="internalURL")
    nova.services.force_down(host, "nova-compute", force_down=True)
    nova.services.disable(host, "nova-compute")
    subprocess.run([*flag, "-U", "yes"], check=True)
"""

OLDER_NOVA_EVACUATE = """\
#!/bin/sh
state="${HA_RSCTMP:-/run/resource-agents}/$OCF_RESOURCE_INSTANCE.active"
case "$1" in
start) mkdir -p "${state%/*}" && touch "$state" ;;
stop) rm -f "$state" ;;
monitor) test -f "$state" || exit 7 ;;
meta-data) cat <<'END'
<?xml version="1.0"?>
<resource-agent name="NovaEvacuate" version="1.0"><version>1.0</version>
<longdesc lang="en">older</longdesc><shortdesc lang="en">older</shortdesc>
<parameters/><actions><action name="start" timeout="20"/><action name="stop" timeout="20"/>
<action name="monitor" timeout="600" interval="10"/><action name="meta-data" timeout="5"/>
</actions></resource-agent>
END
;;
esac
"""

AGENTS = {
    "/usr/sbin/fence_compute": OLDER_FENCE_COMPUTE,
    "/usr/lib/ocf/resource.d/openstack/NovaEvacuate": OLDER_NOVA_EVACUATE,
}

OLDER_FORM = """\
set -e
cd /tmp
pcs cluster cib older.xml
cp older.xml older.xml.orig
pcs="pcs -f older.xml"
$pcs alert remove novaha-alert
for rule in {rules}; do $pcs constraint delete $rule; done
$pcs constraint location nova-compute-clone rule resource-discovery=exclusive score=0 \
    osprole eq compute
$pcs constraint order start nova-compute-clone then nova-evacuate require-all=false
$pcs resource update nova-evacuate auth_url={auth_url} username=admin password=admin \
    tenant_name=admin user_domain=Default project_domain=Default --force
$pcs stonith update fence-nova auth-url={auth_url} login=admin passwd=admin tenant-name=admin \
    record-only=1 --force
pcs cluster cib-push older.xml diff-against=older.xml.orig
"""


def put(site: Site, node: str, path: str, text: str) -> None:
    """Write an executable file on a node, at once."""
    data = base64.b64encode(text.encode()).decode()
    script = f"echo {data} | base64 -d > {path}.new && chmod 755 {path}.new && mv {path}.new {path}"
    site.on(node, "sh", "-c", script)


def go_back_in_time(site: Site) -> None:
    """The cluster runs the older agents, configured as their guides have it.

    The compute hosts have novaha's already: they are upgraded first. Nothing asks for unfencing,
    by which Pacemaker would switch the host on again before the upgrade.
    """
    rules = [
        str(location.get("id"))
        for location in ET.fromstring(
            site.on_any_controller("cibadmin", "--query", "--scope", "constraints")
        ).iterfind("rsc_location")
        if location.get("rsc") == "nova-compute-clone"
    ]
    site.on_any_controller("pcs", "resource", "disable", "nova-evacuate", "--wait=60")
    for controller in layout.CONTROLLERS:
        for path, text in AGENTS.items():
            put(site, controller, path, text)
    auth_url = f"http://{layout.address('cloud', 'api')}:5000/v3"
    script = OLDER_FORM.format(rules=" ".join(rules), auth_url=auth_url)
    site.on(layout.CONTROLLERS[0], "sh", "-c", script)
    site.on_any_controller("pcs", "resource", "enable", "nova-evacuate", "--wait=60")
    assert "novaha-hold" not in site.on_any_controller("cibadmin", "--query")
    for controller in layout.CONTROLLERS:
        pid = "/run/novaha/evacuator.pid"
        assert site.on(controller, "pgrep", "-F", pid, check=False) == "", "ours still runs"


def offs(site: Site) -> int:
    """How often the host was switched off; being switched on is a fencing, too."""
    return sum(event.get("action") == "off" for event in site.fencings(DEAD))


@contextmanager
def fenced_hosts_stay_off(site: Site) -> Iterator[None]:
    """So that nothing is over before the upgrade."""
    site.on_any_controller("pcs", "property", "set", "stonith-action=off")
    try:
        yield
    finally:
        site.on_any_controller("pcs", "property", "set", "stonith-action=")


def flags(site: Site) -> dict[str, str]:
    shown = site.on(
        layout.CONTROLLERS[0],
        *("attrd_updater", "--query", "--all", "--name", "evacuate"),
        check=False,
    )
    found = re.findall(r'host="([^"]*)" value="([^"]*)"', shown)
    return {host: value for host, value in found if value}


def upgrade(site: Site) -> str:
    """As docs/guide/upgrade.md says; what `novaha migrate` printed."""
    evacuator = site.evacuator()
    assert evacuator
    for controller in sorted(layout.CONTROLLERS, key=lambda name: name == evacuator):
        site.on(controller, "novaha", "install-agents")
    return site.on(layout.CONTROLLERS[0], "novaha", "migrate", "--apply")


def test_law_3_an_upgrade_while_a_host_is_down_loses_nothing(site: Site, watcher: Watcher) -> None:
    instances = twelve(site)
    go_back_in_time(site)
    fenced = offs(site)
    with fenced_hosts_stay_off(site):
        site.lab("crash", DEAD)
        site.wait("it is fenced", lambda: offs(site) > fenced, 300)
        service = site.nova.service(DEAD)
        assert (service["status"], service["forced_down"]) == ("disabled", True)
        assert site.state(DEAD) == "absent"
        # Its flag goes with Pacemaker's first try to reach it.
        site.wait("the flag is gone", lambda: not flags(site))
        assert site.evacuations(instances).total() == 0
        processes = {host: site.compute_processes(host) for host in LIVING}

        said = upgrade(site)
        assert "to go back: novaha migrate --back /var/lib/novaha/before-migration-" in said
        site.wait("all are elsewhere", lambda: elsewhere(site, instances, DEAD), 400)
        assert_running_once(site, watcher, instances)
        assert set(site.evacuations(instances).values()) == {1}
        assert flags(site) == {}
        assert {host: site.compute_processes(host) for host in LIVING} == processes
        assert offs(site) == fenced + 1, "it was known to be down"
        adopted = [x for x in site.journal() if "older agents" in str(x.get("reason"))]
        assert [x["node"] for x in adopted] == [DEAD]
    site.lab("boot", DEAD)
    site.wait("the host is back", site.whole, 300)
    service = site.nova.service(DEAD)
    assert (service["status"], service["forced_down"]) == ("enabled", False)

    again = site.on(layout.CONTROLLERS[0], "novaha", "migrate", "--apply")
    assert again == "everything is migrated: nothing to do\n"
    left = site.on_any_controller("cibadmin", "--query", "--scope", "resources")
    assert "record-only" not in left
    # What novaha does from now on is what it always does.
    site.lab("crash", DEAD)
    site.wait("it is flagged in the CIB", lambda: site.state(DEAD) != "absent")
    site.wait("the host is back", site.whole, 300)
    assert_running_once(site, watcher, instances)
