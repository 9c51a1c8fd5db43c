"""The evacuator's Unix socket: health, status, and waking it up."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)

_GROUP = "haclient"
"""Pacemaker's group: alert agents run as its user hacluster."""

_LONGEST = 1000


def share(path: Path) -> None:
    """Let Pacemaker's own programs, and nobody else, use what root has made here (law 9)."""
    try:
        shutil.chown(path, group=_GROUP)
        path.chmod(0o660)
    except (LookupError, PermissionError) as error:
        LOG.warning("%s stays root's alone, alerts cannot ring: %s", path, error)


class Server:
    """Answers one-line questions with one line of JSON, in threads of its own."""

    def __init__(self, path: Path, answers: Mapping[str, Callable[[], Any]]) -> None:
        class Handler(socketserver.StreamRequestHandler):
            timeout = 5

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    question = self.rfile.readline(_LONGEST).decode("utf-8", "replace").strip()
                    answer = answers.get(question, lambda: {"error": "unknown question"})
                    self.wfile.write(json.dumps(answer()).encode() + b"\n")

        class Threads(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = Threads(str(path), Handler)
        finally:
            os.umask(before)
        share(path)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="socket", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
