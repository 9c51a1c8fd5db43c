"""The behaviour tests' Nova: the real one of a lab that is up, with novaha looking away.

Pacemaker is in maintenance: it restarts nothing and fences nobody. A host's death is that of its
nova-compute and of its guests; its Pacemaker does not matter here.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from keystoneauth1 import session
from keystoneauth1.identity import v3
from novahalab import layout
from novahalab.cloud import settings
from novahalab.cloud.client import ApiError

from novaha.nova.compute import Nova
from tests.behaviour.harness import HOSTS, NEWEST_RUNNING, SOURCE, Evacuation, Seen
from tests.lab.forms import Forms
from tests.lab.site import Site

_COMPUTE = "/usr/bin/nova-compute --config-file /etc/nova/nova.conf"
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
        instances = Forms(self._site, host)
        made = instances.made(forms)
        self.crash(host)
        instances.freed()
        instances.asked(made)
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

    def evacuating_since(self, seconds: float) -> list[str]:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        return [row.instance for row in self._product.evacuations_since(since)]

    def changed_since(self, seconds: float) -> dict[str, tuple[str, str]]:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        return {i.id: (i.vm_state, i.host) for i in self._product.instances_changed(since)}

    def fault(self, instance: str) -> str:
        rows = [row for row in self._product.evacuations_from(SOURCE) if row.instance == instance]
        newest = max(rows, key=lambda row: row.id)
        found = self._product.evacuation_fault(instance, newest.created)
        return found.text if found else ""

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

    @functools.cached_property
    def _product(self) -> Nova:
        login = v3.Password(
            auth_url=settings.AUTH_URL,
            username=settings.ADMIN,
            password=settings.ADMIN,
            project_name=settings.ADMIN,
            user_domain_id="default",
            project_domain_id="default",
        )
        return Nova(session.Session(auth=login), interface="public", region_name=None)

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
