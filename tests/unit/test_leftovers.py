"""The check that tests leave nothing on this machine sees what they would leave."""

from __future__ import annotations

from pathlib import Path

from tests.leftovers import left, seen


def test_what_is_made_changed_or_removed_is_named(tmp_path: Path) -> None:
    changed, removed, made = (tmp_path / name for name in ("changed", "removed", "made"))
    changed.write_text("a")
    removed.mkdir()
    places = [str(path) for path in (changed, removed, made)]
    before = seen(places)
    assert left(before, seen(places)) == []
    changed.write_text("b")
    removed.rmdir()
    (made / "below").mkdir(parents=True)
    assert left(before, seen(places)) == [
        f"{changed} (changed)",
        f"{made} (made)",
        f"{made}/below (made)",
        f"{removed} (removed)",
    ]


def test_a_mode_counts_and_a_link_leads_nowhere(tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "place", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    (place / "link").symlink_to(elsewhere)
    before = seen([str(place)])
    (elsewhere / "file").touch()
    assert left(before, seen([str(place)])) == []
    place.chmod(0o700)
    assert left(before, seen([str(place)])) == [f"{place} (changed)"]
