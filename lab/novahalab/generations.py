"""The generations of Pacemaker: this machine's own, and those of other Debian releases.

The others live in a root of their own each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from novahalab import layout, packages, roots
from novahalab.errors import LabError
from novahalab.process import CommandError, run

_CLUSTER = (
    *("pacemaker", "pacemaker-cli-utils", "pacemaker-resource-agents", "corosync", "pcs"),
    *("resource-agents", "ipmitool", "python3-venv"),
)
NATIVE = (
    *(*_CLUSTER, "fence-agents", "openipmi", "iproute2", "util-linux", "python3", "tar"),
    *packages.CONTRACT_TESTS,
)
LIBRARIES = (
    *("python3-novaclient", "python3-keystoneauth1", "python3-oslo.config", "python3-tenacity"),
    "python3-lxml",
)
"""What the agents run with, where they run on the distribution's own libraries."""

_FOREIGN = (*_CLUSTER, *LIBRARIES, "procps", "iproute2")
# fence-agents became one package for each agent in Debian 13.
_FENCE = ("fence-agents-ipmilan", "fence-agents")
_RECIPE = " ".join((*_FOREIGN, *_FENCE))
_REMOTED = "usr/sbin/pacemaker-remoted"

Say = Callable[[str], None]


def root(generation: str) -> Path:
    """The root file system that this generation's nodes are made of."""
    return Path("/") if generation == "native" else layout.ROOTS / generation


def remoted(generation: str) -> Path:
    """pacemaker-remoted of this generation; its package cannot be installed beside pacemaker."""
    return layout.REMOTE / generation / _REMOTED


def installed(generation: str) -> bool:
    """Whether this generation can be started."""
    if not remoted(generation).exists():
        return False
    if generation == "native":
        return not packages.missing(NATIVE)
    try:
        return marker(generation).read_text() == _RECIPE
    except OSError:
        return False


def marker(generation: str) -> Path:
    """A file that changes whenever another release's root does."""
    return layout.ROOTS / generation / "etc/novaha-lab-root"


def install(generation: str, say: Say) -> None:
    """Install what is missing of a generation. Raises LabError with the end of the log."""
    if installed(generation):
        return
    # The BMCs and namespaces are always the machine's.
    packages.install(NATIVE)
    if generation == "native":
        _extract_remoted(generation)
        return
    packages.install(("debootstrap",))
    mirror = roots.mirror()
    log = layout.LAB / f"root-{generation}.log"
    log.unlink(missing_ok=True)
    try:
        _make_root(generation, log, say)
        _extract_remoted(generation)
    except CommandError as error:
        raise LabError(
            f"the Debian {generation} root could not be made; its mirror {mirror} may be out of "
            f"reach, or this release be in the middle of a change: try again later.\n{error}"
        ) from error
    marker(generation).write_text(_RECIPE)


def _make_root(generation: str, log: Path, say: Say) -> None:
    target = layout.ROOTS / generation
    say("debootstrap")
    roots.bootstrap(generation, target, log)
    say("packages")
    roots.in_root(target, ["apt-get", "-q", "update"], log)
    fence = _FENCE[0] if _has_package(target, _FENCE[0]) else _FENCE[1]
    argv = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *_FOREIGN, fence]
    roots.in_root(target, argv, log)


def _extract_remoted(generation: str) -> None:
    target = layout.REMOTE / generation
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    download = ["apt-get", "download", "-q", "pacemaker-remote"]
    if generation == "native":
        run([*download, "-o", "APT::Sandbox::User=root"], timeout=120, cwd=target)
        debs = list(target.glob("*.deb"))
    else:
        chroot = layout.ROOTS / generation
        log = layout.LAB / f"root-{generation}.log"
        roots.in_root(chroot, ["sh", "-c", "cd /root && " + " ".join(download)], log)
        debs = list((chroot / "root").glob("*.deb"))
    for deb in debs:
        run(["dpkg-deb", "--extract", str(deb), str(target)], timeout=60)
        deb.unlink()
    if not remoted(generation).exists():
        raise LabError(f"pacemaker-remote of {generation} holds no {_REMOTED}")


def _has_package(target: Path, name: str) -> bool:
    argv = ["chroot", str(target), "apt-cache", "show", name]
    return run(argv, timeout=60, check=False).returncode == 0
