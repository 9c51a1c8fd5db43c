"""`python -m novaha.operate`: the courier, started by the evacuator or by the `novaha` command.

The settings are one line of JSON on standard input (law 9); the courier lives until that is closed.
With "entries" among them these are put into the outbox, delivered if no courier runs, and it ends.
"""

import json
import logging
import os
import resource
import sys
from pathlib import Path
from typing import NoReturn

from novaha.core.errors import NovahaError
from novaha.core.text import line
from novaha.operate import courier
from novaha.operate.entries import loads
from novaha.operate.outbox import NAME, Outbox

_NICE = 10
"""A recovery comes first."""

_ONCE = 5.0
"""Seconds in which a command delivers what it has put in."""


def main() -> int:
    """Returns the exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a URL has a password
    os.nice(_NICE)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s courier: %(message)s",
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = json.loads(sys.stdin.buffer.readline())
        if (entries := settings.get("entries")) is not None:
            outbox = Outbox(Path(settings["state_dir"]) / NAME)
            outbox.put([loads(entry) for entry in entries])
            print("kept", flush=True)
            courier.deliver_once(settings, _ONCE)
        else:
            courier.run(settings, sys.stdin.buffer, sys.stdout)
    except (NovahaError, OSError, ValueError, KeyError) as error:
        print(line(error), file=sys.stderr)
        return 1
    return 0


def _leave(code: int) -> NoReturn:
    """At once: a thread may wait for a database that hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


_leave(main())
