"""The behaviour tests' Nova: the real one of a lab that is up, with novaha looking away.

Pacemaker is in maintenance: it restarts nothing and fences nobody. A host's death is that of its
nova-compute and of its guests; its Pacemaker does not matter here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from novahalab import layout
from novahalab.cloud.client import ApiError, Client, Server

from tests.behaviour.harness import HOSTS, NEWEST_RUNNING, SECOND, THIRD, Evacuation, Seen
from tests.lab.site import Site

_COMPUTE = "/usr/bin/nova-compute --config-file /etc/nova/nova.conf"
_BOOTED = {
    "stopped": [("os-stop", {})],
    "paused": [("pause", {})],
    "suspended": [("suspend", {})],
    "rescued": [("rescue", {})],
    "shelved": [("shelve", {})],
    "shelved-offloaded": [("shelve", {}), ("shelveOffload", {})],
    "locked": [("lock", {})],
    "error": [("os-resetState", {"state": "error"})],
    "error-stopped": [("os-stop", {}), ("os-resetState", {"state": "error"})],
}
"""What brings a running instance into a form."""
_PENDING = {
    "powering-off": ("os-stop", {}),
    "rebooting": ("reboot", {"type": "SOFT"}),
    "rebooting-hard": ("reboot", {"type": "HARD"}),
}
"""What a nova-compute that has just died never gets to do."""
_ACTIONS = {
    "stop": ("os-stop", {}),
    "pause": ("pause", {}),
    "suspend": ("suspend", {}),
    "reset to error": ("os-resetState", {"state": "error"}),
    "confirm resize": ("confirmResize", {}),
    "hard reboot": ("reboot", {"type": "HARD"}),
}


class LabNova:
    """Fulfils NovaUnderTest."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._nova = site.nova
        self._made: list[str] = []

    # Before and after

    def look_away(self, away: bool) -> None:
        """Let Pacemaker, and so novaha, do nothing; or work again."""
        self._site.on_any_controller(
            "crm_attribute", "--name", "maintenance-mode", "--update", str(away).lower()
        )

    def give_back(self) -> None:
        """Leave the lab as it was found: Pacemaker starts its own nova-computes."""
        self.clean()
        for host in HOSTS:
            self.crash(host)
        self.look_away(False)
        self._site.wait("the lab is whole again", self._site.whole, 300)

    def clean(self) -> None:
        """All hosts up and open, no instance left."""
        self.spawn_delay(0)
        # Hosts first: what is deleted on a host that is dead and believed up stays `deleting`.
        for host in HOSTS:
            if not self._pids(host):
                self.start(host)
        self._nova.servers_delete(server.id for server in self._nova.servers())
        for host in HOSTS:
            while self.force_down(host, False) != 200:  # a start closes one record an instance
                self.crash(host)
                self.start(host)
            self._nova.update_service(host, status="enabled")
        self._nova.wait_computes(HOSTS)

    # NovaUnderTest

    def casualties(self, forms: Iterable[str], host: str) -> Mapping[str, str]:
        made: dict[str, str] = {}
        forms = list(forms)
        for form in forms:
            if form == "resized":
                made[form] = self._resized(host)
            elif form != "building":
                made[form] = self._boot(host)
        for form, instance in made.items():
            for action, arguments in _BOOTED.get(form, []):
                self._nova.action(instance, action, **arguments)
                self.wait(f"{form} is ready", lambda i=instance: self._idle(i))
        if "building" in forms:
            self.spawn_delay(60)
            made["building"] = self._create(host)
            self.wait("it builds", lambda: self._task(made["building"]) == "spawning")
            self.spawn_delay(0)
        self.crash(host)
        for form in forms:
            if form in _PENDING:
                action, arguments = _PENDING[form]
                self._nova.action(made[form], action, **arguments)
            elif form == "deleting":
                self._nova.compute("DELETE", f"/servers/{made[form]}")
        if "password" in forms:
            # Nova's API waits for the answer of the dead one, so this one does not wait for it.
            body = {"changePassword": {"adminPass": "other"}}
            with contextlib.suppress(ApiError):
                Client(timeout=2).compute("POST", f"/servers/{made['password']}/action", body)
            assert self._task(made["password"]) == "updating_password"
        return made

    def crash(self, host: str) -> None:
        for pid in self._pids(host):
            self._site.on(host, "kill", "-9", pid)
        self.wait(f"nova-compute on {host} is dead", lambda: not self._pids(host))
        for guest in (layout.GUESTS / host).iterdir():
            guest.write_text(guest.read_text().replace("RUNNING", "SHUTDOWN"))

    def start(self, host: str) -> None:
        before = self._nova.service(host)["updated_at"]
        self._site.on(host, "sh", "-c", f"setsid {_COMPUTE} </dev/null >/dev/null 2>&1 &")
        # Its first heartbeat comes after it has looked through its instances.
        self.wait(
            f"nova-compute on {host} beats",
            lambda: self._nova.service(host)["updated_at"] != before,
        )

    def force_down(self, host: str, down: bool) -> int:
        return _code(lambda: self._nova.update_service(host, forced_down=down))

    def close(self, *hosts: str) -> None:
        for host in HOSTS:
            status = "disabled" if host in hosts else "enabled"
            self._nova.update_service(host, status=status)

    def spawn_delay(self, seconds: float) -> None:
        self._site.spawn_delay(seconds)

    def evacuate(
        self, instance: str, microversion: str = NEWEST_RUNNING, target: str | None = None
    ) -> int:
        body = {"evacuate": {"host": target} if target else {}}
        path = f"/servers/{instance}/action"
        return _code(lambda: self._nova.compute("POST", path, body, microversion))

    def act(self, instance: str, action: str) -> int:
        name, arguments = _ACTIONS[action]
        return _code(lambda: self._nova.action(instance, name, **arguments))

    def delete(self, instance: str) -> None:
        self._nova.servers_delete([instance])

    def seen(self, instance: str) -> Seen | None:
        try:
            data = self._nova.compute("GET", f"/servers/{instance}")["server"]
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return Seen(
            data["OS-EXT-STS:vm_state"],
            data["OS-EXT-STS:task_state"],
            data["OS-EXT-SRV-ATTR:host"] or "",
            data["OS-EXT-STS:power_state"],
            data.get("fault", {}).get("message", ""),
        )

    def evacuations(self, instance: str) -> list[Evacuation]:
        rows = self._nova.migrations(instance_uuid=instance, migration_type="evacuation")
        rows.sort(key=lambda row: int(row["id"]))
        return [Evacuation(row["status"], row["dest_compute"]) for row in rows]

    def guests(self, instance: str) -> set[str]:
        found = layout.GUESTS.glob(f"*/{instance}")
        return {path.parent.name for path in found if path.read_text().startswith("RUNNING")}

    def up(self, host: str) -> bool:
        return bool(self._nova.service(host)["state"] == "up")

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < end, f"not within 180 s: {what}"
            time.sleep(0.05)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    # Inside

    def _boot(self, host: str) -> str:
        made: Server
        (made,) = self._nova.servers_create(1, host=host, name_prefix="behaviour")
        return made.id

    def _create(self, host: str) -> str:
        image = self._nova.call("GET", "glance", "/v2/images?name=tiny")["images"][0]["id"]
        body: dict[str, Any] = {
            "name": "building",
            "imageRef": image,
            "flavorRef": self._flavors()[0],
            "networks": "none",
            "host": host,
        }
        return str(self._nova.compute("POST", "/servers", {"server": body})["server"]["id"])

    def _resized(self, host: str) -> str:
        """Resized to `host`, from the second host, and not confirmed."""
        instance = self._boot(SECOND)
        self.close(THIRD)
        flavor = self._flavors()[1]
        self._nova.action(instance, "resize", flavorRef=flavor)
        self.wait("it is resized", lambda: self._seen(instance).vm_state == "resized")
        self.close()
        assert self._seen(instance).host == host, "it was resized to another host"
        return instance

    def _flavors(self) -> list[str]:
        flavors = self._nova.compute("GET", "/flavors")["flavors"]
        return [str(f["id"]) for f in sorted(flavors, key=lambda f: f["name"] != "m1.nano")]

    def _seen(self, instance: str) -> Seen:
        seen = self.seen(instance)
        assert seen is not None, f"Nova has no instance {instance}"
        return seen

    def _task(self, instance: str) -> str | None:
        return self._seen(instance).task_state

    def _idle(self, instance: str) -> bool:
        return self._task(instance) is None

    def _pids(self, host: str) -> list[str]:
        return self._site.compute_processes(host)


def _code(request: Callable[[], object]) -> int:
    try:
        request()
    except ApiError as error:
        if error.status is None:
            raise
        return error.status
    return 200
