"""Whether the cluster's configuration has changed, without a question to Pacemaker."""

from __future__ import annotations

import os
from pathlib import Path

_CIB = Path("/var/lib/pacemaker/cib/cib.xml")


class Changes:
    """Notices changes of the configuration, the recovery records included.

    Pacemaker replaces a file on each controller when the configuration changes (facts.md). Nothing
    is read of it: only Pacemaker may. A change that is not noticed costs only time.
    """

    def __init__(self, path: Path = _CIB) -> None:
        self._path = path
        self._last = self._stamp()

    def any(self) -> bool:
        """Whether there was one since this was asked last; a few microseconds."""
        stamp = self._stamp()
        changed = stamp != self._last
        self._last = stamp
        return changed

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
