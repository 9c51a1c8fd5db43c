"""The generations of Pacemaker: this machine's own, and those of other Debian releases.

The others live in a root of their own each, made by debootstrap from the same mirror and with
the same settings as this machine's apt.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from novahalab import layout, packages
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
_FOREIGN = (
    *_CLUSTER,
    *("python3-novaclient", "python3-keystoneauth1", "python3-oslo.config", "python3-tenacity"),
    *("python3-lxml", "procps", "iproute2"),
)
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
    mirror = _mirror()
    log = layout.LAB / f"root-{generation}.log"
    log.unlink(missing_ok=True)
    try:
        _make_root(generation, mirror, log, say)
        _extract_remoted(generation)
    except CommandError as error:
        raise LabError(
            f"the Debian {generation} root could not be made; its mirror {mirror} may be out of "
            f"reach, or this release be in the middle of a change: try again later.\n{error}"
        ) from error
    marker(generation).write_text(_RECIPE)


def _make_root(generation: str, mirror: str, log: Path, say: Say) -> None:
    target = layout.ROOTS / generation
    based = target / "etc/novaha-lab-base"
    if not based.exists():
        if target.exists():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        say("debootstrap")
        argv = ["debootstrap", "--variant=minbase", "--include=ca-certificates"]
        run([*argv, generation, str(target), mirror], timeout=400, log=log, env=_proxies())
        based.touch()
    _configure_apt(target, mirror, generation)
    say("packages")
    _in_root(target, ["apt-get", "-q", "update"], log)
    fence = _FENCE[0] if _has_package(target, _FENCE[0]) else _FENCE[1]
    argv = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *_FOREIGN, fence]
    _in_root(target, argv, log)


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
        _in_root(chroot, ["sh", "-c", "cd /root && " + " ".join(download)], log)
        debs = list((chroot / "root").glob("*.deb"))
    for deb in debs:
        run(["dpkg-deb", "--extract", str(deb), str(target)], timeout=60)
        deb.unlink()
    if not remoted(generation).exists():
        raise LabError(f"pacemaker-remote of {generation} holds no {_REMOTED}")


def _in_root(target: Path, argv: list[str], log: Path) -> None:
    """Run a program in a root that is being made, with all that it mounts or starts.

    Namespaces of its own make sure that nothing is left when it is cut off.
    """
    script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    argv = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child=KILL",
        "sh",
        "-c",
        script,
        str(target),
        *argv,
    ]
    env = {"DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8", **_proxies()}
    env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    run(argv, timeout=400, log=log, env=env)


def _has_package(target: Path, name: str) -> bool:
    argv = ["chroot", str(target), "apt-cache", "show", name]
    return run(argv, timeout=60, check=False).returncode == 0


def _mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    form = "$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)"
    argv = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    for _ in range(2):
        for line in run(argv, timeout=60).stdout.splitlines():
            uri, *rest = line.split()
            if rest == ["Debian", "Debian", "main"]:
                return uri
        # Names are known only from downloaded lists.
        update = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "update"]
        run(update, timeout=300, outlive=True)
    raise LabError("this machine's apt has no Debian mirror; see /etc/apt/sources.list*")


def _apt_settings() -> dict[str, str]:
    """apt's download settings on this machine: proxies, time-outs, checks."""
    settings = {}
    for line in run(["apt-config", "dump", "Acquire"], timeout=30).stdout.splitlines():
        key, _, value = line.rstrip(";").partition(" ")
        if value not in ("", '""') and "IndexTargets" not in key and "Compression" not in key:
            settings[key] = value
    return settings


def _proxies() -> dict[str, str]:
    """The proxies of this machine's apt, as environment variables for debootstrap."""
    settings = _apt_settings()
    found = {}
    for scheme in ("http", "https"):
        value = settings.get(f"Acquire::{scheme}::Proxy", "").strip('"')
        if value:
            found[f"{scheme}_proxy"] = value
        elif f"{scheme}_proxy" in os.environ:
            found[f"{scheme}_proxy"] = os.environ[f"{scheme}_proxy"]
    return found


def _configure_apt(target: Path, mirror: str, generation: str) -> None:
    apt = target / "etc/apt"
    (apt / "sources.list").write_text(f"deb {mirror} {generation} main\n")
    lines = [f"{key} {value};" for key, value in _apt_settings().items()]
    lines.append('APT::Sandbox::User "root";')
    (apt / "apt.conf.d/90host").write_text("\n".join(lines) + "\n")
    # The root is made anew when a power cut has broken it: no need to wait for the disk.
    (target / "etc/dpkg/dpkg.cfg.d/novaha-lab").write_text("force-unsafe-io\n")
    policy = target / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for name in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/", name), target / name)
