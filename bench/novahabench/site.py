"""A whole site on this machine: a controller's surroundings (world) and a simulated Nova."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from novaha.pacemaker.cib import RecordStore
from novahabench.machine import ROOT
from novahabench.mark import BenchError
from novahabench.world import World, run

_CONFIG = """\
[keystone]
auth_type = v3password
auth_url = {url}/identity/v3
username = admin
password = secret
user_domain_name = Default
project_name = admin
project_domain_name = Default
region_name = One
"""

_PID_FILE = Path("/run/novaha/evacuator.pid")


class Nova:
    """A simulated Nova in a process of its own. url: of its Keystone and itself.

    each: seconds that it is busy with each evacuation; see BigNova.
    """

    def __init__(self, world: World, hosts: int, instances: int, each: float = 0.0) -> None:
        sizes = (str(hosts), str(instances), "1.5", str(each))
        paths = ":".join(str(ROOT / part) for part in ("bench", "lab", "."))
        argv = [sys.executable, "-m", "novahabench.simnova", *sizes]
        self._process = world.start("nova", argv, PYTHONPATH=paths)
        log = world.directory / "nova.log"
        world.wait("the simulated Nova", lambda: log.read_text().strip().isdigit())
        self.url = f"http://127.0.0.1:{log.read_text().strip()}"
        self.config = world.directory / "novaha.conf"
        self.config.write_text(_CONFIG.format(url=self.url))
        self.config.chmod(0o600)

    def kill(self) -> None:
        """It dies."""
        self._process.kill()
        self._process.wait()

    def tell(self, what: str, hosts: list[str] | None = None) -> dict[str, Any]:
        """ "crash" or "boot" hosts, "clear" the counts of requests; "look" does nothing."""
        data = json.dumps(hosts or []).encode()
        request = Request(f"{self.url}/_bench/{what}", data, method="POST")  # noqa: S310
        with urlopen(request, timeout=60) as answer:  # noqa: S310 (our own)
            found: dict[str, Any] = json.load(answer)
        return found


class Evacuator:
    """The evacuator, started and ended by its resource agent."""

    def __init__(self, world: World, config: Path) -> None:
        self._world = world
        self.agent = world.resource_agents / "NovaEvacuate"
        self.environment = {
            **world.environment,
            "OCF_RESOURCE_INSTANCE": "nova-evacuate",
            "OCF_RESKEY_config": str(config),
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "OCF_RESKEY_CRM_meta_interval": "10000",
        }
        world.at_end(self.stop)
        began = world.call([str(self.agent), "start"], self.environment)
        if began.returncode:
            raise BenchError(f"the evacuator does not start: {began.stderr.strip()}")
        self.pid = int(_PID_FILE.read_text().split()[0])

    def stop(self) -> None:
        """End it; nothing if it does not run."""
        self._world.call([str(self.agent), "stop"], self.environment)

    def status(self) -> dict[str, Any]:
        """What `novaha status` shows."""
        argv = [str(self._world.novaha), "status", "--output", "json"]
        shown = self._world.call(argv)
        try:
            found: dict[str, Any] = json.loads(shown.stdout)
        except ValueError:
            raise BenchError(f"novaha status: {shown.stderr.strip()}") from None
        return found

    def wait_for_nova(self) -> None:
        """Until it has asked Nova once."""
        end = time.monotonic() + 120
        while self.status()["evacuator"]["nova"]["ok"] is not True:
            if time.monotonic() > end:
                raise BenchError(f"the evacuator does not reach Nova: {self.status()}")
            time.sleep(0.2)


def die(world: World, nova: Nova, hosts: Sequence[str]) -> None:
    """These hosts lose their power; the fencer works off their levels, our flag among them, and
    the alert rings. Raises BenchError when one is not fenced."""
    nova.tell("crash", list(hosts))
    fencings = [
        subprocess.Popen(
            ["stonith_admin", "--reboot", name, "--timeout", "300"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name in hosts
    ]
    for name, fencing in zip(hosts, fencings, strict=True):
        said, _ = fencing.communicate()
        if fencing.returncode:
            raise BenchError(f"{name} could not be fenced: {said.decode().strip()}")
    for name in hosts:  # as the controller daemon does, which is not here
        fenced = f'remote_node="true" node_fenced="{time.time():.0f}"'
        state = f'<node_state id="{name}" uname="{name}" {fenced}/>'
        modify = ["cibadmin", "--modify", "--allow-create", "--scope", "status"]
        run([*modify, "--xml-text", state])
        alert = {"CRM_alert_kind": "fencing", "CRM_alert_rc": "0", "CRM_alert_node": name}
        world.call([str(world.alert)], alert)


def wait_for(state: str, hosts: Sequence[str], limit: float) -> None:
    """Until the records of all of these have this state, "" for no record any more.

    The CIB is asked and not the evacuator, whose time may be what is measured. Raises BenchError
    after `limit` seconds.
    """
    end = time.monotonic() + limit
    records = RecordStore()
    while True:
        found = records.read_all()
        states = {name: str(getattr(record, "state", record)) for name, record in found.items()}
        waiting = {name: states.get(name, "") for name in hosts if states.get(name, "") != state}
        if not waiting:
            return
        if time.monotonic() > end:
            raise BenchError(f"not {state or 'back'} within {limit:g} s: {waiting}")
        time.sleep(0.25)


def check(nova: Nova, hosts: Sequence[str]) -> dict[str, Any]:
    """What the simulation counted. Raises BenchError unless every instance of these hosts was
    moved, once."""
    found = nova.tell("look")
    left = {name: found["left"].get(name, 0) for name in hosts if found["left"].get(name, 0)}
    if left or found["twice"]:
        raise BenchError(f"not moved: {left}; ran twice: {found['twice']}")
    return found
