"""novaha itself, as an overlay layer that all nodes share: built, installed, set up.

The layer holds /opt/novaha (a virtual environment) and what ``novaha install-agents`` puts
where Pacemaker looks; or what the Debian packages bring. It is kept as an archive by the hash of
the sources, because a layer of a native node must lie on another file system than the root that
it is put on.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from novahalab import cloud, cluster, debs, generations, layout
from novahalab.errors import LabError
from novahalab.process import run
from novahalab.sandbox import ENVIRONMENT, Sandbox
from novahalab.settings import Settings

PREFIX = "/opt/novaha"
_PARTS = ("novaha", "ocf", "fence_agents", "alerts")
_FILES = ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
# A kept dependency layer is rebuilt when this changes.
_RECIPE = "2"


def prepare(generation: str, form: str, say: Callable[[str], None]) -> None:
    """Build the part of the layer that needs the network, if it is not there.

    form: how novaha is installed, one of settings.PRODUCTS.

    Raises CommandError if the packages that novaha depends on cannot be installed.
    """
    if not (layout.SOURCE / "setup.cfg").exists():
        raise LabError(f"no novaha in {layout.SOURCE} to install; `lab up --bare` does without")
    if form == "packages":
        debs.prepare(_release(generation), say)
    archive = _dependencies(generation, form)
    if archive.exists():
        return
    venv = ["/usr/bin/python3", "-m", "venv"]
    if form == "packages":
        install = f"apt-get -q -y --no-install-recommends install {' '.join(generations.LIBRARIES)}"
        commands = [["sh", "-ec", f"{install} || {{ apt-get -q update; {install}; }}"]]
    elif generation == "native":
        pip = [f"{PREFIX}/bin/python", "-m", "pip", "install", "--no-cache-dir", "--quiet"]
        commands = [[*venv, PREFIX], [*pip, *_requirements()]]
    else:
        # The distribution's own Python and libraries are what its users have.
        commands = [[*venv, "--system-site-packages", PREFIX]]
    _build(generation, None, archive, commands)


def layer(generation: str, form: str) -> Path:
    """The overlay layer with today's novaha for this generation, on the lab's own tmpfs.

    Raises CommandError if novaha cannot be built or installed.
    """
    prepare(generation, form, lambda text: None)
    dependencies = _dependencies(generation, form)
    make = _from_packages if form == "packages" else _from_wheel
    archive = make(generation, dependencies)
    target = layout.RUN / "product"
    target.mkdir()
    tar = ["tar", "--extract", "--xattrs", "--xattrs-include=*"]
    run([*tar, "--file", str(archive), "--directory", str(target)], timeout=60)
    return target / "layer"


def _from_wheel(generation: str, dependencies: Path) -> Path:
    archive = _archive(generation, "novaha", _source_hash(dependencies.name))
    if not archive.exists():
        with tempfile.TemporaryDirectory(prefix="novaha-lab-") as directory:
            wheel = _build_wheel(Path(directory))
            pip = [f"{PREFIX}/bin/python", "-m", "pip", "install", "--quiet", "--no-deps"]
            commands = [
                [*pip, "--no-index", f"/tmp/{wheel.name}"],
                [f"{PREFIX}/bin/novaha", "install-agents"],
            ]
            _build(generation, dependencies, archive, commands, wheel.parent)
    return archive


def _from_packages(generation: str, dependencies: Path) -> Path:
    built = debs.build(_release(generation))
    digest = hashlib.sha256(f"{dependencies.name} {built.name}".encode()).hexdigest()
    archive = _archive(generation, "packages", digest[:16])
    if not archive.exists():
        install = ["sh", "-ec", "dpkg --install /tmp/*.deb"]
        _build(generation, dependencies, archive, [install], built)
    return archive


def _release(generation: str) -> str:
    return debs.native() if generation == "native" else generation


def _dependencies(generation: str, form: str) -> Path:
    kind = "libraries" if form == "packages" else "dependencies"
    return _archive(generation, kind, _dependencies_hash(generation, form))


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


def _dependencies_hash(generation: str, form: str) -> str:
    digest = hashlib.sha256(_RECIPE.encode())
    if form == "packages":
        digest.update("\n".join(generations.LIBRARIES).encode())
    if generation == "native" and form == "wheel":
        digest.update("\n".join(_requirements()).encode())
    elif generation != "native":
        made = generations.marker(generation).stat().st_mtime_ns
        digest.update(str(made).encode())
    return digest.hexdigest()[:16]


def _requirements() -> list[str]:
    """What setup.cfg says that novaha needs."""
    parser = configparser.ConfigParser()
    parser.read(layout.SOURCE / "setup.cfg")
    text = parser.get("options", "install_requires", fallback="")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _build(
    generation: str,
    base: Path | None,
    archive: Path,
    commands: Sequence[Sequence[str]],
    files: Path | None = None,
) -> None:
    """Run commands on the generation's root, on top of the layer ``base``; archive the result."""
    work, nothing = layout.PRODUCT / "work", layout.PRODUCT / "nothing"
    for directory in (work, nothing):
        directory.mkdir(parents=True, exist_ok=True)
    env = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    # How this machine reaches its package index is a matter of its environment, too.
    ours = ("PIP_", "SSL_", "REQUESTS_")
    env |= {
        k: v for k, v in os.environ.items() if k.startswith(ours) or k.lower().endswith("_proxy")
    }
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"]
    argv += [str(layout.SCRIPTS / "layer-build"), str(generations.root(generation)), str(work)]
    argv += [str(base or ""), str(archive), str(files or nothing)]
    log = layout.LAB / f"product-{generation}.log"
    log.unlink(missing_ok=True)
    script = "\n".join(shlex.join(command) for command in commands)
    run([*argv, script], timeout=300, env=env, clean_env=True, log=log)
    kind = archive.name.rpartition("-")[0]
    for old in archive.parent.glob(f"{kind}-*.tar"):
        if old != archive:
            old.unlink()


