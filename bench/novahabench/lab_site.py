"""The lab, for the marks: a failure made, watched and cleaned up, by novaha or by others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from novahalab import cluster, layout, nodes
from novahalab.cloud.client import ApiError
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings
from novahalab.watcher import Watcher

from novaha.contract.names import ALERT
from novahabench import lab_logs
from novahabench.lab_logs import Fencing, Logs
from novahabench.lab_nova import Arrivals
from novahabench.mark import BenchError
from tests.lab.site import Site

EVACUATOR = "nova-evacuate"
_ALERT = f"/usr/share/pacemaker/alerts/{ALERT}"
_LONG = 300.0
_FEW = 20  # more guests than that are too many files to look at all the time


@dataclass
class Story:
    """One failure. Moments are seconds of time.time().

    fencings: by host. in_place: when Nova had the last instance elsewhere as it was before.
    running: when the last guest that had run was seen to run elsewhere, 0 where nobody looked.
    entries: novaha's journal. requests: answered by Nova's API.
    """

    hosts: tuple[str, ...]
    instances: int
    crashed: float
    fencings: dict[str, Fencing] = field(default_factory=dict)
    in_place: float = 0.0
    running: float = 0.0
    entries: list[dict[str, Any]] = field(default_factory=list)
    requests: list[lab_logs.Request] = field(default_factory=list)

    @property
    def fenced(self) -> float:
        """When the last fencing had ended."""
        return max(fencing.ended for fencing in self.fencings.values())

    def when(self, event: str, choose: Callable[[Iterable[float]], float] = min) -> float:
        """When the first (or what `choose` chooses) entry of this kind was written."""
        found = [
            e["at"] for e in self.entries if e["event"] == event and e.get("node") in self.hosts
        ]
        if not found:
            raise BenchError(f"novaha's journal has no '{event}' of {', '.join(self.hosts)}")
        return float(choose(found))

    @property
    def accepted(self) -> list[float]:
        """When each request to evacuate was accepted."""
        return [
            float(e["at"])
            for e in self.entries
            if e["event"] == "requested" and e["outcome"] == "accepted"
        ]


class Bench:
    """A lab that is up, whole at the beginning and after each failure."""

    def __init__(self) -> None:
        self.settings = Settings.load()
        self.site = Site(self.settings.compute_nodes)
        self.nova = self.site.nova
        self.computes = self.settings.compute_nodes
        self.logs = Logs()

    def need(self, computes: int) -> None:
        """Raises BenchError unless the lab has so many compute nodes."""
        if len(self.computes) < computes:
            raise BenchError(
                f"this needs {computes} compute nodes, the lab has {len(self.computes)}: "
                f"`lab/lab down`, then `lab/lab up --computes {computes}`"
            )

    def fresh(self) -> None:
        """Whole, novaha at work, and no instance."""
        self.novaha(True)
        self.alerts(True)
        self.site.restore()

    def create(self, count: int, host: str, stopped: int = 0) -> dict[str, str]:
        """Instances on `host`: vm_state by id."""
        made = self.nova.servers_create(count, host=host, stopped=stopped, name_prefix="bench")
        return {s.id: "stopped" if s.status == "SHUTOFF" else "active" for s in made}

    # The failure

    def crash(self, *hosts: str) -> float:
        """Cut the power of all at once and without a word; when. `logs` begin here."""
        self.logs = Logs()
        at = time.time()
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(nodes.crash, hosts))
        return at

    def fencing(self, host: str, since: float, timeout: float = 180.0) -> Fencing:
        """The fencing of a host, when it has succeeded. Raises BenchError."""
        end = time.time() + timeout
        while time.time() < end:
            found = lab_logs.fencing(self.logs.pacemaker(), host, since)
            if found.ended:
                return found
            time.sleep(0.2)
        raise BenchError(f"{host} was not fenced within {timeout:.0f} s")

    def recovered(self, instances: dict[str, str], *hosts: str) -> Story:
        """Crash hosts with these instances on them; novaha does the rest. Ends when all is whole
        again."""
        with self.watched(instances, hosts) as story:
            story.crashed = self.crash(*hosts)
        self._wait_for_journal(story, "recovered")
        self.whole()
        story.fencings = {host: self.fencing(host, story.crashed) for host in hosts}
        story.entries = lab_logs.journal(self.logs.journal(), story.crashed)
        story.requests = lab_logs.requests(self.logs.nova(), story.crashed)
        return story

    @contextmanager
    def watched(self, instances: dict[str, str], hosts: Sequence[str]) -> Iterator[Story]:
        """A story to be filled: with the crash in here, with the arrivals when this ends."""
        story = Story(tuple(hosts), len(instances), time.time())
        servers = self.site.servers()
        arrivals = Arrivals(instances, {i: servers[i].host for i in instances})
        watcher = Watcher(layout.GUESTS) if len(instances) <= _FEW else None
        if watcher is not None:
            watcher.start()
        yield story
        arrivals.start()
        story.in_place = arrivals.wait(_LONG + 4.0 * len(instances))
        if watcher is not None:
            watcher.stop()
            if watcher.twice:
                raise BenchError(f"guests ran on two hosts: {watcher.twice[:3]}")
            ran = [i for i, state in instances.items() if state == "active"]
            story.running = max(watcher.runs[i][-1][1] for i in ran)

    def _wait_for_journal(self, story: Story, event: str) -> None:
        end = time.time() + _LONG
        while time.time() < end:
            story.entries = lab_logs.journal(self.logs.journal(), story.crashed)
            if {e.get("node") for e in story.entries if e["event"] == event} >= {*story.hosts}:
                return
            time.sleep(0.3)
        raise BenchError(f"no '{event}' of {', '.join(story.hosts)} within {_LONG:.0f} s")

    def whole(self) -> None:
        """Wait until it is."""
        self.site.wait("the lab is whole again", self.site.whole, _LONG)

    # Who does what

    def novaha(self, on: bool) -> None:
        """Start or stop the evacuator; returns when that is so."""
        verb = "enable" if on else "disable"
        if self._evacuator_runs() != on:
            self.site.on_any_controller("pcs", "resource", verb, EVACUATOR)
        self.site.wait(f"{EVACUATOR}: {verb}", lambda: self._evacuator_runs() == on)

    def _evacuator_runs(self) -> bool:
        status = cluster.status()
        return status is not None and bool(status.resources.get(EVACUATOR))

    def alerts(self, on: bool) -> None:
        """Let novaha's alerts through, or lose them all."""
        for name in layout.CONTROLLERS:
            Sandbox(name).exec(["chmod", "0755" if on else "0000", _ALERT])

    @contextmanager
    def without_novaha(self, *hosts: str) -> Iterator[None]:
        """Meanwhile somebody else evacuates these hosts; then they are brought back to service."""
        self.novaha(False)
        try:
            yield
        finally:
            self.novaha(True)
            self.hand_back(hosts)

    def force_down(self, hosts: Iterable[str]) -> None:
        """Tell Nova that they are dead, as whoever evacuates has to."""
        for host in hosts:
            self.nova.update_service(host, forced_down=True)

    def hand_back(self, hosts: Sequence[str]) -> None:
        """novaha finds the hosts empty and lets them start; that Nova was told by somebody else
        that they are down is not its to undo (law 6), so it is undone here."""
        self.site.wait("the records are gone", lambda: not self.site.records(), _LONG)
        for host in hosts:
            self.site.wait(f"{host} may be up", partial(self._unforced, host))
        self.site.wait("all are up", lambda: self._up(hosts))
        for host in hosts:
            # Enabled while it counted as down, the scheduler would pass it by (ADR 4).
            self.nova.update_service(host, status="disabled")
            self.nova.update_service(host, status="enabled")
        self.whole()

    def _unforced(self, host: str) -> bool:
        try:
            self.nova.update_service(host, forced_down=False)
        except ApiError as error:
            if error.status != 400:
                raise
            return False  # its nova-compute has yet to close what was evacuated
        return True

    def _up(self, hosts: Iterable[str]) -> bool:
        states = {service["host"]: service["state"] for service in self.nova.services()}
        return all(states[host] == "up" for host in hosts)
