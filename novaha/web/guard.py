"""What every request has to pass, and what every answer has: an ASGI middleware."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from novaha.web.access import Access, Peer, RefusedError

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PEER, WHO = "novaha.peer", "novaha.who"
STREAM = "/v1/events"

_BODY = 64 * 1024
"""Bytes of a request's body."""

_BODY_WITHIN, _READ_WITHIN, _ANSWER_WITHIN = 10.0, 30.0, 60.0
"""Seconds: for a request's body; for a client to read a part; for an answer as a whole."""

_BURST = 4
"""Seconds of requests that may come at once."""

_CLIENTS = 10_000
"""Clients of whom the rate is remembered."""

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")

_PUBLIC = frozenset({"/", "/page.css", "/page.js", "/icon.svg", "/openapi.json"})
"""They are the same everywhere: shown to whoever may connect, for a browser to ask for a token."""

_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class Rates:
    """How many requests each client may make: so many a second, some at once."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = float(rate)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> bool:
        """Whether one more is allowed."""
        now = self._clock()
        most = _BURST * self._rate
        left, at = self._left.pop(key, (most, now))
        left = min(most, left + (now - at) * self._rate)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > _CLIENTS:
            self._left.pop(next(iter(self._left)))  # who has been away for longest
        return allowed


class Guard:
    """Refuses what is not for us, tells the application who asks, bounds size and time."""

    def __init__(self, app: App, access: Access, hosts: frozenset[str], rates: Rates) -> None:
        """hosts: the names that `Host` may have."""
        self._app = app
        self._access = access
        self._hosts = hosts
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        peer: Peer = scope.get(PEER) or Peer("unknown")
        answer = _Answer(send, peer)
        try:
            headers = _headers(scope)
            if not self._rates.take(peer.key):
                raise RefusedError(429, "too many requests: wait a second")
            _check_host(headers, self._hosts)
            _check_origin(headers, scope)
            if scope["path"] not in _PUBLIC:
                scope[WHO] = await self._access.who(peer, headers)
            streams = scope["path"] == STREAM
            await asyncio.wait_for(
                self._app(scope, _Body(receive), answer.send), None if streams else _ANSWER_WITHIN
            )
        except RefusedError as refused:
            await answer.refuse(refused.status, str(refused))
        except TimeoutError:
            await answer.refuse(503, "it takes too long")
        return None


class _Answer:
    """What is sent, with our headers; a client that does not read it is left."""

    def __init__(self, send: Send, peer: Peer) -> None:
        self._send = send
        self._peer = peer
        self._begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            names = {name.lower() for name, _ in message.get("headers", ())}
            extra = [header for header in _HEADERS if header[0] not in names]
            if b"cache-control" not in names:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        try:
            await asyncio.wait_for(self._send(message), _READ_WITHIN)
        except TimeoutError:
            self._peer.abort()

    async def refuse(self, status: int, text: str) -> None:
        if self._begun:
            return self._peer.abort()
        body = json.dumps(error(status, text)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 401:
            headers.append((b"www-authenticate", b"Keystone"))
        if status == 429:
            headers.append((b"retry-after", b"1"))
        if status >= 400:  # what is left of the request is not read
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
        return None


class _Body:
    """The request's body, within bounds."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:  # from now on it is about whether the client is still there
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _BODY_WITHIN)
        except TimeoutError:
            raise RefusedError(408, "the request does not end") from None
        self._size += len(message.get("body", b""))
        if self._size > _BODY:
            raise RefusedError(413, f"a request has {_BODY} bytes at most")
        self._whole = not message.get("more_body", False)
        return message


def error(status: int, text: str) -> dict[str, Any]:
    """The body of an answer that is an error."""
    return {"error": {"code": status, "message": text}}


def _headers(scope: Scope) -> dict[str, str]:
    """By name, in lower case. Two of a kind that decide something are refused."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "x-auth-token"):
            raise RefusedError(400, f"more than one header {key}")
        found[key] = value.decode("latin-1")
    return found


def _check_host(headers: Mapping[str, str], ours: frozenset[str]) -> None:
    found = _HOST.fullmatch(headers.get("host", ""))
    if found is None or found[1].strip("[]").lower() not in ours:
        raise RefusedError(
            421, "this name is none of ours: an administrator may add it to allowed_hosts"
        )


def _check_origin(headers: Mapping[str, str], scope: Scope) -> None:
    """A page of somebody else's may not ask, nor have its reader's browser ask."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != headers["host"].lower():
        raise RefusedError(403, "asked for by a page of another site")
    elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if elsewhere and not (scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"):
        raise RefusedError(403, "asked for by a page of another site")
