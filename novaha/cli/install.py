"""`novaha install-agents`: puts the agents where Pacemaker looks for them.

And the completion of the command where bash looks for it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import novaha
from novaha.cli import completion, packages, user
from novaha.cli.terminal import say
from novaha.core.errors import NovahaError
from novaha.pacemaker.runner import Runner

MARK = b"# novaha: "
"""Begins the second line of every file of ours: what has it may be replaced and removed."""

ASIDE = Path("/usr/lib/novaha/distrib")
"""Where a distribution's own agent is kept; in the agents' directory it would be listed as one."""

SHELL = b"#!/bin/sh"
"""The first line of what needs no Python; it is the same everywhere."""

_SHEBANG_LIMIT = 255  # of the kernel: BINPRM_BUF_SIZE

_MODE = 0o755

COMPLETION = Path("/usr/share/bash-completion/completions")


class InstallError(NovahaError):
    """The agents cannot be installed like this."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Where Pacemaker looks."""

    ocf_root: Path = Path("/usr/lib/ocf")
    sbin: Path = Path("/usr/sbin")
    alerts: Path = Path("/usr/share/pacemaker/alerts")

    def targets(self) -> dict[str, Path]:
        """Each agent's file, by where it lies below the sources."""
        provider = self.ocf_root / "resource.d" / "openstack"
        return {
            "ocf/NovaCompute": provider / "NovaCompute",
            "ocf/NovaEvacuate": provider / "NovaEvacuate",
            "ocf/libvirtd": provider / "libvirtd",
            "ocf/nova-compute-wait": provider / "nova-compute-wait",
            "fence_agents/fence_compute": self.sbin / "fence_compute",
            "fence_agents/fence_heuristics_compute": self.sbin / "fence_heuristics_compute",
            "alerts/novaha_alert": self.alerts / "novaha_alert",
        }


def add_parser(commands: Any) -> None:
    """Add the command."""
    text = "ut the agents where Pacemaker looks for them"
    command = commands.add_parser("install-agents", help=f"p{text}", description=f"P{text}.")
    default = Directories()
    for name, what in (
        ("ocf_root", "OCF_ROOT"),
        ("sbin", "where fence agents are"),
        ("alerts", "where alert agents are"),
    ):
        command.add_argument(
            f"--{name.replace('_', '-')}",
            type=Path,
            default=getattr(default, name),
            metavar="DIR",
            help=f"{what} (default: %(default)s)",
        )
    command.add_argument(
        "--completion",
        type=Path,
        default=COMPLETION,
        metavar="DIR",
        help="where bash looks for the completion of commands (default: %(default)s)",
    )
    command.add_argument(
        "--no-completion",
        action="store_true",
        help="leave the completion alone: a package brings it",
    )
    command.add_argument(
        "--destdir",
        type=Path,
        metavar="DIR",
        help="put all of it below DIR, for a package or an image; diverts nothing",
    )
    command.add_argument(
        "--python",
        default=sys.executable,
        metavar="PATH",
        help="the agents' interpreter (default: the one that runs this)",
    )
    command.add_argument(
        "--uninstall", action="store_true", help="remove what was installed, and nothing else"
    )


def run(args: argparse.Namespace) -> int:
    """Install or remove the agents, saying what is done. Raises InstallError."""
    os.umask(0o022)  # Pacemaker runs alerts, and reads metadata, as users other than root
    try:
        _run(args)
    except (OSError, ValueError) as error:
        where = getattr(error, "filename", None) or "a path"
        why = getattr(error, "strerror", None) or "it is no path"
        raise InstallError(f"{where} cannot be used: {why}") from None
    return 0


def _run(args: argparse.Namespace) -> None:
    wanted = Directories(args.ocf_root, args.sbin, args.alerts)
    here = args.destdir is None
    directories, divert = (wanted, Diversion()) if here else below(wanted, args.destdir)
    place = args.completion if here else _moved(args.destdir, args.completion)
    if args.uninstall:
        done = [uninstall(directories, divert)]
        extra = uninstall_completion
    else:
        done = [install(directories, sources(), interpreter(args.python, check=here), divert)]
        extra = install_completion
    if not args.no_completion:
        done.append(extra(place / "novaha", divert))
    if here and wanted == Directories() and os.geteuid() == 0:
        done.append(user.remove() if args.uninstall else user.make())
    for line in itertools.chain.from_iterable(done):
        say(line)