def _build_wheel(target: Path) -> Path:
    """The wheel of this source tree, built from a copy so that the tree stays clean."""
    copy, wheels = target / "source", target / "wheel"
    for path in _sources():
        place = copy / path.relative_to(layout.SOURCE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    argv = [str(layout.TOOLS / "bin/python"), "-m", "pip", "wheel", "--quiet", "--no-deps"]
    argv += ["--no-build-isolation", "--wheel-dir", str(wheels), str(copy)]
    run(argv, timeout=120)
    return next(wheels.glob("*.whl"))


def setup(settings: Settings) -> None:
    """Let novaha create its resources in the cluster, as an operator does."""
    # Hosts die here all the time: those that were fenced count for the brake for a second only.
    argv = ["novaha", "setup", "--apply", "--brake-option", "window=1"]
    if settings.hyperconverged:
        argv += ["--compute", *settings.compute_nodes]
    Sandbox(layout.CONTROLLERS[0]).exec(
        argv, timeout=240 + 10 * settings.computes, log=layout.LOGS / "setup.log"
    )


def wait(settings: Settings, say: Callable[[str], None]) -> None:
    """Wait until the agents run everywhere and Nova can schedule to every compute node."""

    def missing(now: cluster.ClusterStatus) -> str:
        on = {name.partition(":")[0]: nodes for name, nodes in now.resources.items()}
        late = [n for n in settings.compute_nodes if n not in on.get("nova-compute", ())]
        text = [f"nova-compute does not run on {', '.join(late)}"] if late else []
        if "nova-evacuate" not in on:
            text.append("nova-evacuate does not run")
        return "; ".join(text)

    cluster.wait_for("novaha's resources", missing, 60 + 5 * settings.computes)
    say("waiting for Nova")
    if settings.hyperconverged:
        cloud.map_hosts(settings.compute_nodes)
    try:
        cloud.Client().wait_computes(settings.compute_nodes)
    except LabError as error:
        logs = [layout.LOGS / node / "nova-compute.log" for node in settings.compute_nodes]
        logs.append(layout.LOGS / "cloud/nova-conductor.log")
        raise LabError("\n".join([str(error), *map(_end_of, logs)])) from error


def _end_of(log: Path) -> str:
    """The last lines of a log, under its name."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-8:]
    except OSError as error:
        lines = [str(error)]
    return "\n".join([f"--- {log.parent.name}/{log.name}", *(line[:400] for line in lines)])
