"""The behaviour tests' Nova: the model of tests.fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from itertools import count

from novaha.core.errors import RefusedError
from tests.behaviour.harness import HOSTS, NEWEST_RUNNING, SECOND, Evacuation, Seen
from tests.fakes.nova import EPOCH, FakeNova

_STEP = 0.05
_LIMIT = 300.0


class ModelNova:
    """Fulfils NovaUnderTest."""

    def __init__(self) -> None:
        self._nova = FakeNova(spawn_delay=0.0)
        self._names = (f"instance-{number}" for number in count())
        for host in HOSTS:
            self._nova.add_host(host)

    def casualties(self, forms: Iterable[str], host: str) -> Mapping[str, str]:
        made: dict[str, str] = {}
        for form in forms:
            made[form] = next(self._names)
            self._nova.add_instance(made[form], host, form)
            if form == "resized":
                self._nova.resized_from[made[form]] = SECOND
        self.crash(host)
        return made

    def crash(self, host: str) -> None:
        self._nova.crash(host)

    def start(self, host: str) -> None:
        self._nova.start_compute(host)

    def force_down(self, host: str, down: bool) -> int:
        return _code(lambda: self._nova.set_forced_down(self._service(host), down))

    def close(self, *hosts: str) -> None:
        for service in self._nova.services():
            if service.host in hosts:
                self._nova.disable(service, "for the test")
            elif not service.enabled:
                self._nova.enable(service)

    def spawn_delay(self, seconds: float) -> None:
        self._nova.spawn_delay = seconds

    def evacuate(
        self, instance: str, microversion: str = NEWEST_RUNNING, target: str | None = None
    ) -> int:
        major, minor = microversion.split(".")
        self._nova.microversion = (int(major), int(minor))
        return _code(lambda: self._nova.evacuate(instance, target))

    def act(self, instance: str, action: str) -> int:
        return _code(lambda: self._nova.act(instance, action))

    def delete(self, instance: str) -> None:
        self._nova.remove(instance)

    def seen(self, instance: str) -> Seen | None:
        found = self._nova.instance(instance)
        if found is None:
            return None
        return Seen(
            found.vm_state,
            found.task_state,
            found.host,
            found.power_state,
            found.fault.text if found.fault else "",
        )

    def evacuations(self, instance: str) -> list[Evacuation]:
        rows = [m for m in self._nova.migrations if m.instance == instance]
        return [Evacuation(m.status, m.destination) for m in rows]

    def evacuating_since(self, seconds: float) -> list[str]:
        since = EPOCH + timedelta(seconds=self._nova.now - seconds)
        return [row.instance for row in reversed(self._nova.evacuations_since(since))]

    def changed_since(self, seconds: float) -> dict[str, tuple[str, str]]:
        since = EPOCH + timedelta(seconds=self._nova.now - seconds)
        return {i.id: (i.vm_state, i.host) for i in self._nova.instances_changed(since)}

    def fault(self, instance: str) -> str:
        rows = [m for m in self._nova.migrations if m.instance == instance]
        found = self._nova.evacuation_fault(instance, rows[-1].created)
        return found.text if found else ""

    def guests(self, instance: str) -> set[str]:
        return set(self._nova.guests[instance])

    def up(self, host: str) -> bool:
        return self._service(host).up

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        end = self._nova.now + _LIMIT
        while not condition():
            assert self._nova.now < end, f"not within {_LIMIT:g} s: {what}"
            self._nova.advance(_STEP)

    def pass_time(self, seconds: float) -> None:
        self._nova.advance(seconds)

    def _service(self, host: str):
        return next(s for s in self._nova.services() if s.host == host)


def _code(request: Callable[[], object]) -> int:
    try:
        request()
    except RefusedError as error:
        return error.code
    return 200
