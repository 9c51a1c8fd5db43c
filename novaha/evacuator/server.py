"""The evacuator's Unix socket: health, status, and waking it up."""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novaha.core import text
from novaha.evacuator import places

LOG = logging.getLogger(__name__)

_QUESTION = 1000
"""Bytes of the longest question."""

_DETAIL = 2000
"""Characters of the longest text in an answer."""

_AT_ONCE = 64
"""Connections. Who opens more loses the oldest of all: a question takes milliseconds."""

_QUEUE = 1024
"""Connections that wait to be accepted; with a full queue connecting fails at once."""

_WITHIN = 5.0
"""Seconds from the connection to its question, and from there until the answer is read."""


def grant_haclient_access(path: Path) -> None:
    """Let Pacemaker's own programs, and nobody else, use what root has made here (law 9)."""
    if places.give_group(path):
        path.chmod(0o660)
    else:
        LOG.warning("%s stays root's alone, alerts cannot ring: no group haclient", path)


@dataclass
class _Connection:
    """One that asks. until: when it is closed, whatever it has got by then."""

    socket: socket.socket
    until: float
    question: bytes = b""
    answer: memoryview = field(default_factory=lambda: memoryview(b""))


class Server:
    """Answers one-line questions with one line of JSON, in a thread of its own.

    No connection waits for another one, and each has its end: a client that says nothing, or
    reads nothing, costs a few bytes for a few seconds.
    """

    def __init__(
        self,
        path: Path,
        answers: Mapping[str, Callable[[], Any]],
        secrets: tuple[str, ...] = (),
    ) -> None:
        """Listen at `path`. secrets: values that no answer shows.

        Raises EvacuatorError or OSError when it cannot.
        """
        self._answers = answers
        self._secrets = secrets
        places.make_way(path)
        self._listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        grant_haclient_access(path)
        self._listener.listen(_QUEUE)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._open: dict[int, _Connection] = {}
        """By file descriptor, the oldest first."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="socket", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread
        self._thread.join()

    def _serve(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(1.0 if self._open else None):
                try:
                    if key.data is None:
                        self._accept()
                    elif key.fd in self._open:
                        self._go_on(key.data)
                except Exception:  # nobody else would answer after this
                    LOG.exception("the socket")
                    if key.data is not None:
                        self._close(key.data)
            now = time.monotonic()
            for connection in [c for c in self._open.values() if c.until < now]:
                self._close(connection)
        for connection in list(self._open.values()):
            self._close(connection)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                LOG.warning("the socket accepts no connection: %s", error.strerror)
                time.sleep(0.1)  # no descriptor is free, and selecting returns at once
            return
        accepted.setblocking(False)
        if len(self._open) >= _AT_ONCE:
            self._close(next(iter(self._open.values())))
        connection = _Connection(accepted, time.monotonic() + _WITHIN)
        self._open[accepted.fileno()] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _go_on(self, connection: _Connection) -> None:
        """Read some more of the question, or write some more of the answer."""
        try:
            if not connection.answer:
                self._read(connection)
            if connection.answer:
                sent = connection.socket.send(connection.answer)
                connection.answer = connection.answer[sent:]
                if not connection.answer:
                    self._close(connection)
        except BlockingIOError:
            pass
        except OSError:
            self._close(connection)

    def _read(self, connection: _Connection) -> None:
        part = connection.socket.recv(_QUESTION)
        connection.question += part
        if part and b"\n" not in part and len(connection.question) < _QUESTION:
            return
        question = connection.question[:_QUESTION].partition(b"\n")[0]
        name = question.decode("utf-8", "replace").strip()
        answer = self._answers.get(name, lambda: {"error": "unknown question"})
        shown = text.tree(answer(), self._secrets, _DETAIL)
        connection.answer = memoryview(json.dumps(shown).encode() + b"\n")
        connection.until = time.monotonic() + _WITHIN
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)

    def _close(self, connection: _Connection) -> None:
        if self._open.pop(connection.socket.fileno(), None) is not None:
            self._selector.unregister(connection.socket)
        connection.socket.close()
