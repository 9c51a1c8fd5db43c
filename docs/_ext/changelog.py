"""CHANGELOG.md of the release notes: `make changelog`, in a clone with its history.

Which notes belong to which release is what git's tags say: reno asks git.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reno import config, loader

ROOT = Path(__file__).resolve().parents[2]
HEAD = "# Changelog\n\n`make changelog` makes this page of the notes in `releasenotes/notes/`."
UNRELEASED = "Unreleased"


def main() -> int:
    """Write CHANGELOG.md."""
    if not (ROOT / ".git").exists() or (ROOT / ".git/shallow").exists():
        print("the changelog needs git's history: git fetch --unshallow --tags", file=sys.stderr)
        return 1
    (ROOT / "CHANGELOG.md").write_text(changelog(ROOT), encoding="utf-8")
    return 0


def changelog(root: Path) -> str:
    """The changelog of the clone at `root`, in Markdown; its newest release first."""
    logging.getLogger("reno").setLevel(logging.ERROR)
    settings = config.Config(str(root))
    titles = {section.name: section.title for section in settings.sections}
    parts = [HEAD]
    with loader.Loader(settings, ignore_cache=True) as history:
        for version in history.versions:
            found = [history.parse_note_file(name, commit) for name, commit in history[version]]
            date = history.get_version_date(version)
            # What no tag stands for: reno calls it by the last tag and a count, or 0.0.0.
            tagged = "-" not in version and date != "Unknown"
            parts += release(f"{version} ({date})" if tagged else UNRELEASED, found, titles)
    return "\n\n".join(parts) + "\n"


def release(
    title: str, notes: Sequence[Mapping[str, Any]], titles: Mapping[str, str]
) -> Iterator[str]:
    """The parts of one release: its title, what it begins with, and its sections."""
    yield f"## {title}"
    for note in notes:
        if "prelude" in note:
            yield markdown(note["prelude"])
    for name, heading in titles.items():
        items = [item for note in notes for item in note.get(name) or ()]
        if items:
            yield f"### {heading}"
            yield "\n".join("- " + markdown(item).replace("\n", "\n  ") for item in items)


def markdown(text: str) -> str:
    """A note, which is reStructuredText of the simplest kind."""
    return text.strip().replace("``", "`")


if __name__ == "__main__":
    sys.exit(main())