def below(directories: Directories, destdir: Path) -> tuple[Directories, Diversion]:
    """The same places in another root, where no dpkg of this machine has a say."""
    every = (directories.ocf_root, directories.sbin, directories.alerts)
    places = Directories(*(_moved(destdir, path) for path in every))
    return places, Diversion(_moved(destdir, ASIDE), which=lambda name: None, top=destdir)


def _moved(destdir: Path, path: Path) -> Path:
    return destdir / path.relative_to(path.anchor)


def sources() -> Path:
    """Where this novaha keeps its agents: the checkout, or the environment it is installed in.

    Raises InstallError.
    """
    checkout = Path(novaha.__file__).resolve().parent.parent
    installed = Path(sysconfig.get_path("data")) / "share" / "novaha"
    for place in (checkout, installed, Path(sys.prefix) / "share" / "novaha"):
        if all((place / name).is_file() for name in Directories().targets()):
            return place
    raise InstallError(f"the agents' files are neither in {checkout} nor in {installed}")


def interpreter(python: str = sys.executable, check: bool = True) -> str:
    """The first line's command: this Python, isolated from users' environments.

    check: whether that Python is this machine's, and must find novaha.

    Raises InstallError when novaha is not installed in it.
    """
    command = f"{python} -I"
    if any(c.isspace() for c in python) or len(command) + 3 > _SHEBANG_LIMIT:
        raise InstallError(f"{python} cannot stand in a script's first line; use a shorter path")
    if not check:
        return command
    tried = subprocess.run(
        [python, "-I", "-c", "import novaha"],
        cwd="/",
        capture_output=True,
        timeout=30,
        check=False,
    )
    if tried.returncode:
        raise InstallError(
            f"novaha is not installed in {python}, only found through its environment: "
            f"run '{python} -m pip install .' first"
        )
    return command


def install(
    directories: Directories, source: Path, command: str, divert: Diversion | None = None
) -> Iterator[str]:
    """Write every agent, those in Python with `command` in their first line.

    Yields what was done, line by line.

    Raises InstallError.
    """
    divert = divert or Diversion()
    for name, target in directories.targets().items():
        content = _with_interpreter((source / name).read_bytes(), command)
        if _is_ours(target) and target.read_bytes() == content and _mode(target) == _MODE:
            yield f"{target}: as it should be"
            continue
        _not_packaged(target, divert)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not _is_ours(target):
            yield f"{target}: {divert.put_aside(target)}"
        elif target == Path("/usr/sbin/fence_compute") and divert.protect(target):
            yield f"{target}: a later fence-agents package will not overwrite it"
        _write(target, content)
        yield f"{target}: installed"


def uninstall(directories: Directories, divert: Diversion | None = None) -> Iterator[str]:
    """Remove what is ours and bring back what was put aside; yields what was done.

    Raises InstallError.
    """
    divert = divert or Diversion()
    for target in directories.targets().values():
        if target.exists() and not _is_ours(target):
            yield f"{target}: not ours, left alone"
            continue
        _not_packaged(target, divert)
        removed = target.exists()
        target.unlink(missing_ok=True)
        restored = divert.bring_back(target)
        yield f"{target}: {'removed' if removed else 'not there'}" + (
            ", the distribution's own is back" if restored else ""
        )
        divert.tidy(target.parent)
    divert.tidy()


def install_completion(target: Path, divert: Diversion) -> Iterator[str]:
    """Write the completion, unless somebody else has one there; yields what was done.

    Raises InstallError.
    """
    content = completion.script().encode()
    if divert.of_a_package(target):
        yield f"{target}: a package's, left alone"
    elif target.exists() and not _is_ours(target):
        yield f"{target}: not ours, left alone"
    elif target.exists() and target.read_bytes() == content and _mode(target) == 0o644:
        yield f"{target}: as it should be"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, content, 0o644)
        yield f"{target}: installed"


def uninstall_completion(target: Path, divert: Diversion) -> Iterator[str]:
    """Remove the completion if it is ours; yields what was done."""
    if divert.of_a_package(target):
        yield f"{target}: a package's, left alone"
        return
    if target.exists() and not _is_ours(target):
        yield f"{target}: not ours, left alone"
        return
    yield f"{target}: {'removed' if target.exists() else 'not there'}"
    target.unlink(missing_ok=True)
    divert.tidy(target.parent)


