"""The lab's logs: of the running lab, or of the last one after ``down``."""

from __future__ import annotations

from pathlib import Path

from novahalab import layout
from novahalab.errors import LabError


def directory() -> Path:
    """Where the logs are now."""
    for path in (layout.LOGS, layout.LAST_LOGS):
        if path.is_dir():
            return path
    raise LabError("there are no logs: no lab has been up here")


def show(name: str | None, lines: int) -> None:
    """Print the end of a node's or a service's logs, ``lines`` of each; without a name, a list."""
    root = directory()
    files = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    if name is None:
        for path in files:
            print(f"{path.stat().st_size:>10}  {path}")
        return
    wanted = [p for p in files if p.relative_to(root).parts[0] == name or p.stem == name]
    if not wanted:
        raise LabError(f"no log of {name!r} in {root}; `lab logs` lists all")
    for path in sorted(wanted, key=lambda p: p.stat().st_mtime):
        if path.stat().st_size == 0:
            continue
        print(f"==> {path} <==")
        print("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))
        print()
