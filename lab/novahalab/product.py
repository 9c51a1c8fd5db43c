"""novaha itself, as an overlay layer that all nodes share: built, installed, set up.

The layer holds /opt/novaha (a virtual environment) and what ``novaha install-agents`` puts
where Pacemaker looks. It is kept as an archive by the hash of the sources, because a layer of a
native node must lie on another file system than the root that it is put on.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from novahalab import cloud, cluster, generations, layout
from novahalab.errors import LabError
from novahalab.process import run
from novahalab.sandbox import ENVIRONMENT, Sandbox
from novahalab.settings import Settings

PREFIX = "/opt/novaha"
_PARTS = ("novaha", "ocf", "fence_agents", "alerts")
_FILES = ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
# A kept dependency layer is rebuilt when this changes.
_RECIPE = "1"


def layer(generation: str) -> Path:
    """The overlay layer with today's novaha for this generation, on the lab's own tmpfs.

    Raises CommandError if novaha cannot be built or installed.
    """
    if not (layout.SOURCE / "setup.cfg").exists():
        raise LabError(f"no novaha in {layout.SOURCE} to install; `lab up --bare` does without")
    target = layout.RUN / "product"
    dependencies = _archive(generation, "dependencies", _dependencies_hash(generation))
    complete = _archive(generation, "novaha", _source_hash(_dependencies_hash(generation)))
    if complete.exists():
        _unpack(complete, target)
        return target / "layer"
    if dependencies.exists():
        _unpack(dependencies, target)
    else:
        (target / "layer").mkdir(parents=True)
        _make_venv(generation, target)
        _pack(target, dependencies)
    _install(generation, target)
    _pack(target, complete)
    return target / "layer"


def _archive(generation: str, kind: str, digest: str) -> Path:
    return layout.PRODUCT / f"{generation}-{kind}-{digest}.tar"


def _sources() -> Iterable[Path]:
    for part in _PARTS:
        for path in sorted((layout.SOURCE / part).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    for name in _FILES:
        if (layout.SOURCE / name).is_file():
            yield layout.SOURCE / name


def _source_hash(seed: str) -> str:
    digest = hashlib.sha256(seed.encode())
    for path in _sources():
        digest.update(f"{path.relative_to(layout.SOURCE)} {path.stat().st_mode:o}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _dependencies_hash(generation: str) -> str:
    digest = hashlib.sha256(_RECIPE.encode())
    if generation == "native":
        digest.update("\n".join(_requirements()).encode())
    else:
        made = generations.marker(generation).stat().st_mtime_ns
        digest.update(str(made).encode())
    return digest.hexdigest()[:16]


def _requirements() -> list[str]:
    """What setup.cfg says that novaha needs."""
    parser = configparser.ConfigParser()
    parser.read(layout.SOURCE / "setup.cfg")
    text = parser.get("options", "install_requires", fallback="")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    run(
        [
            "tar",
            "--extract",
            "--xattrs",
            "--xattrs-include=*",
            "--file",
            str(archive),
            "--directory",
            str(target),
        ],
        timeout=60,
    )


def _pack(target: Path, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".new")
    # Whiteouts are device nodes and opaque marks are xattrs: tar keeps both.
    run(
        [
            "tar",
            "--create",
            "--xattrs",
            "--xattrs-include=*",
            "--file",
            str(unfinished),
            "--directory",
            str(target),
            "layer",
        ],
        timeout=60,
    )
    kind = archive.name.rpartition("-")[0]
    for old in archive.parent.glob(f"{kind}-*.tar"):
        old.unlink()
    os.replace(unfinished, archive)


_CHROOT = """\
set -e
mkdir -p "$3"
mount -t overlay nhl-product -o "lowerdir=$1,upperdir=$2/layer,workdir=$2/work" "$3"
mount -t proc proc "$3/proc"
mount --rbind /dev "$3/dev"
mount -t tmpfs tmpfs "$3/run"
mount -t tmpfs -o mode=1777 tmpfs "$3/tmp"
cp -a "$4"/. "$3/tmp/"
root=$3
shift 4
exec chroot "$root" "$@"
"""


def _in_layer(generation: str, target: Path, argv: list[str], files: Path | None = None) -> None:
    """Run a program on the generation's root with the layer on top; what it writes is the layer.

    ``files`` is a directory whose content it finds in /tmp. Own namespaces: nothing outlives it.
    """
    for name in ("work", "root", "files"):
        (target / name).mkdir(exist_ok=True)
    env = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    # How this machine reaches its package index is a matter of its environment, too.
    env |= {
        k: v
        for k, v in os.environ.items()
        if k.startswith(("PIP_", "SSL_", "REQUESTS_")) or k.lower().endswith("_proxy")
    }
    argv = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child=KILL",
        "sh",
        "-c",
        _CHROOT,
        "sh",
        str(generations.root(generation)),
        str(target),
        str(target / "root"),
        str(files or target / "files"),
        *argv,
    ]
    run(argv, timeout=300, env=env, clean_env=True, log=layout.LOGS / "product.log")
    shutil.rmtree(target / "work")


def _make_venv(generation: str, target: Path) -> None:
    venv = ["/usr/bin/python3", "-m", "venv"]
    if generation != "native":
        _in_layer(generation, target, [*venv, "--system-site-packages", PREFIX])
        return
    _in_layer(generation, target, [*venv, PREFIX])
    pip = [f"{PREFIX}/bin/python", "-m", "pip", "install", "--no-cache-dir", "--quiet"]
    _in_layer(generation, target, [*pip, *_requirements()])


def _install(generation: str, target: Path) -> None:
    wheels = target / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    wheel = _build_wheel(wheels)
    pip = [f"{PREFIX}/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    _in_layer(generation, target, [*pip, f"/tmp/{wheel.name}"], files=wheels)
    _in_layer(generation, target, [f"{PREFIX}/bin/novaha", "install-agents"])


def _build_wheel(target: Path) -> Path:
    """The wheel of this source tree, built from a copy so that the tree stays clean."""
    copy = target.parent / "source"
    shutil.rmtree(copy, ignore_errors=True)
    for path in _sources():
        place = copy / path.relative_to(layout.SOURCE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    argv = [
        str(layout.TOOLS / "bin/python"),
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(target),
        str(copy),
    ]
    run(argv, timeout=120, log=layout.LOGS / "product.log")
    shutil.rmtree(copy)
    return next(target.glob("*.whl"))


def setup() -> None:
    """Let novaha create its resources in the cluster, as an operator does."""
    argv = [f"{PREFIX}/bin/novaha", "setup", "--apply"]
    Sandbox(layout.CONTROLLERS[0]).exec(argv, timeout=90, log=layout.LOGS / "setup.log")


def wait(settings: Settings, say: Callable[[str], None]) -> None:
    """Wait until the agents run everywhere and Nova can schedule to every compute node."""

    def missing(now: cluster.ClusterStatus) -> str:
        on = {name.partition(":")[0]: nodes for name, nodes in now.resources.items()}
        late = [n for n in settings.compute_nodes if n not in on.get("nova-compute", ())]
        text = [f"nova-compute does not run on {', '.join(late)}"] if late else []
        if "nova-evacuate" not in on:
            text.append("nova-evacuate does not run")
        return "; ".join(text)

    cluster.wait_for("novaha's resources", missing, 60)
    say("waiting for Nova")
    cloud.Client().wait_computes(settings.compute_nodes)
