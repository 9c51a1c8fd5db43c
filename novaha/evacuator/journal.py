"""What was done, one JSON object a line: for `novaha history`, and for whoever asks later."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)


class Journal:
    """Appends to a file; a full disk is logged and never stops a recovery."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, event: str, **fields: Any) -> None:
        """Append `event` with `fields` and the time of day (UTC, to the millisecond)."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields})
        LOG.info("%s %s", event, " ".join(f"{k}={v}" for k, v in fields.items() if v != ""))
        if self._path is None:
            return
        try:
            with self._lock:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
                with os.fdopen(descriptor, "w") as file:
                    file.write(line + "\n")
        except OSError as error:
            LOG.warning("journal %s: %s", self._path, error.strerror)
