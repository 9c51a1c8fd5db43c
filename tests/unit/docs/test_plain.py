"""The pages as packages bring them: Markdown that needs no Sphinx."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

import pytest

from novaha.conf.options import list_opts
from tests.unit.docs.pages import DOCS

sys.path.insert(0, str(DOCS / "_ext"))
import plain


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pages")
    assert plain.main([str(target)]) == 0
    return target


def test_the_whole_guide_is_there(written: Path) -> None:
    for part in ("guide", "reference"):
        there = {path.name for path in (written / part).iterdir()}
        assert there == {path.name for path in (DOCS / part).glob("*.md")}


def test_nothing_is_left_for_sphinx(written: Path) -> None:
    for page in written.rglob("*.md"):
        text = page.read_text()
        assert not re.search(r"^```\{", text, re.M), page
        assert "[](" not in text, page
    assert "{novaha}" in (DOCS / "reference/configuration.md").read_text(), "rendered from code"


def test_what_the_code_declares_is_in_it(written: Path) -> None:
    text = (written / "reference/configuration.md").read_text()
    for _, options in list_opts():
        for option in options:
            assert f"| `{option.dest}` |" in text


def test_links_lead_somewhere_and_say_where(written: Path) -> None:
    seen = 0
    for page in written.rglob("*.md"):
        for name, link in re.findall(r"(?<!`)\[([^]`]*)\]\(([^)]+)\)", page.read_text()):
            path = link.partition("#")[0]
            if path and "://" not in link:
                there = posixpath.normpath(posixpath.join(page.parent.as_posix(), path))
                assert name
                assert Path(there).exists(), f"{page}: {link}"
                seen += 1
    assert seen > 50
    assert (
        "[novaha.conf](../reference/configuration.md)" in (written / "guide/install.md").read_text()
    )
