"""A model of Nova's API, with the states, answers and delays that were measured on the real one.

What makes it worth having beside the lab: every interleaving and every fault can be had, and
guests that run on two hosts can be seen. What goes on behind the API is in tests.fakes.cloud.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from novaha.core import faults
from novaha.core.errors import ComputeApiError, NovahaError, RefusedError
from novaha.core.model import EVACUABLE, ComputeService, EvacuationLog, Instance, Migration
from novaha.nova import causes
from novaha.nova.reader import CELL_SILENT as SILENT
from tests.fakes import faults as fault_kinds
from tests.fakes.cloud import EPOCH, QUICK, Cloud
from tests.fakes.faults import Empty, Fault, Late, Lost, Past, Slow
from tests.fakes.servers import PAUSED, RUNNING, SHUTDOWN, Server

__all__ = ["EPOCH", "FakeNova"]

REBOOTABLE = ("active", "stopped", "paused", "suspended", "error")
REBOOTING = (None, "rebooting", "rebooting_hard", "pausing", "suspending")


def _refused(what: str, code: int, text: str) -> RefusedError:
    """As the adapter has it."""
    return RefusedError(what, code, text, final=causes.is_final(code, text))


@dataclass
class FakeNova(Cloud):
    """Fulfils novaha.core.ports.Compute.

    microversion: what evacuate is asked with; from 2.95 on instances end shut off.
    faults: by method name, what the next calls meet (tests.fakes.faults; None: nothing).
    stale: the lists of instances and evacuations show what was so many seconds ago.
    down: raised by every call while it is set.
    requests: every evacuate that was accepted or refused, with the time.
    failed_actions: instances in whose log of actions the newest evacuation has failed.
    on_request: told of every evacuate just before Nova looks at it.
    conductor_up: what Nova says of its conductors.
    silent_cells: hosts whose cell does not answer: Nova shows only that they exist.
    unreadable: instances of which Nova shows nothing but the id.
    late: how many requests are still on their way though their caller has given up.
    """

    microversion: tuple[int, int] = (2, 94)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    stale: float = 0.0
    down: ComputeApiError | None = None
    requests: list[tuple[float, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    on_request: Callable[[str, str | None], None] = field(default=lambda instance, target: None)
    conductor_up: bool = True
    silent_cells: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    late: int = 0
    _past: Past = field(default_factory=Past)

    # Reading

    def services(self) -> list[ComputeService]:
        self._meet("services")
        return [
            ComputeService("", h.name, up=False, forced_down=False, enabled=False, problem=SILENT)
            if h.name in self.silent_cells
            else ComputeService(
                id=f"service-{h.name}",
                host=h.name,
                up=self.up(h),
                forced_down=h.forced_down,
                enabled=h.enabled,
                disabled_reason=h.disabled_reason,
                last_seen=EPOCH + timedelta(seconds=h.updated),
            )
            for h in self.hosts.values()
        ]

    def instances_on(self, host: str) -> list[Instance]:
        if self._meet("instances_on"):
            return []
        shown = [i for i in self._lists()[0] if i.host == host]
        hidden = self.unreadable | {i.id for i in shown if host in self.silent_cells}
        return [
            Instance(i.id, "", host, "", problem=SILENT) if i.id in hidden else i for i in shown
        ]

    def instances_changed(self, since: datetime) -> list[Instance]:
        if self._meet("instances_changed"):
            return []
        moment = (since - EPOCH).total_seconds()
        shown = [*self._lists()[0], *(server.shown() for server in self.gone.values())]
        return [i for i in shown if self.changed.get(i.id, 0.0) >= moment]

    def instance(self, instance: str) -> Instance | None:
        self._meet("instance")
        found = self.instances.get(instance)
        return found.shown() if found else None

    def evacuations_from(self, host: str) -> list[Migration]:
        if self._meet("evacuations_from"):
            return []
        # A cell that does not answer is left out of this list, without a word.
        return [m for m in self._lists()[1] if m.source == host and host not in self.silent_cells]

    def evacuations_since(self, moment: datetime) -> list[Migration]:
        if self._meet("evacuations_since"):
            return []
        return [
            m
            for m in self._lists()[1]
            if (m.created is None or m.created >= moment) and m.source not in self.silent_cells
        ]

    def live_migrations_from(self, host: str) -> list[Migration]:
        self._meet("live_migrations_from")
        return [
            Migration(0, instance, host, receiver, "running", EPOCH)
            for instance, receiver in self.receivers.items()
            if instance in self.instances and self.instances[instance].host == host
        ]

    def conductor_is_up(self) -> bool:
        self._meet("conductor_is_up")
        return self.conductor_up

    def evacuation_log(self, instance: str, since: datetime | None) -> EvacuationLog:
        self._meet("evacuation_log")
        mine = [m for m in self.migrations if m.instance == instance]
        newest = max(mine, key=lambda m: m.id, default=None)
        if instance in self.failed_actions or newest is None:
            return EvacuationLog(over=instance in self.failed_actions)
        if newest.id in self.arrived:
            return EvacuationLog(over=True, destination=newest.destination)
        flight = self.flights.get(newest.id)
        return EvacuationLog(over=False, destination=flight.destination if flight else None)

    def evacuation_fault(self, instance: str, since: datetime | None) -> faults.Fault | None:
        self._meet("evacuation_fault")
        rows = [m for m in self.migrations if m.instance == instance and m.created == since]
        text = self.reasons.get(rows[-1].id, "") if rows else ""
        return causes.fault(text) if text else None

    def last_deleted(self) -> str:
        self._meet("last_deleted")
        return str(self.deleted)

    # Writing

    def evacuate(self, instance: str, target: str | None = None) -> None:
        self._do("evacuate", lambda: self._evacuate(instance, target))

    def act(self, instance: str, action: str) -> None:
        work = {
            "stop": lambda: self._change(instance, "powering-off", "stopped", SHUTDOWN),
            "pause": lambda: self._change(instance, "pausing", "paused", PAUSED),
            "suspend": lambda: self._change(instance, "suspending", "suspended", SHUTDOWN),
            "reset to error": lambda: self._reset(instance),
            "confirm resize": lambda: self._confirm(instance),
            "hard reboot": lambda: self._hard_reboot(instance),
        }
        self._do("act", work[str(action)])

    def stop(self, instance: str) -> None:
        self.act(instance, "stop")

    def set_forced_down(self, service: ComputeService, forced_down: bool) -> None:
        self._do("set_forced_down", lambda: self._force(service.host, forced_down))

    def disable(self, service: ComputeService, reason: str) -> None:
        self._do("disable", lambda: self._set_enabled(service.host, False, reason))

    def enable(self, service: ComputeService) -> None:
        self._do("enable", lambda: self._set_enabled(service.host, True, ""))

    # Somebody else's requests: they meet no faults and are nobody's of ours

    def foreign_evacuate(self, instance: str) -> None:
        self._accept(instance, None)

    def forget(self) -> None:
        """What only tests look at, and every finished evacuation, as when Nova's is archived."""
        self.calls.clear()
        self.requests.clear()
        self.migrations = [m for m in self.migrations if m.id in self.flights]
        self.arrived.clear()
        self.changed = {i: when for i, when in self.changed.items() if i not in self.gone}
        self.gone.clear()

    # The work

    def _evacuate(self, instance: str, host: str | None) -> None:
        self.requests.append((self.now, instance))
        self.on_request(instance, host)
        self._accept(instance, host)

    def _accept(self, instance: str, host: str | None) -> None:
        found = self._found("evacuate", instance)
        if found.vm_state == "shelved_offloaded":
            raise _refused("evacuate", 400, "it has no host")
        if found.vm_state not in EVACUABLE:
            state = f"vm_state {found.vm_state}"
            text = f"Cannot 'evacuate' instance {instance} while it is in {state}"
            raise _refused("evacuate", 409, text)
        if not found.launched:
            text = f"Instance {instance} is in an invalid state for 'evacuate'"
            raise _refused("evacuate", 409, text)
        if host is not None and host not in self.hosts:
            raise _refused("evacuate", 404, f"Compute host {host} not found.")
        if host == found.host:
            raise _refused("evacuate", 400, "The target host can't be the same one.")
        if self.up(self.hosts[found.host]):
            raise _refused("evacuate", 400, f"Compute service of {found.host} is still in use.")
        if self.microversion >= (2, 95) and not any(map(self.up, self.hosts.values())):
            raise _refused("evacuate", 400, "no compute host is up")
        stops = self.microversion >= (2, 95)
        was_error = found.vm_state == "error"
        self.begin(
            found,
            ends_stopped=found.vm_state == "stopped" or (stops and not was_error),
            wanted=host,
        )

    def _reset(self, instance: str) -> None:
        self._found("reset", instance)
        self.set(instance, vm_state="error", task_state=None)

    def _confirm(self, instance: str) -> None:
        found = self._found("confirm the resize", instance)
        if found.vm_state != "resized":
            raise RefusedError("confirm the resize", 409, f"not while it is {found.vm_state}")
        source = self.resized_from.get(instance, found.host)
        if self.hosts[source].running:  # it is the source that confirms
            self.later(QUICK, lambda: self._confirmed(instance))

    def _confirmed(self, instance: str) -> None:
        found = self.instances.get(instance)
        if found is not None and found.vm_state == "resized":
            self.set(instance, vm_state="active", task_state=None)
            self.resized_from.pop(instance, None)

    def _hard_reboot(self, instance: str) -> None:
        found = self._found("reboot", instance)
        if found.vm_state not in REBOOTABLE or found.task_state not in REBOOTING:
            raise _refused("reboot", 409, f"not while it is {found.vm_state}")
        self.set(instance, task_state="rebooting_hard")
        host = self.hosts[found.host]

        def rebooted() -> None:
            now = self.instances.get(instance)
            if now is not None and now.task_state == "rebooting_hard" and host.running:
                self.set(instance, vm_state="active", task_state=None, power_state=RUNNING)
                self.boot_guest(instance, host.name)

        if host.running:
            self.later(QUICK, rebooted)

    def _change(self, instance: str, task: str, vm_state: str, power_state: int) -> None:
        found = self._found(task, instance)
        allowed = ("active", "error") if vm_state == "stopped" else ("active",)
        if found.vm_state not in allowed or found.task_state is not None:
            state = found.task_state or found.vm_state
            raise _refused(task, 409, f"not while it is in state {state}")
        self.change(instance, task, vm_state, power_state)

    def _force(self, host: str, forced_down: bool) -> None:
        unfinished = any(m.source == host and m.status == "done" for m in self.migrations)
        if not forced_down and unfinished:
            raise _refused("force", 400, "`done` evacuation migration records remain")
        self.hosts[host].forced_down = forced_down
        self.hosts[host].updated = self.now

    def _set_enabled(self, host: str, enabled: bool, reason: str) -> None:
        self.hosts[host].enabled = enabled
        self.hosts[host].disabled_reason = reason
        self.hosts[host].updated = self.now
        if enabled and self.up(self.hosts[host]):  # else its trait stays until the next restart
            self.hosts[host].hidden = False

    def _found(self, what: str, instance: str) -> Server:
        found = self.instances.get(instance)
        if found is None:
            raise _refused(what, 404, "Instance could not be found.")
        return found

    # The way to Nova and back

    def advance(self, seconds: float) -> None:
        if self.now == 0.0:
            self._past.note(0.0, self._now())
        super().advance(seconds)
        self._past.note(self.now, self._now())

    def _now(self) -> tuple[list[Instance], list[Migration]]:
        return [i.shown() for i in self.instances.values()], list(self.migrations)

    def _lists(self) -> tuple[list[Instance], list[Migration]]:
        lists = self._past.at(self.now - self.stale) if self.stale else None
        return lists if lists is not None else self._now()  # type: ignore[return-value]

    def _meet(self, method: str) -> bool:
        """Meet what waits for a reading call; whether its list is to be empty."""
        self._arrive(method)
        match fault := fault_kinds.pop(self.faults, method):
            case Slow():
                self.advance(fault.seconds)
            case Late():
                raise fault_kinds.fresh(fault_kinds.TIMED_OUT)
            case Lost():
                raise fault_kinds.fresh(fault.error)
            case Exception():
                raise fault_kinds.fresh(fault)
        return isinstance(fault, Empty)

    def _do(self, method: str, work: Callable[[], None]) -> None:
        """A call that changes something, through whatever waits for it."""
        self._arrive(method)
        match fault := fault_kinds.pop(self.faults, method):
            case Slow():
                self.advance(fault.seconds)
                work()
            case Late():
                self.late += 1
                self.later(fault.seconds, lambda: self._do_late(work))
                raise fault_kinds.fresh(fault_kinds.TIMED_OUT)
            case Lost():
                work()
                raise fault_kinds.fresh(fault.error)
            case Exception():
                raise fault_kinds.fresh(fault)
            case _:
                work()

    def _do_late(self, work: Callable[[], None]) -> None:
        self.late -= 1
        with contextlib.suppress(NovahaError):  # nobody waits for this answer any more
            work()

    def _arrive(self, method: str) -> None:
        self.calls.append(method)
        if self.down is not None:
            raise fault_kinds.fresh(self.down)
