"""nova-compute on a compute node: its configuration, and its launcher."""

import uuid
from pathlib import Path

from novahalab import layout

from . import config
from .paths import VENV

# Where nova-compute is for whoever starts it on a compute node.
COMMAND = ("/usr/bin/nova-compute", "--config-file", "/etc/nova/nova.conf")
_NODES = uuid.UUID("a7c8a4a1-6a3a-4a0e-9d2c-6f1d2b6a52e4")


def compute_command() -> tuple[str, ...]:
    """Return how nova-compute is started inside a compute node."""
    return COMMAND


def compute_config(host: str, directory: Path) -> None:
    """Write what nova-compute on ``host`` needs, below ``directory``.

    - ``etc/nova.conf``: bind ``etc`` to /etc/nova of the node and of its host root;
    - ``lib/``: its state, with the identity ``compute_id``: bind it to /var/lib/nova of both;
    - ``nova-compute``: the launcher, to be bound to, or copied as, /usr/bin/nova-compute.

    An identity that is there already stays: it must outlive the node's reboots.
    """
    etc, lib = directory / "etc", directory / "lib"
    for path in (etc, lib / "instances", lib / "lock", layout.GUESTS / host):
        path.mkdir(parents=True, exist_ok=True)
    text = config.render(config.nova_compute(host, layout.GUESTS, compute_log(host)))
    _write(etc / "nova.conf", text, 0o600)
    # Nova refuses a host that it knows and that comes back under another identity.
    _write(lib / "compute_id", f"{uuid.uuid5(_NODES, host)}\n", 0o644)
    _write(directory / "nova-compute", launcher(), 0o755)


def launcher() -> str:
    """Return the script /usr/bin/nova-compute of a compute node.

    OpenStack's Python is the machine's own, so it runs in the machine's root, which every node
    has at the same place. ``exec`` keeps the pid, and the command line ends in what was asked for.
    """
    program = VENV / "bin" / "nova-compute"
    return f'#!/bin/sh\nexec chroot {layout.HOSTROOT} {program} "$@"\n'


def compute_log(host: str) -> Path:
    """Return the log of nova-compute on a host."""
    return layout.LOGS / host / "nova-compute.log"


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)
