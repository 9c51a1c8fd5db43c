"""Busy processes, so many that the machine has a given load a core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SPIN = "while True: pass"
_FORK = "import subprocess\nwhile True: subprocess.run(['/bin/true'])"


@contextmanager
def busy(per_core: int) -> Iterator[int]:
    """Meanwhile so many processes a core compete with everything; yields how many in all.

    One in five starts other programs all the time. Each has a session of its own: a kernel that
    shares the processor by sessions gives none of them less for it.
    """
    count = per_core * len(os.sched_getaffinity(0))
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            program = _FORK if number % 5 == 4 else _SPIN
            argv = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-I", "-c", program]
            started.append(subprocess.Popen(argv, start_new_session=True))
        yield count
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
