"""libvirtd on a real libvirt: above all, a daemon that hangs is seen in time.

It runs in namespaces of its own, where the machine's files and processes cannot be touched.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]

OK, GENERIC, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 5, 6, 7

# libvirt's QEMU driver wants the user that its package makes, not QEMU itself.
NAMESPACE = """
set -e
mount --make-rprivate /
mount -t tmpfs none {layers}
mkdir {layers}/etc {layers}/work
mount -t overlay o -o lowerdir=/etc,upperdir={layers}/etc,workdir={layers}/work /etc
getent passwd libvirt-qemu >/dev/null || {{
    echo libvirt-qemu:x:64055:64055::/:/bin/false >>/etc/passwd
    echo libvirt-qemu:x:64055: >>/etc/group
}}
for directory in /run /var/lib /var/cache /var/log; do mount -t tmpfs none $directory; done
echo ready
exec sleep infinity
"""

Enter = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def enter(tmp_path: Path, environment: dict[str, str]) -> Iterator[Enter]:
    """Run a command where libvirt may be started; all of it ends with the test."""
    missing = [tool for tool in ("libvirtd", "virsh") if shutil.which(tool) is None]
    assert not missing, f"install libvirt-daemon and libvirt-clients first: {missing} not found"
    layers = tmp_path / "layers"
    layers.mkdir()
    script = NAMESPACE.format(layers=shlex.quote(str(layers)))
    holder = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            "-c",
            script,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        init = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]

        def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["nsenter", "--mount", "--pid", "--target", init, *argv],
                env={**environment, **env},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        yield run
    finally:
        holder.kill()
        holder.communicate()


@pytest.fixture
def agent(enter: Enter, tmp_path: Path) -> Enter:
    env = {
        "OCF_RESOURCE_INSTANCE": "libvirtd:0",
        "OCF_RESKEY_binary": "/usr/sbin/libvirtd",
        "OCF_RESKEY_log": str(tmp_path / "log" / "libvirtd.log"),
        "OCF_RESKEY_CRM_meta_timeout": "30000",
    }

    def run(action: str, **more: str) -> subprocess.CompletedProcess[str]:
        if more.get("OCF_CHECK_LEVEL"):
            more.setdefault("OCF_RESKEY_CRM_meta_interval", "30000")
        return enter(sys.executable, str(ROOT / "ocf/libvirtd"), action, **{**env, **more})

    return run


@pytest.fixture
def signal(enter: Enter, tmp_path: Path) -> Callable[[str], None]:
    """Send a signal to the daemon that the agent has started."""

    def send(name: str) -> None:
        pid = (tmp_path / "rsctmp" / "novaha-libvirtd_0.pid").read_text().split()[0]
        assert enter("kill", "-s", name, pid).returncode == 0

    return send


def test_start_monitor_stop(agent) -> None:
    assert agent("monitor").returncode == NOT_RUNNING
    started = agent("start")
    assert started.returncode == OK, started.stderr
    assert agent("monitor", OCF_CHECK_LEVEL="10").returncode == OK
    assert agent("start").returncode == OK  # idempotent
    assert agent("monitor").returncode == OK
    assert agent("validate-all", OCF_CHECK_LEVEL="10").returncode == OK
    assert agent("stop").returncode == OK
    assert agent("stop").returncode == OK
    assert agent("monitor", OCF_CHECK_LEVEL="10").returncode == NOT_RUNNING


def test_a_daemon_that_hangs_is_seen_before_the_time_out(agent, signal, enter) -> None:
    agent("start")
    signal("STOP")
    assert agent("monitor").returncode == OK  # it has a process and a socket
    began = time.monotonic()
    done = agent("monitor", OCF_CHECK_LEVEL="10", OCF_RESKEY_CRM_meta_timeout="6000")
    assert time.monotonic() - began < 6
    assert done.returncode == GENERIC
    assert done.stderr == (
        "ocf-exit-reason:libvirt does not answer at qemu:///system: "
        "virsh did not finish in time: killed after 3 s\n"
    )
    assert enter("pgrep", "virsh").stdout == ""


def test_what_pacemaker_does_by_itself_brings_a_daemon_that_hangs_back(agent, signal) -> None:
    agent("start")
    signal("STOP")
    assert agent("stop", OCF_RESKEY_CRM_meta_timeout="8000").returncode == OK
    assert agent("start").returncode == OK
    assert agent("monitor", OCF_CHECK_LEVEL="10").returncode == OK


def test_law_8_a_start_that_gets_no_answer_gives_up(agent, signal) -> None:
    agent("start")
    signal("STOP")
    began = time.monotonic()
    done = agent("start", OCF_RESKEY_CRM_meta_timeout="6000")
    assert time.monotonic() - began < 6
    assert done.returncode == GENERIC
    assert "does not answer" in done.stderr


def test_a_daemon_that_was_killed_is_not_running(agent, signal) -> None:
    agent("start")
    signal("KILL")
    assert agent("monitor", OCF_CHECK_LEVEL="10").returncode == NOT_RUNNING
    assert agent("start").returncode == OK


def test_a_daemon_that_ends_at_once_is_an_error_with_its_last_words(agent, tmp_path) -> None:
    config = tmp_path / "libvirtd.conf"
    config.write_text("nonsense\n")
    done = agent("start", OCF_RESKEY_config=str(config))
    assert done.returncode == GENERIC
    assert "/usr/sbin/libvirtd ended at once" in done.stderr
    assert "libvirtd.conf" in done.stderr
    assert agent("monitor").returncode == NOT_RUNNING


def test_without_virsh_nobody_can_be_asked(agent, enter) -> None:
    agent("start")
    enter("mount", "--bind", os.devnull, "/usr/bin/virsh")
    for action in ("monitor", "start", "validate-all"):
        done = agent(action, OCF_CHECK_LEVEL="10")
        assert done.returncode == INSTALLED
        assert "virsh is not installed" in done.stderr
    assert agent("stop").returncode == OK


def test_a_probe_without_the_program_is_not_running(agent) -> None:
    gone = {"OCF_RESKEY_binary": "/nonexistent/libvirtd"}
    assert agent("monitor", **gone).returncode == NOT_RUNNING
    assert agent("stop", **gone).returncode == OK
    assert agent("start", **gone).returncode == INSTALLED


def test_unit_and_binary_exclude_each_other(agent) -> None:
    assert agent("validate-all", OCF_RESKEY_unit="libvirtd").returncode == CONFIGURED
