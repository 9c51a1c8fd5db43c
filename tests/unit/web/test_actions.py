"""What can be done over HTTP, by whom, and what it takes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from novaha.conf.serve import Settings
from novaha.core.errors import NovahaError
from novaha.web import actions
from novaha.web.actions import Order
from tests.unit.web.serving import (
    FENCE,
    LOOPBACK,
    Answer,
    Served,
    Tokens,
    host,
    on_socket,
    serving,
    snapshot,
)

KEYSTONE = replace(
    LOOPBACK, keystone_url="https://k/v3", write_roles=frozenset({"operator"}), writes=True
)
GOOD = {"confirm": "compute-1", "fence_id": FENCE, "reason": "the switch is mended"}


class Acts(dict[str, Any]):
    """Takes note of what it is told to do. error: raised instead. wait: for it, before."""

    def __init__(self, *names: str) -> None:
        super().__init__({name: self._act(name) for name in names})
        self.done: list[tuple[str, Order]] = []
        self.error: Exception | None = None
        self.wait = threading.Event()
        self.wait.set()

    def _act(self, name: str) -> Any:
        def act(order: Order) -> str:
            self.wait.wait(30)
            if self.error is not None:
                raise self.error
            self.done.append((name, order))
            return f"{name} is done"

        return act


@pytest.fixture
def acts() -> Acts:
    return Acts(*actions.OF_HOST, *actions.OF_ALL)


@pytest.fixture
def served(acts: Acts) -> Iterator[Served]:
    with serving(snapshot(host()), KEYSTONE, tokens=Tokens(), acts=acts) as found:
        yield found


def post(served: Served, path: str, body: Any, token: str = "operator", **headers: str) -> Answer:
    more = {"Content_Type": "application/json", "X_Auth_Token": token, **headers}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return served.ask(path, "POST", raw, **{name: value for name, value in more.items() if value})


@pytest.mark.parametrize("name", ["retry", "release"])
def test_a_recovery_is_told_what_to_do(served: Served, acts: Acts, name: str) -> None:
    answer = post(served, f"/v1/hosts/compute-1/{name}", GOOD)
    assert (answer.status, answer.json()) == (200, {"done": f"{name} is done"})
    order = Order("compute-1", FENCE, "the switch is mended", "alice@Default")
    assert acts.done == [(name, order)]


def test_hosts_are_let_go_and_all_is_paused(served: Served, acts: Acts) -> None:
    for path, body in (
        ("/v1/hosts/compute-1/proceed", {"confirm": "compute-1", "reason": "r"}),
        ("/v1/pause", {"confirm": "pause", "reason": "r", "duration": "30m"}),
        ("/v1/resume", {"confirm": "resume", "reason": "r"}),
    ):
        assert post(served, path, body).status == 200
    assert [name for name, _ in acts.done] == ["proceed", "pause", "resume"]
    assert [order.duration for _, order in acts.done] == ["", "30m", ""]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/hosts/compute-1/retry", {**GOOD, "confirm": "compute-2"}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "confirm": ""}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "confirm": "Compute-1"}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "fence_id": ""}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "reason": " "}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "reason": "x" * 501}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "force": "true"}),
        ("/v1/hosts/compute-1/retry", {**GOOD, "reason": 1}),
        ("/v1/hosts/compute-1/retry", {"confirm": "compute-1", "reason": "r"}),
        ("/v1/hosts/compute-1/proceed", GOOD),
        ("/v1/hosts/compute-1/retry", []),
        ("/v1/hosts/compute-1/retry", b"confirm=compute-1"),
        ("/v1/hosts/compute-1/retry", b""),
        ("/v1/hosts/compute-1/retry", b"[" * 50_000),
        ("/v1/hosts/compute-1/retry?force=1", GOOD),
        ("/v1/pause", {"confirm": "resume", "reason": "r"}),
        ("/v1/pause", {"reason": "r"}),
    ],
)
def test_what_is_not_whole_does_nothing(served: Served, acts: Acts, path: str, body: Any) -> None:
    answer = post(served, path, body)
    assert answer.status == 400, answer
    assert acts.done == []


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("admin", {}, 403),  # may read
        ("member", {}, 403),
        ("", {}, 401),
        ("operator", {"Content_Type": "text/plain"}, 415),
        ("operator", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ("operator", {"Content_Type": ""}, 415),
        ("operator", {"Origin": "http://evil.example"}, 403),
        ("operator", {"Origin": "null"}, 403),
        ("operator", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("operator", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 403),
        ("operator", {"Host": "evil.example"}, 421),
    ],
)
def test_who_may_not_and_who_is_tricked_do_nothing(
    served: Served, acts: Acts, token: str, headers: dict[str, str], status: int
) -> None:
    answer = post(served, "/v1/hosts/compute-1/retry", GOOD, token, **headers)
    assert answer.status == status
    assert acts.done == []


def test_a_browser_is_not_let_through_beforehand(served: Served) -> None:
    answer = served.ask(
        "/v1/hosts/compute-1/retry",
        "OPTIONS",
        X_Auth_Token="operator",
        Access_Control_Request_Method="POST",
    )
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_body_without_end_is_refused(served: Served, acts: Acts) -> None:
    answer = post(served, "/v1/hosts/compute-1/retry", b" " * 70_000)
    assert answer.status == 413
    assert acts.done == []


def test_a_read_is_no_write(served: Served, acts: Acts) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = served.ask("/v1/hosts/compute-1/retry", method, X_Auth_Token="operator")
        assert answer.status == 405
    assert acts.done == []


@pytest.mark.parametrize(
    "settings", [replace(KEYSTONE, writes=False), replace(LOOPBACK, writes=True)]
)
def test_what_is_not_switched_on_or_asked_by_anybody_is_refused(
    settings: Settings, acts: Acts
) -> None:
    tokens = Tokens() if settings.keystone_url else None
    with serving(snapshot(host()), settings, tokens=tokens, acts=acts) as served:
        assert post(served, "/v1/hosts/compute-1/retry", GOOD).status in (403, 404)
        found = served.get("/v1/me", X_Auth_Token="operator")
        assert found["actions"] == []
    assert acts.done == []


def test_what_cannot_be_done_is_said(served: Served, acts: Acts) -> None:
    acts.error = NovahaError("compute-1 has another fence id by now")
    answer = post(served, "/v1/hosts/compute-1/retry", GOOD)
    assert answer.status == 409
    assert answer.json()["error"]["message"] == "compute-1 has another fence id by now"


def test_what_takes_long_goes_on(
    served: Served, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_PATIENCE", 0.05)
    acts.wait.clear()
    answer = post(served, "/v1/hosts/compute-1/proceed", {"confirm": "compute-1", "reason": "r"})
    assert answer.status == 202
    assert acts.done == []
    acts.wait.set()
    for _ in range(200):
        if acts.done:
            break
        threading.Event().wait(0.05)
    assert acts.done


def test_root_may_write_on_the_unix_socket(tmp_path: Path, acts: Acts) -> None:
    settings = on_socket(tmp_path / "n.sock", writes=True)
    with serving(snapshot(host()), settings, acts=acts) as served:
        assert served.get("/v1/me") == {"name": "root", "actions": [*acts]}
        assert post(served, "/v1/hosts/compute-1/retry", GOOD, token="").status == 200
    assert acts.done[0][1].by == "root"


def test_who_asks_is_told_what_they_may(served: Served, acts: Acts) -> None:
    found = served.get("/v1/me", X_Auth_Token="operator")
    assert found == {"name": "alice@Default", "actions": [*acts]}
    assert served.get("/v1/me", X_Auth_Token="admin")["actions"] == []


def test_the_document_has_what_is_switched_on(served: Served) -> None:
    try:
        from openapi_spec_validator import validate
    except ImportError:
        from openapi_spec_validator import validate_spec as validate

    document = served.get("/openapi.json")
    validate(document)
    posts = {path for path, operations in document["paths"].items() if "post" in operations}
    assert posts == {
        *("/v1/hosts/{node}/retry", "/v1/hosts/{node}/release", "/v1/hosts/{node}/proceed"),
        *("/v1/pause", "/v1/resume"),
    }
    with serving() as other:
        paths = other.get("/openapi.json")["paths"]
        assert not any("post" in operations for operations in paths.values())
