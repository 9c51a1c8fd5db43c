"""novaha's Debian packages, built as a release's own builders would: in a root of that release,
without network, on its libraries.

Kept below `layout.PACKAGES`, by release: `root` as debootstrap makes it, `tools` what the build
needs on top of it, `debs-HASH` the packages of these sources.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from novahalab import layout, packages, roots
from novahalab.process import run

RELEASES = ("bookworm", "trixie", "sid")

_CHECKERS = ("lintian",)
_PARTS = ("novaha", "ocf", "fence_agents", "alerts", "docs", "tests", "packaging")
_FILES = ("setup.cfg", "setup.py", "pyproject.toml", "CHANGELOG.md", "README.md", "LICENSE")
_MARKER = "etc/novaha-lab-tools"

Say = Callable[[str], None]


def base(release: str) -> Path:
    """A release's minimal root."""
    return layout.PACKAGES / release / "root"


def tools(release: str) -> Path:
    """What is needed to build and check packages, as a layer on the minimal root."""
    return layout.PACKAGES / release / "tools"


def log(release: str) -> Path:
    """Where what is done in these roots is written down."""
    return layout.PACKAGES / f"{release}.log"


def prepare(release: str, say: Say = lambda text: None) -> None:
    """Make what needs the network, if it is not there. Raises LabError."""
    layer, marker = tools(release), tools(release) / _MARKER
    control = layout.SOURCE / "packaging/debian/control"
    source, _, _ = control.read_text().partition("\n\n")  # what is built comes after
    recipe = hashlib.sha256(f"{source} {_CHECKERS}".encode()).hexdigest()
    if marker.exists() and marker.read_text() == recipe:
        return
    layout.PACKAGES.mkdir(parents=True, exist_ok=True)
    packages.install(("debootstrap", "iproute2", "util-linux"))
    say(f"debootstrap {release}")
    roots.bootstrap(release, base(release), log(release))
    say(f"build dependencies of {release}")
    for directory in (layer, layer.with_name("tools.work")):
        shutil.rmtree(directory, ignore_errors=True)
    layer.mkdir()
    with roots.Scratch([base(release)], log(release), kept=layer) as root:
        root.path("/root/debian").mkdir()
        shutil.copy(control, root.path("/root/debian/control"))
        apt = ["apt-get", "-q", "-y", "--no-install-recommends"]
        for words in (["update"], ["build-dep", "/root"], ["install", *_CHECKERS]):
            root.run([*apt, *words], offline=False, logged=True)
        root.run(["rm", "-r", "/root/debian"])
    marker.write_text(recipe)


def build(release: str, version: str = "", say: Say = lambda text: None) -> Path:
    """The directory with the packages of these sources, built unless they are there.

    version: another one than that of the changelog; what is in it was tested already.

    Raises CommandError with the end of the log.
    """
    prepare(release, say)
    target = layout.PACKAGES / release / f"debs-{version or 'release'}-{_hash(release)}"
    if target.exists():
        return target
    say(f"packages for {release}")
    option = ["--version", version] if version else []
    with roots.Scratch([tools(release), base(release)], log(release)) as root:
        copy_sources(root.path("/root/novaha"))
        argv = ["/root/novaha/packaging/build-deb", *option, "/root/debs"]
        options = {"DEB_BUILD_OPTIONS": "nocheck"} if version else {}
        root.run(argv, timeout=600, logged=True, env=options)
        new = target.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(root.path("/root/debs"), new)
    for old in target.parent.glob(f"debs-{version or 'release'}-*"):
        if old != new:
            shutil.rmtree(old)
    new.rename(target)
    return target


def copy_sources(target: Path) -> None:
    """This tree's sources, without what tools have left in it."""
    for part in _PARTS:
        shutil.copytree(
            layout.SOURCE / part, target / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in _FILES:
        shutil.copy(layout.SOURCE / name, target / name)


def _hash(release: str) -> str:
    digest = hashlib.sha256(str((tools(release) / _MARKER).stat().st_mtime_ns).encode())
    paths = [layout.SOURCE / name for name in _FILES]
    for part in _PARTS:
        paths += sorted((layout.SOURCE / part).rglob("*"))
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(layout.SOURCE)} {path.stat().st_mode:o}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def native() -> str:
    """The release that this machine is."""
    text = run(["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"], timeout=10).stdout
    return text.strip()
