"""The configuration as it was: kept, and gone back to."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from novaha.cli.migrate import back
from novaha.cli.migrate.back import BackError
from tests.unit.cli.migrate import forms


def with_record(state: str) -> etree._Element:
    text = forms.RED_HAT.replace(
        '<node id="compute-1" uname="compute-1" type="remote">',
        '<node id="compute-1" uname="compute-1" type="remote">'
        + forms.pairs(
            "novaha-compute-1", "instance_attributes", {"novaha-recovery": state}
        ).replace('id="novaha-compute-1-instance_attributes"', 'id="novaha-compute-1"'),
    )
    assert state in text
    return etree.fromstring(text)


def test_law_9_only_root_may_read_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back, "PLACE", tmp_path / "novaha")
    before = os.umask(0)
    try:
        file = back.keep(
            etree.fromstring(forms.SUSE), None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        )
    finally:
        os.umask(before)
    assert file == tmp_path / "novaha" / "before-migration-20260102T030405Z.xml"
    assert file.stat().st_mode & 0o7777 == 0o600
    assert back.same(back.read(file), etree.fromstring(forms.SUSE))


def test_what_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BackError, match="nothing was changed"):
        back.keep(etree.fromstring(forms.SUSE), tmp_path / "no" / "such" / "place")


@pytest.mark.parametrize("text", ["<x/>", "<cib/>"])
def test_a_file_of_something_else_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(BackError, match="no configuration"):
        back.read(file)
    with pytest.raises(BackError, match="cannot be read"):
        back.read(tmp_path / "none")


@pytest.mark.parametrize("state", ["pending", "running", "recovered"])
def test_law_3_a_host_in_recovery_is_not_forgotten(state: str) -> None:
    with pytest.raises(BackError, match="compute-1 is in recovery"):
        back.target(with_record(state), etree.fromstring(forms.RED_HAT))


def test_a_record_of_that_time_does_not_come_back() -> None:
    """Its recovery is over long since: nothing may run there, or be evacuated again."""
    there = back.target(etree.fromstring(forms.SUSE), with_record("pending"))
    assert back.same(there, etree.fromstring(forms.RED_HAT))
