"""A small site to which anything may happen, as a state machine for hypothesis.

The rules are what happens; the laws are watched at every moment by tests.fakes.cluster.Site. At
the end the world is kind, and every recovery must come to its end with every instance in place.
"""

from __future__ import annotations

import contextlib
from datetime import datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from novaha.core.errors import RefusedError
from novaha.core.situation import Policy
from tests.fakes import faults
from tests.fakes.cluster import Site
from tests.fakes.faults import Empty, Late, Lost, Slow
from tests.fakes.servers import made

HOSTS = 4
SURVIVOR = f"compute-{HOSTS}"
MORTAL = [f"compute-{n}" for n in range(1, HOSTS)]
READS = [
    "services",
    "instances_on",
    "instances_changed",
    "instance",
    "evacuations_from",
    "evacuations_since",
    "live_migrations_from",
    "conductor_is_up",
    "evacuation_log",
    "evacuation_fault",
]
LISTS = ["instances_on", "instances_changed", "evacuations_from", "evacuations_since"]
WRITES = ["evacuate", "act", "set_forced_down", "disable", "enable"]

AFTERWARDS = {
    "active": {"active"},
    "stopped": {"stopped"},
    "locked": {"active"},
    "error": {"active"},
    "error-stopped": {"stopped"},
    "paused": {"paused"},
    "suspended": {"suspended"},
    "rescued": {"rescued", "stopped"},
    "shelved": {"shelved", "stopped"},
    "shelved-offloaded": {"shelved_offloaded"},
    "resized": {"active"},
    "migrating": {"active"},
    "rebooting": {"active"},
    "rebooting-hard": {"active"},
    "powering-off": {"active", "stopped"},
    "password": {"active"},
    "building": {"building", "error", "active"},
    "soft-deleted": {"soft-delete"},
    "deleting": set(),
}
"""The states in which an instance may end, by the form that it had when its host died."""

hosts = st.sampled_from(MORTAL)
seconds = st.sampled_from([0.25, 1, 3, 8, 20, 60, 130])
moments = st.integers(0, 40)
errors = st.sampled_from(
    [faults.UNREACHABLE, faults.UNAUTHORIZED, faults.SERVER_ERROR, faults.UNAVAILABLE]
)
read_faults = st.one_of(errors, st.sampled_from([Slow(10), Slow(40), faults.TIMED_OUT]))
write_faults = st.one_of(
    errors,
    st.sampled_from(
        [
            Slow(10),
            Lost(faults.TIMED_OUT),
            Lost(faults.SERVER_ERROR),
            Late(2),
            Late(20),
            RefusedError("ask Nova", 400, "not now"),
        ]
    ),
)


