"""install-agents: ours and nothing else, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaha.cli import install
from novaha.cli.install import Directories, Diversion, InstallError
from novaha.cli.main import main
from novaha.contract.names import ALERT
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Result

COMMAND = "/opt/novaha/bin/python3 -I"


class Dpkg:
    """dpkg-divert and dpkg-query of a system that owns the given files."""

    def __init__(self, *owned: Path) -> None:
        self.owned = {str(path): "fence-agents" for path in owned}
        self.diverted: dict[str, str] = {}

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        answer = ""
        match argv:
            case ["dpkg-query", "--search", path]:
                if path not in self.owned:
                    raise ClusterToolError(argv, 1, "no path found")
                answer = f"{self.owned[path]}: {path}"
            case ["dpkg-divert", "--truename", path]:
                answer = self.diverted.get(path, path)
            case ["dpkg-divert", "--local", how, "--divert", kept, "--add", path]:
                assert path not in self.diverted
                self.diverted[path] = kept
                if how == "--rename" and Path(path).exists():
                    Path(path).rename(kept)
            case ["dpkg-divert", "--local", "--rename", "--divert", kept, "--remove", path]:
                assert self.diverted.pop(path) == kept
                if Path(kept).exists():
                    Path(kept).rename(path)
            case _:
                raise AssertionError(f"nobody expects {argv}")
        return Result(tuple(argv), 0, f"{answer}\n".encode(), "")


@pytest.fixture
def directories(tmp_path: Path) -> Directories:
    return Directories(tmp_path / "ocf", tmp_path / "sbin", tmp_path / "alerts")


@pytest.fixture
def dpkg(directories: Directories) -> Dpkg:
    return Dpkg(directories.sbin / "fence_compute")


@pytest.fixture
def diversion(tmp_path: Path, dpkg: Dpkg) -> Diversion:
    return Diversion(tmp_path / "aside", dpkg, lambda name: f"/usr/bin/{name}")  # type: ignore[arg-type]


@pytest.fixture
def without_dpkg(tmp_path: Path) -> Diversion:
    return Diversion(tmp_path / "aside", Dpkg(), lambda name: None)  # type: ignore[arg-type]


def installed(directories: Directories, diversion: Diversion) -> list[str]:
    return list(install.install(directories, install.sources(), COMMAND, diversion))


def test_every_agent_is_there_with_the_interpreter_of_novaha(directories, diversion) -> None:
    installed(directories, diversion)
    for target in directories.targets().values():
        first, second = target.read_text().splitlines()[:2]
        assert first == ("#!/bin/sh" if target.name == ALERT else f"#!{COMMAND}")
        assert second.startswith("# novaha: ")
        assert target.stat().st_mode & 0o777 == 0o755
        assert [p.name for p in target.parent.iterdir() if p.name.startswith(".")] == []


def test_a_second_time_changes_nothing(directories, diversion) -> None:
    installed(directories, diversion)
    assert all(line.endswith(": as it should be") for line in installed(directories, diversion))


def test_an_older_version_of_ours_is_replaced(directories, diversion, dpkg) -> None:
    installed(directories, diversion)
    target = directories.sbin / "fence_compute"
    target.write_text("#!/usr/bin/python3\n# novaha: older\n")
    installed(directories, diversion)
    assert "import main" in target.read_text()
    assert dpkg.diverted == {}


def test_a_file_of_our_package_is_left_to_dpkg(directories, diversion, dpkg) -> None:
    installed(directories, diversion)
    target = directories.targets()["ocf/NovaCompute"]
    dpkg.owned[str(target)] = "resource-agents, novaha-agents"
    assert f"{target}: as it should be" in installed(directories, diversion)
    for attempt in (
        lambda: install.install(directories, install.sources(), "/usr/bin/python3 -I", diversion),
        lambda: install.uninstall(directories, diversion),
    ):
        with pytest.raises(InstallError, match="apt-get remove novaha-agents"):
            list(attempt())
        assert target.read_text().startswith(f"#!{COMMAND}")


def test_what_was_kept_comes_back_although_ours_is_gone(directories, diversion) -> None:
    target = directories.sbin / "fence_compute"
    target.parent.mkdir()
    target.write_text("the distribution's own\n")
    installed(directories, diversion)
    target.unlink()
    list(install.uninstall(directories, diversion))
    assert target.read_text() == "the distribution's own\n"


@pytest.mark.parametrize("way", ["diversion", "without_dpkg"])
def test_a_distributions_agent_is_kept_aside_and_comes_back(directories, request, way) -> None:
    diversion = request.getfixturevalue(way)
    target = directories.sbin / "fence_compute"
    target.parent.mkdir()
    target.write_text("the distribution's own\n")
    assert "is kept as" in "\n".join(installed(directories, diversion))
    assert target.read_text().startswith(f"#!{COMMAND}")
    installed(directories, diversion)
    done = list(install.uninstall(directories, diversion))
    assert f"{target}: removed, the distribution's own is back" in done
    assert target.read_text() == "the distribution's own\n"


def test_others_than_root_may_run_them_whatever_the_umask(directories, monkeypatch) -> None:
    monkeypatch.setattr(install, "interpreter", lambda *given, **how: COMMAND)
    before = os.umask(0o077)
    try:
        options = {"ocf-root": "ocf_root", "sbin": "sbin", "alerts": "alerts"}
        where = [f"--{name}={getattr(directories, field)}" for name, field in options.items()]
        completion = directories.sbin.parent / "completions"
        assert main(["install-agents", *where, f"--completion={completion}"]) == 0
        assert (completion / "novaha").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)
    places = [directories.alerts, directories.ocf_root, directories.ocf_root / "resource.d"]
    assert {place.stat().st_mode & 0o777 for place in places} == {0o755}


def said(step: Iterator[str]) -> str:
    (line,) = step
    return line.partition(": ")[2]


def test_the_completion_comes_stays_and_goes(tmp_path, diversion) -> None:
    target = tmp_path / "completions" / "novaha"
    come, go = install.install_completion, install.uninstall_completion
    assert said(come(target, diversion)) == "installed"
    assert said(come(target, diversion)) == "as it should be"
    ours = target.read_text()
    target.write_text(ours.replace("COMPREPLY", "OLDER"))
    assert said(come(target, diversion)) == "installed"
    assert target.read_text() == ours
    assert said(go(target, diversion)) == "removed"
    assert not target.parent.exists()
    assert said(go(target, diversion)) == "not there"


@pytest.mark.parametrize("whose", ["somebody's", "a package's"])
def test_a_completion_of_others_is_left_alone(tmp_path, diversion, dpkg, whose) -> None:
    target = tmp_path / "novaha"
    target.write_text("#!\n# novaha: older\n" if whose == "a package's" else "complete novaha\n")
    if whose == "a package's":
        dpkg.owned[str(target)] = "python3-novaha"
    before = target.read_text()
    for step in (install.install_completion, install.uninstall_completion):
        assert said(step(target, diversion)).endswith("left alone")
        assert target.read_text() == before


def test_uninstall_leaves_alone_what_is_not_ours(directories, diversion) -> None:
    installed(directories, diversion)
    other = directories.targets()["ocf/NovaCompute"]
    other.write_text("#!/bin/sh\necho somebody else's\n")
    list(install.uninstall(directories, diversion))
    assert other.exists()
    assert not directories.targets()["ocf/NovaEvacuate"].exists()
    assert all("removed" not in line for line in install.uninstall(directories, diversion))


def test_a_path_that_cannot_stand_in_a_first_line() -> None:
    for python in ("/opt/my python/bin/python3", f"/{'x' * 260}/python3"):
        with pytest.raises(InstallError, match="shorter path"):
            install.interpreter(python)


def test_a_python_without_novaha_is_refused(tmp_path) -> None:
    """Found through PYTHONPATH is not installed: Pacemaker would not find it."""
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(InstallError, match="-m pip install"):
        install.interpreter(str(python))
