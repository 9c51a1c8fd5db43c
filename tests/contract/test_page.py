"""The page of `novaha serve` in a real browser: what one sees, by mouse, by keyboard, by ear."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import NovahaError
from novaha.web import app
from tests.browser import Chromium, Page, chromium
from tests.unit.web.serving import (
    FENCE,
    LOOPBACK,
    Served,
    Tokens,
    host,
    instance,
    serving,
    snapshot,
)
from tests.unit.web.test_actions import Acts

pytestmark = pytest.mark.tools

EVIL = "<script>document.title='evil'</script><img src=x onerror=alert(1)>"
SIZES = [(1280, 900, False), (1280, 900, True), (390, 844, False), (390, 844, True)]


def several(hosts: int = 200, **more: Any) -> dict[str, Any]:
    """A host that is recovered, one that needs somebody, and others."""
    return snapshot(
        host("compute-1", [instance(i) for i in range(12)], detail="12 are under way"),
        host(
            "compute-3",
            [instance(100, "refused", name=EVIL, where="", detail=EVIL)],
            fence_id="00000000-0000-4000-8000-000000000003",
            counts={"refused": 1},
            settled=1,
        ),
        {"node": "compute-4", "state": "unreadable", "held": True, "detail": EVIL},
        others=[
            {"node": f"compute-{i}", "state": "held" if i == 7 else "healthy"}
            for i in range(5, hosts)
        ],
        verdict="ATTENTION",
        summary=f"1 thing needs you {EVIL}",
        todo=[{"text": f"do it {EVIL}", "commands": ["novaha retry compute-3"]}],
        **more,
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as found:
        yield found


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(several()) as found:
        yield found


@pytest.fixture(autouse=True)
def closed(browser: Chromium) -> Iterator[None]:
    """A browser has six connections to one server, and each page keeps one."""
    yield
    browser.close_pages()


def opened(browser: Chromium, served: Served, size: tuple[int, int, bool] = SIZES[0]) -> Page:
    page = browser.page()
    page.size(*size)
    page.open(f"http://localhost:{served.port}/")
    return page


def ready(page: Page) -> None:
    page.until("document.querySelectorAll('#hosts button').length > 0")
    page.until("document.querySelector('#plan table, #plan p') !== null")


@pytest.mark.parametrize("size", SIZES)
def test_it_shows_what_there_is(
    browser: Chromium, served: Served, size: tuple[int, int, bool], tmp_path: Path
) -> None:
    page = opened(browser, served, size)
    ready(page)
    text = page.text()
    for said in ("ATTENTION", "novaha retry compute-3", "12 are under way", "194 healthy", "held"):
        assert said in text
    first = page.value("[...document.querySelectorAll('#hosts .name')].map(e=>e.textContent)")
    assert first[:4] == ["compute-4", "compute-7", "compute-1", "compute-3"]
    root = "document.documentElement"
    assert page.value(f"{root}.scrollWidth - {root}.clientWidth") == 0
    page.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert page.said == []
    assert {url.split("/")[2] for url in page.asked} == {f"localhost:{served.port}"}


def test_what_others_named_stays_text(browser: Chromium, served: Served) -> None:
    page = opened(browser, served)
    ready(page)
    assert EVIL in page.text()
    assert page.value("document.title") == "ATTENTION - novaha"
    assert page.value("document.querySelectorAll('body script, img').length") == 0
    page.value("document.querySelector('#recoveries [data-node=\"compute-3\"] button').click()")
    page.until("document.querySelector('#host-instances td') !== null")
    assert page.value("document.querySelectorAll('body script, img').length") == 0
    assert EVIL in str(page.value("document.querySelector('#host').innerText"))


def test_the_keyboard_goes_everywhere(browser: Chromium, served: Served) -> None:
    page = opened(browser, served)
    ready(page)
    focus = "document.activeElement"
    stops = []
    for _ in range(40):
        page.press("Tab")
        stops.append(str(page.value(f"{focus}.id || {focus}.textContent")))
        if stops[-1].startswith("compute-4"):
            break
    assert stops[0] == "Skip to the content"
    assert "host-search" in stops
    assert stops[-1].startswith("compute-4")  # all hosts are one stop
    page.press("ArrowRight")
    assert str(page.value(f"{focus}.textContent")).startswith("compute-7")
    page.press("ArrowRight")
    page.press("Enter")
    page.until("document.querySelector('#host').open")
    assert page.value("document.querySelector('#host-title').textContent") == "compute-1"
    page.until("document.querySelectorAll('#host-instances tbody tr').length === 12")
    page.press("Escape")
    page.until("!document.querySelector('#host').open")
    assert str(page.value(f"{focus}.textContent")).startswith("compute-1")


def test_hosts_and_instances_are_found(browser: Chromium, served: Served) -> None:
    page = opened(browser, served)
    ready(page)
    assert page.value("document.querySelectorAll('#hosts li').length") == 120
    page.value("document.querySelector('#more-hosts').click()")
    assert page.value("document.querySelectorAll('#hosts li').length") == 198
    page.value("document.querySelector('#host-search').focus()")
    for letter in "compute-19":
        page.press(letter)
    assert page.value("document.querySelectorAll('#hosts li').length") == 11
    page.value("document.querySelector('#instance-search').focus()")
    for letter in "vm-11":
        page.press(letter)
    page.until("document.querySelectorAll('#instances tbody tr').length === 1")
    assert "vm-11" in str(page.value("document.querySelector('#instances').innerText"))


def test_it_is_live_and_says_when_it_is_not(browser: Chromium) -> None:
    with serving(several()) as served:
        page = opened(browser, served)
        ready(page)
        page.until("document.querySelector('#link').textContent === 'Live.'")
        page.value("document.querySelector('#hosts button').focus()")
        served.cluster.content = snapshot(summary="all is well")
        page.until("document.querySelector('#level').textContent === 'OK'")
        page.until("document.querySelectorAll('#hosts li').length === 1")
        assert "all is well" in page.text()
        assert page.value("document.querySelector('#todo').hidden")
        served.cluster.error = NovahaError("the CIB cannot be read")
        threading.Event().wait(1.0)
    page.until("document.querySelector('#link').className === 'lost'")
    assert "trying again" in page.text()


def test_it_asks_for_a_token_where_one_is_needed(browser: Chromium) -> None:
    settings = replace(LOOPBACK, keystone_url="https://k/v3")
    with serving(several(), settings, tokens=Tokens()) as served:
        page = opened(browser, served)
        page.until("!document.querySelector('#login').hidden")
        assert "compute-3" not in page.text()
        page.value("document.querySelector('#token').focus()")
        for letter in "unknown":
            page.press(letter)
        page.press("Enter")
        page.until("document.querySelector('#login-problem').textContent !== ''")
        page.value("document.querySelector('#token').focus()")
        for letter in "admin":
            page.press(letter)
        page.press("Enter")
        ready(page)
        page.until("document.querySelector('#login').hidden")
        kept = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
        assert page.value(kept) == '["",{},{}]'
        assert not [url for url in page.asked if "admin" in url]


def test_a_host_is_typed_before_anything_is_done(browser: Chromium) -> None:
    acts = Acts("retry", "release", "proceed")
    settings = replace(
        LOOPBACK, keystone_url="https://k", write_roles=frozenset({"admin"}), writes=True
    )
    with serving(several(20), settings, tokens=Tokens(), acts=acts) as served:
        page = opened(browser, served)
        page.until("!document.querySelector('#login').hidden")
        page.value("document.querySelector('#token').focus()")
        for letter in "admin":
            page.press(letter)
        page.press("Enter")
        ready(page)
        page.value("document.querySelector('#hosts button.healthy').click()")
        assert page.value("document.querySelector('#act').hidden")
        page.value("document.querySelector('#host').close()")
        page.value("document.querySelector('#hosts button.running').click()")
        assert not page.value("document.querySelector('#act').hidden")
        for name, typed in (("act-confirm", "compute-2"), ("act-reason", "why")):
            page.value(f"document.querySelector('#{name}').focus()")
            for letter in typed:
                page.press(letter)
        page.press("Enter")
        said = "document.querySelector('#act-said').textContent"
        page.until(f"{said}.startsWith('Not done')")
        assert acts.done == []
        page.value("document.querySelector('#act-confirm').value = 'compute-1'")
        page.value("document.querySelector('#act').requestSubmit()")
        page.until(f"{said} === 'retry is done'")
        assert [(name, order.host, order.fence_id) for name, order in acts.done] == [
            ("retry", "compute-1", FENCE)
        ]


AXE = resources.files("axe_core_python") / "axe.min.js"
RUN = """addEventListener("load", () => { window.examined = (what) => axe.run(what).then((found) =>
JSON.stringify(found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))); });"""


class WithAxe:
    """The application, and beside it the page with axe-core in it, under the same policy."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self._app = app.create(*args, **more)
        index = app.of_page("index.html")[0]
        more_scripts = b'<script src="/axe.js" defer></script><script src="/run.js" defer></script>'
        self._files = {
            "/axe.html": (b"text/html", index.replace(b"</head>", more_scripts + b"</head>")),
            "/axe.js": (b"text/javascript", AXE.read_bytes()),
            "/run.js": (b"text/javascript", RUN.encode()),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] not in self._files:
            return await self._app(scope, receive, send)
        media, body = self._files[scope["path"]]
        headers = [(b"content-type", media), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return None


@pytest.mark.parametrize("size", [SIZES[0], SIZES[3]])
def test_a_screen_reader_and_weak_eyes_can_use_it(
    browser: Chromium, size: tuple[int, int, bool]
) -> None:
    with serving(several(20), make=WithAxe) as served:
        page = browser.page()
        page.size(*size)
        page.open(f"http://localhost:{served.port}/axe.html")
        ready(page)
        page.until("typeof examined === 'function'")
        assert json.loads(page.value("examined(document)")) == []
        page.value("document.querySelector('#hosts button.running').click()")
        page.until("document.querySelectorAll('#host-instances tbody tr').length > 0")
        assert json.loads(page.value("examined(document)")) == []
        page.value("document.querySelector('#host').close()")
        page.value("document.querySelector('#login').hidden = false")
        page.value("document.querySelector('#act').hidden = false")
        assert json.loads(page.value("examined(document)")) == []
        assert page.said == []


def test_axe_finds_what_is_wrong(browser: Chromium) -> None:
    """Else the test above could not fail."""
    with serving(several(20), make=WithAxe) as served:
        page = browser.page()
        page.open(f"http://localhost:{served.port}/axe.html")
        ready(page)
        page.until("typeof examined === 'function'")
        page.value("document.querySelector('label[for=token]').remove()")
        page.value("document.querySelector('#login').hidden = false")
        page.value("document.querySelector('#summary').style.color = '#ccc'")
        found = {name for name, _ in json.loads(page.value("examined(document)"))}
        assert {"label"} <= found
