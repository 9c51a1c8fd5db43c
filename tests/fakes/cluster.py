"""Pacemaker's side in memory, and a whole small site around the real evacuator loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from novaha.core.errors import RecordConflictError, RecordError
from novaha.core.record import Record, first_record, from_attributes, to_attributes
from novaha.core.situation import Policy
from novaha.evacuator.act import Actor
from novaha.evacuator.journal import Journal
from novaha.evacuator.loop import Loop, Pace
from novaha.evacuator.observe import Names, Observer
from tests.fakes.nova import EPOCH, FakeNova


class Inline(Executor):
    """Does at once what a pool would do."""

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass
class FakeRecords:
    """The CIB's nodes section: stores attributes, so that every record goes through its codec."""

    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    writes: int = 0

    def read_all(self) -> dict[str, Record | RecordError]:
        return {n: from_attributes(n, a) for n, a in self.attributes.items()}

    def read(self, node: str) -> Record | None:
        return from_attributes(node, self.attributes[node]) if node in self.attributes else None

    def swap(self, old: Record, new: Record) -> None:
        self._check(old)
        self.attributes[new.node] = to_attributes(new)
        self.writes += 1

    def drop(self, old: Record) -> None:
        self._check(old)
        del self.attributes[old.node]
        self.writes += 1

    def flag(self, node: str, now: datetime) -> None:
        old = self.read(node)
        fence_id = str(uuid4())
        new = old.fence_again(fence_id, now) if old else first_record(node, fence_id, now)
        self.attributes[node] = to_attributes(new)

    def _check(self, old: Record) -> None:
        now = self.read(old.node)
        if now is None or (now.fence_id, now.state, now.owner) != (
            old.fence_id,
            old.state,
            old.owner,
        ):
            raise RecordConflictError(old.node)


@dataclass
class FakeFencing:
    """Pacemaker's fencing history."""

    successes: list[tuple[str, datetime]] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def confirmed_since(self, node: str, moment: datetime) -> bool:
        return any(n == node and t >= moment for n, t in self.successes)

    def anything_since(self, node: str, moment: datetime) -> bool:
        return self.confirmed_since(node, moment)

    def request(self, node: str) -> None:
        self.requested.append(node)


class Site:
    """A cluster, a Nova and an evacuator; time passes in `pass_time`."""

    def __init__(self, hosts: int = 3, policy: Policy | None = None, pace: float = 1.0) -> None:
        self.nova = FakeNova()
        self.records = FakeRecords()
        self.fencing = FakeFencing()
        self.policy = policy or Policy()
        self.pace = pace
        self.broken: list[str] = []
        for number in range(1, hosts + 1):
            self.nova.add_host(f"compute-{number}")
        self.loop: Loop | None = None
        self.start_evacuator()

    @property
    def time(self) -> datetime:
        return (EPOCH + timedelta(seconds=self.nova.now)).astimezone(UTC).replace(microsecond=0)

    def start_evacuator(self, me: str = "") -> Loop:
        me = me or f"controller-1#{uuid4().hex[:8]}"
        inline, clock = Inline(), lambda: self.nova.now
        journal = Journal(None)
        self.loop = Loop(
            records=self.records,
            fencing=self.fencing,
            observer=Observer(self.nova, self.fencing, Names({}), me, inline, clock),
            actor=Actor(self.records, self.nova, journal, me, inline, clock, 30.0),
            journal=journal,
            policy=self.policy,
            pace=Pace(5.0, self.pace, 60.0),
            me=me,
            clock=clock,
        )
        return self.loop

    def kill_evacuator(self) -> None:
        self.loop = None

    def fence(self, host: str, *, confirmed: bool = True) -> None:
        """Power off, record, and (if `confirmed`) Pacemaker's word that it succeeded."""
        self.nova.crash(host)
        self.records.flag(host, self.time)
        if confirmed:
            self.fencing.successes.append((host, self.time))

    def boot(self, host: str) -> bool:
        """The host comes back; nova-compute starts unless the record holds it."""
        record = self.records.read(host)
        if record is not None and record.hold:
            return False
        self.nova.start_compute(host)
        return True

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, the evacuator turning, the laws watched."""
        turn_at, end = self.nova.now, self.nova.now + seconds
        while self.nova.now < end:
            while self.loop is not None and self.nova.now >= turn_at:
                pause = self.loop.turn()
                self.watch()
                if pause:
                    turn_at = self.nova.now + min(pause, self.pace)
                    break
            self.nova.advance(step)
            self.watch()

    def run_until(self, condition: Callable[[], bool], limit: float = 600.0) -> None:
        end = self.nova.now + limit
        while not condition():
            assert self.nova.now < end, f"not within {limit} s: {self.describe()}"
            self.pass_time(0.5)

    def watch(self) -> None:
        """What must hold at every moment, whatever happens."""
        assert not self.nova.twice, f"law 2: {self.nova.twice} ran on two hosts"
        for host in self.nova.hosts.values():
            record = self.records.read(host.name)
            if record is not None and record.hold:
                assert not host.running, f"law 4: {host.name} runs while it is held"

    def where(self) -> Mapping[str, tuple[str, str]]:
        return {i.id: (i.host, i.vm_state) for i in self.nova.instances.values()}

    def describe(self) -> str:
        reports = self.loop.reports if self.loop else ()
        return f"{self.records.attributes} {reports} {self.where()} {self.nova.migrations}"
