"""What was done, one JSON object a line: for `novaha history`, and for whoever asks later."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from novaha.core.events import Event

LOG = logging.getLogger(__name__)


class Journal:
    """Appends to a file; a full disk is logged and never stops a recovery."""

    def __init__(self, path: Path | None) -> None:
        """path: None keeps nothing."""
        self._path = path
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Append an event of this moment, before this returns."""
        self.write(datetime.now(UTC), event)

    def write(self, moment: datetime, event: Event) -> None:
        """Append an event of this moment (told in UTC, to the millisecond)."""
        if self._path is None:
            return
        now = moment.astimezone(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event.event, **event.data()})
        try:
            with self._lock:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
                with os.fdopen(descriptor, "w") as file:
                    file.write(line + "\n")
        except OSError as error:
            LOG.warning("journal %s: %s", self._path, error.strerror)


def log(_: datetime, event: Event) -> None:
    """An event as a line of the log; what is empty is left out."""
    told = (f"{name}={value}" for name, value in event.data().items() if value != "")
    LOG.info("%s %s", event.event, " ".join(told))
