"""Whether novaha came in the distribution's packages, and the command that installs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Runner

LIBRARY = "python3-novaha"
AGENTS = "novaha-agents"

_OURS = frozenset({LIBRARY, AGENTS})


@dataclass(frozen=True, slots=True)
class Packages:
    """novaha's packages on this machine.

    manager: apt or dnf. installed: those of ours that are, as far as dnf needs to be told.
    """

    manager: str
    installed: frozenset[str] = frozenset()

    def command(self, *names: str) -> str:
        """What puts all files of these packages into their places; a command a line."""
        if self.manager == "apt":
            return f"apt-get install --reinstall {' '.join(names)}"
        ways = {
            "install": [name for name in names if name not in self.installed],
            "reinstall": [name for name in names if name in self.installed],
        }
        return "\n".join(f"dnf {way} {' '.join(some)}" for way, some in ways.items() if some)


def look(library: Path, agents: Iterable[Path], run: Runner) -> Packages | None:
    """The packages that this library or these agents came in, None if they came otherwise.

    RPM's database has the library only: its scripts install the agents.
    """
    if any(_OURS & owners for owners in dpkg_owners([library, *agents], run).values()):
        return Packages("apt")
    if LIBRARY in _rpm(["--file", str(library)], run):
        return Packages("dnf", _rpm(sorted(_OURS), run))
    return None


def dpkg_owners(paths: Collection[Path], run: Runner) -> dict[str, frozenset[str]]:
    """Which packages have each of these files, if one has it; none where there is no dpkg."""
    lines = _lines(["dpkg-query", "--search", *map(str, paths)], run)
    parts = [line.partition(": ") for line in lines]
    return {
        path: frozenset(names.split(", ")) for names, _, path in parts if "diversion " not in names
    }


def _rpm(asked: list[str], run: Runner) -> frozenset[str]:
    """The names of ours in what rpm knows about it; what it does not know it says in words."""
    return _OURS & {*_lines(["rpm", "--query", "--queryformat", "%{NAME}\\n", *asked], run)}


def _lines(argv: list[str], run: Runner) -> list[str]:
    """What it prints. Something that it does not know makes an exit code; so may its absence."""
    try:
        return run(argv, accept=frozenset({0, 1, 2})).stdout.decode("utf-8", "replace").splitlines()
    except ClusterToolError:
        return []
