"""NovaCompute on a real systemd: PID 1 of namespaces of its own, with our units and no others.

The machine need not run systemd itself, and nothing of its own can be started or touched.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = Path("/lib/systemd/systemd")

OK, GENERIC, INSTALLED, NOT_RUNNING, DEGRADED = 0, 1, 5, 7, 190

# A control group of its own first: what systemd makes of its root stays below it.
OUTSIDE = """
set -e
mount --make-rprivate /
mount -t cgroup2 none {cgroups}
mkdir {cgroups}/{name}
echo $$ >{cgroups}/{name}/cgroup.procs
exec unshare --cgroup --pid --uts --ipc --net --fork --kill-child sh -c {inside}
"""
INSIDE = """
set -e
mount -t proc proc /proc
for directory in /run /var/log /etc/systemd /sys/fs/cgroup; do
    mount -t tmpfs -o mode=755 none $directory
done
mount -t cgroup2 none /sys/fs/cgroup
mount --bind -o ro /proc/sys /proc/sys
mkdir /etc/systemd/system
exec env -i container=novaha-test PATH=$PATH SYSTEMD_UNIT_PATH=/etc/systemd/system:{units} \
    {systemd} --system --unit=boot.target --log-target=null --default-standard-output=null
"""
CLEAN = """
mount --make-rprivate /
mount -t cgroup2 none {cgroups}
for i in $(seq 100); do  # its processes end a moment after their PID 1
    find {cgroups}/{name} -depth -type d -exec rmdir {{}} + 2>/dev/null && exit 0
    sleep 0.1
done
exit 1
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Machine:
    """A systemd, and NovaCompute on it."""

    def __init__(self, enter: Run, units: Path, directory: Path) -> None:
        self._enter = enter
        self._units = units
        self.program = directory / "nova-compute"
        self.behave("exec sleep 3600")

    def behave(self, script: str) -> None:
        """What nova-compute does when it is started."""
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    def unit(self, name: str, *lines: str, start: str = "", enabled: bool = False) -> None:
        """Install a unit."""
        limits = [line for line in lines if line.startswith("StartLimit")]
        text = ["[Unit]", "Description=nova-compute", *limits, "[Service]"]
        text += [line for line in lines if line not in limits]
        text += [f"ExecStart={start or self.program}", "[Install]", "WantedBy=boot.target", ""]
        (self._units / name).write_text("\n".join(text))
        self.systemctl("daemon-reload")
        if enabled:
            self.systemctl("enable", name)

    def systemctl(self, *argv: str) -> str:
        done = self._enter("systemctl", *argv)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def state(self, unit: str) -> str:
        return self.systemctl("show", "--value", "--property=ActiveState", unit)

    def agent(self, action: str, **env: str) -> subprocess.CompletedProcess[str]:
        """One action as Pacemaker's executor runs it; level: OCF_CHECK_LEVEL."""
        settings = {
            "OCF_RESKEY_CRM_meta_timeout": "30000",
            "OCF_RESKEY_CRM_meta_interval": "10000",
            "OCF_RESKEY_novaha_config": "/nonexistent",
        }
        executable = str(ROOT / "ocf/NovaCompute")
        return self._enter(sys.executable, executable, action, **{**settings, **env})

    def processes(self, pattern: str) -> str:
        return self._enter("pgrep", "--full", "--exact", pattern).stdout


@pytest.fixture
def machine(tmp_path: Path, environment: dict[str, str]) -> Iterator[Machine]:
    assert SYSTEMD.exists(), "install systemd first; it need not run"
    units, cgroups = tmp_path / "units", tmp_path / "cgroups"
    for directory in (units, cgroups):
        directory.mkdir()
    for target in ("boot", "sysinit", "basic", "shutdown"):
        text = f"[Unit]\nDescription={target}\nDefaultDependencies=no\n"
        (units / f"{target}.target").write_text(text)
    names = {
        "name": f"novaha-test-{os.getpid()}-{time.monotonic_ns()}",
        "cgroups": shlex.quote(str(cgroups)),
    }
    inside = INSIDE.format(units=shlex.quote(str(units)), systemd=SYSTEMD)
    script = OUTSIDE.format(**names, inside=shlex.quote(inside))
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        init = _booted(holder)

        def enter(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["nsenter", "--mount", "--pid", "--target", init, *argv],
                env={**environment, **env},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        yield Machine(enter, units, tmp_path)
    finally:
        holder.kill()
        holder.communicate()
        clean = CLEAN.format(**names)
        subprocess.run(["unshare", "--mount", "sh", "-c", clean], check=True, timeout=30)


def _booted(holder: subprocess.Popen[str]) -> str:
    """The process id of the systemd that `holder` starts, once it answers."""
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError, IndexError):
            init = children.read_text().split()[0]
            ask = ["nsenter", "--mount", "--pid", "--target", init, "systemctl", "show-environment"]
            if (
                Path(f"/proc/{init}/comm").read_text() == "systemd\n"
                and not subprocess.run(ask, capture_output=True, timeout=30, check=False).returncode
            ):
                return init
        if holder.poll() is not None:
            assert holder.stderr is not None
            pytest.fail(f"systemd does not start here: {holder.stderr.read()}")
        time.sleep(0.05)
    raise AssertionError("systemd does not answer")


