"""What dpkg and rpm answer about novaha's files, and the commands that follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.cli.packages import AGENTS, LIBRARY, Packages, dpkg_owners, look
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Result

FILE = Path("/usr/lib/python3/dist-packages/novaha/__init__.py")
FENCE = Path("/usr/sbin/fence_compute")


class Machine:
    """A machine's dpkg-query and rpm, with their exit codes: what each prints, None without it."""

    def __init__(self, dpkg: str | None, of_file: str | None = None, installed: str = "") -> None:
        self.dpkg, self.of_file, self.installed = dpkg, of_file, installed

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        match list(argv):
            case ["dpkg-query", "--search", *_]:
                text, code = self.dpkg, 1
            case ["rpm", "--query", "--queryformat", "%{NAME}\\n", "--file", str()]:
                text, code = self.of_file, 1
            case ["rpm", "--query", "--queryformat", "%{NAME}\\n", *_]:
                text, code = self.installed, 2
            case _:
                raise AssertionError(f"nobody expects {argv}")
        if text is None or code not in accept:
            raise ClusterToolError(argv, 127 if text is None else code, "")
        return Result(tuple(argv), code, text.encode(), "")


BY_DPKG = Packages("apt")
NOT_BY_RPM = f"file {FILE} is not owned by any package\n"
WITHOUT_AGENTS = "package novaha-agents is not installed\npython3-novaha\n"


@pytest.mark.parametrize(
    ("machine", "found"),
    [
        (Machine(None), None),
        (Machine("", NOT_BY_RPM), None),
        (Machine(f"python3-novaha: {FILE}\n"), BY_DPKG),
        (Machine(f"novaha-agents: {FENCE}\n"), BY_DPKG),  # and the library in an environment
        (Machine(f"fence-agents, fence-agents-compute: {FENCE}\n"), None),
        (Machine(f"diversion by novaha-agents from: {FENCE}\n"), None),
        (Machine(None, "python3-novaha\n", WITHOUT_AGENTS), Packages("dnf", frozenset({LIBRARY}))),
        (
            Machine("", "python3-novaha\n", "novaha-agents\npython3-novaha\n"),
            Packages("dnf", frozenset({LIBRARY, AGENTS})),
        ),
    ],
)
def test_which_packages_it_came_in(machine: Machine, found: Packages | None) -> None:
    assert look(FILE, [FENCE], machine) == found  # type: ignore[arg-type]


def test_a_diversion_is_no_owner() -> None:
    """As dpkg-query shows a file that is diverted, and one that an administrator diverted."""
    kept = "/usr/lib/novaha/distrib/fence_compute.distrib"
    shown = (
        f"diversion by novaha-agents from: {FENCE}\ndiversion by novaha-agents to: {kept}\n"
        f"fence-agents, novaha-agents: {FENCE}\n"
        "local diversion from: /usr/sbin/some\nlocal diversion to: /usr/sbin/some.kept\n"
    )
    owners = dpkg_owners([FENCE], Machine(shown))  # type: ignore[arg-type]
    assert owners == {str(FENCE): frozenset({"fence-agents", "novaha-agents"})}


def test_commands() -> None:
    assert BY_DPKG.command(LIBRARY, AGENTS) == (
        "apt-get install --reinstall python3-novaha novaha-agents"
    )
    both = Packages("dnf", frozenset({LIBRARY, AGENTS}))
    assert both.command(AGENTS) == "dnf reinstall novaha-agents"
    only_library = Packages("dnf", frozenset({LIBRARY}))
    assert only_library.command(AGENTS) == "dnf install novaha-agents"
    assert only_library.command(LIBRARY, AGENTS).splitlines() == [
        "dnf install novaha-agents",
        "dnf reinstall python3-novaha",
    ]
