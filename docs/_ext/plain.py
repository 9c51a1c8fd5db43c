"""The pages as plain Markdown, for packages: `python docs/_ext/plain.py DIR` writes them below DIR.

What the pages render from the code is in them, and links without a text have one.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]
import reference  # noqa: E402

DOCS = Path(__file__).resolve().parents[1]
PAGES = (
    *("guide", "reference", "adr"),
    *("benchmarks.md", "design.md", "facts.md", "releases.md", "security.md"),
)
PICTURES = "benchmarks"

_BLOCK = re.compile(r"^```\{novaha\} (.*)\n```$", re.M)
_INCLUDED = re.compile(r"^```\{include\} (.*)\n```$", re.M)
_NOTE = re.compile(r"^```\{(warning|note)\}\n(.*?)\n```$", re.M | re.S)
_NAMELESS = re.compile(r"\[\]\(([^)#]*)(#[^)]*)?\)")


def main(argv: list[str]) -> int:
    """Write every page and the pictures below a directory."""
    (target,) = map(Path, argv)
    for page in pages():
        file = target / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(plain(page), encoding="utf-8")
    shutil.copytree(DOCS / PICTURES, target / PICTURES, dirs_exist_ok=True)
    return 0


def pages() -> list[str]:
    """Their names below docs/."""
    found = [path for name in PAGES for path in (DOCS / name, *(DOCS / name).rglob("*.md"))]
    return [str(path.relative_to(DOCS)) for path in found if path.suffix == ".md"]


def plain(page: str) -> str:
    """One page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    text = _INCLUDED.sub(lambda other: (DOCS / other[1]).read_text(encoding="utf-8"), text)
    text = _BLOCK.sub(lambda block: _rendered(block[1]), text)
    text = _NOTE.sub(lambda note: f"> **{note[1].capitalize()}:** {note[2]}", text)
    return _NAMELESS.sub(lambda link: _named(page, link[1], link[2] or ""), text)


def _rendered(words: str) -> str:
    part, *arguments = words.split()
    return reference.PARTS[part](*arguments)


def _named(page: str, to: str, anchor: str) -> str:
    """A link with the title of the page, or of its section, for a text."""
    other = posixpath.normpath(posixpath.join(posixpath.dirname(page), to)) if to else page
    headings = re.findall(r"^#+ (.*)$", (DOCS / other).read_text(encoding="utf-8"), re.M)
    named = [heading for heading in headings if f"#{_anchor(heading)}" == anchor]
    return f"[{(named or headings)[0]}]({to}{anchor})"


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
