"""What goes on inside the model of Nova: hosts, instances, and evacuations on their way.

Every delay and every outcome is one that was measured on the real one (docs/facts.md); the
behaviour suite (tests/behaviour) holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from novaha.core.model import Migration
from tests.fakes.servers import FORMS, RUNNING, UNKNOWN_POWER, Server, made

REPORT_INTERVAL = 3.0
SERVICE_DOWN_TIME = 15.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

SCHEDULING = 0.35
"""Seconds from an accepted evacuate until its destination is known."""
CLAIMING = 0.3
"""Seconds from there until the guest begins to boot."""
SETTLING = 0.1
"""Seconds for which an instance that was brought up still shows its old host."""
QUICK = 0.2
"""Seconds that a living nova-compute takes to stop, pause or suspend a guest."""

OPEN = ("accepted", "pre-migrating", "done")
"""The evacuation records that a starting nova-compute closes."""


@dataclass
class Host:
    """A compute host.

    powered: the machine is on. running: its nova-compute runs. last_beat: what Nova calls
    last_seen_up. updated: when the service's row was last changed, by a beat or by a request.
    hidden: Placement's trait COMPUTE_STATUS_DISABLED, which keeps the scheduler away. room: how
    many instances fit.
    spawn_fails: guests cannot be booted here. lives: how often it has died.
    """

    name: str
    powered: bool = True
    running: bool = True
    forced_down: bool = False
    enabled: bool = True
    disabled_reason: str = ""
    last_beat: float = 0.0
    next_beat: float = 0.0
    updated: float = 0.0
    hidden: bool = False
    room: int = 1000
    spawn_fails: bool = False
    lives: int = 0


@dataclass
class Flight:
    """An evacuation that may yet boot a guest. life: of the destination, when it was chosen."""

    number: int
    instance: str
    source: str
    was_stopped: bool
    wanted: str | None = None
    destination: str | None = None
    life: int = 0


@dataclass
class Cloud:
    """Nova's database and its hypervisors; time is a number that `advance` moves.

    guests: where each instance really runs, whatever the database says.
    twice: instances that ran on two hosts at once.
    flights: evacuations that may still boot a guest, by the number of their record.
    receivers: the destinations of live migrations that have not ended, by instance.
    landed: of these, the guests that run on their destination when the source dies, before Nova
        knows.
    resized_from: where the copy of an instance is whose resize is not confirmed.
    left: guests that failed evacuations left behind, instance and host. reasons: of evacuations
        that failed at their destination, by their ids.
    failed_actions: instances whose newest evacuation has an error in their log of actions.
    arrived: ids of evacuations that have come to their end.
    deleted: how many instances were deleted. gone: those, which only lists of changes show.
    changed: when each instance was last changed.
    """

    spawn_delay: float = 1.5
    now: float = 0.0
    hosts: dict[str, Host] = field(default_factory=dict)
    instances: dict[str, Server] = field(default_factory=dict)
    migrations: list[Migration] = field(default_factory=list)
    guests: dict[str, set[str]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    flights: dict[int, Flight] = field(default_factory=dict)
    receivers: dict[str, str] = field(default_factory=dict)
    landed: set[str] = field(default_factory=set)
    resized_from: dict[str, str] = field(default_factory=dict)
    left: set[tuple[str, str]] = field(default_factory=set)
    reasons: dict[int, str] = field(default_factory=dict)
    failed_actions: set[str] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)
    deleted: int = 0
    gone: dict[str, Server] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0
    _numbered: int = 0

    def add_host(self, name: str, **options: object) -> None:
        self.hosts[name] = replace(Host(name), **options)

    def add_instance(self, instance: str, host: str, form: str = "active") -> None:
        """An instance in one of the forms of tests.fakes.servers."""
        server = made(instance, host, form)
        self.instances[instance] = server
        self.guests[instance] = {host} if FORMS[form].runs and server.host else set()

    def remove(self, instance: str) -> None:
        """Deleted by its owner: gone from the database, and from where it ran."""
        if (found := self.instances.pop(instance, None)) is not None:
            self.deleted += 1
            self.gone[instance] = replace(found, vm_state="deleted", task_state=None)
            self.changed[instance] = self.now
        self.guests[instance].clear()
        self.left = {(i, host) for i, host in self.left if i != instance}

    def end_guest(self, instance: str, host: str) -> None:
        """An operator ends one that Nova has lost."""
        self.left.discard((instance, host))
        self.guests[instance].discard(host)

    def crash(self, host: str) -> None:
        """The machine dies: its guests and its nova-compute are gone."""
        self.hosts[host].powered = self.hosts[host].running = False
        self.hosts[host].lives += 1
        self.left = {(i, where) for i, where in self.left if where != host}
        for where in self.guests.values():
            where.discard(host)
        for instance in self.landed & self.instances.keys():
            receiver = self.receivers[instance]
            if self.instances[instance].host == host and self.hosts[receiver].powered:
                self.guests[instance].add(receiver)
        self.lose_flights(lambda flight: flight.destination == host)

    def start_compute(self, host: str) -> None:
        """nova-compute starts: closes evacuations away from it, boots what it still has."""
        self.hosts[host].powered = self.hosts[host].running = True
        self.hosts[host].next_beat = self.now + REPORT_INTERVAL  # not at once
        self.hosts[host].hidden = not self.hosts[host].enabled
        taken: set[str] = set()
        for index in reversed(range(len(self.migrations))):  # one record an instance a restart
            m = self.migrations[index]
            if m.source == host and m.status in OPEN and m.instance not in taken:
                taken.add(m.instance)
                self.migrations[index] = replace(m, status="completed")
        for instance in taken:
            self.guests[instance].discard(host)
        for server in list(self.instances.values()):
            if server.host == host and server.id not in taken:
                self._resume(server)

    def restart_compute(self, host: str) -> None:
        """nova-compute alone starts anew: its guests go on, what it was about to do is lost."""
        self.lose_flights(lambda flight: flight.destination == host)
        self.start_compute(host)

    def lose_conductor(self) -> None:
        """A conductor gives up on what has no destination yet, and says so only in the log."""
        self.lose_flights(lambda flight: flight.destination is None, logged=True)

    def lose_flights(self, which: Callable[[Flight], bool], *, logged: bool = False) -> None:
        """Nobody works on these any more; their records stay as they are."""
        for flight in [f for f in self.flights.values() if which(f)]:
            del self.flights[flight.number]
            if logged:
                self.failed_actions.add(flight.instance)

    def _resume(self, server: Server) -> None:
        """What init_host does about an instance (with resume_guests_state_on_host_boot)."""
        arrived = self.receivers.pop(server.id, None) in self.guests[server.id]
        self.landed.discard(server.id)
        if server.task_state == "deleting":
            self.remove(server.id)
        elif server.vm_state == "building":
            self.set(server.id, vm_state="error", task_state=None)
        elif server.task_state == "powering-off":
            self.set(server.id, vm_state="stopped", task_state=None, power_state=4)
            self.guests[server.id].discard(server.host)
        elif arrived:  # its live migration had come to its end, and it goes on there
            (host,) = self.guests[server.id]
            self.set(server.id, task_state=None, host=host)
        elif server.vm_state in ("active", "rescued"):
            self.set(server.id, task_state=None, power_state=RUNNING)
            self.boot_guest(server.id, server.host)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted(e for e in self._events if e[0] <= end):
            first = due[0]
            self._events.remove(first)
            self.now = max(self.now, first[0])
            first[2]()
        self.now = max(self.now, end)
        for host in self.hosts.values():
            if host.running and host.next_beat <= end:
                host.last_beat = host.updated = end
                host.next_beat = end + REPORT_INTERVAL

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self._order += 1
        self._events.append((self.now + seconds, self._order, action))

    def up(self, host: Host) -> bool:
        """Whether Nova believes that the host's nova-compute runs."""
        return not host.forced_down and self.now - host.last_beat < SERVICE_DOWN_TIME

    def set(self, instance: str, **changes: object) -> None:
        if instance in self.instances:
            self.instances[instance] = replace(self.instances[instance], **changes)
            self.changed[instance] = self.now

    def boot_guest(self, instance: str, host: str) -> None:
        where = self.guests[instance]
        where.add(host)
        if len(where) > 1:
            self.twice.append(instance)

    def change(self, instance: str, task: str, vm_state: str, power_state: int) -> None:
        """A living nova-compute changes a guest; a dead one leaves the task for ever."""
        host = self.hosts[self.instances[instance].host]
        self.set(instance, task_state=task)

        def changed() -> None:
            server = self.instances.get(instance)
            if server is None or server.task_state != task or server.host != host.name:
                return
            self.set(instance, vm_state=vm_state, task_state=None, power_state=power_state)
            self.guests[instance].discard(host.name)

        if host.running:
            self.later(QUICK, changed)

    # An evacuation, from the request on

    def begin(self, server: Server, *, ends_stopped: bool, wanted: str | None) -> None:
        self._numbered += 1
        number = self._numbered
        created = EPOCH + timedelta(seconds=self.now)
        self.migrations.append(
            Migration(number, server.id, server.host, None, "accepted", created, created)
        )
        self.set(server.id, task_state="rebuilding")
        flight = Flight(number, server.id, server.host, ends_stopped, wanted)
        self.flights[number] = flight
        self.failed_actions.discard(server.id)
        self._then(SCHEDULING, flight, self._schedule)

    def _schedule(self, flight: Flight) -> None:
        if flight.instance not in self.instances:
            self._fail(flight, "error")
            return
        destination = self._destination(flight)
        if destination is None:
            self._fail(flight, "error", "No valid host was found.")
            return
        flight.destination, flight.life = destination, self.hosts[destination].lives
        self._record(flight, status="pre-migrating", destination=destination)
        self._then(CLAIMING, flight, self._spawn)

    def _destination(self, flight: Flight) -> str | None:
        load = {
            h.name: sum(1 for i in self.instances.values() if i.host == h.name)
            + sum(1 for f in self.flights.values() if f.destination == h.name)
            for h in self.hosts.values()
            if self.up(h) and h.running and h.enabled and not h.hidden
        }
        room = [
            n
            for n in sorted(load, key=lambda n: load[n])
            if load[n] < self.hosts[n].room and flight.wanted in (None, n)
        ]
        return room[0] if room else None

    def _spawn(self, flight: Flight) -> None:
        if (flight.instance, flight.destination) in self.left:
            self._fail(flight, "failed", f"Instance {flight.instance} already exists.")
            return
        self.set(flight.instance, task_state="rebuild_spawning", power_state=UNKNOWN_POWER)
        self._then(self.spawn_delay, flight, self._spawned)

    def _spawned(self, flight: Flight) -> None:
        destination = flight.destination
        assert destination is not None
        if flight.instance not in self.instances:
            self._fail(flight, "failed")
        elif self.resized_from.get(flight.instance) == destination:
            self._fail(flight, "failed", f"Instance {flight.instance} already exists.")
        elif self.hosts[destination].spawn_fails:
            self._fail(flight, "failed", f"spawning on {destination} fails")
        else:
            self.boot_guest(flight.instance, destination)
            task = self.instances[flight.instance].task_state
            if task != "rebuild_spawning":
                self.left.add((flight.instance, destination))
                conflict = f"Conflict updating instance {flight.instance}. Actual: {task}"
                self._fail(flight, "failed", conflict)
                return
            if self.instances[flight.instance].host != flight.source:
                self._fail(flight, "failed", "Unexpected task state")  # another one was faster
                return
            self.set(flight.instance, vm_state="active", task_state=None, power_state=1, fault="")
            if flight.was_stopped:
                self._then(0.05, flight, self._stopping)
            else:
                self._done(flight)

    def _stopping(self, flight: Flight) -> None:
        self.set(flight.instance, task_state="powering-off")
        self._then(QUICK, flight, self._stopped)

    def _stopped(self, flight: Flight) -> None:
        self.set(flight.instance, vm_state="stopped", task_state=None, power_state=4)
        self.guests[flight.instance].discard(str(flight.destination))
        self._done(flight)

    def _done(self, flight: Flight) -> None:
        self._record(flight, status="done")
        self._then(SETTLING, flight, self._arrived)

    def _arrived(self, flight: Flight) -> None:
        self.set(flight.instance, host=flight.destination)
        self.arrived.add(flight.number)
        del self.flights[flight.number]

    def _fail(self, flight: Flight, status: str, fault: str = "") -> None:
        self._record(flight, status=status)
        self.failed_actions.add(flight.instance)
        if flight.destination is not None:
            self.reasons[flight.number] = fault
        self.set(flight.instance, vm_state="error", task_state=None, fault=fault)
        del self.flights[flight.number]

    def _then(self, seconds: float, flight: Flight, action: Callable[[Flight], None]) -> None:
        """Go on with it, unless it is lost meanwhile: then nothing more happens."""

        def go_on() -> None:
            if self.flights.get(flight.number) is flight:
                action(flight)

        self.later(seconds, go_on)

    def _record(self, flight: Flight, **changes: object) -> None:
        for index, row in enumerate(self.migrations):
            if row.id == flight.number:
                updated = EPOCH + timedelta(seconds=self.now)
                self.migrations[index] = replace(row, **changes, updated=updated)
