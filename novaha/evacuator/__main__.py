"""`python -m novaha.evacuator`, started by the resource agent NovaEvacuate.

What it needs no root for it does not do as root: it becomes its own user before it loads the rest
of itself.
"""

import json
import os
import sys

from novaha.core.text import line
from novaha.evacuator import identity


def begin() -> int:
    """Read the settings, give up rights, and run; returns the exit code."""
    try:
        identity.conceal()
        settings = json.load(sys.stdin)
        identity.become(settings.get("user"))
    except (identity.EvacuatorError, OSError, ValueError, TypeError, AttributeError) as error:
        sys.stderr.write(f"{line(error)}\n")
        return 1
    try:
        from novaha.evacuator.process import main
    except (ImportError, OSError) as error:
        who = identity.current()
        sys.stderr.write(f"user {who} cannot load novaha ({line(error)}): ls -ld {sys.prefix}\n")
        return 1
    return main(settings)


sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115
sys.exit(begin())