# What podman leaves behind: a monitor and the container, in a control group of the container's.
PODMAN = """
setsid sh -c '
    mkdir -p /sys/fs/cgroup/libpod
    echo 0 >/sys/fs/cgroup/libpod/cgroup.procs
    sleep 7777 &
    echo $$ >/run/container.pid
    wait' >/dev/null 2>&1 &
while [ ! -s /run/container.pid ]; do sleep 0.05; done
"""
STOP = "-/bin/sh -c 'pkill --full --exact \"sleep 7777\"; rm /run/container.pid'"
CONTAINER = ("Type=forking", "PIDFile=/run/container.pid", "KillMode=none", "Restart=always")

NOTIFY = 'systemd-notify --ready --pid=$$ "--status=works"\nexec sleep 3600'

# As Debian, Red Hat and SUSE, Red Hat's deployments and kolla install nova-compute.
SITES = [
    ("nova-compute.service", ("Type=simple", "Restart=on-failure"), "exec sleep 3600"),
    (
        "openstack-nova-compute.service",
        ("Type=notify", "NotifyAccess=all", "TimeoutStartSec=0", "Restart=always"),
        NOTIFY,
    ),
    ("edpm_nova_compute.service", (*CONTAINER, f"ExecStop={STOP}"), PODMAN),
    ("tripleo_nova_compute.service", (*CONTAINER, f"ExecStop={STOP}"), PODMAN),
    (
        "kolla-nova_compute-container.service",
        ("Type=simple", "Restart=always", f"ExecStop={STOP}"),
        f"{PODMAN}\nwhile pgrep --full --exact 'sleep 7777'; do sleep 0.1; done",  # start --attach
    ),
]


@pytest.mark.parametrize(("unit", "lines", "script"), SITES, ids=[site[0] for site in SITES])
def test_start_monitor_stop(machine: Machine, unit, lines, script) -> None:
    """Without a parameter, whichever way nova-compute is installed."""
    machine.behave(script)
    machine.unit(unit, *lines)
    assert machine.agent("validate-all", OCF_CHECK_LEVEL="10").returncode == OK
    assert machine.agent("monitor").returncode == NOT_RUNNING
    started = machine.agent("start")
    assert started.returncode == OK, started.stderr
    assert machine.state(unit) == "active"
    assert machine.agent("monitor").returncode == OK
    assert machine.agent("start").returncode == OK  # idempotent
    assert machine.agent("stop").returncode == OK
    assert machine.agent("stop").returncode == OK
    assert machine.agent("monitor").returncode == NOT_RUNNING
    assert machine.processes("sleep (7777|3600)") == ""


def test_without_a_unit_nothing_is_started_that_nobody_named(machine: Machine) -> None:
    assert machine.agent("monitor").returncode == NOT_RUNNING
    assert machine.agent("stop").returncode == OK
    done = machine.agent("start")
    assert done.returncode == INSTALLED
    assert "systemd knows no unit nova-compute.service" in done.stderr
    assert "unit=" in done.stderr
    assert machine.agent("start", OCF_RESKEY_binary=str(machine.program)).returncode == OK
    env = {"OCF_RESKEY_binary": str(machine.program)}
    assert machine.agent("stop", **env).returncode == OK


def test_a_masked_unit_is_not_started_and_its_program_neither(machine: Machine) -> None:
    machine.unit("nova-compute.service")
    machine.agent("start")
    machine.systemctl("mask", "nova-compute.service")
    assert machine.agent("monitor").returncode == OK
    assert machine.agent("stop").returncode == OK
    assert machine.agent("monitor").returncode == NOT_RUNNING
    for action in ("start", "validate-all"):
        done = machine.agent(action, OCF_CHECK_LEVEL="10")
        assert done.returncode == INSTALLED
        assert "systemctl unmask nova-compute.service" in done.stderr


def test_stop_without_systemctl(machine: Machine, tmp_path: Path) -> None:
    """By what lives in the unit's control group; systemd does not bring this one back."""
    machine.unit("nova-compute.service")
    broken = {"PATH": f"{tmp_path / 'broken'}:{os.environ['PATH']}"}
    (tmp_path / "broken").mkdir()
    systemctl = tmp_path / "broken" / "systemctl"
    systemctl.write_text("#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n")
    systemctl.chmod(0o755)
    assert machine.agent("stop", **broken).returncode == OK, "nothing of it runs"
    assert machine.agent("start").returncode == OK
    assert machine.agent("monitor", **broken).returncode == GENERIC
    assert machine.agent("stop", **broken).returncode == OK
    assert machine.agent("monitor").returncode == NOT_RUNNING


