"""Listening, connections and their bounds, and the life of the process."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import socket
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import Server

from novaha.conf.serve import Settings
from novaha.core.errors import NovahaError
from novaha.core.text import line
from novaha.web import access
from novaha.web.guard import PEER

LOG = logging.getLogger(__name__)

_HEAD_WITHIN = 10.0
"""Seconds in which the head of a request has to come."""

_BACKLOG = 512


class ListenError(NovahaError):
    """It cannot listen where it should."""


class Connections:
    """How many are open, in all and of each client. A client may have half of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, key: str) -> bool:
        """Whether there is room for one more."""
        if self._open.total() >= self._most or self._open[key] >= max(1, self._most // 2):
            return False
        self._open[key] += 1
        return True

    def leave(self, key: str) -> None:
        """One is closed."""
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]


def protocol(connections: Connections, head_within: float = _HEAD_WITHIN) -> type[Any]:
    """uvicorn's protocol, which tells the application who is at the other end of a connection."""

    class Bounded(H11Protocol):  # type: ignore[misc]  # uvicorn's types differ by its releases
        _peer: access.Peer | None = None
        _late: asyncio.TimerHandle | None = None
        app: Any

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            peer = access.of_transport(transport)
            if not connections.enter(peer.key):
                transport.abort()
                return
            self._peer = peer
            app: Any = self.app

            async def told(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, PEER: peer}, receive, send)

            self.app = told
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            if self._peer is None:
                return
            super().data_received(data)
            self._expect_head()

        def _expect_head(self) -> None:
            """uvicorn waits for ever for the rest of a head."""
            if self.conn.their_state is not h11.IDLE:
                self._forget_head()
            elif self._late is None:
                self._late = self.loop.call_later(head_within, self.transport.abort)

        def _forget_head(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_head()
            if self._peer is not None:
                connections.leave(self._peer.key)
            super().connection_lost(exc)

    return Bounded


class _Server(Server):  # type: ignore[misc]
    """Ends streams before uvicorn waits for them."""

    def __init__(self, config: Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._closing()
        super().handle_exit(sig, frame)


def prepared(app: Any, settings: Settings, closing: Callable[[], None]) -> Server:
    """A server for sockets that are given to its `serve`. closing: called when it is to end.

    Raises ListenError for certificates that cannot be used.
    """
    try:
        context = access.tls(settings)
    except (OSError, ValueError) as error:
        raise ListenError(f"certfile, keyfile or client_ca cannot be used: {line(error)}") from None
    config = Config(
        app,
        http=protocol(Connections(settings.max_connections)),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        backlog=_BACKLOG,
    )
    config.load()
    config.ssl = context
    return _Server(config, closing)


def run(
    app: Any, settings: Settings, closing: Callable[[], None], ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT. closing: called then. ready: told where it listens.

    Raises ListenError.
    """
    server = prepared(app, settings, closing)
    with contextlib.closing(listening(settings)) as sock:
        ready(where(settings, sock))
        try:
            asyncio.run(server.serve(sockets=[sock]))
        except (SystemExit, KeyboardInterrupt):  # later releases raise the signal once more
            if not server.should_exit:
                raise
        finally:
            if settings.socket is not None:
                settings.socket.unlink(missing_ok=True)


def where(settings: Settings, sock: socket.socket) -> str:
    """A path or a URL."""
    if settings.socket is not None:
        return str(settings.socket)
    address = f"[{settings.address}]" if ":" in settings.address else settings.address
    return f"{'https' if settings.tls else 'http'}://{address}:{sock.getsockname()[1]}/"


def listening(settings: Settings) -> socket.socket:
    """The socket of the settings, which listens. Raises ListenError."""
    try:
        if settings.socket is not None:
            return _unix(settings.socket, settings.group)
        family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((settings.address, settings.port))
        sock.listen(_BACKLOG)
        return sock
    except OSError as error:
        where = settings.socket or f"{settings.address}, port {settings.port}"
        raise ListenError(f"it cannot listen on {where}: {error.strerror}") from None


def _unix(path: Path, group: str) -> socket.socket:
    """A socket for its user and the group, and for nobody else.

    Raises ListenError when another process listens there, or something else is in its place.
    """
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        raise ListenError(f"there is no group '{line(group)}' on this node: set group") from None
    if not path.parent.exists():
        path.parent.mkdir(mode=0o750)
        os.chown(path.parent, -1, gid)
    _make_way(path)
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    os.chown(path, -1, gid)
    path.chmod(0o660)
    sock.listen(_BACKLOG)
    return sock


def _make_way(path: Path) -> None:
    """Remove the socket of one that has ended."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"{path} is in the way: find out what it is, and remove it")
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(1.0)
            if other.connect_ex(str(path)) == 0:
                raise ListenError(f"another process serves on {path} already")
        path.unlink()
