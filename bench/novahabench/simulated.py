"""A simulated Nova for scale: the behaviour suite's model (tests.fakes) in real time.

What it answers, and after how long, is the model's; here it only gets faster at looking things up
among tens of thousands of instances.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from novaha.core.model import Migration
from novahabench.world import host
from tests.fakes.cloud import EPOCH, Cloud, Flight
from tests.fakes.nova import FakeNova
from tests.fakes.servers import Server


class Table(dict[str, Server]):
    """The instances, with an index by host, and when each changed by the clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.on: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.changed: dict[str, float] = {}

    def __setitem__(self, key: str, server: Server) -> None:
        before = self.get(key)
        if before is not None and before.host != server.host:
            del self.on[before.host][key]
        self.on[server.host][key] = None
        if before is not None:
            self.changed[key] = self._clock()
        super().__setitem__(key, server)


class BigNova(FakeNova):
    """The model with indexes. Its clock is the real one, from its making on.

    each: seconds that it is busy with placing each instance, one after the other; on the two
    cores of the lab it is 0.35.
    """

    def __init__(self, hosts: int, instances: int, spawn_delay: float, each: float) -> None:
        super().__init__(spawn_delay=spawn_delay)
        self._each = each
        self._free_at = 0.0
        self._placed: set[int] = set()
        self._began = time.monotonic()
        self.epoch = datetime.now(UTC)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._rows: dict[int, int] = {}
        self._coming: Counter[str] = Counter()
        self.table = Table(lambda: self.now)
        self.instances = self.table
        for number in range(1, hosts + 1):
            self.add_host(host(number))
        names = itertools.cycle(self.hosts)
        for number in range(1, instances + 1):
            self.add_instance(str(UUID(int=number)), next(names))

    def go_on(self) -> None:
        """Let happen what is due by now."""
        self.advance(max(0.0, time.monotonic() - self._began - self.now))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            at, _, action = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            action()
        Cloud.advance(self, end - self.now)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (self.now + seconds, self._order, action))

    def on_host(self, name: str) -> list[Server]:
        """In a stable order."""
        return [self.table[instance] for instance in sorted(self.table.on[name])]

    def changed_since(self, moment: datetime) -> list[Server]:
        """In a stable order."""
        since = (moment - self.epoch).total_seconds()
        return [self.table[i] for i, at in sorted(self.table.changed.items()) if at >= since]

    def date(self, moment: datetime) -> str:
        """A time of the model as the API shows it, in the real time."""
        return (moment - EPOCH + self.epoch).strftime("%Y-%m-%dT%H:%M:%S.%f")

    def evacuations(self, source: str) -> list[Migration]:
        return [m for m in self.migrations if m.source == source]

    def _schedule(self, flight: Flight) -> None:
        if flight.number in self._placed:
            super()._schedule(flight)
            return
        self._placed.add(flight.number)
        self._free_at = max(self.now, self._free_at) + self._each
        self._then(self._free_at - self.now, flight, self._schedule)

    def _record(self, flight: Flight, **changes: object) -> None:
        if flight.number not in self._rows:
            for index in range(len(self._rows), len(self.migrations)):
                self._rows[self.migrations[index].id] = index
        index = self._rows[flight.number]
        row = self.migrations[index]
        if "destination" in changes:
            self._coming[str(changes["destination"])] += 1
        self.migrations[index] = replace(row, **changes)  # type: ignore[arg-type]

    def _destination(self, flight: Flight) -> str | None:
        able = (
            h.name
            for h in self.hosts.values()
            if self.up(h) and h.running and h.enabled and not h.hidden
        )
        load = {n: len(self.table.on[n]) + self._coming[n] for n in able}
        room = [n for n in load if load[n] < self.hosts[n].room and flight.wanted in (None, n)]
        return min(room, key=lambda n: load[n], default=None)

    def _arrived(self, flight: Flight) -> None:
        super()._arrived(flight)
        self._coming[str(flight.destination)] -= 1


def shown(server: Server) -> dict[str, Any]:
    """As Nova's API shows a server to an admin; as much of it as a real one has."""
    links = [{"rel": rel, "href": f"http://controller/v2.1/servers/{server.id}"} for rel in "ab"]
    address = {
        "version": 4,
        "addr": "10.0.0.17",
        "OS-EXT-IPS:type": "fixed",
        "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:17",
    }
    fault = {"fault": {"code": 500, "message": server.fault}} if server.fault else {}
    return {
        "id": server.id,
        "name": server.name,
        "status": "ACTIVE" if server.vm_state == "active" else server.vm_state.upper(),
        "tenant_id": "6f70656e737461636b20342065766572",
        "user_id": "fake",
        "metadata": {"My Server Name": "Apache1"},
        "hostId": "2091634baaccdc4c5a1d57069c833e402921df696b7f970791b12ec6",
        "image": {"id": "70a599e0-31e7-49b7-b260-868f441e862b", "links": links},
        "flavor": {
            "vcpus": 1,
            "ram": 512,
            "disk": 1,
            "ephemeral": 0,
            "swap": 0,
            "original_name": "m1.tiny.specs",
            "extra_specs": {"hw:numa_nodes": "1"},
        },
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
        "addresses": {"private": [address]},
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links,
        "OS-DCF:diskConfig": "AUTO",
        "progress": 0,
        "OS-EXT-AZ:availability_zone": "nova",
        "config_drive": "",
        "key_name": None,
        "OS-SRV-USG:launched_at": "2026-01-01T00:00:00.000000",
        "OS-SRV-USG:terminated_at": None,
        "security_groups": [{"name": "default"}],
        "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
        "OS-EXT-SRV-ATTR:hostname": server.name,
        "OS-EXT-SRV-ATTR:reservation_id": "r-00000001",
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:user_data": None,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": [],
        "host_status": "UP",
        "locked": server.locked,
        "locked_reason": None,
        "description": None,
        "tags": [],
        "trusted_image_certificates": None,
        "server_groups": [],
        **fault,
    }


def migration(nova: BigNova, row: Migration) -> dict[str, Any]:
    """As Nova's API shows a migration."""
    made = nova.date(row.created) if row.created else None
    return {
        "id": row.id,
        "uuid": str(UUID(int=row.id)),
        "instance_uuid": row.instance,
        "source_compute": row.source,
        "dest_compute": row.destination,
        "source_node": row.source,
        "dest_node": row.destination,
        "dest_host": None,
        "status": row.status,
        "migration_type": "evacuation",
        "old_instance_type_id": 1,
        "new_instance_type_id": 1,
        "created_at": made,
        "updated_at": made,
        "user_id": "fake",
        "project_id": "fake",
    }


def service(nova: BigNova, name: str) -> dict[str, Any]:
    """As Nova's API shows a nova-compute."""
    found = nova.hosts[name]
    return {
        "id": f"service-{name}",
        "binary": "nova-compute",
        "host": name,
        "zone": "nova",
        "status": "enabled" if found.enabled else "disabled",
        "disabled_reason": found.disabled_reason or None,
        "state": "up" if nova.up(found) else "down",
        "forced_down": found.forced_down,
        "updated_at": nova.date(EPOCH + timedelta(seconds=found.updated)),
    }
