"""The RPMs, as rpmbuild makes them; on Debian, so dependencies are not looked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from novahalab import debs
from novahalab.roots import Scratch

from novaha import __version__
from novaha.cli.manpages import OCF_AGENTS, pages
from tests.packages.conftest import APT, empty_layer
from tests.packages.machine import Machine

RELEASE = "trixie"
# python3's own directories, as they are where a distribution builds.
AS_A_DISTRIBUTION = {"DEB_PYTHON_INSTALL_LAYOUT": "deb"}
PROVIDER = "/usr/lib/ocf/resource.d/openstack"
CONTESTED = ("NovaEvacuate.7", "nova-compute-wait.7", "fence_compute.8")


@pytest.fixture(scope="module")
def layers() -> list[Path]:
    """What Python packages are built with, and rpm."""
    debs.prepare(RELEASE)
    below = [debs.tools(RELEASE), debs.base(RELEASE)]
    layer = empty_layer(RELEASE, "rpm")
    with Scratch(below, debs.log(RELEASE), kept=layer) as root:
        root.run([*APT, "update"], offline=False, logged=True)
        root.run([*APT, "install", "rpm"], offline=False, logged=True)
    return [layer, *below]


@pytest.fixture(scope="module")
def built(layers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The RPMs, built without network."""
    target = tmp_path_factory.mktemp("rpms")
    with Scratch(layers, debs.log(RELEASE)) as root:
        debs.copy_sources(root.path("/root/novaha"))
        argv = ["/root/novaha/packaging/build-rpm", "/root/rpms", "--nodeps"]
        root.run(argv, logged=True, env=AS_A_DISTRIBUTION)
        for rpm in root.path("/root/rpms").iterdir():
            shutil.copy(rpm, target)
    return target


@pytest.fixture
def machine(layers: list[Path], built: Path) -> Iterator[Machine]:
    with Scratch(layers, debs.log(RELEASE)) as root:
        shutil.copytree(built, root.path("/root/rpms"))
        yield Machine(root)


def rpms(machine: Machine) -> list[str]:
    """The names of ours on the machine."""
    return [f"/root/rpms/{rpm.name}" for rpm in machine.path("/root/rpms").iterdir()]


def older_agents(machine: Machine, version: str) -> str:
    """A package resource-agents that has an agent of the same name; its file on the machine."""
    text = f"theirs, {version}"
    machine.path("/root/theirs.spec").write_text(
        "Name: resource-agents\nSummary: s\nLicense: l\nBuildArch: noarch\nRelease: 1\n"
        f"Version: {version}\n%description\nd\n%install\nmkdir -p %{{buildroot}}{PROVIDER}\n"
        f"echo '{text}' >%{{buildroot}}{PROVIDER}/NovaEvacuate\n%files\n{PROVIDER}/NovaEvacuate\n"
    )
    machine.run("rpmbuild", "-bb", "--define", "_topdir /root/theirs", "/root/theirs.spec")
    return f"/root/theirs/RPMS/noarch/resource-agents-{version}-1.noarch.rpm"


def asked(machine: Machine, question: str, package: str) -> set[str]:
    """What `rpm -qp` answers."""
    file = f"/root/rpms/{package}-{__version__}-1.noarch.rpm"
    return set(machine.run("rpm", "-qp", f"--{question}", file).stdout.splitlines())


def test_the_files(machine: Machine) -> None:
    library, agents = (
        asked(machine, "list", "python3-novaha"),
        asked(machine, "list", "novaha-agents"),
    )
    assert {"/usr/sbin/novaha", "/usr/share/man/man8/novaha.8.gz"} <= library
    assert {f"/usr/share/novaha/ocf/{agent.name}" for agent in OCF_AGENTS} <= library
    assert "/usr/share/novaha/fence_agents/fence_compute" in library
    assert "/usr/share/novaha/alerts/novaha_alert" in library
    assert any(name.endswith("/novaha/agents/fence_compute.py") for name in library)
    assert any(name.endswith(".dist-info/METADATA") for name in library)
    assert {"/etc/novaha/novaha.conf.sample", "/etc/logrotate.d/novaha-agents"} <= agents
    man = {Path(name).name for name in library | agents if "/man/" in name}
    expected = {f"{name}novaha" if name.endswith(CONTESTED) else name for name in pages()}
    assert man == {f"{name}.gz" for name in expected}


