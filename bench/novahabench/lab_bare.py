"""The bare script on a controller of the lab (bare.py): started before a host dies, read after."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from novahalab import layout
from novahalab.cloud import settings
from novahalab.cloud.client import Client
from novahalab.process import Process, tail
from novahalab.sandbox import Sandbox

from novaha.evacuator.address import BELL, RUN_DIR
from novahabench import bare
from novahabench.lab_nova import RUNS_AGAIN
from novahabench.mark import BenchError

_READY = 20.0
_ANSWERED = 120.0


class Script:
    """It waits for its host's fencing, in the evacuator's place."""

    def __init__(self, process: Process, log: Path, instances: int) -> None:
        self._process = process
        self._log = log
        self._instances = instances

    def answered(self) -> list[float]:
        """When each evacuation was accepted, seconds of time.time(). Raises BenchError."""
        end = time.monotonic() + _ANSWERED
        while True:
            over = not self._process.alive or time.monotonic() > end
            found = moments(self._log.read_text())
            if len(found) == self._instances:
                return found
            if over:
                raise BenchError(
                    f"the bare script asked for {len(found)} of {self._instances} evacuations; "
                    f"{self._log} ends:\n{tail(self._log)}"
                )
            time.sleep(0.2)


def moments(said: str) -> list[float]:
    """The moments in what the script has said so far; what it says of an error is none."""
    lines = said.splitlines()
    return [float(line) for line in lines[1:] if line.replace(".", "", 1).isdigit()]


@contextmanager
def waiting(
    controller: str, host: str, instances: Sequence[str], *, anew: bool
) -> Iterator[Script]:
    """Meanwhile the script waits on this controller. The evacuator must not run there.

    anew: whether it is started when it is woken, and knows nothing before.

    Raises BenchError when it does not start.
    """
    nova, sandbox, bell = Client(), Sandbox(controller), f"{RUN_DIR}/{BELL}"
    wanted = {
        "bell": bell,
        "node": host,
        "nova": (settings.ADDRESS, settings.PORTS["nova-api"]),
        "keystone": (settings.ADDRESS, settings.PORTS["keystone"]),
        "login": nova.login(),
        "token": "" if anew else nova.token(),
        "service": "" if anew else nova.service(host)["id"],
        "instances": [] if anew else list(instances),
        "microversion": RUNS_AGAIN,
    }
    text = Path(bare.__file__).read_text()
    log = layout.LOGS / controller / "bare.log"
    log.unlink(missing_ok=True)
    argv = ["/usr/bin/python3", "-I", "-c", text]
    env = {bare.WANTED: json.dumps(wanted), **({bare.TEXT: text} if anew else {})}
    process = sandbox.popen(argv, log=log, env=env)
    try:
        end = time.monotonic() + _READY
        while "ready" not in log.read_text():
            if not process.alive or time.monotonic() > end:
                raise BenchError(f"the bare script does not start; {log} ends:\n{tail(log)}")
            time.sleep(0.1)
        yield Script(process, log, len(instances))
    finally:
        process.signal(9)
        sandbox.exec(["rm", "-f", bell])
