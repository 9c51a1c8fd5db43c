"""The page's files: what a browser that takes the policy at its word can use."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from novaha.conf.serve import Settings
from novaha.web import app
from tests.unit.web.serving import LOOPBACK, Tokens, serving

DIRECTORY = Path(app.__file__).parent / "page"
SCRIPT = (DIRECTORY / "page.js").read_text()
INDEX = (DIRECTORY / "index.html").read_text()


class Elements(HTMLParser):
    """Every element and its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def elements() -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(INDEX)
    return parser.found


def test_each_file_is_served_and_kept() -> None:
    settings: Settings = LOOPBACK
    assert {name for name, _ in app.PAGE.values()} == {file.name for file in DIRECTORY.iterdir()}
    with serving(settings=settings) as served:
        for path, (name, media) in app.PAGE.items():
            answer = served.ask(path)
            assert answer.body == (DIRECTORY / name).read_bytes()
            assert answer.headers["content-type"] == media
            again = served.ask(path, If_None_Match=answer.headers["etag"])
            assert again.status == 304
            assert "content-security-policy" in answer.headers
        for path in ("/page", "/page/page.js", "/page.js/../api.py", "/index.html", "//"):
            assert served.ask(path).status == 404


def test_a_link_may_lead_to_the_page_and_to_nothing_else() -> None:
    with serving() as served:
        link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        assert served.ask("/", **link).status == 200
        assert served.ask("/v1/hosts", **link).status == 403


def test_it_comes_without_a_token_and_shows_nothing_without() -> None:
    settings = replace(LOOPBACK, keystone_url="https://k/v3")
    with serving(settings=settings, tokens=Tokens()) as served:
        assert {served.ask(path).status for path in app.PAGE} == {200}
        assert served.cluster.reads == 0


def test_the_policy_lets_everything_of_it_in(elements: list[tuple[str, dict[str, str]]]) -> None:
    for tag, attributes in elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag not in ("style", "iframe", "object", "embed", "base")
        for name in ("src", "href"):
            assert (attributes.get(name) or "/").startswith(("/", "#"))
        if tag == "script":
            assert attributes.get("src") == "/page.js"
    everything = INDEX + SCRIPT + (DIRECTORY / "page.css").read_text()
    assert not re.search(r"https?://|@import|url\(", everything)
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert dangerous not in SCRIPT


def test_the_script_finds_all_that_it_looks_for(elements: list[tuple[str, dict[str, str]]]) -> None:
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len({*ids})
    wanted = {*re.findall(r'\$\("([\w-]+)"\)', SCRIPT)}
    assert wanted <= {*ids}
    labelled = re.findall(r'(?:for|aria-labelledby|aria-describedby)="([^"]+)"', INDEX)
    assert {*labelled} <= {*ids}