def _not_packaged(target: Path, divert: Diversion) -> None:
    if divert.packaged(target):
        raise InstallError(
            f"{target} is the package {packages.AGENTS}'s: "
            f"'{packages.Packages('apt').command(packages.AGENTS)}' puts it right, "
            f"'apt-get remove {packages.AGENTS}' removes it"
        )


class Diversion:
    """Keeps a file of the distribution aside: by dpkg-divert where dpkg knows it."""

    def __init__(
        self,
        aside: Path = ASIDE,
        run: Runner | None = None,
        which: Callable[[str], str | None] = shutil.which,
        top: Path = Path("/"),
    ) -> None:
        self._aside = aside
        self._top = top
        self._run = run or Runner()
        self._dpkg = which("dpkg-divert") is not None

    def put_aside(self, target: Path) -> str:
        """Move the file away so that it can come back; returns what was done."""
        kept = self._kept(target)
        kept.parent.mkdir(parents=True, exist_ok=True)
        if self._owners(target):
            self._divert("--add", target)
            return f"the distribution's own is kept as {kept}, by dpkg-divert"
        shutil.move(target, kept)
        return f"the one that was there is kept as {kept}"

    def protect(self, target: Path) -> bool:
        """Have dpkg put a file that it may bring later aside; True when that is new."""
        if not self._dpkg or self._diverted(target):
            return False
        self._kept(target).parent.mkdir(parents=True, exist_ok=True)
        # What stands there now, if anything, is ours: it stays.
        self._divert("--add", target, rename=False)
        return True

    def bring_back(self, target: Path) -> bool:
        """Undo both; True when a file came back."""
        if self._dpkg and self._diverted(target):
            self._divert("--remove", target)
        elif self._kept(target).exists():
            shutil.move(self._kept(target), target)
        return target.exists()

    def packaged(self, target: Path) -> bool:
        """Whether our own package brought the file."""
        return packages.AGENTS in self._owners(target)

    def of_a_package(self, target: Path) -> bool:
        """Whether any package brought the file."""
        return bool(self._owners(target))

    def tidy(self, directory: Path | None = None) -> None:
        """Remove directories that are empty now, upwards from here, or from what was kept."""
        here = directory or self._aside
        while here != self._top:
            try:
                here.rmdir()
            except OSError:  # there is something in it, or it is not there
                if here.exists():
                    return
            here = here.parent

    def _kept(self, target: Path) -> Path:
        return self._aside / f"{target.name}.distrib"

    def _divert(self, action: str, target: Path, rename: bool = True) -> None:
        how = "--rename" if rename else "--no-rename"
        argv = ["dpkg-divert", "--local", how, "--divert", str(self._kept(target))]
        self._run([*argv, action, str(target)])

    def _diverted(self, target: Path) -> bool:
        found = self._run(["dpkg-divert", "--truename", str(target)])
        return found.stdout.decode("utf-8", "replace").strip() == str(self._kept(target))

    def _owners(self, target: Path) -> frozenset[str]:
        """The packages that have this file; none where there is no dpkg."""
        if not self._dpkg:
            return frozenset()
        return packages.dpkg_owners([target], self._run).get(str(target), frozenset())


def _with_interpreter(content: bytes, command: str) -> bytes:
    first, _, rest = content.partition(b"\n")
    if not first.startswith(b"#!") or not rest.startswith(MARK):
        raise InstallError("an agent's source does not begin as ours do: the package is damaged")
    if first == SHELL:
        return content
    return b"#!" + os.fsencode(command) + b"\n" + rest


def _is_ours(target: Path) -> bool:
    try:
        with target.open("rb") as file:
            return [file.readline(1000), file.readline(1000)][1].startswith(MARK)
    except OSError:
        return False


def _mode(target: Path) -> int:
    return target.stat().st_mode & 0o7777


def _write(target: Path, content: bytes, mode: int = _MODE) -> None:
    """All of it or nothing: Pacemaker may be running the agent right now."""
    temporary = target.with_name(f".{target.name}.novaha")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InstallError(f"{target} cannot be written: {error.strerror}") from error
