"""A server of the tests' own, and asking it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from novaha.conf.serve import Settings
from novaha.web import app, server
from novaha.web.access import Login, RefusedError
from novaha.web.shared import Shared

Data = dict[str, Any]
LOOPBACK = Settings(socket=None, address="127.0.0.1", port=0, refresh=0.5, max_rate=1000)
FENCE = "5b0b4f0e-8a3c-4f0a-9d55-3d1c5f7f0b51"


def instance(number: int, progress: str = "moving", **more: Any) -> Data:
    """One of the snapshot's."""
    return {
        "id": f"7d1f1f2a-0b6e-4a55-8f0c-{number:012d}",
        "name": f"vm-{number}",
        "progress": progress,
        "where": "compute-2",
        "detail": "",
        "code": "",
        "data": {},
        **more,
    }


def host(node: str = "compute-1", instances: int | list[Data] = 3, **more: Any) -> Data:
    """One in recovery."""
    found = instances if isinstance(instances, list) else [instance(i) for i in range(instances)]
    return {
        "node": node,
        "host": f"{node}.example.org",
        "state": "running",
        "held": True,
        "owner": "controller-1",
        "fence_id": FENCE,
        "fenced": "2026-01-01T02:03:04Z",
        "detail": "",
        "total": len(found),
        "settled": 0,
        "counts": {"moving": len(found)},
        "instances": found,
        **more,
    }


def snapshot(*hosts: Data, **more: Any) -> Data:
    """The evacuator's own."""
    return {
        "version": 1,
        "evacuator": {
            "pid": 4242,
            "node": "controller-1",
            "user": "novaha",
            "turn_age": 0.4,
            "problem": "",
            "failing_for": 0.0,
            "nova": {"ok": True, "problem": "", "silent_for": 0.0},
            "attention": [],
        },
        "notices": [],
        "hosts": list(hosts),
        "others": [{"node": "compute-2", "state": "healthy"}],
        "verdict": "RECOVERING" if hosts else "OK",
        "summary": "a summary",
        "todo": [],
        **more,
    }


class Cluster:
    """What is read. `content` may be changed, `error` be raised; `reads` counts."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.error: Exception | None = None
        self.reads = 0

    def __call__(self) -> Mapping[str, Any]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.content


class Tokens:
    """Knows tokens by what their roles are: `admin,reader`."""

    async def login(self, token: str) -> Login:
        if token == "unknown":
            raise RefusedError(401, "no")
        return Login("alice@Default", frozenset(token.split(",")))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """Where it is, and what it reads."""

    settings: Settings
    cluster: Cluster
    shared: Shared
    port: int

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=20)
        if self.settings.socket is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(20)
            connection.sock.connect(str(self.settings.socket))
        else:
            connection.sock = socket.create_connection(
                (self.settings.address, self.port), timeout=20
            )
        return connection

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """headers: with _ for -."""
        connection = self.connect()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            found = connection.getresponse()
            shown = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, shown, found.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """What a good answer says."""
        answer = self.ask(path, **headers)
        assert answer.status == 200, answer
        return answer.json()


@contextmanager
def serving(
    content: Mapping[str, Any] | None = None,
    settings: Settings = LOOPBACK,
    make: Callable[..., Any] = app.create,
    **more: Any,
) -> Iterator[Served]:
    """It runs meanwhile, on its own loop. more: for the application."""
    cluster = Cluster(snapshot() if content is None else content)
    shared = Shared(cluster, settings.refresh)
    made = server.prepared(make(settings, shared, **more), settings, shared.close)
    sock = server.listening(settings)
    port = 0 if settings.socket is not None else sock.getsockname()[1]
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(sockets=[sock])))
    thread.start()
    try:
        yield Served(settings, cluster, shared, port)
    finally:
        shared.close()
        made.should_exit = True
        thread.join()
        sock.close()


def on_socket(path: Path, **more: Any) -> Settings:
    """Settings for a Unix socket of a group that is everywhere."""
    return replace(LOOPBACK, socket=path, address="", group="root", **more)
