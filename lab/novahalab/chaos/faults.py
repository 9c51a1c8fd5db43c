"""Making faults happen on the lab, and undoing them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from novahalab import cloud, cluster, layout, network, nodes
from novahalab.chaos import processes, putback
from novahalab.chaos.history import Happening, History
from novahalab.chaos.marks import DISABLE, DOWN, Marks
from novahalab.chaos.schedule import Fault
from novahalab.cloud import Client
from novahalab.errors import LabError
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings

_FENCED_IN = 150.0
"""Seconds in which a cluster that lost its DC, or for a while its quorum, fences what has died."""

Undo = Callable[[], None]

_DISTURBING = frozenset(
    {"crash-controller", "freeze-controller", "cut controller", "crash-dc-and-compute"}
)
_FORGOTTEN = 45.0
"""Seconds after which a compute node that is off is switched on, if nobody is to fence it."""
_LIVED = 20.0
"""Seconds after its return for which a host is in service before its old record comes back."""
_REJOINS = 20.0
"""Seconds until a controller that was cut off, frozen or off is believed again."""


class Faults:
    """Knows how each kind of fault is done. Thread-safe: faults may overlap."""

    def __init__(self, lab: Settings, history: History) -> None:
        self._lab = lab
        self._history = history
        self._lock = threading.Lock()
        self._doubtful: dict[str, float] = {}  # controller: until when
        self._cloud = cloud.cloud()
        self._nova = Client(timeout=20)
        self._deaths: dict[str, float] = {}  # of compute nodes that were online
        self._off_since: dict[str, float] = {}
        self.marks = Marks(self._nova, history, self._open, self._close)

    def disturbed(self) -> set[str]:
        """The controllers that may show what has been."""
        now = time.time()
        with self._lock:
            return {name for name, until in self._doubtful.items() if now < until}

    def do(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        """Let a fault happen, wait until its time is over, and undo it.

        wait: sleeps so many seconds, less when the run ends. What cannot be done (a node that is
        off cannot be frozen) is noted and left.
        """
        method = getattr(self, "_" + fault.kind.replace("-", "_"))
        began = time.time()
        try:
            undo: Undo | None = method(fault, wait)
        except LabError as error:
            self._note(fault.kind, " ".join(fault.targets) + f" (not done: {error})"[:200], began)
            return
        if undo is None:
            return
        index = self._open(fault.kind, " ".join(fault.targets), began)
        wait(fault.lasts)
        try:
            undo()
        except LabError as error:
            self._history.notes.append(f"{fault.kind} could not be undone: {str(error)[:200]}")
        self._close(index)

    def _note(self, kind: str, target: str, began: float) -> None:
        with self._lock:
            self._history.happenings.append(Happening(kind, target, began, time.time()))

    def _open(self, kind: str, target: str, began: float) -> int:
        with self._lock:
            self._history.happenings.append(Happening(kind, target, began, None))
            return len(self._history.happenings) - 1

    def _close(self, index: int) -> None:
        with self._lock:
            done = self._history.happenings[index]
            ended = Happening(done.kind, done.target, done.began, time.time())
            self._history.happenings[index] = ended

    def _doubt(self, controller: str, seconds: float) -> None:
        with self._lock:
            until = time.time() + seconds + _REJOINS
            self._doubtful[controller] = max(until, self._doubtful.get(controller, 0))

    # Power

    def _power_off(self, node: str) -> None:
        """Cut the power, noted as a death of its own only if it was on."""
        if Sandbox(node).running:
            if not layout.is_compute(node):
                self._doubt(node, 20)
            began = time.time()
            seen = self._history.nodes.get(node)
            if layout.is_compute(node) and (seen is None or seen.seen_at(began) == "online"):
                self._deaths[node] = began
            nodes.crash(node)
            self._off_since[node] = began
            self._note("crash", node, began)

    def boot_forgotten(self) -> None:
        """Switch on compute nodes that died when nothing ran on them: nobody fences those.

        Without it a long storm soon has no host left to break.
        """
        for node in self._lab.compute_nodes:
            if time.time() > self._off_since.get(node, 0.0) + _FORGOTTEN:
                self._boot_dead(node)

    def boot_dead(self) -> None:
        """Switch on what is off, except compute nodes that Pacemaker has yet to fence.

        A host that is back before that is not fenced any more ("fencing will be revoked if remote
        connection can be re-established"): nobody is told, and its guests stay shut off.
        """
        for node in self._lab.nodes:
            self._boot_dead(node)

    def _boot_dead(self, node: str) -> None:
        if Sandbox(node).running or self._to_be_fenced(node):
            return
        with suppress(LabError):  # fenced at this moment: it boots by that
            nodes.boot(node)

    def _to_be_fenced(self, node: str) -> bool:
        died = self._deaths.get(node)
        # After that it is not going to happen: it died at the very moment of another fencing.
        return (
            died is not None
            and time.time() < died + _FENCED_IN
            and not any(
                f.target == node and f.killed and f.completed >= int(died)
                for f in list(self._history.fencings)
            )
        )

    def _crash(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        self._power_off(fault.targets[0])

    def _crash_two(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        for index, node in enumerate(fault.targets):
            if index:
                wait(fault.value)
            self._power_off(node)

    _crash_all_but_one = _crash_two

    def _crash_again(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        self._power_off(fault.targets[0])
        wait(fault.value)
        if not self._to_be_fenced(fault.targets[0]):
            with suppress(LabError):
                nodes.boot(fault.targets[0])
        wait(fault.value % 5)
        self._power_off(fault.targets[0])

    def _crash_and_put_back(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        """The host's record is copied during its recovery, and pushed when it has lived since."""
        node, until = fault.targets[0], time.time() + fault.lasts
        if not self._may_mark(node):
            raise LabError(f"{node} is not in order now")
        self._power_off(node)
        copy = ""
        while time.time() < until:
            copy = copy or putback.copy(node)
            if copy and self._may_mark(node) and self._heard(node, until=time.time()):
                putback.push(node, copy)
                self._note("put-back", node, time.time())
                return
            if wait(1.0):
                return
        raise LabError(f"{node} was not back in service in time")

    def _heard(self, node: str, until: float) -> bool:
        """Whether the host has been without a record for long enough to have lived since."""
        timeline = self._history.records.get(node)
        if timeline is None or timeline.spans[-1].value is not None:
            return False
        return (
            until - timeline.spans[-1].first > _LIVED and self._nova.service(node)["state"] == "up"
        )

    def _crash_controller(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        self._doubt(fault.targets[0], fault.lasts)
        self._power_off(fault.targets[0])
        return lambda: nodes.boot(fault.targets[0])

    def _crash_dc_and_compute(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        status = cluster.status()
        if status is None or not status.dc:
            raise LabError("there is no DC now")
        dc = status.dc
        self._doubt(dc, fault.lasts)
        both = [threading.Thread(target=self._power_off, args=(n,)) for n in (dc, fault.targets[0])]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        return lambda: nodes.boot(dc)

    # Silence

    def _freeze_compute(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        return self._freeze(fault.targets[0])

    def _freeze_controller(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        self._doubt(fault.targets[0], fault.lasts)
        return self._freeze(fault.targets[0])

    @staticmethod
    def _freeze(node: str) -> Undo:
        sandbox = Sandbox(node)
        sandbox.freeze()

        def thaw() -> None:
            if sandbox.running:  # it may have been fenced meanwhile
                sandbox.thaw()

        return thaw

    # Processes

    def _kill(self, wanted: Callable[[list[str]], bool]) -> list[str]:
        killed = []
        for node, pid, argv in processes.in_nodes(self._lab.nodes):
            if wanted(argv):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(f"{node}: {argv[-2] if not argv[-1] else argv[-1]}")
        return killed

    def _kill_evacuator(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        began = time.time()
        killed = self._kill(processes.is_evacuator)
        self._note("kill-evacuator", ", ".join(killed) or "(none ran)", began)

    def _kill_agents(self, fault: Fault, wait: Callable[[float], bool]) -> None:
        began = time.time()
        killed: list[str] = []
        # They run for a tenth of a second: look often.
        while time.time() < began + fault.lasts:
            killed += self._kill(processes.is_agent)
            if wait(0.05):
                break
        self._note("kill-agents", ", ".join(killed) or "(none ran)", began)

    # The cloud's services

    def _stop_service(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        self._cloud.stop(fault.targets[0])
        return lambda: self._cloud.start([fault.targets[0]])

    def _freeze_service(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        service = fault.targets[0]
        self._cloud.freeze(service)

        def thaw() -> None:
            with suppress(LabError):  # it was stopped meanwhile
                self._cloud.thaw(service)

        return thaw

    # Networks

    def _cut_controller(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        node, net = fault.targets
        if net == "cluster":
            self._doubt(node, fault.lasts + 20)
        return self._cut([(node, net)])

    def _cut_compute(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        return self._cut([(fault.targets[0], fault.targets[1])])

    def _cut_group(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        group, net = fault.targets
        members = {"controllers": layout.CONTROLLERS, "computes": self._lab.compute_nodes}
        return self._cut([(host, net) for host in members.get(group, (group,))])

    def _deaf_controller(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        """One controller alone loses all compute hosts; the others have them."""
        (controller,), hosts = fault.targets, self._lab.compute_nodes
        network.deafen(controller, hosts, "cluster")
        return lambda: network.undeafen(controller, hosts, "cluster")

    @staticmethod
    def _cut(links: list[tuple[str, str]]) -> Undo:
        for host, net in links:
            network.cut(host, net)

        def heal() -> None:
            for host, net in links:
                network.heal(host, net)

        return heal

    # Capacity

    @staticmethod
    def _slow_spawn(fault: Fault, wait: Callable[[float], bool]) -> Undo:
        (layout.GUESTS / "spawn_delay").write_text(str(fault.value or 5))
        return lambda: (layout.GUESTS / "spawn_delay").unlink(missing_ok=True)

    def _fail_spawn(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        knobs = [layout.GUESTS / f"{node}.spawn_fail" for node in self._lab.compute_nodes]
        for knob in knobs:
            knob.touch()

        def mend() -> None:
            for knob in knobs:
                knob.unlink(missing_ok=True)

        return mend

    def _no_room(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        """The operator keeps every other host free, and then this one dies."""
        victim = fault.targets[0]
        others = [n for n in self._lab.compute_nodes if n != victim and self._may_mark(n)]
        for node in others:
            self.marks.put(node, DISABLE)
        self._power_off(victim)
        return lambda: self.marks.take_off(others)

    # The operator's own marks (law 6): on a host that is in order, and taken off by the same hand

    def _operator_disable(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        return self._operator(fault.targets[0], DISABLE)

    def _operator_down(self, fault: Fault, wait: Callable[[float], bool]) -> Undo:
        return self._operator(fault.targets[0], DOWN)

    def _operator(self, node: str, kind: str) -> Undo:
        if not self._may_mark(node):
            raise LabError(f"{node} is not in order now")
        self.marks.put(node, kind)
        return lambda: self.marks.take_off([node])

    def _may_mark(self, node: str) -> bool:
        """Whether the host is in service and carries no mark: whose is it would be unknown."""
        timeline = self._history.records.get(node)
        service = self._nova.service(node)
        in_order = service["status"] == "enabled" and not service["forced_down"]
        unflagged = timeline is not None and timeline.spans[-1].value is None
        return in_order and unflagged and node not in self.marks and Sandbox(node).running

    # The calm

    def calm(self) -> None:
        """Undo everything that can be undone, whoever did it. Raises LabError if a part fails."""
        network.heal()
        for knob in (*layout.GUESTS.glob("*.spawn_fail"), *layout.GUESTS.glob("*spawn_delay")):
            knob.unlink(missing_ok=True)
        for node in self._lab.nodes:
            with suppress(LabError):
                Sandbox(node).thaw()
        for service in self._cloud.services:
            with suppress(LabError):
                self._cloud.thaw(service)
        self._cloud.start(["database", "bus"])
        self._cloud.start(self._cloud.services)
        self.boot_dead()
