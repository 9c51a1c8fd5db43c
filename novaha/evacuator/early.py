"""Reading of Nova that begins before a fencing has ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from novaha.core.errors import NovahaError
from novaha.core.ports import Records
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState

LOG = logging.getLogger(__name__)

_EVERY = 0.1
"""Seconds between two looks for a change."""

_AGAIN = 2.0
"""Seconds after which a host is read once more that still waits for the end of its fencing."""

_LONGEST = 15.0
"""Seconds after its record was seen for which the end of a fencing counts as near."""

_FEW = 4
"""Waiting hosts up to which they are read once more: Nova is needed for others when a rack dies."""

_AFTER_FAILURE = 1.0


class EarlyReading:
    """Begins to read Nova for a host as soon as its record is written.

    The record is written when the power is off. The fencing ends, and the alert comes, when the
    host was switched on again: a third of a second later in the lab, seconds with other BMCs. What
    a recovery reads of Nova first may then have been read already. Nothing is decided here, and
    nothing asked for.

    changed: whether the configuration has changed since this was asked last.
    begin: begins to read for a node what was not read within that many seconds.
    warm: what a recovery needs of the cluster is kept ready by it.
    busy: whether a turn is under way: it reads the records itself, and has the machine's time.
    """

    def __init__(
        self,
        changed: Callable[[], bool],
        records: Records,
        begin: Callable[[str, float], None],
        warm: Callable[[], None],
        clock: Callable[[], float],
        busy: Callable[[], bool],
    ) -> None:
        self._changed = changed
        self._records = records
        self._begin = begin
        self._warm = warm
        self._clock = clock
        self._busy = busy
        self._since: dict[tuple[str, str], float] = {}
        self._again_at = float("inf")

    def run(self, stopping: threading.Event) -> None:
        """Do so until `stopping` is set, in a thread of its own."""
        while not stopping.wait(_EVERY):
            try:
                self.look()
                self._warm()
            except NovahaError as error:
                LOG.debug("nothing is read early: %s", error)
                self._again_at = min(self._again_at, self._clock() + _AFTER_FAILURE)
            except Exception:
                LOG.exception("nothing is read early")

    def look(self) -> None:
        """Do so once. Raises ClusterToolError when the records cannot be read."""
        now = self._clock()
        if self._busy() or (not self._changed() and now < self._again_at):
            return
        self._again_at = float("inf")
        pending = [
            (record.node, record.fence_id)
            for record in self._records.read_all().values()
            if isinstance(record, Record) and record.state is RecoveryState.PENDING
        ]
        if self._busy():  # woken meanwhile; what is begun now would be too late, and soon too old
            self._again_at = now
            return
        self._since = {fencing: self._since.get(fencing, now) for fencing in pending}
        waiting = [node for (node, _), at in self._since.items() if now < at + _LONGEST]
        for node in waiting:
            self._begin(node, _AGAIN)
        if 0 < len(waiting) <= _FEW:
            self._again_at = now + _AGAIN
