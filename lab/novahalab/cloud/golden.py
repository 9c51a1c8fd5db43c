"""The golden copy: a bootstrapped cloud's data, made once, from which every ``up`` starts."""

import base64
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from novahalab import layout
from novahalab.errors import LabError
from novahalab.process import Process, run
from novahalab.sandbox import Sandbox

from . import bootstrap, probes, settings
from .client import Client
from .control import Cloud
from .paths import GOLDEN, CloudPaths

LOCK = layout.SOURCE / "lab/cloud/requirements.lock"
SYSTEM_TABLES = tuple(
    Path("/usr/share/mysql") / f"mysql_{name}.sql"
    for name in ("system_tables", "performance_tables", "system_tables_data")
)
PARTS = ("database", "keys", "images")
_BUILD = GOLDEN.with_name("golden.build")
_SANDBOX = "golden"

Say = Callable[[str], None]


@functools.cache
def key() -> str:
    """Return what the golden copy is made from, as a hash: another one needs another copy.

    Read once: the files may change while this process, with its own code, is at work.
    """
    digest = hashlib.sha256(str(layout.LAB).encode())
    here = Path(__file__).parent
    for name in ("golden.py", "bootstrap.py", "config.py", "paths.py", "settings.py"):
        digest.update((here / name).read_bytes())
    digest.update(LOCK.read_bytes())
    return digest.hexdigest()


def current() -> bool:
    """Whether there is a golden copy that belongs to this code."""
    try:
        return (GOLDEN / "key").read_text() == key()
    except OSError:
        return False


def restore(paths: CloudPaths) -> None:
    """Give a cloud that has no data the golden copy's. Raises LabError if there is none."""
    if not current():
        raise LabError(f"no golden copy of this version's cloud in {GOLDEN}: run `lab install`")
    paths.root.mkdir(parents=True, exist_ok=True)
    copies = [str(GOLDEN / part) for part in PARTS]
    run(["cp", "-a", "--sparse=always", *copies, str(paths.root)], timeout=60)


def build(say: Say) -> None:
    """Make the golden copy: bring a cloud up from nothing, in a namespace of its own."""
    paths = CloudPaths(_BUILD, _BUILD / "logs")
    with _scene(paths) as cloud:
        say("empty database")
        _create_databases(cloud)
        _create_keys(paths)
        cloud.start(["database"])
        say("schemas")
        _migrate(cloud)
        say("keystone, glance and nova-api")
        cloud.start(["keystone", "glance", "nova-api"])
        say("users, image, flavors")
        with probes.network_of(_SANDBOX):
            client = Client()
            bootstrap.identities(client)
            bootstrap.resources(client)
        database = Process.load(paths.process("database"))
        for name in ("keystone", "glance", "nova-api"):
            cloud.stop(name)
        if database:
            database.stop(30)
        _offline_sql(cloud, _finishing_touches(paths))
    (_BUILD / "key").write_text(key())
    shutil.rmtree(GOLDEN, ignore_errors=True)
    _BUILD.rename(GOLDEN)


@contextmanager
def _scene(paths: CloudPaths) -> Iterator[Cloud]:
    """A sandbox that has the cloud's address to itself: a running lab is not disturbed."""
    sandbox = Sandbox(_SANDBOX)
    # The lab's run/ belongs to `up`, and may be another lab's that is up now.
    sandbox.dir = paths.root / "sandbox"
    sandbox.log = paths.log("sandbox")
    namespace = layout.namespace(_SANDBOX)
    _clear(sandbox, namespace)
    hosts = paths.root / "hosts"
    paths.root.mkdir(parents=True)
    hosts.write_text(f"127.0.0.1 localhost\n{settings.ADDRESS} cloud\n")
    try:
        run(["ip", "netns", "add", namespace], timeout=20)
        run(["ip", "-n", namespace, "link", "set", "lo", "up"], timeout=20)
        address = f"{settings.ADDRESS}/32"
        run(["ip", "-n", namespace, "address", "add", address, "dev", "lo"], timeout=20)
        sandbox.start(env={"NOVAHA_LAB_HOSTS": str(hosts)})
        cloud = Cloud(sandbox, paths)
        cloud.configure()
        yield cloud
    finally:
        sandbox.kill()
        run(["ip", "netns", "delete", namespace], timeout=20, check=False)


