"""A whole small site around the real evacuator loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from novaha.core.brake import Host
from novaha.core.errors import NovahaError, RecordError
from novaha.core.ports import Configuration
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from novaha.core.steering import Pause
from novaha.evacuator.act import Actor
from novaha.evacuator.confirmed_by_hand import Confirmations
from novaha.evacuator.held import HeldHosts
from novaha.evacuator.journal import Journal
from novaha.evacuator.loop import Loop, Pace, SupersededError
from novaha.evacuator.missing import MissingFencings
from novaha.evacuator.names import Names
from novaha.evacuator.observe import Observer
from novaha.evacuator.older_flags import Adoption
from novaha.evacuator.site_policy import SitePolicy
from tests.fakes.fate import Fate, Fated, KilledError, die
from tests.fakes.nova import EPOCH, FakeNova
from tests.fakes.pacemaker import FakeFencing, FakeOlderFlags, FakeRecords, QuietStorm


class Inline(Executor):
    """Does at once what a pool would do."""

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except NovahaError as error:  # any other would be a mistake of ours: it shows at once
            future.set_exception(error)
        return future


@dataclass
class Process:
    """One evacuator, with its own view of the outside. due: when it turns next."""

    loop: Loop
    fate: Fate
    due: float
    frozen: bool = False


class Site:
    """A cluster, a Nova and evacuators; time passes in `pass_time`.

    restart_after: seconds until Pacemaker starts an evacuator again that died by its fate.
    most_turns: turns of an evacuator without a pause, after which it never will; about 20
        have been seen.
    fencers: waits for the fencings that an evacuator asks for; at once if not set.
    nodes: Pacemaker's name of a host of Nova, where it is another one.
    pause: what an operator has set. brake: the parameters of the brake's device. failed: what the
        brake knows of hosts.
    broken: laws that were seen broken inside a call, where the evacuator would catch an error.
    site_policy: the rules that the site has declared; of evacuators that start after it was set.
    """

    restart_after = 3.0
    most_turns = 200
    recover = True
    fencers: Executor | None = None
    names = Names({})
    nodes: Mapping[str, str] = MappingProxyType({})
    pause: Pause | None = None
    brake: Mapping[str, str] = MappingProxyType({})
    failed: Mapping[str, Host] = MappingProxyType({})
    site_policy: SitePolicy | None = None

    def __init__(
        self,
        hosts: int = 3,
        policy: Policy | None = None,
        pace: float = 1.0,
        pools: tuple[Executor, Executor] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.pools = pools or (Inline(), Inline())
        self.journal = journal or Journal(None)
        self.nova = FakeNova()
        self.nova.on_request = self._watch_request
        self.records = FakeRecords()
        self.flags = FakeOlderFlags()
        self.fencing = FakeFencing(
            is_online=lambda node: self.nova.hosts[node].powered, nodes=lambda: self.nova.hosts
        )
        self.fencing.on_restart = self.nova.start_compute
        self.policy = policy or Policy()
        self.pace = pace
        self.processes: list[Process] = []
        self.broken: list[str] = []
        self.rung: set[str] = set()
        self._restart_at: float | None = None
        for number in range(1, hosts + 1):
            self.nova.add_host(f"compute-{number}")
        self.fencing.computes = frozenset(self.nova.hosts)
        self.start_evacuator()

    @property
    def time(self) -> datetime:
        return (EPOCH + timedelta(seconds=self.nova.now)).astimezone(UTC).replace(microsecond=0)

    @property
    def loop(self) -> Loop | None:
        """The newest evacuator."""
        return self.processes[-1].loop if self.processes else None

    def start_evacuator(self, me: str = "", *, beside: bool = False) -> Loop:
        """A new evacuator; `beside` those that run, which do not know of it yet."""
        me = me or f"controller-1#{uuid4().hex[:8]}"
        readers, senders = self.pools
        clock = lambda: self.nova.now  # noqa: E731
        fate, journal = Fate(), self.journal
        watcher = self._watcher()
        nova: Any = Fated(self.nova, fate, watcher)
        records: Any = Fated(self.records, fate, watcher)
        flags: Any = Fated(self.flags, fate, watcher)
        observer = Observer(
            nova,
            self.fencing,
            self.names,
            me,
            readers,
            readers,
            clock,
            self.policy.lost_after,
            lambda: self.time,
        )
        loop = Loop(
            records=records,
            configuration=lambda: Configuration(
                records.read_all(), self.fencing.levels(), self.pause
            ),
            missing=MissingFencings(self.fencing, journal, self.fencers or readers, 60.0, clock),
            observer=observer,
            actor=Actor(
                records,
                self.fencing,
                nova,
                journal,
                me,
                senders,
                clock,
                30.0,
                wall=lambda: self.time,
            ),
            journal=journal,
            confirmations=Confirmations(
                records,
                self.fencing,
                journal,
                recover=self.recover,
                last_seen=observer.last_seen,
            ),
            adoption=Adoption(
                flags,
                records,
                self.fencing,
                nova.services,
                self.names.host,
                journal,
                now=lambda: self.time,
                clock=clock,
            ),
            policy=self.policy,
            pace=Pace(5.0, self.pace),
            me=me,
            pool=readers,
            clock=clock,
            held=HeldHosts(
                QuietStorm(lambda: self.pause, lambda: self.brake, lambda: self.failed),
                observer.all_last_seen,
                journal,
                clock,
                lambda: self.time,
            ),
            site_policy=self.site_policy,
        )
        if not beside:
            self.processes = [p for p in self.processes if p.frozen]
        self.processes.append(Process(loop, fate, self.nova.now))
        return loop

    def kill_evacuator(self) -> None:
        self.processes = [p for p in self.processes if p.frozen]

    def kill_at(self, moments: int) -> None:
        """The newest evacuator dies so many moments (see Fate) from now."""
        if self.processes:
            self.processes[-1].fate.interfere(moments, die)

    def freeze_at(self, moments: int, seconds: float, meanwhile: Callable[[], None]) -> None:
        """So many moments from now the newest evacuator stands still for `seconds`, while
        another one runs. One that is about to send a request wakes up sooner than its
        successor asks for anything: nothing but Nova could stop that request any more."""
        if not self.processes:
            return
        process = self.processes[-1]

        def freeze(call: str) -> None:
            process.frozen = True
            self.start_evacuator(beside=True)
            meanwhile()
            # A late answer to a reset (tests.fakes.faults.Late) comes on top of that.
            longest = {"evacuate": 25.0, "act": 5.0}
            self.pass_time(min(seconds, longest.get(call, seconds)))
            process.frozen = False
            if process not in self.processes:
                raise KilledError(call)

        process.fate.interfere(moments, freeze)

    def fence(self, host: str, *, confirmed: bool = True, rung: bool = False) -> None:
        """Power off, record, and (if `confirmed`) Pacemaker's word that it succeeded."""
        self.nova.crash(host)
        unproven = bool(self.fencing.without_power_device(host))
        self.records.flag(host, self.time, unproven=unproven)
        if confirmed:
            self.confirm(host, rung=rung)

    def confirm(self, host: str, *, rung: bool = False) -> None:
        """rung: the alert agent tells an evacuator, which one is not certain."""
        if rung:
            self.rung.add(host)
        self.fencing.successes.append((host, self.time))
        self.fencing.down.add(host)

    def read_early(self, host: str) -> None:
        """Every evacuator begins to read for a host, as it does when a record is written."""
        for process in list(self.processes):
            if not process.frozen:
                try:
                    process.loop.wakeup.wake(host)
                except KilledError:
                    self._ended(process)

    def fence_by_older_agents(self, host: str) -> None:
        """Power off, Nova told, the flag, and Pacemaker's word that it succeeded."""
        self.nova.crash(host)
        self.nova.hosts[host].forced_down = True
        self.nova.hosts[host].enabled = False
        self.flags.values[host] = "yes"
        self.confirm(host)

    def boot(self, host: str) -> bool:
        """The host comes back; nova-compute starts unless the record holds it."""
        self.nova.hosts[host].powered = True
        self.fencing.down.discard(host)
        record = self.records.read(host)
        if record is not None and record.hold:
            return False
        self.nova.start_compute(host)
        return True

    def put_back(self, host: str, attributes: Mapping[str, str]) -> None:
        """A copy of the configuration is pushed: an old record is there again.

        Pacemaker stops nova-compute where it is held; its guests go on.
        """
        self.records.attributes[host] = dict(attributes)
        record = self.records.read(host)
        if record is not None and record.hold:
            self.nova.hosts[host].running = False

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, the evacuators turning, the laws watched."""
        end = self.nova.now + seconds
        while self.nova.now < end:
            if self._restart_at is not None and self.nova.now >= self._restart_at:
                self._restart_at = None
                self.start_evacuator(beside=True)
            for process in list(self.processes):
                self._turn(process)
            self.nova.advance(step)
            self.watch()

    def _turn(self, process: Process) -> None:
        turns = 0
        while process in self.processes and not process.frozen and self.nova.now >= process.due:
            turns += 1
            assert turns <= self.most_turns, (
                f"livelock: {turns} turns of an evacuator without a pause: {self.describe()}"
            )
            try:
                rung, self.rung = self.rung, set()
                pause = process.loop.turn(rung)
            except SupersededError:
                self._ended(process)
            except KilledError:
                self._ended(process)
            else:
                self.watch()
                if pause:
                    process.due = self.nova.now + min(pause, self.pace)

    def _ended(self, process: Process) -> None:
        """Pacemaker restarts what ended, unless it runs elsewhere."""
        if process in self.processes:
            self.processes.remove(process)
        if not self.processes:
            self._restart_at = self.nova.now + self.restart_after

    def run_until(self, condition: Callable[[], bool], limit: float = 600.0) -> None:
        end = self.nova.now + limit
        while not condition():
            assert self.nova.now < end, f"not within {limit} s: {self.describe()}"
            self.pass_time(0.5)

    # The laws

    def watch(self) -> None:
        """What must hold at every moment, whatever happens."""
        assert not self.broken, self.broken
        assert not self.nova.twice, f"law 2: {self.nova.twice} ran on two hosts"
        for host in self.nova.hosts.values():
            record = self.records.read(host.name)
            if record is not None and record.hold:
                assert not host.running, f"law 4: {host.name} runs while it is held"

    def _watcher(self) -> Callable[[str, Sequence[Any]], None]:
        """Watches what one evacuator asks for, by what it last read of the records."""
        read: dict[str, Record | RecordError] = {}

        def watch(call: str, arguments: Sequence[Any]) -> None:
            if call == "read_all":
                read.clear()
                read.update(self.records.read_all())
            elif call == "evacuate":
                self._watch_law_1(str(arguments[0]), read)
            elif call == "swap":
                old, new = arguments
                if new.state is RecoveryState.RECOVERED:
                    self._watch_law_5(old)
                if self.records.read(old.node) == old:
                    read[old.node] = new

        return watch

    def _watch_law_1(self, instance: str, read: Mapping[str, Record | RecordError]) -> None:
        server = self.nova.instances.get(instance)
        if server is None or self.nova.up(self.nova.hosts[server.host]):
            return  # deleted or moved since it was read: Nova refuses it
        if not self.nova.hosts[server.host].forced_down:
            self.broken.append(f"law 1: {server} is asked for and its host not forced down")
        node = self.nodes.get(server.host, server.host)
        record = read.get(node)
        if not isinstance(record, Record) or record.state is not RecoveryState.RUNNING:
            self.broken.append(f"law 1: {server} is asked for with the record {record}")
        elif not self.fencing.anything_since(node, record.fenced):
            self.broken.append(f"law 1: {server} is asked for without a confirmed fencing")

    def _watch_law_5(self, closing: Record) -> None:
        now = self.records.read(closing.node)
        if now is None or (now.fence_id, now.owner) != (closing.fence_id, closing.owner):
            return  # it will not match
        flying = [
            f
            for f in self.nova.flights.values()
            if f.source == closing.node and f.instance in self.nova.instances
        ]
        if flying:
            self.broken.append(f"law 5: {closing.node} is closed while {flying} are under way")

    def _watch_request(self, instance: str, target: str | None) -> None:
        """What must hold when a request reaches Nova."""
        for flight in self.nova.flights.values():
            if flight.instance == instance and flight.destination != target:
                self.broken.append(f"law 2: {instance} is asked for while {flight} is under way")

    def where(self) -> Mapping[str, tuple[str, str]]:
        return {i.id: (i.host, i.vm_state) for i in self.nova.instances.values()}

    def describe(self) -> str:
        reports = self.loop.reports if self.loop else ()
        return f"{self.records.attributes} {reports} {self.where()} {self.nova.migrations}"
