"""On what was measured: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_LIBRARIES = ("python-novaclient", "keystoneauth1", "oslo.config", "tenacity", "lxml")


def machine() -> dict[str, Any]:
    """The machine, as far as it matters for times."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """What it ran on, "" for what is not there."""
    return {
        "python": platform.python_version(),
        "pacemaker": _output(["crm_mon", "--version"])
        .partition("\n")[0]
        .removeprefix("Pacemaker "),
        **{name: _installed(name) for name in _LIBRARIES},
    }


def commit() -> dict[str, Any]:
    """The commit of the checkout, and whether the product differs from it."""
    changed = _output(["git", "-C", str(ROOT), "status", "--porcelain", "--", "novaha", "ocf"])
    head = _output(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"])
    return {"id": head.strip(), "changed": bool(changed.strip())}


def _pacemaker() -> str:
    return _output(["crm_mon", "--version"]).partition("\n")[0].removeprefix("Pacemaker ")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _output(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return done.stdout


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "0"
