"""CHANGELOG.md by git's tags, in a repository of the test's own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from dulwich import porcelain
from dulwich.repo import Repo

from tests.unit.docs.pages import DOCS

sys.path.insert(0, str(DOCS / "_ext"))
import changelog

WHO = b"somebody <somebody@example.org>"


def stamp(day: int) -> int:
    return int(datetime(2026, 1, day, 12, tzinfo=UTC).timestamp())


def note(root: Path, day: int, text: str) -> None:
    """One commit with one release note."""
    file = root / f"releasenotes/notes/of-day-{day}-{day:016x}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"---\n{text}")
    porcelain.add(root, [file])
    with Repo(str(root)) as repository:  # porcelain.commit of older dulwichs takes no time
        repository.get_worktree().commit(
            message=b"note",
            author=WHO,
            committer=WHO,
            commit_timestamp=stamp(day),
            commit_timezone=0,
        )


def tag(root: Path, name: str, day: int) -> None:
    porcelain.tag_create(
        root,
        name.encode(),
        author=WHO,
        message=b"release",
        annotated=True,
        tag_time=stamp(day),
        tag_timezone=0,
    )


def test_notes_stand_below_the_release_that_had_them_first(tmp_path: Path) -> None:
    porcelain.init(tmp_path)
    note(tmp_path, 1, "prelude: It begins.\nfeatures:\n  - One ``command``.\n")
    assert "## Unreleased\n" in changelog.changelog(tmp_path), "without any tag"
    tag(tmp_path, "0.1.0", 2)
    note(tmp_path, 3, "fixes:\n  - |\n    Two\n    lines.\n  - Another.\n")
    tag(tmp_path, "0.2.0", 4)
    note(tmp_path, 5, "upgrade:\n  - Not yet.\n")
    text = changelog.changelog(tmp_path)
    assert text.removeprefix(changelog.HEAD) == (
        "\n\n## Unreleased\n\n### Upgrade Notes\n\n- Not yet.\n\n"
        "## 0.2.0 (2026-01-04)\n\n### Bug Fixes\n\n- Two\n  lines.\n- Another.\n\n"
        "## 0.1.0 (2026-01-02)\n\nIt begins.\n\n### New Features\n\n- One `command`.\n"
    )


def test_the_pages_name_it() -> None:
    changes = (DOCS / "releases.md").read_text()
    assert "{include} ../CHANGELOG.md" in changes
    assert (DOCS.parent / "CHANGELOG.md").read_text().startswith(changelog.HEAD)
