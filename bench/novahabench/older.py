"""The older agents, as they are to be had: fetched into a cache, never into the system."""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from novahabench.mark import BenchError, Say
from novahabench.world import CACHE, SYSTEM_PATH, run

_PACKAGES = (
    "resource-agents",
    "fence-agents",
    "crudini",
    "python3-iniparse",
    "python3-six",
    "time",
)
_LIBRARIES = ("python-keystoneclient", "pexpect", "pycurl", "requests")

_SOURCE = (
    "https://raw.githubusercontent.com/openstack-archive/openstack-resource-agents"
    "/076ae60516d37d4b6c4bcddaad4171c0d395cb21/ocf"
)
"""The last commit before its retirement. Debian has no package of them."""

_SUMS = {
    "NovaCompute": "cca154f559a661e0de7fd4555ae63b9b5a5bf6616bd98bd443f9a88dccd15519",
    "NovaEvacuate": "b4f0483e59b54ec48a40463c4de501239597a48787bc3c98a7dce62504672472",
}

_PATIENCE = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20")
"""Without network it is to be said soon that there is none."""

_SHIM = """\
# What Python 3.11 has removed and the older fence_compute calls.
import inspect
inspect.getargspec = inspect.getfullargspec
"""


class NotFetchedError(BenchError):
    """An older agent is not to be had, as without network; everything else can be measured."""


class Older:
    """The older agents in a cache directory. Made by `fetch`.

    missing: why Debian's packages or the libraries are not there, "" if they are.
    """

    def __init__(self, root: Path, missing: str = "") -> None:
        self._root = root
        self._missing = missing
        self.files = root / "files"

    def fence_agent(self) -> Path:
        """The file of the fence agent. Raises NotFetchedError when it cannot be had."""
        self._need_packages()
        return self.files / "usr/sbin/fence_compute"

    def gnu_time(self) -> Path:
        """The program that tells how much memory another one had. Raises NotFetchedError."""
        for file in (self.files / "usr/bin/time", Path("/usr/bin/time")):
            if file.exists():
                return file
        raise NotFetchedError(f"there is no GNU time ({self._missing})")

    def _need_packages(self) -> None:
        if self._missing:
            raise NotFetchedError(self._missing)

    def environment(self) -> dict[str, str]:
        """To run them in."""
        site = sysconfig.get_path("purelib")
        library = self.files / "usr/lib/python3/dist-packages"
        paths = (self._root / "shim", self.files / "usr/share/fence", self._root / "lib", site)
        return {
            "PATH": f"{self.files}/usr/sbin:{self.files}/usr/bin:{SYSTEM_PATH}",
            "PYTHONPATH": ":".join(map(str, (*paths, library))),
            "OCF_ROOT": str(self.files / "usr/lib/ocf"),
            "HA_RSCTMP": "/run/resource-agents",
            "LC_ALL": "C.UTF-8",
        }

    def resource_agent(self, name: str) -> Path:
        """The file of a resource agent. Raises NotFetchedError when it cannot be had, BenchError
        when it is another one."""
        self._need_packages()  # its shell functions are Debian's
        file = self._root / name
        if not file.exists():
            url = f"{_SOURCE}/{name}"
            try:
                with urlopen(url, timeout=30) as answer:  # noqa: S310 (the address is ours)
                    content = answer.read()
            except (URLError, OSError) as error:
                raise NotFetchedError(
                    f"the older {name} cannot be fetched ({error}); put {url} into {file}"
                ) from error
            file.write_bytes(content)
        if hashlib.sha256(file.read_bytes()).hexdigest() != _SUMS[name]:
            raise BenchError(f"{file} is not what {_SOURCE}/{name} should be; remove it")
        file.chmod(0o755)
        return file


def fetch(say: Say) -> Older:
    """The agents of Debian's packages and the libraries that they want; once.

    Where these cannot be fetched each agent says so when it is asked for.
    """
    root = CACHE / "older"
    if not (root / "ready").exists():
        say("fetching the older agents")
        root.mkdir(parents=True, exist_ok=True)
        try:
            _packages(root / "files")
            _libraries(root / "lib")
        except BenchError as error:
            reason = str(error).strip().splitlines()[-1]
            return Older(root, f"the older agents cannot be fetched: {reason}")
        (root / "shim").mkdir(exist_ok=True)
        (root / "shim/sitecustomize.py").write_text(_SHIM)
        (root / "ready").touch()
    return Older(root)


def _libraries(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20"]
    run([*pip, "--target", str(target), *_LIBRARIES], timeout=300)


def _packages(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    with tempfile.TemporaryDirectory(prefix="novaha-bench-") as directory:
        download = f'cd "$1" && shift && apt-get --quiet {" ".join(_PATIENCE)} download "$@"'
        get = ["sh", "-c", download, "sh", directory]
        try:
            run([*get, *_PACKAGES], timeout=300)
        except BenchError:  # the lists may be missing or old
            lock = ("-o", "DPkg::Lock::Timeout=300")
            run(["apt-get", *lock, *_PATIENCE, "--quiet", "update"], timeout=300)
            run([*get, *_PACKAGES], timeout=300)
        for package in Path(directory).glob("*.deb"):
            run(["dpkg", "-x", str(package), str(target)])
