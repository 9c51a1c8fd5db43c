"""Virt driver of the lab: Nova's FakeDriver, made to behave like a hypervisor.

It runs inside nova-compute, as nova.virt.novahalab. Its guests are files, one each,
``GUESTS/HOST/INSTANCE-UUID`` with the content ``STATE NAME`` (``RUNNING instance-00000001``;
states are Nova's: RUNNING, SHUTDOWN, PAUSED, SUSPENDED). So guests survive a restart of
nova-compute, a power cut is a change of files, and "runs on two hosts" can be seen from outside.

Knobs: ``GUESTS/spawn_delay`` and ``GUESTS/HOST.spawn_delay`` (seconds, added; a spawn that waits
sees them change), ``GUESTS/HOST.spawn_fail`` (exists: the spawn fails). ``GUESTS/move_delay`` and
``GUESTS/HOST.move_delay``: how long a guest takes to leave HOST, live or for a resize.
"""

# mypy: disable-error-code="import-not-found"
# It is imported by OpenStack's own Python, where the lab's packages are not.

import contextlib
import os
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake, node
from oslo_config import cfg

CONF = nova.conf.CONF
CONF.register_opts(
    [
        cfg.StrOpt("guests", required=True, help="Directory of the guests of all hosts."),
        cfg.IntOpt("vcpus", default=1000, help="Virtual CPUs of this host."),
        cfg.IntOpt("memory_mb", default=800_000, help="Memory of this host, in MiB."),
        cfg.IntOpt("local_gb", default=600_000, help="Disk of this host, in GiB."),
    ],
    group="novahalab",
)

STATES = ("RUNNING", "PAUSED", "SHUTDOWN", "CRASHED", "SUSPENDED")
_LOOK = 0.5
"""Seconds after which a spawn that waits looks at its knobs again."""

NAMES = {getattr(power_state, name): name for name in STATES}


class Guest(fake.FakeInstance):  # type: ignore[misc]
    """A guest whose state is its file."""

    def __init__(self, guests: "Guests", uuid: str, name: str, state: int) -> None:
        self._guests = guests
        self.uuid = uuid
        self.name = name
        self._state = state

    @property
    def state(self) -> int:
        return self._state

    @state.setter
    def state(self, state: int) -> None:
        self._state = state
        self._guests.write(self.uuid, self.name, state)


class Guests(MutableMapping[str, Any]):
    """The guests of one host, as a directory."""

    def __init__(self, root: Path, host: str) -> None:
        self._directory = root / host
        self._scratch = root / ".scratch"  # outside, so that no reader meets a half-written guest
        self._directory.mkdir(parents=True, exist_ok=True)
        self._scratch.mkdir(exist_ok=True)

    def write(self, uuid: str, name: str, state: int) -> None:
        scratch = self._scratch / f"{uuid}.{self._directory.name}"
        scratch.write_text(f"{NAMES.get(state, 'SHUTDOWN')} {name}\n")
        os.replace(scratch, self._directory / uuid)

    def __getitem__(self, uuid: str) -> Guest:
        try:
            state, name = (self._directory / uuid).read_text().split()
        except FileNotFoundError:
            raise KeyError(uuid) from None
        return Guest(self, uuid, name, getattr(power_state, state))

    def __setitem__(self, uuid: str, guest: Any) -> None:
        self.write(uuid, guest.name, guest.state)

    def __delitem__(self, uuid: str) -> None:
        try:
            (self._directory / uuid).unlink()
        except FileNotFoundError:
            raise KeyError(uuid) from None

    def __iter__(self) -> Iterator[str]:
        return iter(os.listdir(self._directory))

    def __len__(self) -> int:
        return len(os.listdir(self._directory))


class Driver(fake.FakeDriver):  # type: ignore[misc]
    """FakeDriver with guests that are files, and one identity over all restarts."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        # FakeDriver.__init__ sizes the host by these.
        self.vcpus = CONF.novahalab.vcpus
        self.memory_mb = CONF.novahalab.memory_mb
        self.local_gb = CONF.novahalab.local_gb
        super().__init__(virtapi, read_only)

    def init_host(self, host: str) -> None:
        super().init_host(host)
        self._root = Path(CONF.novahalab.guests)
        self.instances = Guests(self._root, host)

    # FakeDriver's node uuid is new in each process: a restarted nova-compute would refuse its node.

    def get_available_resource(self, nodename: str) -> Any:
        resource = super().get_available_resource(nodename)
        resource["uuid"] = node.get_local_node_uuid()
        return resource

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        return {node.get_local_node_uuid(): name for name in self.get_available_nodes()}

    def spawn(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        begun = time.monotonic()
        while (left := begun + self._delay("spawn_delay") - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))
        if (self._root / f"{self._host}.spawn_fail").exists():
            raise exception.NovaException(f"spawning on {self._host} fails: the lab wants it")
        super().spawn(context, instance, *args, **kwargs)

    def _delay(self, name: str) -> float:
        return sum(map(_seconds, self._knobs(name)))

    def _knobs(self, name: str) -> tuple[Path, Path]:
        return self._root / name, self._root / f"{self._host}.{name}"

    # FakeDriver does nothing in these, or leaves the guest running where it was.

    def live_migration(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(self._delay("move_delay"))
        super().live_migration(*args, **kwargs)

    def post_live_migration(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        self.destroy(context, instance, None)

    def migrate_disk_and_power_off(
        self, context: Any, instance: Any, *args: Any, **kwargs: Any
    ) -> None:
        time.sleep(self._delay("move_delay"))
        self.instances[instance.uuid].state = power_state.SHUTDOWN

    def soft_delete(self, instance: Any) -> None:
        self.instances[instance.uuid].state = power_state.SHUTDOWN

    def restore(self, instance: Any) -> None:
        self.instances[instance.uuid].state = power_state.RUNNING

    def pause(self, instance: Any) -> None:
        self.instances[instance.uuid].state = power_state.PAUSED

    def unpause(self, instance: Any) -> None:
        self.instances[instance.uuid].state = power_state.RUNNING

    def suspend(self, context: Any, instance: Any) -> None:
        self.instances[instance.uuid].state = power_state.SUSPENDED

    def resume(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        self.instances[instance.uuid].state = power_state.RUNNING

    def resume_state_on_host_boot(
        self, context: Any, instance: Any, *args: Any, **kwargs: Any
    ) -> None:
        self.instances[instance.uuid].state = power_state.RUNNING


def _seconds(knob: Path) -> float:
    for _ in range(100):
        with contextlib.suppress(ValueError):  # it is being written
            try:
                return float(knob.read_text())
            except FileNotFoundError:
                return 0.0
        time.sleep(0.01)
    raise ValueError(f"{knob} has no number")
