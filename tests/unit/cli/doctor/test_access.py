"""Whether another user may get at a file, by the permission bits on the way to it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaha.cli.doctor.access import User, denied

NOBODY = User(65534, frozenset({65534}))


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose way is open to everybody, which pytest's own is not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        path = Path(directory).resolve()
        path.chmod(0o755)
        yield path


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "dir" / "file"
    path.parent.mkdir()
    path.write_text("")
    path.chmod(0o755)
    path.parent.chmod(0o755)
    return path


def test_nothing_is_in_the_way(file: Path) -> None:
    assert denied(file, NOBODY, "rx") == ""


def test_the_file_itself(file: Path) -> None:
    file.chmod(0o754)
    assert denied(file, NOBODY) == ""
    assert denied(file, NOBODY, "rx") == f"{file} has mode 0754"


def test_a_directory_above(file: Path) -> None:
    file.parent.chmod(0o750)
    assert denied(file, NOBODY) == f"{file.parent} has mode 0750"


def test_a_link_leads_elsewhere(file: Path, place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("")
    (closed / "file").chmod(0o644)
    file.unlink()
    file.symlink_to(closed / "file")
    assert denied(file, NOBODY) == f"{closed} has mode 0700"


def test_what_is_not_there(file: Path) -> None:
    file.unlink()
    assert "No such file" in denied(file, NOBODY)


def test_owner_and_group_have_their_own_bits(file: Path) -> None:
    status = file.stat()
    file.chmod(0o047)
    assert denied(file, User(status.st_uid + 1, frozenset({status.st_gid})), "x") != ""
    assert denied(file, User(status.st_uid + 1, frozenset({status.st_gid})), "r") == ""
    assert denied(file, NOBODY, "rx") == ""