class Recoveries(RuleBasedStateMachine):
    """What happens to a site."""

    @initialize(
        forms=st.lists(st.sampled_from(sorted(AFTERWARDS)), min_size=1, max_size=7),
        spawn_delay=st.sampled_from([0.5, 4, 15, 40]),
        in_flight=st.integers(1, 8),
        elsewhere=st.sampled_from([MORTAL[-1], SURVIVOR]),
    )
    def begin(self, forms: list[str], spawn_delay: float, in_flight: int, elsewhere: str) -> None:
        self.site = Site(hosts=HOSTS, policy=Policy(max_in_flight=in_flight))
        self.site.nova.spawn_delay = spawn_delay
        self.forms = {f"{form}-{number}": form for number, form in enumerate(forms)}
        for number, (instance, form) in enumerate(self.forms.items()):
            self.site.nova.add_instance(instance, MORTAL[number % 2], form)
            if form == "resized":
                self.site.nova.resized_from[instance] = elsewhere
            if form == "migrating":
                self.site.nova.receivers[instance] = elsewhere
                if number % 2:
                    self.site.nova.landed.add(instance)
        self.maintained: set[str] = set()
        self.copies: dict[str, dict[str, str]] = {}
        self.disturbed: set[str] = set()
        self.by_hand: dict[str, datetime] = {}
        self.by_hand_at = float("-inf")

    # Machines

    @rule(host=hosts, confirmed=st.sampled_from([True, True, True, False]), rung=st.booleans())
    def fence(self, host: str, confirmed: bool, rung: bool) -> None:
        self.site.fence(host, confirmed=confirmed, rung=rung)
        self.site.pass_time(0.5)

    @rule(host=hosts, rung=st.booleans())
    def confirm(self, host: str, rung: bool) -> None:
        if not self.site.nova.hosts[host].running:
            self.site.confirm(host, rung=rung)

    @rule(host=hosts)
    def change(self, host: str) -> None:
        """The configuration changes, and what it said of a host is read early, at any moment."""
        self.site.read_early(host)

    @rule(host=hosts)
    def crash(self, host: str) -> None:
        """Dead, and not fenced yet."""
        self.site.nova.crash(host)
        self.site.pass_time(0.5)

    @rule(host=hosts)
    def boot(self, host: str) -> None:
        if not self.site.nova.hosts[host].running:
            self.site.boot(host)

    @rule(host=hosts)
    def copy_record(self, host: str) -> None:
        """Somebody takes a copy of the configuration, to work on it."""
        if host in self.site.records.attributes:
            self.copies[host] = dict(self.site.records.attributes[host])

    @rule(host=hosts, for_seconds=seconds)
    def put_back(self, host: str, for_seconds: float) -> None:
        """And pushes it when the host has been back for a while: the old record is there again."""
        in_service = (
            self.site.nova.hosts[host].running and not self.site.nova.hosts[host].forced_down
        )
        if host in self.copies and in_service and host not in self.site.records.attributes:
            self.site.pass_time(130)
            if host not in self.site.records.attributes:
                self.site.put_back(host, self.copies[host])
                self.site.pass_time(for_seconds)

    @rule(host=st.sampled_from([*MORTAL, SURVIVOR]), room=st.sampled_from([0, 1, 3, 1000]))
    def fill(self, host: str, room: int) -> None:
        self.site.nova.hosts[host].room = room

    @rule(host=hosts)
    def break_spawning(self, host: str) -> None:
        self.site.nova.hosts[host].spawn_fails = True

    # Evacuators

    @rule(at=moments)
    def kill_evacuator(self, at: int) -> None:
        self.site.kill_at(at)
        self.site.pass_time(2)

    @rule(at=moments, for_seconds=seconds, host=st.one_of(st.none(), hosts))
    def freeze_evacuator(self, at: int, for_seconds: float, host: str | None) -> None:
        def meanwhile() -> None:
            if host is not None:
                self.site.fence(host)

        self.site.freeze_at(at, for_seconds, meanwhile)
        self.site.pass_time(2)

    @rule(for_seconds=seconds)
    def second_evacuator(self, for_seconds: float) -> None:
        """Pacemaker starts one elsewhere, and the old one does not know."""
        self.site.start_evacuator(beside=True)
        self.site.pass_time(for_seconds)

    # Nova

    @rule(method=st.sampled_from(READS), fault=read_faults)
    def fail_to_read(self, method: str, fault: faults.Fault) -> None:
        self.site.nova.faults.setdefault(method, []).append(fault)

    @rule(method=st.sampled_from(WRITES), fault=write_faults)
    def fail_to_write(self, method: str, fault: faults.Fault) -> None:
        self.site.nova.faults.setdefault(method, []).append(fault)

    @rule(method=st.sampled_from(LISTS))
    def empty_list(self, method: str) -> None:
        if not self._moves_by_hand():
            self.site.nova.faults.setdefault(method, []).append(Empty())

    @rule(lag=st.sampled_from([1.0, 3.0, 8.0]), for_seconds=seconds)
    def stale_lists(self, lag: float, for_seconds: float) -> None:
        # What an operator asks for in the same second, and Nova does not show, nobody can know.
        if self.site.nova.now - self.by_hand_at > lag:
            self.site.nova.stale = lag
        self.site.pass_time(for_seconds)
        self.site.nova.stale = 0.0

    @rule(for_seconds=seconds)
    def outage(self, for_seconds: float) -> None:
        self.site.nova.down = faults.UNREACHABLE
        self.site.pass_time(for_seconds)
        self.site.nova.down = None

    @rule()
    def lose_conductor(self) -> None:
        self.site.nova.lose_conductor()

    @rule(host=st.sampled_from([*MORTAL, SURVIVOR]))
    def restart_compute(self, host: str) -> None:
        if self.site.nova.hosts[host].running:
            self.site.nova.restart_compute(host)

    @rule(data=st.data())
    def disturb(self, data: st.DataObject) -> None:
        """What had waited in the bus for a dead host ends an instance's task."""
        tasks = ("rebuilding", "rebuild_spawning", "powering-off")
        busy = sorted(i for i, s in self.site.nova.instances.items() if s.task_state in tasks)
        if busy:
            chosen = data.draw(st.sampled_from(busy))
            self.site.nova.set(chosen, task_state=None)
            self.disturbed.add(chosen)

    # People

    @rule(data=st.data())
    def delete_instance(self, data: st.DataObject) -> None:
        if self.site.nova.instances:
            chosen = data.draw(st.sampled_from(sorted(self.site.nova.instances)))
            self.site.nova.remove(chosen)

    @precondition(lambda self: not self.site.nova.late)
    @rule(data=st.data())
    def evacuate_by_hand(self, data: st.DataObject) -> None:
        """An operator is impatient, does not do it twice, not to one that may have arrived, and not
        where the host is back: nobody fenced it."""
        nova = self.site.nova
        flying = {flight.instance for flight in nova.flights.values()}
        flying |= {i for i, server in nova.instances.items() if nova.guests[i] - {server.host}}
        flying |= {
            i
            for i, server in nova.instances.items()
            if server.host and nova.hosts[server.host].running
        }
        idle = sorted(i for i in nova.instances if i not in flying)
        if idle:
            chosen = data.draw(st.sampled_from(idle))
            # As with stale lists: what is asked for while Nova shows nothing, nobody can know.
            for method in LISTS:
                nova.faults.pop(method, None)
            with contextlib.suppress(RefusedError):
                nova.foreign_evacuate(chosen)
                self.by_hand[chosen] = self.site.time
                self.by_hand_at = nova.now

    # Nor where Nova has yet to carry out a disable of ours: that would put our reason in the place
    # of the operator's, and nobody could tell.
    @precondition(lambda self: not self.site.nova.late)
    @rule(host=st.sampled_from(MORTAL[:2]))
    def maintain(self, host: str) -> None:
        # Not a host that receives live migrations: what was on its way there can go nowhere else,
        # and waits as long as an operator keeps that host closed.
        found = self.site.nova.hosts[host]
        if found.enabled:
            found.enabled, found.disabled_reason = False, "maintenance until Friday"
            found.hidden = True
            self.maintained.add(host)

    @rule(for_seconds=seconds)
    def wait(self, for_seconds: float) -> None:
        self.site.pass_time(for_seconds)

    def _moves_by_hand(self) -> bool:
        flights = self.site.nova.flights.values()
        return any(flight.instance in self.by_hand for flight in flights)

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        site = self.site
        site.nova.faults.clear()
        for process in site.processes:
            process.fate.spare()
        if not site.processes:
            site.start_evacuator()
        for host in site.nova.hosts.values():
            host.room, host.spawn_fails = 1000, False
        for name in sorted(site.nova.hosts):
            if name in site.records.attributes or not site.nova.hosts[name].running:
                site.fence(name)
        site.pass_time(200)
        for instance, where in sorted(site.nova.left):  # as operators are told
            site.nova.end_guest(instance, where)
            self._open(where)
        site.run_until(self._over, limit=5000)
        site.pass_time(2)
        for instance in list(site.nova.instances):
            self._assert_in_place(instance)
        for host in site.nova.hosts.values():
            kept = host.name in self.maintained
            assert (host.forced_down, host.enabled) == (False, not kept), f"law 6: {host}"
            assert kept or not host.hidden, f"{host} gets no instance any more"

    def _open(self, name: str) -> None:
        host = self.site.nova.hosts[name]
        if name in self.maintained:
            self.maintained.remove(name)
            host.enabled, host.disabled_reason, host.hidden = True, "", False

    def _over(self) -> bool:
        for host in self.site.nova.hosts.values():
            if host.name in self.site.records.attributes and not host.running:
                self.site.boot(host.name)
        return not self.site.records.attributes

    def _assert_in_place(self, instance: str) -> None:
        server = self.site.nova.instances[instance]
        form = self.forms[instance]
        story = f"{server}, which was {form}; {self.site.nova.migrations}"
        if not server.host:
            assert form == "shelved-offloaded", story
            return
        assert self.site.nova.hosts[server.host].running, f"law 5: lost: {story}"
        allowed = AFTERWARDS[form]
        if instance in self.by_hand:  # what that did before the record was written is not ours
            allowed = allowed | {"active", "stopped", "error"}
        untouched = server == made(instance, server.host, form)
        assert untouched or server.vm_state in allowed, f"law 5: {story}"
        # Evacuated by hand from a host that was never fenced, and that was lost: not ours either.
        asked = self.by_hand.get(instance)
        ours = asked is None or self.site.fencing.anything_since(server.host, asked)
        busy = server.task_state or instance in self.disturbed
        if server.vm_state in ("active", "stopped", "rescued") and (ours or not busy):
            runs = server.vm_state != "stopped"
            wanted = {server.host} if runs else set()
            assert self.site.nova.guests[instance] == wanted, f"law 5: {story}"
