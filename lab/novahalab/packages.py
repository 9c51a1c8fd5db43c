"""Debian packages on this machine, installed without starting their services."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from novahalab import layout
from novahalab.process import run

CONTRACT_TESTS = (
    *("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients"),
    *("man-db", "crmsh", "libxml2-utils", "systemd", "prometheus", "chromium"),
)
"""What the contract tests need besides Pacemaker. No guest runs: QEMU itself is not needed."""

_POLICY = Path("/usr/sbin/policy-rc.d")
# What an administrator of this machine would not expect to run after `lab install`.
_SERVICES = (
    *("corosync.service", "pacemaker.service", "pcsd.service", "pcsd-ruby.service"),
    *("openipmi.service", "ipmievd.service", "rabbitmq-server.service", "epmd.service"),
    *(
        "prometheus.service",
        "epmd.socket",
        "libvirtd.service",
        "virtlogd.service",
        "libvirt-guests.service",
    ),
)
_POLICY_TEXT = "#!/bin/sh\n# The novaha lab is installing packages.\nexit 101\n"
_lock = threading.Lock()
_ENV = {"DEBIAN_FRONTEND": "noninteractive"}
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-y", "--no-install-recommends")


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    form = "${Package} ${db:Status-Abbrev}\n"
    shown = run(["dpkg-query", "-W", "-f", form, *packages], timeout=30, check=False).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.split()[1:] == ["ii"]}
    return [package for package in packages if package not in installed]


def install(packages: Sequence[str]) -> None:
    """Install what is missing; none of it starts as a service, now or at the next boot.

    Raises CommandError with the end of apt's log.
    """
    with _lock:
        wanted = missing(packages)
        if not wanted:
            return
        log = layout.LAB / "apt.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        units = _unit_files()
        with _no_services():
            if run(
                [*APT, "install", *wanted],
                timeout=600,
                env=_ENV,
                log=log,
                check=False,
                outlive=True,
            ).returncode:
                # The lists may be old or not there at all.
                run([*APT, "update"], timeout=300, env=_ENV, log=log, outlive=True)
                run([*APT, "install", *wanted], timeout=600, env=_ENV, log=log, outlive=True)
        new = sorted(_unit_files() - units)
        if new and Path("/run/systemd/system").is_dir():
            run(["systemctl", "disable", *new], timeout=60, check=False)


def _unit_files() -> set[str]:
    return {name for name in _SERVICES if Path("/lib/systemd/system", name).exists()}


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian's own way to say that maintainer scripts shall start nothing."""
    # One of ours may be there after an installation that was killed.
    if _POLICY.exists() and _POLICY.read_text() != _POLICY_TEXT:
        yield
        return
    _POLICY.write_text(_POLICY_TEXT)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
