"""Nova beside the product: its tables as they change, and the same requests by a bare loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from novahalab.chaos.history import History
from novahalab.chaos.observe import Database
from novahalab.cloud.client import Client
from novahalab.errors import LabError

from novahabench.mark import BenchError

RUNS_AGAIN = "2.94"
"""From 2.95 on an evacuated instance ends shut off; novaha asks at this one, too."""

_LOOK = 0.2

_STANDS = 150.0
"""Seconds without an arrival after which the rest will not come: longer than any second try waits.
"""


class MissingError(BenchError):
    """Instances that did not come up elsewhere as they were. count: how many."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class Arrivals(threading.Thread):
    """Watches Nova's tables, which costs its API nothing, until all instances are in place.

    instances: vm_state that each shall have, by id. left: the host that each shall have left; one
    that died and is back may take what was on another.
    at: when each was first seen in place, seconds of time.time().
    """

    def __init__(self, instances: Mapping[str, str], left: Mapping[str, str | None]) -> None:
        super().__init__(name="arrivals", daemon=True)
        self._instances = instances
        self._left = left
        self._ended = threading.Event()
        self.at: dict[str, float] = {}
        self.where: dict[str, str | None] = {}

    def run(self) -> None:
        database = Database()
        newest = time.time()
        while not self._ended.wait(_LOOK) and len(self.at) < len(self._instances):
            newest = max([newest, *self.at.values()])
            if time.time() > newest + _STANDS:
                break
            history = History()
            try:
                database.look(history)
            except LabError:
                continue
            now = time.time()
            for instance, state in self._instances.items():
                if instance not in history.instances:
                    continue
                row = history.instances[instance].spans[-1].value
                self.where[instance] = row.host
                here = row.host == self._left[instance]
                if here or row.task_state or row.vm_state != state:
                    self.at.pop(instance, None)
                else:
                    self.at.setdefault(instance, now)
        database.stop()

    def wait(self, timeout: float) -> float:
        """When the last one was in place. Raises MissingError with those that are not."""
        self.join(timeout)
        self._ended.set()
        self.join(10)
        missing = self._instances.keys() - self.at.keys()
        if missing:
            states = ", ".join(f"{i} on {self.where.get(i)}" for i in sorted(missing)[:5])
            raise MissingError(
                f"{len(missing)} of {len(self._instances)} instances did not come up elsewhere as "
                f"they were: {states}",
                len(missing),
            )
        return max(self.at.values())


def evacuate_all(
    instances: Sequence[str], concurrency: int, client: Client | None = None
) -> list[float]:
    """Ask for each once, so many at a time, and do nothing else; when each was answered."""
    nova = client or Client()
    nova.token()

    def ask(instance: str) -> float:
        body: dict[str, object] = {"evacuate": {}}
        nova.compute("POST", f"/servers/{instance}/action", body, microversion=RUNS_AGAIN)
        return time.time()

    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(ask, instances))


def older_way(flagged: Callable[[], bool], host: str, interval: float, wait: float) -> float:
    """As the older agents do: look every `interval` seconds, sign in anew, one after the other.

    wait: seconds before the first look. Returns when the first request was answered.
    """
    time.sleep(wait)
    while not flagged():
        time.sleep(interval)
    nova = Client()
    nova.update_service(host, forced_down=True)
    instances = [server.id for server in nova.servers(host=host)]
    answered = evacuate_all(instances, 1, nova)
    return min(answered)
