"""Beside the recoveries: events are recorded, and the courier brings them on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novaha.core.events import Event
from novaha.operate.outbox import NAME, Outbox
from novaha.operate.recorder import Recorder
from novaha.operate.supervisor import Supervisor


class Keeping:
    """A sink whose events are kept; what keeps it from that is told, and stops nothing."""

    def __init__(self, wanted: Mapping[str, Any], settings: Mapping[str, Any], node: str) -> None:
        """wanted: what the courier needs to know of the configuration, empty for nothing.

        settings: those of `client.launch`. node: this one.
        """
        self._recorder: Recorder | None = None
        self._supervisor: Supervisor | None = None
        self._wrong = ""
        if not wanted:
            return
        if unkept := str(settings.get("unkept") or ""):
            self._wrong = f"no history is kept: {unkept}"
            return
        state_dir, spool = Path(settings["state_dir"]), Path(settings["spool"])
        try:
            self._recorder = Recorder(Outbox(state_dir / NAME), spool, node)
        except OSError as error:
            self._wrong = f"no history is kept: {spool}: {error.strerror}"
            return
        self._supervisor = Supervisor(
            {**wanted, "state_dir": str(state_dir), "spool": str(spool), "node": node}
        )

    def run(self, stopping: threading.Event) -> None:
        """Keep the courier running, in a thread of its own, until it is stopped."""
        if self._supervisor is not None:
            threading.Thread(
                target=self._supervisor.run, args=(stopping,), name="courier", daemon=True
            ).start()

    def emit(self, event: Event) -> None:
        """Take an event of this moment."""
        if self._recorder is not None:
            self._recorder.emit(event)

    def problems(self) -> list[str]:
        """What an operator has to see to."""
        return [
            self._wrong,
            self._recorder.problem() if self._recorder is not None else "",
            self._supervisor.problem() if self._supervisor is not None else "",
        ]

    def close(self, within: float) -> bool:
        """Wait for the last events to be on the disk; whether they are. The rest stays for later.

        within: seconds.
        """
        return self._recorder is None or self._recorder.close(within)
