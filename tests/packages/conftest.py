"""A machine of each Debian release, on which the packages are installed and removed.

As root, and with the network: the packages are built and installed without, but what they need
is downloaded. NOVAHA_PACKAGES_RELEASES has the releases, all by default.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from novahalab import debs, layout
from novahalab.roots import Scratch

from novaha import __version__
from tests.packages.machine import Machine

RELEASES = os.environ.get("NOVAHA_PACKAGES_RELEASES", ",".join(debs.RELEASES)).split(",")
APT = ("apt-get", "-q", "-y", "--no-install-recommends")
OLDER = f"{__version__}~before1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.packages)


@pytest.fixture(scope="session", autouse=True)
def _umask() -> Iterator[None]:
    """Roots have users of their own, whatever the umask of this machine's is."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def built(release: str) -> Path:
    """The packages, built in that release without network."""
    return debs.build(release)


@pytest.fixture(scope="session")
def older(release: str) -> Path:
    """The same as an earlier version."""
    return debs.build(release, OLDER)


def empty_layer(release: str, name: str) -> Path:
    """An empty directory for what is put on a release's root."""
    layer = layout.PACKAGES / release / name
    for directory in (layer, layer.with_name(f"{name}.work")):
        shutil.rmtree(directory, ignore_errors=True)
    layer.mkdir()
    return layer


@pytest.fixture(scope="session")
def fresh_layer(release: str, built: Path) -> Path:
    """A minimal system, then the packages by apt: their dependencies are enough."""
    layer = empty_layer(release, "fresh")
    with Scratch([debs.base(release)], debs.log(release), kept=layer) as root:
        machine = Machine(root)
        names = machine.take(built)
        root.run([*APT, "update"], offline=False, logged=True)
        root.run([*APT, "install", "man-db", *names], offline=False, logged=True)
    return layer


@pytest.fixture
def fresh(release: str, fresh_layer: Path) -> Iterator[Machine]:
    """A system with the packages."""
    with Scratch([fresh_layer, debs.base(release)], debs.log(release)) as root:
        yield Machine(root)


@pytest.fixture(scope="session")
def machine_layer(release: str, fresh_layer: Path) -> Path:
    """What the packages need, and the distribution's fence agents; ours are purged."""
    layer = empty_layer(release, "machine")
    below = [fresh_layer, debs.base(release)]
    with Scratch(below, debs.log(release), kept=layer) as root:
        Machine(root).dpkg("--purge", "novaha-agents", "python3-novaha")
        split = root.run(["apt-cache", "show", "fence-agents-compute"], check=False)
        fence = "fence-agents-compute" if split.returncode == 0 else "fence-agents"
        root.run([*APT, "install", fence], offline=False, logged=True)
        root.path("/root/fence-package").write_text(fence)
    return layer


@pytest.fixture
def machine(release: str, machine_layer: Path, fresh_layer: Path) -> Iterator[Machine]:
    """A cluster node that never heard of novaha."""
    below = [machine_layer, fresh_layer, debs.base(release)]
    with Scratch(below, debs.log(release)) as root:
        yield Machine(root)
