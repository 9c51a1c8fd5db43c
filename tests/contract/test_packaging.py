"""What packages say of themselves is what novaha says."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from novaha import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"


def test_every_version_is_this_one() -> None:
    changelog = (PACKAGING / "debian/changelog").read_text()
    assert changelog.startswith(f"novaha ({__version__}) ")
    spec = (PACKAGING / "rpm/novaha.spec").read_text()
    assert re.search(rf"^Version: +{re.escape(__version__)}$", spec, re.M)


def test_the_rpm_needs_what_setup_cfg_says() -> None:
    """dh_python3 reads that by itself; a spec file has to repeat it."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = set()
    for line in setup["options"]["install_requires"].split("\n"):
        if found := re.fullmatch(r"([\w.-]+)>=(\d+\.\d+)[\d.]*", line):
            name = found[1].lower().removeprefix("python-").replace(".", "-")
            wanted.add(f"python3-{name} >= {found[2]}")
    spec = (PACKAGING / "rpm/novaha.spec").read_text()
    stated = re.findall(r"^Requires: +(python3-[\w-]+ >= [\d.]+|python3-\w+)$", spec, re.M)
    assert wanted == {line for line in stated if not line.startswith("python3-novaha")}


OURS = (
    '<primitive id="f" class="stonith" type="fence_compute"/>',
    '<primitive id="b" class="stonith" type="fence_heuristics_compute"/>',
    '<primitive id="e" class="ocf" provider="openstack" type="NovaEvacuate"/>',
    '<clone id="c"><primitive id="n" class="ocf" provider="openstack" type="NovaCompute"/></clone>',
    '<primitive id="w" class="ocf" provider="openstack" type="nova-compute-wait"/>',
    '<primitive id="l" class="ocf" provider="openstack" type="libvirtd"/>',
)


def prerm() -> tuple[str, str, str]:
    """The script that Debian's package runs before it goes; its argument then, and otherwise."""
    return (PACKAGING / "debian/novaha-agents.prerm").read_text(), "remove", "upgrade"


def preun() -> tuple[str, str, str]:
    """The RPM's; the number of packages that are left then, and after an upgrade."""
    spec = (PACKAGING / "rpm/novaha.spec").read_text()
    script = spec.partition("\n%preun agents\n")[2].partition("\n%files")[0]
    assert "%{_sbindir}/novaha install-agents --uninstall" in script
    return script.replace("%{_sbindir}/novaha", "true"), "0", "1"


@pytest.mark.parametrize("package", [prerm, preun], ids=["deb", "rpm"])
@pytest.mark.parametrize("ours", ["", *OURS])
def test_agents_do_not_go_while_the_cluster_names_them(
    cib: Path, environment: dict[str, str], package: Callable[[], tuple[str, str, str]], ours: str
) -> None:
    """By the real cibadmin: no fencing level would work any more."""
    script, goes, stays = package()
    cib.write_text(cib.read_text().replace("<resources>", f"<resources>{ours}"))

    def run(argument: str, **more: str) -> subprocess.CompletedProcess[str]:
        argv = ["sh", "-c", script, "script", argument]
        env = environment | more
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    done = run(goes)
    assert done.returncode == (1 if ours else 0)
    assert ("novaha setup --remove --apply" in done.stderr) is bool(ours)
    assert run(stays).returncode == 0
    assert run(goes, NOVAHA_REMOVE_ANYWAY="1").returncode == 0
    # A machine without a cluster.
    assert run(goes, CIB_file="/nonexistent/cib.xml").returncode == 0
