"""The cloud half of the lab: OpenStack's control plane, and nova-compute for the compute nodes.

Keystone, Placement, Glance, Neutron and Nova in one sandbox, ``cloud``, at 10.77.2.2, on MariaDB
and RabbitMQ. For the lab's commands:

- ``install(progress)`` installs packages, the virtual environment and the golden copy.
- ``up(say)`` restores the golden copy and starts everything in the running sandbox ``cloud``,
  returns when all of it answers; ``say(text)`` is told how far it is.
- ``down`` needs nothing from here: kill the sandbox and unmount ``run/``.
- ``cloud()`` returns the running ``Cloud``: ``start([service...])``, ``stop(service)``,
  ``freeze(service)``, ``thaw(service)``, ``status()``, ``log(service)``, ``services`` (names).
- ``compute_config(host, directory)``, ``compute_command()``, ``compute_log(host)``: nova-compute
  on a node; see compute.py for what goes where. Its guests are files (see driver.py): a power
  cut makes all of a host's ``SHUTDOWN``.
- ``Client()``: the APIs; ``wait_computes(hosts)``, ``servers_create(...)``, ``servers()``,
  ``servers_delete(ids)`` and more.

Settings that only a lab has: a service counts as down after 15 s without a report (every 3 s),
notifications are off, quotas are unlimited, the database checks no passwords.
"""

from collections.abc import Callable, Sequence

from novahalab.sandbox import Sandbox

from . import golden
from .client import ApiError, Client, Server
from .compute import compute_command, compute_config, compute_log
from .control import Cloud, ServiceStatus
from .installation import install, install_driver
from .paths import CloudPaths

__all__ = [
    "ApiError",
    "Client",
    "Cloud",
    "Server",
    "ServiceStatus",
    "cloud",
    "compute_command",
    "compute_config",
    "compute_log",
    "install",
    "map_hosts",
    "up",
]


def cloud() -> Cloud:
    """Return the lab's cloud; whether it runs is another question."""
    return Cloud(Sandbox("cloud"), CloudPaths.live())


def map_hosts(hosts: Sequence[str]) -> None:
    """Make hosts known to Nova that the golden copy does not have."""
    Client().wait_computes(hosts, 60, mapped=False)
    it = cloud()
    manage = [str(it.paths.venv / "bin/nova-manage"), f"--config-file={it.paths.etc}/nova.conf"]
    log = it.paths.log("discover-hosts")
    it.sandbox.exec([*manage, "cell_v2", "discover_hosts", "--by-service"], timeout=120, log=log)


def up(say: Callable[[str], None] = lambda _: None) -> Cloud:
    """Bring the cloud up from the golden copy, in the sandbox ``cloud`` that runs already.

    Raises LabError, with the part's name and the end of its log, if a part does not come up.
    """
    it = cloud()
    install_driver()
    say("golden copy")
    golden.restore(it.paths)
    it.configure()
    say("database")
    it.start(["database"])
    it.start(it.services, say)
    return it
