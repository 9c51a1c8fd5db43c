"""Whether libvirt answers.

A hung libvirt has a process and a listening socket, and nova-compute waits for it for ever. Only
a round trip tells: connect, and ask for something that the hypervisor's driver answers from
memory. It is asked by virsh in a process of its own: libvirt's client knows no time-out, and its
keepalives begin only when the connection stands (measured: docs/facts.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from novaha.agents.runtime import ActionError
from novaha.contract.ocf import ExitCode
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Runner


class NotAnsweringError(ActionError):
    """libvirt gives no answer."""


def ask(run: Runner, uri: str, seconds: float) -> None:
    """One round trip; raises NotAnsweringError when there is no answer within `seconds`.

    Not `version`: it also asks QEMU, whose packages may be in the middle of an upgrade.
    """
    try:
        virsh(run, ["--connect", uri, "list", "--name"], seconds)
    except ClusterToolError as error:
        raise NotAnsweringError(
            ExitCode.ERR_GENERIC, f"libvirt does not answer at {uri}: {error}"
        ) from error


def virsh(run: Runner, arguments: Sequence[str], seconds: float) -> None:
    """Raises ClusterToolError, or ActionError when there is no virsh."""
    try:
        run(["virsh", *arguments], timeout=seconds)
    except ClusterToolError as error:
        if error.returncode == 127:
            raise ActionError(
                ExitCode.ERR_INSTALLED, "virsh is not installed on this node, or cannot be run"
            ) from error
        raise