def _clear(sandbox: Sandbox, namespace: str) -> None:
    """Remove what an interrupted build has left."""
    sandbox.kill()
    if Path("/run/netns", namespace).exists():
        run(["ip", "netns", "delete", namespace], timeout=20)
    shutil.rmtree(_BUILD, ignore_errors=True)


def _offline_sql(cloud: Cloud, sql: str) -> None:
    argv = [*cloud.services["database"].argv, "--bootstrap"]
    cloud.sandbox.exec(argv, input=sql, timeout=120, log=cloud.paths.log("bootstrap"))


def _create_databases(cloud: Cloud) -> None:
    # By hand: mariadb-install-db needs a program that mariadb-server-core does not have.
    parts = ["create database mysql;\nuse mysql;\n"]
    parts += [path.read_text() for path in SYSTEM_TABLES]
    parts += [f"create database {name} character set utf8mb4;\n" for name in settings.DATABASES]
    _offline_sql(cloud, "".join(parts))


def _create_keys(paths: CloudPaths) -> None:
    """Write Keystone's key repositories: 0 is the staged key, 1 the primary one."""
    for repository in ("fernet", "credential"):
        for name in ("0", "1"):
            file = paths.keys / repository / name
            file.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
            file.chmod(0o600)


def _migrate(cloud: Cloud) -> None:
    """Make the schemas of all databases, the cell, and the admin."""
    etc = cloud.paths.etc
    keystone = ("keystone-manage", "--config-file", f"{etc}/keystone.conf")
    nova = ("nova-manage", f"--config-file={etc}/nova.conf")
    cell0 = settings.database_url("nova_cell0")
    chains: dict[str, list[tuple[str, ...]]] = {
        "nova": [
            (*nova, "api_db", "sync"),
            (*nova, "cell_v2", "map_cell0", "--database_connection", cell0),
            (*nova, "db", "sync"),
            (*nova, "cell_v2", "create_cell", "--name", "cell1"),
        ],
        "neutron": [("neutron-db-manage", f"--config-file={etc}/neutron.conf", "upgrade", "heads")],
        "keystone": [(*keystone, "db_sync"), (*keystone, "bootstrap", *_bootstrap_options())],
        "glance": [("glance-manage", f"--config-file={etc}/glance-api.conf", "db_sync")],
        "placement": [("placement-manage", f"--config-file={etc}/placement.conf", "db", "sync")],
    }

    def migrate(name: str) -> None:
        for program, *arguments in chains[name]:
            argv = [str(cloud.paths.venv / "bin" / program), *arguments]
            log = cloud.paths.log(f"migrate-{name}")
            environment = {"PYTHONWARNINGS": "ignore"}
            cloud.sandbox.exec(argv, timeout=300, env=environment, log=log)

    with ThreadPoolExecutor(len(chains)) as pool:
        list(pool.map(migrate, chains))


def _bootstrap_options() -> list[str]:
    options = [f"--bootstrap-password={settings.ADMIN}"]
    options.append(f"--bootstrap-region-id={settings.REGION}")
    options += [f"--bootstrap-{i}-url={settings.AUTH_URL}" for i in ("admin", "public", "internal")]
    return options


def _finishing_touches(paths: CloudPaths) -> str:
    """Return what turns the data of this build into that of any lab."""
    here, there = paths.images, CloudPaths.live().images
    statements = [
        "update glance.image_locations set value = "
        f"replace(value, 'file://{here}/', 'file://{there}/')",
        # A service without a record counts as up as soon as it starts.
        "delete from nova_cell0.services",
        "delete from nova_cell1.services",
    ]
    # Mapped in advance, a compute host can be scheduled to without nova-manage discover_hosts.
    for host in layout.computes(layout.MAX_COMPUTES):
        statements.append(
            "insert into nova_api.host_mappings (created_at, cell_id, host) "
            f"select now(), id, '{host}' from nova_api.cell_mappings where name = 'cell1'"
        )
    return "".join(statement + ";\n" for statement in statements)
