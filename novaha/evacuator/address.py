"""Where the evacuator of this machine is, and the question whether all is well with it.

Imports nothing: a monitor that runs every few seconds reads this.
"""

RUN_DIR = "/run/novaha"
SOCKET = "evacuator.sock"

BELL = "bell"
"""A named pipe; the alert agent, which is a shell script, knows its path, too."""

TURNS = "turns"
"""The question whether the loop turns."""

YES = b'{"turns": true}\n'
"""The whole answer when it does."""
