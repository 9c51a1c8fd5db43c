"""Tokens, by a server that answers as Keystone does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from novaha.web.access import RefusedError
from novaha.web.keystone import Keystone
from tests.serving import serving


class Fake(ThreadingHTTPServer):
    """status and content: its answer, None for one of its own. asked: by what tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.content: Any = None
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v3"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        fake = self.server
        assert isinstance(fake, Fake)
        assert self.path == "/v3/auth/tokens"
        token, subject = self.headers["X-Auth-Token"], self.headers["X-Subject-Token"]
        fake.asked.append((token, subject))
        body = json.dumps(good() if fake.content is None else fake.content).encode()
        self.send_response(fake.status)
        self.send_header("Content-Length", str(len(body)))
        if fake.status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def good(seconds: float = 3600, **more: Any) -> dict[str, Any]:
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    return {
        "token": {
            "user": {"name": "alice", "domain": {"name": "Default"}},
            "roles": [{"name": "admin"}, {"name": "reader"}],
            "expires_at": ends.isoformat().replace("+00:00", "Z"),
            **more,
        }
    }


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(Fake()) as found:
        yield found


def outcome(keystone: Keystone, token: str) -> object:
    try:
        login = asyncio.run(keystone.login(token))
    except RefusedError as refused:
        return refused.status
    return login.user, login.roles


def test_a_token_is_asked_about_with_itself_and_remembered(fake: Fake) -> None:
    now = [0.0]
    keystone = Keystone(fake.url, clock=lambda: now[0])
    assert outcome(keystone, "t1") == ("alice@Default", {"admin", "reader"})
    assert outcome(keystone, "t1") == ("alice@Default", {"admin", "reader"})
    assert fake.asked == [("t1", "t1")]
    outcome(keystone, "t2")
    assert len(fake.asked) == 2
    now[0] = 61.0
    fake.status = 404  # it was revoked
    assert outcome(keystone, "t1") == 401
    assert outcome(keystone, "t1") == 401
    assert len(fake.asked) == 3
    assert b"t1" not in b"".join(keystone._known)


def test_many_at_once_are_one_question(fake: Fake) -> None:
    keystone = Keystone(fake.url)

    async def many() -> None:
        await asyncio.gather(*(keystone.login("t") for _ in range(20)))

    asyncio.run(many())
    assert len(fake.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_keystone_does_not_know_is_refused(fake: Fake, status: int) -> None:
    fake.status = status
    assert outcome(Keystone(fake.url), "t") == 401


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, {}),
        (503, {}),
        (302, {}),
        (200, {}),
        (200, []),
        (200, {"token": None}),
        (200, {"token": {"user": {}}}),
        (200, good(expires_at="never")),
        (200, good(roles=["admin"])),
    ],
)
def test_no_answer_lets_nobody_in(fake: Fake, status: int, content: Any) -> None:
    fake.status, fake.content = status, content
    keystone = Keystone(fake.url)
    assert outcome(keystone, "t") == 503
    fake.status, fake.content = 200, None
    assert outcome(keystone, "t") == ("alice@Default", {"admin", "reader"})


def test_a_token_without_roles_has_none(fake: Fake) -> None:
    unscoped = good()
    del unscoped["token"]["roles"]
    fake.content = unscoped
    assert outcome(Keystone(fake.url), "t") == ("alice@Default", frozenset())


def test_an_expired_token_is_none(fake: Fake) -> None:
    fake.content = good(seconds=-1)
    assert outcome(Keystone(fake.url), "t") == 401


@pytest.mark.parametrize("token", ["a\nb", "ä", "a" * 20_000, "\x00"])
def test_what_is_no_token_is_not_sent(fake: Fake, token: str) -> None:
    assert outcome(Keystone(fake.url), token) == 401
    assert fake.asked == []


def test_a_keystone_that_is_away_is_said() -> None:
    assert outcome(Keystone("http://127.0.0.1:1/v3"), "t") == 503


def test_what_is_remembered_is_bounded(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaha.web.keystone._MOST", 3)
    keystone = Keystone(fake.url.removesuffix("/v3"))
    for number in range(5):
        outcome(keystone, str(number))
    assert len(keystone._known) == 3
    assert threading.active_count() < 50
