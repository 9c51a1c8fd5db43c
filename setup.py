"""The version by git's tags; everything else about the package is in setup.cfg.

Built from a clone whose last tag is 0.2.0, novaha is 0.2.0, or 0.2.0.post7+g1a2b3c4 seven commits
later. Without git, without a tag, in a shallow clone and in another's sources (a package's
build), it is what novaha/__init__.py says; built from a source distribution, what that says.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
WRITTEN = re.compile(r'^__version__ = "(.*)"$', re.M)
TAG = re.compile(r"v?(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)-(\d+)-(g[0-9a-f]+)")


def version(root: Path) -> str:
    """The version of the sources at `root`."""
    if (root / "PKG-INFO").exists():
        (found,) = re.findall(r"^Version: (.*)$", (root / "PKG-INFO").read_text(), re.M)
        return str(found)
    (written,) = WRITTEN.findall((root / "novaha/__init__.py").read_text())
    described = TAG.fullmatch(_describe(root))
    if not described:
        return str(written)
    tag, commits, commit = described.groups()
    return tag if commits == "0" else f"{tag}.post{commits}+{commit}"


def _describe(root: Path) -> str:
    """What git says: the last tag, how many commits ago it was, the commit. "" if it says none."""
    if not (root / ".git").exists():  # nor of a repository around it
        return ""
    argv = ["git", "describe", "--tags", "--long", "--match", "[v0-9]*"]
    try:
        done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class BuildPy(build_py):
    """What is installed says the version that it was built as."""

    def run(self) -> None:
        """Write it into the copy that the wheel is made of."""
        super().run()
        init = Path(self.build_lib, "novaha", "__init__.py")
        if not self.editable_mode and init.exists():
            line = f'__version__ = "{self.distribution.get_version()}"'
            text = init.read_text(encoding="utf-8")
            init.unlink()  # it may be a link to the sources
            init.write_text(WRITTEN.sub(line, text), encoding="utf-8")


if __name__ == "__main__":
    setup(version=version(HERE), cmdclass={"build_py": BuildPy})