def test_no_file_that_another_package_has(machine: Machine) -> None:
    """RPM knows no diversions: of resource-agents and fence-agents nothing may be in the list."""
    for name in asked(machine, "list", "novaha-agents"):
        assert "/resource.d/" not in name
        assert not name.endswith(("/fence_compute", "/fence_compute.8.gz"))


def test_what_it_needs(machine: Machine) -> None:
    library = asked(machine, "requires", "python3-novaha")
    needed = ("novaclient", "keystoneauth1", "oslo-config", "tenacity", "lxml", "prettytable")
    for name in (*needed, "pyyaml"):
        assert any(line.startswith(f"python3-{name}") for line in library), name
    agents = asked(machine, "requires", "novaha-agents")
    assert f"python3-novaha = {__version__}-1" in agents
    assert "(pacemaker or pacemaker-remote)" in agents


def test_installed_and_removed(machine: Machine) -> None:
    """The scriptlets, with an older agent of the same name in the way."""
    older = machine.path(f"{PROVIDER}/NovaEvacuate")
    older.parent.mkdir(parents=True)
    older.write_text("#!/bin/sh\n# the older agent\n")
    machine.path("/usr/share/licenses").mkdir()  # of the package filesystem
    machine.run("rpm", "--initdb")
    before = machine.tree()
    machine.run("rpm", "--install", "--nodeps", *rpms(machine))
    for agent in OCF_AGENTS:
        done = machine.run(f"{PROVIDER}/{agent.name}", "meta-data")
        assert f'version="{__version__}"' in done.stdout
    assert 'name="fence_compute"' in machine.run("/usr/sbin/fence_compute", "-o", "metadata").stdout
    assert machine.run("id", "-Gn", "novaha").stdout.split() == ["novaha", "haclient"]
    assert machine.text("/usr/sbin/novaha").startswith("#!/usr/bin/python3 -I\n")
    for earlier_had_it in (True, False):
        if not earlier_had_it:
            machine.run("userdel", "novaha")
        machine.run("rpm", "--upgrade", "--force", "--nodeps", *rpms(machine))
        assert machine.run("id", "-Gn", "novaha").stdout.split() == ["novaha", "haclient"]
        assert machine.text("/usr/sbin/fence_compute").splitlines()[1].startswith("# novaha: ")
    machine.run("rpm", "--erase", "--nodeps", "novaha-agents", "python3-novaha")
    assert machine.run("getent", "passwd", "novaha", check=False).returncode == 2
    assert machine.changes(before) == {}


def test_a_package_with_the_same_agent_comes_is_upgraded_and_goes(machine: Machine) -> None:
    """The triggers: ours stays in place, theirs is kept as it is now."""
    agent, kept = f"{PROVIDER}/NovaEvacuate", "/usr/lib/novaha/distrib/NovaEvacuate.distrib"
    first, second = older_agents(machine, "1"), older_agents(machine, "2")
    machine.path("/usr/share/licenses").mkdir()
    machine.run("rpm", "--initdb")
    before = machine.tree()

    machine.run("rpm", "--install", "--nodeps", *rpms(machine))
    for rpm, version in ((first, "1"), (second, "2")):
        machine.run("rpm", "--upgrade", rpm)
        assert "# novaha: " in machine.text(agent)
        assert machine.text(kept) == f"theirs, {version}\n"
    machine.run("rpm", "--erase", "resource-agents")
    assert "# novaha: " in machine.text(agent)
    assert not machine.path(kept).exists()

    machine.run("rpm", "--install", first)
    machine.run("rpm", "--erase", "--nodeps", "novaha-agents", "python3-novaha")
    assert machine.text(agent) == "theirs, 1\n"
    machine.run("rpm", "--erase", "resource-agents")
    assert machine.changes(before).keys() <= {PROVIDER[1:], "usr/lib/ocf/resource.d", "usr/lib/ocf"}
