"""A wheel in a virtual environment, and what its install-agents leaves of a root: nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from novaha import __version__
from novaha.conf.options import list_opts
from novaha.contract.names import ALERT

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "novaha",
    "ocf",
    "fence_agents",
    "alerts",
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "README.md",
)
NEXT = f"{__version__}.post1"

FOREIGN = {
    "usr/sbin/fence_compute": "#!/usr/bin/python3\n# the distribution's fence agent\n",
    "usr/lib/ocf/resource.d/openstack/NovaEvacuate": "#!/bin/sh\n# the older agent\n",
    "usr/lib/ocf/resource.d/openstack/openstack-info": "#!/bin/sh\n# a neighbour\n",
    "usr/share/pacemaker/alerts/alert_file.sh.sample": "#!/bin/sh\n# a neighbour\n",
}
OURS = (
    *("usr/lib/ocf/resource.d/openstack/NovaCompute", "usr/sbin/fence_compute"),
    *("usr/lib/ocf/resource.d/openstack/NovaEvacuate", "usr/lib/ocf/resource.d/openstack/libvirtd"),
    "usr/lib/ocf/resource.d/openstack/nova-compute-wait",
    "usr/share/pacemaker/alerts/novaha_alert",
)
COMPLETION = "usr/share/bash-completion/completions/novaha"


def command(*argv: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        cwd="/",
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions of novaha, built as `pip install` builds them."""
    built = {}
    for version in (__version__, NEXT):
        source = tmp_path_factory.mktemp("source")
        for name in (*SOURCES, "LICENSE"):
            place = source / name
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, place)
        init = source / "novaha/__init__.py"
        init.write_text(init.read_text().replace(f'"{__version__}"', f'"{version}"'))
        target = tmp_path_factory.mktemp("wheels")
        pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
        command(*pip, "--wheel-dir", target, source)
        (built[version],) = target.glob("*.whl")
    return built


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment whose dependencies are those of the tests; novaha is its own."""
    place = tmp_path / "venv"
    command(sys.executable, "-m", "venv", place)
    (packages,) = place.glob("lib/python*/site-packages")
    dependencies = tmp_path / "dependencies"
    dependencies.mkdir()
    for found in Path(sysconfig.get_path("purelib")).iterdir():
        # The tests may run where novaha is installed: pip would take that for its own.
        if "novaha" not in found.name:
            (dependencies / found.name).symlink_to(found)
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return place


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Everything below a root: mode and content; content is empty for directories."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes())
        if path.is_file()
        else (path.stat().st_mode, b"")
        for path in root.rglob("*")
    }


@pytest.fixture(params=[{}, FOREIGN], ids=["bare", "with older agents"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The root of a machine, with what a distribution may have put there."""
    place = tmp_path / "root"
    place.mkdir()
    for name, text in request.param.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return place


def test_install_upgrade_and_uninstall_leave_nothing_behind(wheels, environment, root) -> None:
    before = tree(root)
    pip = (environment / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    novaha = environment / "bin/novaha"
    agents = (novaha, "install-agents", "--destdir", root)
    clean = _files(environment)

    command(*pip, wheels[__version__])
    assert command(novaha, "--version").split() == ["novaha", __version__]
    command(*agents)
    first = tree(root)
    assert {*OURS, COMPLETION} <= set(first)
    for name in OURS:
        interpreter = "/bin/sh\n" if name.endswith(ALERT) else f"{environment}/bin/python"
        assert first[name][1].startswith(f"#!{interpreter}".encode()), name
    kept = {
        name: first[f"usr/lib/novaha/distrib/{Path(name).name}.distrib"] for name in _put(before)
    }
    assert kept == _put(before)

    command(*pip, wheels[NEXT])
    assert all(": as it should be" in line for line in command(*agents).splitlines())
    for name in OURS:
        if name.startswith("usr/lib/ocf"):
            assert f'version="{NEXT}"' in command(root / name, "meta-data")
    assert tree(root) == first

    command(*agents, "--uninstall")
    assert tree(root) == before
    command(environment / "bin/python", "-m", "pip", "uninstall", "--quiet", "--yes", "novaha")
    assert _files(environment) == clean


def _put(before: dict[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """What stood where an agent of ours goes."""
    return {name: before[name] for name in OURS if name in before}


def _files(environment: Path) -> set[str]:
    """What pip has to remove; directories of data files it leaves, and Python its caches."""
    found = (path for path in environment.rglob("*") if path.is_file())
    return {str(path) for path in found if path.suffix != ".pyc"}


def test_a_package_is_built_for_another_python(wheels, environment, tmp_path) -> None:
    """--python with --destdir: that Python is the target's, not this machine's."""
    pip = (environment / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    command(*pip, wheels[__version__])
    where = ("--destdir", tmp_path / "root", "--python", "/usr/bin/python3.99")
    command(environment / "bin/novaha", "install-agents", *where)
    for name in OURS:
        first = "/bin/sh" if name.endswith(ALERT) else "/usr/bin/python3.99 -I"
        assert (tmp_path / "root" / name).read_text().startswith(f"#!{first}\n")


def test_oslo_configs_own_tools_know_every_option(wheels, environment, tmp_path) -> None:
    """By the entry point `novaha` of oslo.config.opts."""
    python = environment / "bin/python"
    command(
        python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheels[__version__]
    )
    sample = command(python, "-m", "oslo_config.generator", "--namespace", "novaha")
    found = re.findall(r"^#([a-z]\w+) =", sample, re.M)
    wanted = [option.dest for _, options in list_opts() for option in options]
    assert set(wanted) <= set(found)
    assert found.count("auth_url") == 1
    assert "application_credential_secret" in found
    for section in ("keystone", "nova", "evacuator"):
        assert f"\n[{section}]\n" in sample

    file = tmp_path / "novaha.conf"
    validator = (python, "-m", "oslo_config.validator", "--namespace", "novaha", "--input-file")

    def validate(text: str) -> subprocess.CompletedProcess[str]:
        file.write_text(text)
        argv = [*map(str, validator), str(file)]
        return subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)

    packaged = (ROOT / "packaging/novaha.conf.sample").read_text()
    for text in (sample, packaged, re.sub(r"(?m)^#(\w+ =)", r"\1", packaged)):
        done = validate(text)
        assert (done.returncode, done.stderr) == (0, "")
    done = validate(packaged.replace("#max_in_flight", "max_inflight"))
    assert done.returncode == 1
    assert "evacuator/max_inflight is not part of the sample config" in done.stderr
