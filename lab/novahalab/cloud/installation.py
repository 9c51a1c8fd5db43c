"""What the cloud needs on the machine: Debian packages, OpenStack's venv, the golden copy."""

import fcntl
import hashlib
import shutil
from pathlib import Path

from novahalab import layout, packages
from novahalab.process import run
from novahalab.progress import Progress

from . import golden
from .paths import VENV

PACKAGES = (
    "mariadb-server-core",
    "rabbitmq-server",
    "python3-venv",
    "iproute2",
    "ca-certificates",
)
UV = "uv==0.13.8"
_PYTHON = "/usr/bin/python3"  # Debian's own, whatever comes first on PATH


def install(progress: Progress) -> None:
    """Install the cloud; what is there already is kept. Raises CommandError or LabError.

    A second one at the same time waits for the first.
    """
    layout.CLOUD.mkdir(parents=True, exist_ok=True)
    with (layout.CLOUD / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(progress)


def _install(progress: Progress) -> None:
    if packages.missing(PACKAGES):
        with progress.step("cloud: Debian packages"):
            packages.install(PACKAGES)
    if not _venv_current():
        with progress.step("cloud: OpenStack"):
            _make_venv()
    install_driver()
    if not golden.current():
        with progress.step("cloud: golden copy") as step:
            golden.build(step.say)


def install_driver() -> None:
    """Put the lab's virt driver where Nova looks for drivers."""
    source = Path(__file__).with_name("driver.py")
    target = VENV / "lib/python3.11/site-packages/nova/virt/novahalab.py"
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copy(source, target)


def _lock_hash() -> str:
    return hashlib.sha256(golden.LOCK.read_bytes()).hexdigest()


def _venv_current() -> bool:
    try:
        return (VENV / "lock.sha256").read_text() == _lock_hash()
    except OSError:
        return False


def _make_venv() -> None:
    log = layout.LAB / "cloud-venv.log"
    shutil.rmtree(VENV, ignore_errors=True)
    run([_PYTHON, "-m", "venv", str(VENV)], timeout=60, log=log)
    python = str(VENV / "bin/python")
    run([python, "-m", "pip", "install", "--disable-pip-version-check", UV], timeout=120, log=log)
    uv = [str(VENV / "bin/uv"), "pip", "install", "--compile-bytecode", "--python", python]
    run([*uv, "--requirement", str(golden.LOCK)], timeout=600, log=log)
    (VENV / "lock.sha256").write_text(_lock_hash())
