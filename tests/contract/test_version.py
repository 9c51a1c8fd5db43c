"""The version of what is built: git's tag, or what the sources say."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("novaha_setup", ROOT / "setup.py")
assert spec is not None
assert spec.loader is not None
setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup)


def git(root: Path, *words: str) -> str:
    who = {
        f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **who}
    done = subprocess.run(
        ["git", *words], cwd=root, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A tree that builds."""
    place = tmp_path / "sources"
    (place / "novaha").mkdir(parents=True)
    (place / "novaha/__init__.py").write_text('"""It."""\n\n__version__ = "0.1.0"\n')
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, place / name)
    (place / "setup.cfg").write_text(
        "[metadata]\nname = novaha\nversion = attr: novaha.__version__\n"
        "[options]\npackages = novaha\n"
    )
    return place


@pytest.fixture
def clone(sources: Path) -> Path:
    git(sources, "init", "--quiet")
    git(sources, "add", ".")
    git(sources, "commit", "--quiet", "--message", "first")
    return sources


def commit(clone: Path) -> str:
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "more")
    return git(clone, "rev-parse", "--short", "HEAD")


def test_without_git_and_without_a_tag_it_is_the_written_one(sources: Path) -> None:
    assert setup.version(sources) == "0.1.0"
    assert setup.version(ROOT).startswith("0.")


def test_a_clone_without_tags(clone: Path) -> None:
    assert setup.version(clone) == "0.1.0"


def test_a_tag_and_what_comes_after_it(clone: Path) -> None:
    git(clone, "tag", "0.2.0")
    assert setup.version(clone) == "0.2.0"
    commit(clone)
    last = commit(clone)
    assert setup.version(clone) == f"0.2.0.post2+g{last}"
    git(clone, "tag", "--annotate", "--message", "x", "v1.0rc1")
    assert setup.version(clone) == "1.0rc1"
    git(clone, "tag", "of-somebody")
    assert setup.version(clone) == "1.0rc1"


def test_a_shallow_clone(clone: Path, tmp_path: Path) -> None:
    git(clone, "tag", "0.2.0")
    commit(clone)
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{clone}", "shallow")
    assert setup.version(tmp_path / "shallow") == "0.1.0"


def test_sources_inside_of_another_repository(clone: Path) -> None:
    """As a package's build has them: its tags are not novaha's."""
    git(clone, "tag", "7.0.0")
    inner = clone / "inner"
    (inner / "novaha").mkdir(parents=True)
    shutil.copy(clone / "novaha/__init__.py", inner / "novaha")
    assert setup.version(inner) == "0.1.0"


def test_a_source_distribution_keeps_its_version(sources: Path) -> None:
    (sources / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: novaha\nVersion: 0.3.0\n")
    assert setup.version(sources) == "0.3.0"


def test_what_is_installed_says_it_and_the_sources_stay(clone: Path, tmp_path: Path) -> None:
    git(clone, "tag", "0.2.0")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(clone)], check=True, timeout=280)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("novaha-0.2.0-")
    with zipfile.ZipFile(wheel) as files:
        assert b'__version__ = "0.2.0"\n' in files.read("novaha/__init__.py")
    assert '"0.1.0"' in (clone / "novaha/__init__.py").read_text()
