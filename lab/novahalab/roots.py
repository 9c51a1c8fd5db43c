"""Root file systems of Debian releases: made by debootstrap, and programs that run in them.

They come from the same mirror and with the same settings as this machine's apt.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from novahalab.errors import LabError
from novahalab.layout import SCRIPTS
from novahalab.process import Result, run

_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL")


def bootstrap(release: str, target: Path, log: Path) -> None:
    """Make a minimal root of a release, with an apt that works, if it is not there.

    Raises CommandError, LabError.
    """
    based = target / "etc/novaha-lab-base"
    from_mirror = mirror()
    if not based.exists():
        if target.exists():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        argv = ["debootstrap", "--variant=minbase", "--include=ca-certificates"]
        run([*argv, release, str(target), from_mirror], timeout=400, log=log, env=_proxies())
        based.touch()
    _configure_apt(target, from_mirror, release)


def in_root(target: Path, argv: Sequence[str], log: Path) -> None:
    """Run a program in a root that is being made, with all that it mounts or starts.

    Namespaces of its own make sure that nothing is left when it is cut off.
    """
    script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    run([*_UNSHARE, "sh", "-c", script, str(target), *argv], timeout=400, log=log, env=_env())


class Scratch:
    """A root on top of others: what is changed is kept in `kept`, or forgotten at the end.

    layers: directories, the topmost first. kept: an empty directory on the same file system as
    its parent, which gets what was changed; None for memory.
    Its programs end with it, and so do its mounts: they are in namespaces of their own.
    """

    def __init__(self, layers: Sequence[Path], log: Path, kept: Path | None = None) -> None:
        self._layers = layers
        self._log = log
        self._kept = kept

    def __enter__(self) -> Scratch:
        self._work = Path(tempfile.mkdtemp(prefix="novaha-root-"))
        if self._kept:
            upper, work = self._kept, self._kept.with_name(f"{self._kept.name}.work")
            work.mkdir(exist_ok=True)
        else:
            upper, work = self._work / "upper", self._work / "work"
        script = str(SCRIPTS / "scratch-init")
        layers = ":".join(str(layer) for layer in self._layers)
        self._holder = subprocess.Popen(
            [*_UNSHARE, "--", script, str(self._work), layers, str(upper), str(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        ready = self._holder.stdout.readline()
        if ready != "ready\n":
            self.__exit__()
            raise LabError(f"no root could be made of {layers}")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._init = children.read_text().split()[0]
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(30)
        self._holder.stdout.close()
        self._work.joinpath("root").rmdir()
        self._work.rmdir()

    def path(self, name: str) -> Path:
        """A file of this root as the machine sees it."""
        return Path(f"/proc/{self._init}/root") / name.lstrip("/")

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 400,
        offline: bool = True,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        logged: bool = False,
    ) -> Result:
        """Run a program in it; offline: without any network. logged: its output goes to the log.

        Raises CommandError as process.run does.
        """
        enter = ["nsenter", "--target", self._init, "--mount", "--pid", "--root", "--wd", "--"]
        loopback = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"']
        cut = ["unshare", "--net", "--", *loopback] if offline else []
        return run(
            [*cut, *enter, *argv],
            timeout=timeout,
            env={**_env(), **(env or {})},
            clean_env=True,
            check=check,
            log=self._log if logged else None,
        )


def _env() -> dict[str, str]:
    return {
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        **_proxies(),
    }


def mirror() -> str:
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
