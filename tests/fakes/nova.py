"""A small model of Nova, with the states, answers and delays that were measured on the real one.

Time is a number that `advance` moves. What makes it worth having beside the lab: every
interleaving can be had, and guests that run on two hosts can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from novaha.core.errors import ComputeApiError, RefusedError
from novaha.core.model import EVACUABLE, ComputeService, Instance, Migration

REPORT_INTERVAL = 3.0
SERVICE_DOWN_TIME = 15.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Host:
    """A compute host.

    running: its nova-compute runs. last_beat: what Nova calls last_seen_up. updated: when the
    service's row was last changed, by a beat or by a request. hidden: Placement's trait
    COMPUTE_STATUS_DISABLED, which keeps the scheduler away.
    """

    name: str
    running: bool = True
    forced_down: bool = False
    enabled: bool = True
    disabled_reason: str = ""
    last_beat: float = 0.0
    next_beat: float = 0.0
    updated: float = 0.0
    hidden: bool = False
    room: int = 1000
    lives: int = 0


@dataclass
class FakeNova:
    """Fulfils novaha.core.ports.Compute.

    guests: where each instance really runs, whatever the database says.
    faults: by method name, errors to raise on the next calls (None: no error); an entry
    ("after", error) does the work first, as when only the answer is lost.
    requests: every evacuate that was asked for, with the time.
    """

    spawn_delay: float = 1.5
    now: float = 0.0
    hosts: dict[str, Host] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    migrations: list[Migration] = field(default_factory=list)
    guests: dict[str, set[str]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    faults: dict[str, list[object]] = field(default_factory=dict)
    requests: list[tuple[float, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    down: ComputeApiError | None = None
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0

    # The world

    def add_host(self, name: str, **options: object) -> None:
        self.hosts[name] = replace(Host(name), **options)

    def add_instance(self, instance: str, host: str, vm_state: str = "active") -> None:
        power = 1 if vm_state == "active" else 4
        self.instances[instance] = Instance(
            instance, f"name-{instance}", host, vm_state, None, power
        )
        self.guests[instance] = {host} if vm_state == "active" else set()

    def crash(self, host: str) -> None:
        """The machine dies: its guests and its nova-compute are gone."""
        self.hosts[host].running = False
        self.hosts[host].lives += 1
        for where in self.guests.values():
            where.discard(host)

    def start_compute(self, host: str) -> None:
        """nova-compute starts: finished evacuations away from it become `completed`."""
        self.hosts[host].running = True
        self.hosts[host].next_beat = self.now + REPORT_INTERVAL  # not at once
        self.hosts[host].hidden = not self.hosts[host].enabled
        taken: set[str] = set()
        for index in reversed(range(len(self.migrations))):  # one record an instance a restart
            m = self.migrations[index]
            unfinished = m.status in ("accepted", "pre-migrating", "done")
            if m.source == host and unfinished and m.instance not in taken:
                taken.add(m.instance)
                self.migrations[index] = replace(m, status="completed")

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted(e for e in self._events if e[0] <= end):
            first = due[0]
            self._events.remove(first)
            self.now = max(self.now, first[0])
            first[2]()
        self.now = end
        for host in self.hosts.values():
            if host.running and host.next_beat <= end:
                host.last_beat = host.updated = end
                host.next_beat = end + REPORT_INTERVAL

    # The API

    def services(self) -> list[ComputeService]:
        self._answer("services")
        return [
            ComputeService(
                id=f"service-{h.name}",
                host=h.name,
                up=self._up(h),
                forced_down=h.forced_down,
                enabled=h.enabled,
                disabled_reason=h.disabled_reason,
                last_seen=EPOCH + timedelta(seconds=h.updated),
            )
            for h in self.hosts.values()
        ]

    def instances_on(self, host: str) -> list[Instance]:
        self._answer("instances_on")
        return [i for i in self.instances.values() if i.host == host]

    def instance(self, instance: str) -> Instance | None:
        self._answer("instance")
        return self.instances.get(instance)

    def evacuations_from(self, host: str) -> list[Migration]:
        self._answer("evacuations_from")
        return [m for m in self.migrations if m.source == host]

    def evacuate(self, instance: str) -> None:
        later = self._answer("evacuate")
        self.requests.append((self.now, instance))
        found = self.instances.get(instance)
        if found is None:
            raise RefusedError("evacuate", 404, "Instance could not be found.")
        if found.vm_state not in EVACUABLE:
            raise RefusedError("evacuate", 409, f"it is in vm_state {found.vm_state}")
        if not self.hosts[found.host].forced_down:
            raise RefusedError("evacuate", 400, f"Compute service of {found.host} is still in use.")
        self._begin(found)
        if later:
            raise later

    def stop(self, instance: str) -> None:
        self._answer("stop")
        self._set(instance, vm_state="stopped", power_state=4)
        self.guests[instance].clear()

    def set_forced_down(self, service: ComputeService, forced_down: bool) -> None:
        self._answer("set_forced_down")
        unfinished = any(m.source == service.host and m.status == "done" for m in self.migrations)
        if not forced_down and unfinished:
            raise RefusedError("force", 400, "`done` evacuation migration records remain")
        self.hosts[service.host].forced_down = forced_down
        self.hosts[service.host].updated = self.now

    def disable(self, service: ComputeService, reason: str) -> None:
        self._answer("disable")
        self.hosts[service.host].enabled = False
        self.hosts[service.host].disabled_reason = reason
        self.hosts[service.host].updated = self.now

    def enable(self, service: ComputeService) -> None:
        self._answer("enable")
        self.hosts[service.host].enabled = True
        self.hosts[service.host].disabled_reason = ""
        self.hosts[service.host].updated = self.now
        if self._up(self.hosts[service.host]):  # else its trait stays until the next restart
            self.hosts[service.host].hidden = False

    # What goes on inside

    def _up(self, host: Host) -> bool:
        return not host.forced_down and self.now - host.last_beat < SERVICE_DOWN_TIME

    def _answer(self, method: str) -> Exception | None:
        self.calls.append(method)
        if self.down is not None:
            raise self.down
        fault = self.faults[method].pop(0) if self.faults.get(method) else None
        if isinstance(fault, tuple):
            return fault[1]
        if isinstance(fault, Exception):
            raise fault
        return None

    def _begin(self, found: Instance) -> None:
        number = len(self.migrations) + 1
        was_stopped = found.vm_state == "stopped"
        self.migrations.append(Migration(number, found.id, found.host, None, "accepted"))
        self._set(found.id, task_state="rebuilding")
        self._later(0.2, lambda: self._schedule(number, found, was_stopped))

    def _schedule(self, number: int, found: Instance, was_stopped: bool) -> None:
        load = {
            h.name: sum(1 for i in self.instances.values() if i.host == h.name)
            + sum(
                1
                for m in self.migrations
                if m.destination == h.name and m.status == "pre-migrating"
            )
            for h in self.hosts.values()
            if self._up(h) and h.running and h.enabled and not h.hidden
        }
        room = [n for n in sorted(load, key=lambda n: load[n]) if load[n] < self.hosts[n].room]
        if not room:
            self._migration(number, status="error")
            self._set(found.id, vm_state="error", task_state=None, fault="No valid host was found.")
            return
        self._migration(number, status="pre-migrating", destination=room[0])
        self._set(found.id, task_state="rebuild_spawning")
        life = self.hosts[room[0]].lives

        def spawned() -> None:
            if self.hosts[room[0]].lives == life:  # else it died half-way: nothing more happens
                self._spawned(number, found, room[0], was_stopped)

        self._later(self.spawn_delay, spawned)

    def _spawned(self, number: int, found: Instance, destination: str, was_stopped: bool) -> None:
        where = self.guests[found.id]
        where.add(destination)
        if len(where) > 1:
            self.twice.append(found.id)
        self._set(found.id, vm_state="active", task_state=None, power_state=1, fault="")
        self._migration(number, status="done")
        self._later(0.1, lambda: self._arrived(found, destination, was_stopped))

    def _arrived(self, found: Instance, destination: str, was_stopped: bool) -> None:
        self._set(found.id, host=destination)
        if was_stopped:
            self._set(found.id, vm_state="stopped", power_state=4)
            self.guests[found.id].clear()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._order += 1
        self._events.append((self.now + seconds, self._order, action))

    def _set(self, instance: str, **changes: object) -> None:
        if instance in self.instances:
            self.instances[instance] = replace(self.instances[instance], **changes)

    def _migration(self, number: int, **changes: object) -> None:
        self.migrations[number - 1] = replace(self.migrations[number - 1], **changes)