def test_law_4_stop_without_systemctl_of_what_comes_back_fails(
    machine: Machine, tmp_path: Path
) -> None:
    machine.unit(
        "nova-compute.service", "Restart=always", "RestartSec=0", "StartLimitIntervalSec=0"
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "broken" / "systemctl").chmod(0o755)
    assert machine.agent("start").returncode == OK
    environment = {
        "PATH": f"{tmp_path / 'broken'}:{os.environ['PATH']}",
        "OCF_RESKEY_CRM_meta_timeout": "6000",
    }
    done = machine.agent("stop", **environment)
    assert done.returncode == GENERIC
    assert "nova-compute.service runs (process" in done.stderr
    assert machine.agent("stop").returncode == OK


def test_law_4_a_unit_that_systemd_starts_at_boot_is_told_of(machine: Machine) -> None:
    machine.unit("nova-compute.service", enabled=True)
    done = machine.agent("validate-all", OCF_CHECK_LEVEL="10")
    assert done.returncode == INSTALLED
    assert "systemctl disable" in done.stderr
    done = machine.agent("start")
    assert (done.returncode, "WARNING: systemd starts" in done.stderr) == (OK, True)
    done = machine.agent("monitor", OCF_CHECK_LEVEL="10")
    assert (done.returncode, "ocf-exit-reason:systemd starts" in done.stderr) == (DEGRADED, True)
    machine.systemctl("disable", "nova-compute.service")
    assert machine.agent("monitor", OCF_CHECK_LEVEL="10").returncode == OK


def test_what_systemd_restarts_again_and_again_is_a_failure(machine: Machine) -> None:
    machine.behave("exit 3")
    machine.unit("nova-compute.service", "Restart=always", "RestartSec=20", "Type=notify")
    for action in ("start", "monitor"):
        done = machine.agent(action)
        assert done.returncode == GENERIC
        assert "(exit-code" in done.stderr
        assert "journalctl --unit nova-compute.service" in done.stderr
    assert machine.agent("stop").returncode == OK
    assert machine.agent("monitor").returncode == NOT_RUNNING


def test_what_has_failed_too_often_for_systemd_is_pacemakers_to_try_again(machine: Machine) -> None:
    machine.behave("exit 3")
    # As Debian's: one that ends at once is never "active", however busy the machine is.
    limits = ("StartLimitIntervalSec=1h", "StartLimitBurst=1")
    machine.unit("nova-compute.service", *limits, "Type=notify")
    for _ in range(3):
        done = machine.agent("start")
        assert done.returncode == GENERIC
        assert "failed (exit-code)" in done.stderr
    machine.behave("exec sleep 3600")
    assert machine.agent("start").returncode == OK


def test_one_that_does_not_end_is_killed_in_time_and_can_be_started_again(machine: Machine) -> None:
    machine.behave('trap "" TERM\nwhile :; do sleep 0.1; done')
    machine.unit("nova-compute.service", "TimeoutStopSec=infinity", "Restart=always")
    machine.agent("start")
    began = time.monotonic()
    assert machine.agent("stop", OCF_RESKEY_CRM_meta_timeout="9000").returncode == OK
    assert time.monotonic() - began < 9
    assert machine.state("nova-compute.service") == "failed"
    assert machine.agent("monitor").returncode == NOT_RUNNING
    assert machine.agent("start").returncode == OK


def test_a_container_does_not_outlive_its_unit_when_podman_hangs(machine: Machine) -> None:
    """It is in a control group of its own, where systemd's SIGKILL does not reach."""
    machine.behave(PODMAN)
    machine.unit(
        "tripleo_nova_compute.service", *CONTAINER, "ExecStop=/bin/sleep 3600", "TimeoutStopSec=1h"
    )
    assert machine.agent("start").returncode == OK
    assert machine.processes("sleep 7777") != ""
    assert machine.agent("stop", OCF_RESKEY_CRM_meta_timeout="9000").returncode == OK
    assert machine.processes("sleep (7777|3600)") == ""


def test_law_8_start_does_not_wait_for_a_nova_compute_that_waits_for_nova(machine: Machine) -> None:
    machine.unit("openstack-nova-compute.service", "Type=notify", "TimeoutStartSec=0")
    began = time.monotonic()
    assert machine.agent("start").returncode == OK
    assert time.monotonic() - began < 10
    assert machine.state("openstack-nova-compute.service") == "activating"
    assert machine.agent("monitor").returncode == OK
    assert machine.agent("stop").returncode == OK


def test_force_check_shows_the_unit(machine: Machine) -> None:
    machine.unit("nova-compute.service")
    machine.agent("start")
    done = machine.agent("monitor", PCMK_service="crm_resource", HA_debug="1")
    assert done.returncode == OK
    service, record, *_ = done.stdout.splitlines()
    assert service.split()[:2] == ["nova-compute", "running"]
    assert "nova-compute.service is active (running), process" in service
    assert record.split() == ["record", "none", "the", "host", "is", "free"]
    assert "DEBUG: systemctl show" in done.stderr
