"""A change of the configuration is noticed by the file that Pacemaker replaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from novaha.pacemaker.changes import Changes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "cib.xml"
    file.write_text("<cib/>")
    return file


def replace(file: Path, text: str) -> None:
    """As Pacemaker does it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_nothing_has_changed(file: Path) -> None:
    changes = Changes(file)
    assert [changes.any() for _ in range(3)] == [False] * 3
    os.utime(file.parent)
    assert not changes.any()


@pytest.mark.parametrize("text", ["<cib/>", "<cib epoch='2'/>"])
def test_a_change_is_noticed_once(file: Path, text: str) -> None:
    changes = Changes(file)
    replace(file, text)
    assert changes.any()
    assert not changes.any()
    replace(file, "<cib epoch='3'/>")
    assert changes.any()


def test_a_change_in_place_is_noticed_too(file: Path) -> None:
    changes = Changes(file)
    before = file.stat().st_mtime_ns
    file.write_text("<bic/>")
    os.utime(file, ns=(before + 1, before + 1))
    assert changes.any()


def test_a_file_that_is_not_there_or_may_not_be_seen_changes_nothing(tmp_path: Path) -> None:
    changes = Changes(tmp_path / "gone" / "cib.xml")
    assert [changes.any() for _ in range(2)] == [False, False]
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "cib.xml").write_text("<cib/>")
    assert [changes.any() for _ in range(2)] == [True, False]
    (tmp_path / "gone" / "cib.xml").unlink()
    assert [changes.any() for _ in range(2)] == [True, False]
