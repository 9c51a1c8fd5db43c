"""How each service of the cloud is started, and how one sees that it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import probes, settings
from .paths import CloudPaths

ALIASES = {"mariadb": "database", "rabbitmq": "bus"}


@dataclass(frozen=True)
class Service:
    """One service: what runs, and what tells that it works.

    ``answers`` is called inside the cloud's network namespace with the pids of the service.
    ``deadline`` is in seconds from the start, on a busy two-core machine.
    """

    name: str
    argv: tuple[str, ...]
    answers: Callable[[frozenset[int]], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 90


def catalogue(paths: CloudPaths) -> dict[str, Service]:
    """Return all services by name, in the order in which they are started."""
    services = (
        _database(paths),
        _bus(paths),
        _api(paths, "keystone", "keystone.wsgi.api", path="/v3"),
        _api(paths, "placement", "placement.wsgi.api"),
        _nova(paths, "nova-conductor"),
        _nova(paths, "nova-scheduler"),
        _api(paths, "nova-api", "nova.wsgi.osapi_compute"),
        _api(paths, "glance", "glance.wsgi.api"),
        _api(paths, "neutron", str(Path(__file__).with_name("neutron_wsgi.py"))),
    )
    return {service.name: service for service in services}


def _database(paths: CloudPaths) -> Service:
    return Service(
        "database",
        (
            "/usr/sbin/mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={paths.database}",
            f"--socket={paths.root}/database.sock",
            f"--pid-file={paths.root}/database.pid",
            f"--bind-address={settings.ADDRESS}",
            f"--port={settings.PORTS['database']}",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--skip-grant-tables",
            "--skip-networking=0",
            "--performance-schema=off",
            "--character-set-server=utf8mb4",
            "--max-connections=500",
            "--innodb-buffer-pool-size=256M",
            "--innodb-log-file-size=32M",
            # A commit is in the file, if not on the disk: the lab kills processes, not the machine.
            "--innodb-flush-log-at-trx-commit=2",
        ),
        lambda _: probes.database(settings.ADDRESS, settings.PORTS["database"]),
    )


def _bus(paths: CloudPaths) -> Service:
    return Service(
        "bus",
        ("/usr/lib/rabbitmq/bin/rabbitmq-server",),
        lambda _: probes.bus(settings.ADDRESS, settings.PORTS["bus"]),
        env={
            "HOME": str(paths.bus),  # the Erlang cookie is kept here
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_CONFIG_FILE": str(paths.etc / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(paths.etc / "rabbitmq-plugins"),
            "RABBITMQ_MNESIA_BASE": str(paths.bus / "mnesia"),
            "RABBITMQ_LOG_BASE": str(paths.bus / "log"),
            "RABBITMQ_PID_FILE": str(paths.bus / "pid"),
            # Two cores: no busy waiting of Erlang's schedulers.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        },
    )


RABBITMQ_CONF = f"""\
listeners.tcp.1 = {settings.ADDRESS}:{settings.PORTS["bus"]}
default_user = {settings.BUS_USER}
default_pass = {settings.BUS_PASSWORD}
log.console = true
log.console.level = warning
log.file.level = warning
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 50MB
"""


def _api(paths: CloudPaths, name: str, application: str, path: str = "/") -> Service:
    load = ("--wsgi-file",) if application.endswith(".py") else ("--module",)
    return Service(
        name,
        (
            str(paths.venv / "bin/uwsgi"),
            f"--http-socket={settings.ADDRESS}:{settings.PORTS[name]}",
            *load,
            application,
            "--callable=application",
            "--master",
            "--lazy-apps",
            "--need-app",
            "--die-on-term",
            "--processes=1",
            "--threads=8",
            "--enable-threads",
            "--buffer-size=65535",
            "--post-buffering=65536",
            "--add-header=Connection: close",
            "--disable-logging",
            "--listen=100",
        ),
        lambda _: probes.http(settings.url(name, path)),
        env={"PYTHONWARNINGS": "ignore", **_wsgi_environment(paths, name)},
    )


def _wsgi_environment(paths: CloudPaths, name: str) -> dict[str, str]:
    """Return what tells a WSGI application, which has no command line, its configuration."""
    project = {"nova-api": "NOVA"}.get(name, name.upper())
    environment = {f"OS_{project}_CONFIG_DIR": str(paths.etc)}
    files = {"nova-api": "nova-api-paste.ini;nova.conf", "neutron": "neutron.conf"}
    if name in files:
        environment[f"OS_{project}_CONFIG_FILES"] = files[name]
    return environment


def _nova(paths: CloudPaths, name: str) -> Service:
    return Service(
        name,
        (
            str(paths.venv / "bin" / name),
            f"--config-file={paths.etc / 'nova.conf'}",
            f"--log-file={paths.log(name)}",
        ),
        # It has no port of its own; it is there once it listens on the bus.
        lambda pids: probes.connected(pids, settings.ADDRESS, settings.PORTS["bus"]),
        env={"PYTHONWARNINGS": "ignore"},
    )
