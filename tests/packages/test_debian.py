"""The Debian packages: built, checked, installed, upgraded and removed as dpkg does it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from novahalab import debs
from novahalab.roots import Scratch

from novaha import __version__
from novaha.cli.manpages import OCF_AGENTS, pages
from tests.packages.conftest import OLDER
from tests.packages.machine import Machine

PROVIDER = "/usr/lib/ocf/resource.d/openstack"
FENCE = "/usr/sbin/fence_compute"
ASIDE = "/usr/lib/novaha/distrib"
AGENTS = (*(f"{PROVIDER}/{agent.name}" for agent in OCF_AGENTS), FENCE)
ALERT = "/usr/share/pacemaker/alerts/novaha_alert"
CONF = "[keystone]\nauth_type = none\nendpoint = http://192.0.2.1\n"


def assert_ours(machine: Machine) -> None:
    """Every agent is of this version, runs, and doctor is content with it."""
    for file in AGENTS:
        assert machine.text(file).startswith("#!/usr/bin/python3 -I\n# novaha: "), file
    assert machine.text(ALERT).startswith("#!/bin/sh\n# novaha: ")
    for agent in OCF_AGENTS:
        done = machine.run(f"{PROVIDER}/{agent.name}", "meta-data")
        assert f'<resource-agent name="{agent.name}" version="{__version__}">' in done.stdout
    assert 'name="fence_compute"' in machine.run(FENCE, "-o", "metadata").stdout
    machine.run(ALERT, CRM_alert_kind="node")
    assert machine.run("novaha", "--version").stdout == f"novaha {__version__}\n"
    findings = machine.doctor("node")
    for check in ("agents", "python"):
        assert {finding["verdict"] for finding in findings[check]} == {"ok"}, findings[check]


def has_user(machine: Machine) -> bool:
    """Whether there is a user novaha."""
    return not machine.run("getent", "passwd", "novaha", check=False).returncode


def test_lintian(release: str, built: Path) -> None:
    with Scratch([debs.tools(release), debs.base(release)], debs.log(release)) as root:
        shutil.copytree(built, root.path("/root/debs"))
        (changes,) = built.glob("*.changes")
        argv = ["lintian", "--allow-root", "--fail-on=error,warning", f"/root/debs/{changes.name}"]
        done = root.run(argv, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_works_on_a_minimal_system(fresh: Machine) -> None:
    assert_ours(fresh)
    for name in pages():
        page, _, section = name.rpartition(".")
        assert f"/man{section}/{name}.gz" in fresh.run("man", "-w", section, page).stdout
    guide = "/usr/share/doc/python3-novaha/guide"
    assert fresh.text(f"{guide}/debugging.md").startswith("# ")
    offered = "source /usr/share/bash-completion/completions/novaha; complete -p novaha"
    assert "_novaha novaha" in fresh.run("bash", "-c", offered).stdout
    versions = fresh.run("pcs", "--version", check=False)
    assert versions.returncode == 127, "pcs is only suggested"


def test_where_the_secret_goes_nobody_else_gets(fresh: Machine) -> None:
    """Law 9."""
    shown = fresh.run("stat", "-c", "%A %U %G", "/etc/novaha", "/etc/novaha/novaha.conf.sample")
    assert shown.stdout.splitlines() == ["drwxr-x--- root haclient", "-rw-r----- root root"]


def test_the_evacuator_has_a_user_of_its_own_with_no_more_than_pacemakers_group(
    fresh: Machine,
) -> None:
    assert fresh.run("id", "-Gn", "novaha").stdout.split() == ["novaha", "haclient"]
    shown = fresh.run("getent", "passwd", "novaha").stdout.strip().split(":")
    assert shown[5:] == ["/nonexistent", "/usr/sbin/nologin"]
    assert not fresh.path("/nonexistent").exists()
    assert fresh.text("/usr/sbin/novaha").startswith("#!/usr/bin/python3 -I\n")
    fresh.run("su", "-s", "/bin/sh", "-c", "/usr/bin/python3 -I -m novaha.evacuator </dev/null; "
              "python3 -I -c 'import novaha.evacuator.process'", "novaha")  # fmt: skip
    fresh.purge()
    assert not has_user(fresh)
    assert fresh.run("getent", "group", "novaha", check=False).returncode == 2


def test_a_user_of_the_administrators_is_used_and_stays(machine: Machine, built: Path) -> None:
    machine.run("useradd", "--home-dir", "/home/novaha", "novaha")
    machine.install(built)
    assert "haclient" in machine.run("id", "-Gn", "novaha").stdout.split()
    machine.purge()
    assert has_user(machine)


def test_logs_are_rotated_and_still_written_to(fresh: Machine) -> None:
    """What the evacuator keeps open is truncated, not renamed."""
    text = fresh.text("/etc/logrotate.d/novaha-agents")
    assert re.search(r"^/var/log/novaha/\*\.log \{[^}]*copytruncate", text, re.M)
    assert re.search(r"^/var/log/novaha/journal\.jsonl \{[^}]*nocreate", text, re.M)


def test_the_distributions_own_are_put_aside_and_come_back(machine: Machine, built: Path) -> None:
    before = machine.tree()
    package = machine.text("/root/fence-package")
    machine.install(built)
    assert_ours(machine)
    theirs = machine.text(f"{ASIDE}/fence_compute.distrib")
    assert "# novaha: " not in theirs
    assert "fence_compute" in machine.run("man", "-w", "8", "fence_compute").stdout
    assert machine.run("dpkg", "--verify", "novaha-agents", "python3-novaha").stdout == ""
    assert package in machine.run("dpkg", "--search", FENCE).stdout

    machine.purge()
    assert machine.changes(before) == {}
    assert machine.diversions() == ""
    assert machine.text(FENCE) == theirs


def test_a_fence_agents_package_that_comes_later_changes_nothing(
    machine: Machine, built: Path
) -> None:
    before = machine.tree()
    package = machine.text("/root/fence-package")
    machine.install(built)
    machine.run("sh", "-ec", f"dpkg --install /var/cache/apt/archives/{package}_*.deb")
    assert_ours(machine)
    machine.purge()
    assert machine.changes(before) == {}


def test_an_upgrade_keeps_what_was_configured(machine: Machine, older: Path, built: Path) -> None:
    before = machine.tree()
    machine.install(older)
    assert OLDER in machine.run("dpkg-query", "-W", "novaha-agents").stdout
    machine.run("userdel", "novaha")  # earlier versions had none
    conf = machine.path("/etc/novaha/novaha.conf")
    conf.write_text(CONF)
    conf.chmod(0o600)
    machine.run("chmod", "0700", "/etc/novaha")
    rotation = machine.path("/etc/logrotate.d/novaha-agents")
    rotation.write_text(rotation.read_text().replace("weekly", "daily"))

    machine.install(built)
    assert OLDER not in machine.run("dpkg-query", "-W", "novaha-agents").stdout
    assert machine.run("id", "-Gn", "novaha").stdout.split() == ["novaha", "haclient"]
    assert_ours(machine)
    assert (conf.read_text(), conf.stat().st_mode & 0o777) == (CONF, 0o600)
    assert conf.parent.stat().st_mode & 0o777 == 0o700
    assert "daily" in rotation.read_text()
    assert machine.diversions().count("diversion of") == 2 * len(AGENTS)

    machine.dpkg("--remove", "novaha-agents", "python3-novaha")
    assert conf.read_text() == CONF, "it is kept until the packages are purged"
    assert has_user(machine), "it, too: files may be its own"
    assert machine.diversions() == ""
    machine.run("mkdir", "-p", "/var/log/novaha")
    machine.purge()
    assert machine.changes(before) == {}
    assert not machine.path("/var/log/novaha").exists()


def test_what_install_agents_put_there_becomes_the_packages(machine: Machine, built: Path) -> None:
    """From a virtual environment to packages, without a moment without agents."""
    before = machine.tree()
    library, agents = (deb for deb in reversed(machine.take(built)))
    machine.dpkg("--install", library)
    machine.run("novaha", "install-agents")
    assert "local diversion of /usr/sbin/fence_compute" in machine.diversions()

    machine.dpkg("--install", agents)
    assert "local diversion" not in machine.diversions()
    assert_ours(machine)
    assert "as it should be" in machine.run("novaha", "install-agents").stdout
    refused = machine.run("novaha", "install-agents", "--uninstall", check=False)
    assert refused.returncode == 1
    assert "apt-get remove novaha-agents" in refused.stderr
    assert_ours(machine)

    machine.purge()
    assert machine.changes(before) == {}
    assert machine.diversions() == ""


@pytest.mark.parametrize("name", ["NovaCompute", "NovaEvacuate"])
def test_an_administrators_own_agent_comes_back(machine: Machine, built: Path, name: str) -> None:
    own = machine.path(f"{PROVIDER}/{name}")
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("#!/bin/sh\n# an agent from a time before packages\n")
    own.chmod(0o755)
    before = machine.tree()
    machine.install(built)
    assert_ours(machine)
    machine.purge()
    assert machine.changes(before) == {}
