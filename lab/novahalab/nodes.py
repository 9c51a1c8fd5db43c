"""The cluster nodes: what is on their disks, and switching them on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from novahalab import bmc, cloud, cluster, generations, layout
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings

NOVAHA_CONF = """\
[keystone]
auth_type = password
auth_url = http://10.77.2.2:5000/v3
username = admin
password = admin
project_name = admin
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne

[evacuator]
# Shorter than in production: instances boot in seconds here, or as slowly as a test wants.
lost_after = 10
answer_wait = 30
stuck_after = 150
patience = 30
# Tests and chaos kill the same host many times an hour.
flap_fencings = 0
"""

REMOTED = "^pacemaker-remoted"
"""What `pgrep -f` finds pacemaker_remote by."""


def hosts_file(nodes: Sequence[str]) -> str:
    """/etc/hosts of every host of the lab: nodes by their cluster addresses, and the cloud."""
    lines = ["127.0.0.1 localhost", f"{layout.address('cloud', 'api')} cloud"]
    lines += [f"{layout.address(n, 'cluster')} {n}" for n in nodes]
    lines += [f"{layout.bmc_address(n)} {n}-bmc" for n in nodes]
    return "\n".join(lines) + "\n"


def prepare(node: str, settings: Settings, product: Path | None) -> None:
    """Lay out a node's disk and its start script. ``product`` is novaha's overlay layer."""
    directory = layout.NODES / node
    files = directory / "files"
    _write(files / "etc/hosts", hosts_file(settings.nodes))
    _write(files / "etc/hostname", f"{node}\n")
    _write(files / "etc/pacemaker/authkey", cluster.AUTHKEY, 0o640)
    remote, compute = layout.is_compute(node), node in settings.compute_nodes
    if compute:
        _install_compute(node, files, settings, remote)
    if not remote:
        _write(files / "etc/corosync/corosync.conf", cluster.corosync_conf())
        _write(files / "etc/novaha-lab.cib", cluster.cib(settings.remote_nodes), 0o600)
        if product:
            _write(files / "etc/novaha/novaha.conf", NOVAHA_CONF, 0o640)
    if product and settings.product == "wheel":
        link = files / "usr/local/bin/novaha"
        link.parent.mkdir(parents=True)
        link.symlink_to("/opt/novaha/bin/novaha")
    base = generations.root(settings.pacemaker)
    sandbox = Sandbox(node)
    env = {
        "NODE": node,
        "MEMBER": str(int(not remote)),
        "COMPUTE": str(int(compute)),
        "LAYERS": ":".join(str(layer) for layer in (product, base) if layer),
        "NODE_DIR": str(directory),
        "LAB_RUN": str(layout.RUN),
        "LAB_CLOUD": str(layout.CLOUD),
        "LOGS": str(layout.LOGS / node),
        "READY": str(sandbox.dir / "ready"),
        "HOSTROOT": str(layout.HOSTROOT),
        "FOREIGN": "0" if settings.pacemaker == "native" else "1",
    }
    sandbox.prepare([str(layout.SCRIPTS / "node-init")], env)


def _install_compute(node: str, files: Path, settings: Settings, remote: bool) -> None:
    if remote:
        remoted = files / "usr/sbin/pacemaker-remoted"
        remoted.parent.mkdir(parents=True)
        shutil.copy(generations.remoted(settings.pacemaker), remoted)
    (layout.GUESTS / node).mkdir(parents=True, exist_ok=True)
    if settings.bare:
        return
    nova = layout.NODES / node / "nova"
    cloud.compute_config(node, nova)
    for source, target in (
        ("etc", "etc/nova"),
        ("lib", "var/lib/nova"),
        ("nova-compute", "usr/bin/nova-compute"),
    ):
        (files / target).parent.mkdir(parents=True, exist_ok=True)
        (nova / source).rename(files / target)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def boot(node: str) -> None:
    """Switch a node on and wait until its root stands; does nothing if it is on."""
    bmc.power(node, True)
    Sandbox(node).wait_ready()


def crash(node: str, *, loud: bool = False) -> None:
    """Cut a node's power. It stays off until ``boot``, or until the cluster fences it.

    Nobody is told: its links go down first. loud: they stay, and the kernel ends its connections.
    """
    bmc.power(node, False, loud=loud)


def start_remoted(node: str) -> None:
    """Start pacemaker_remote on a compute node that is on; does nothing if it runs."""
    sandbox = Sandbox(node)
    if sandbox.exec(["pgrep", "-f", REMOTED], check=False).returncode:
        env = {"PCMK_logfile": "/var/log/pacemaker/pacemaker.log", "PCMK_logpriority": "info"}
        sandbox.popen(["pacemaker-remoted"], env=env, log=layout.LOGS / node / "init.log")
