"""The monitor that Pacemaker runs every few seconds, where all is well: one question, one answer.

Half of what the shell agent's took, because it loads next to nothing; the rest of the agent, with
its reasons and its exit codes, is for every other question and every other answer.
"""

from __future__ import annotations

import os

# `socket` itself loads a dozen modules, half of this whole action.
from _socket import AF_UNIX
from _socket import error as SocketError  # noqa: N812
from _socket import socket as Socket  # noqa: N812

from novaha.evacuator.address import RUN_DIR, SOCKET, TURNS, YES

TYPE_CHECKING = False  # as typing has it, without typing
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WITHIN = 5.0
"""Seconds, as the whole agent has it."""


def all_is_well(
    argv: Sequence[str], environ: Mapping[str, str] = os.environ, run_dir: str = RUN_DIR
) -> bool:
    """Whether this is a plain monitor of NovaEvacuate and the evacuator says that its loop turns.

    argv: without the program's name. False means nothing but that somebody has to look closer.
    """
    plain = (
        argv[:1] == ["monitor"]
        and environ.get("OCF_CHECK_LEVEL", "0") in ("", "0")
        and environ.get("PCMK_service") != "crm_resource"  # a person wants to see more
    )
    if not plain:
        return False
    connection = Socket(AF_UNIX)
    try:
        connection.settimeout(_WITHIN)
        connection.connect(f"{run_dir}/{SOCKET}")
        connection.sendall(f"{TURNS}\n".encode())
        return connection.recv(len(YES)) == YES
    except SocketError:
        return False
    finally:
        connection.close()
