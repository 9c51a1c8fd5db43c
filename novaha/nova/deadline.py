"""A request ends in time as a whole: headers and body together, however slowly they come.

requests knows a time-out for each read of the socket only; a byte a second never meets it.
"""

from __future__ import annotations

import io
import time
from typing import Any

from keystoneauth1.session import Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_DEFAULT = 30.0
"""Seconds, where the session has no time-out of its own."""

LONGEST = 64 * 2**20
"""Bytes of one answer. A page of 1,000 instances has some five million."""


class _Raw(io.RawIOBase):
    """What a response is read from. Raises TimeoutError at the end of the connection's time."""

    def __init__(self, connection: Any, sock: Any) -> None:
        self._connection = connection
        self._sock = sock
        # The socket stays open for this one when its connection lets go of it.
        self._inner = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._connection.ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out: the answer did not end in time")
        own = self._sock.gettimeout()
        self._sock.settimeout(remaining if own is None else min(own, remaining))
        try:
            read = int(self._inner.readinto(buffer) or 0)
        finally:
            self._sock.settimeout(own)
        self._connection.was_read += read
        if self._connection.was_read > LONGEST:
            raise OSError("the answer is too long")
        return read

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


class _Socket:
    """A socket whose readers meet the deadline; everything else is the socket's own."""

    def __init__(self, connection: Any, sock: Any) -> None:
        self._connection = connection
        self._sock = sock

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Raw(self._connection, self._sock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _bounded(kind: Any, seconds: float) -> Any:
    class Bounded(kind):  # type: ignore[misc]
        ends_at = float("inf")
        was_read = 0

        def putrequest(self, *arguments: Any, **options: Any) -> None:
            self.ends_at, self.was_read = time.monotonic() + seconds, 0
            super().putrequest(*arguments, **options)

        def connect(self) -> None:
            super().connect()
            plain = vars(self)["sock"]
            self.sock = _Socket(self, plain)

    Bounded.__name__ = kind.__name__  # what its errors say is read by people
    return Bounded


class _Adapter(HTTPAdapter):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__(pool_maxsize=32)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        plain = type(
            HTTPConnectionPool.__name__,
            (HTTPConnectionPool,),
            {"ConnectionCls": _bounded(HTTPConnection, self._seconds)},
        )
        tls = type(
            HTTPSConnectionPool.__name__,
            (HTTPSConnectionPool,),
            {"ConnectionCls": _bounded(HTTPSConnection, self._seconds)},
        )
        self.poolmanager.pool_classes_by_scheme = {"http": plain, "https": tls}


def bound(session: Session) -> None:
    """Let each request of this session end within its time-out."""
    inner = session.session
    if isinstance(inner.adapters.get("http://"), _Adapter):
        return
    seconds = float(session.timeout) if session.timeout else _DEFAULT
    for prefix in ("http://", "https://"):
        inner.mount(prefix, _Adapter(seconds))
