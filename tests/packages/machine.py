"""What the tests ask of a machine."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from novahalab.process import Result
from novahalab.roots import Scratch

# What installing and removing any package changes.
_OF_DPKG = (
    *("var/lib/dpkg/", "var/lib/rpm/", "var/lib/apt/", "var/log/", "var/cache/", "var/backups/"),
    "etc/ld.so.cache",
    # A user that came and went.
    *(
        f"etc/{name}{kept}"
        for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
        for kept in ("", "-")
    ),
    "etc/.pwd.lock",
)
_OTHERS = ("dev", "proc", "root", "run", "tmp")


class Machine:
    """A root with a package manager, without network."""

    def __init__(self, root: Scratch) -> None:
        self.root = root

    def run(self, *argv: str, check: bool = True, **environment: str) -> Result:
        """Run a program; CommandError if it fails and `check`."""
        return self.root.run(argv, env=environment, check=check, timeout=120)

    def take(self, directory: Path) -> list[str]:
        """Copy packages to the machine; their names there."""
        place = self.root.path(f"/root/{directory.name}")
        if not place.exists():
            shutil.copytree(directory, place)
        return [f"/root/{directory.name}/{deb.name}" for deb in sorted(directory.glob("*.deb"))]

    def dpkg(self, *arguments: str) -> None:
        """Run dpkg without anybody to ask; its output goes to the log."""
        self.root.run(["dpkg", "--force-confdef", "--force-confold", *arguments], logged=True)

    def install(self, directory: Path) -> None:
        """Install or upgrade to the packages of a directory."""
        self.dpkg("--install", *self.take(directory))

    def purge(self) -> None:
        """Remove the packages with their configuration."""
        self.dpkg("--purge", "novaha-agents", "python3-novaha")

    def path(self, name: str) -> Path:
        """A file as the machine that runs the tests sees it."""
        return self.root.path(name)

    def text(self, name: str) -> str:
        """The content of a file."""
        return self.path(name).read_text()

    def diversions(self) -> str:
        """dpkg's diversions of or by ours."""
        lines = self.run("dpkg-divert", "--list").stdout.splitlines()
        return "\n".join(line for line in lines if "novaha" in line)

    def tree(self) -> dict[str, tuple[str, int, int, str]]:
        """Every file: kind and mode, owner, group; where a link leads, or size and age."""
        top = self.path("/")
        found = {}
        for directory, directories, files in os.walk(top):
            for entry in (*directories, *files):
                path = Path(directory, entry)
                name = str(path.relative_to(top))
                if "__pycache__" in name and "novaha" not in name:
                    continue  # Python makes them when it likes
                if name.startswith(_OF_DPKG):
                    continue
                status = path.lstat()
                content = ""
                if stat.S_ISLNK(status.st_mode):
                    content = str(path.readlink())
                elif stat.S_ISREG(status.st_mode):
                    content = f"{status.st_size} {status.st_mtime_ns}"
                mode = stat.filemode(status.st_mode)
                found[name] = (mode, status.st_uid, status.st_gid, content)
            if Path(directory) == top:
                directories[:] = [d for d in directories if d not in _OTHERS]
        return found

    def changes(self, before: dict[str, tuple[str, int, int, str]]) -> dict[str, str]:
        """What differs from an earlier tree."""
        now = self.tree()
        return {
            name: f"was {before.get(name)}, is {now.get(name)}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        }

    def doctor(self, *only: str) -> dict[str, list[dict[str, Any]]]:
        """doctor's findings by the name of their check."""
        said = self.run("novaha", "doctor", "--output", "json", "--only", *only, check=False)
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in json.loads(said.stdout):
            found.setdefault(finding["check"], []).append(finding)
        return found
