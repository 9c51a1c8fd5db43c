"""The forms in which an instance can meet the death of its host."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from novaha.core.model import Instance
from novaha.core.policy.traits import Traits
from novaha.nova import causes

UNKNOWN_POWER, RUNNING, PAUSED, SHUTDOWN = 0, 1, 3, 4

_FROM_VOLUME = Traits("p1", "small", {}, "", (), {}, local_disk=False)


@dataclass(frozen=True, slots=True)
class Server:
    """An instance in Nova's database. launched: it has run at least once."""

    id: str
    host: str
    vm_state: str
    task_state: str | None = None
    power_state: int = RUNNING
    fault: str = ""
    locked: bool = False
    launched: bool = True
    traits: Traits = _FROM_VOLUME

    @property
    def name(self) -> str:
        return f"name-{self.id}"

    def shown(self) -> Instance:
        """As the adapter reads it from Nova's API."""
        return Instance(
            id=self.id,
            name=self.name,
            host=self.host,
            vm_state=self.vm_state,
            task_state=self.task_state,
            power_state=self.power_state,
            fault=causes.fault(self.fault) if self.fault else None,
            traits=self.traits,
        )


@dataclass(frozen=True, slots=True)
class Form:
    """What Nova shows of an instance, and whether its guest runs."""

    vm_state: str
    task_state: str | None = None
    power_state: int = RUNNING
    runs: bool = True
    locked: bool = False


FORMS = MappingProxyType(
    {
        "active": Form("active"),
        "stopped": Form("stopped", None, SHUTDOWN, runs=False),
        "paused": Form("paused", None, PAUSED, runs=False),
        "suspended": Form("suspended", None, SHUTDOWN, runs=False),
        "rescued": Form("rescued"),
        "error": Form("error"),
        "error-stopped": Form("error", None, SHUTDOWN, runs=False),
        "resized": Form("resized"),
        "resizing": Form("active", "resize_migrating"),
        "migrating": Form("active", "migrating"),
        "rebuilding": Form("active", "rebuild_spawning", runs=False),
        "building": Form("building", "spawning", UNKNOWN_POWER, runs=False),
        "rebooting": Form("active", "rebooting"),
        "rebooting-hard": Form("active", "rebooting_hard"),
        "powering-off": Form("active", "powering-off"),
        "password": Form("active", "updating_password"),
        "shelved": Form("shelved", None, SHUTDOWN, runs=False),
        "shelved-offloaded": Form("shelved_offloaded", None, SHUTDOWN, runs=False),
        "soft-deleted": Form("soft-delete", None, SHUTDOWN, runs=False),
        "deleting": Form("active", "deleting"),
        "locked": Form("active", locked=True),
    }
)


def made(instance: str, host: str, form: str) -> Server:
    """An instance in this form; one that is shelved and offloaded has no host."""
    of = FORMS[form]
    where = "" if of.vm_state == "shelved_offloaded" else host
    return Server(
        instance,
        where,
        of.vm_state,
        of.task_state,
        of.power_state,
        locked=of.locked,
        launched=of.vm_state != "building",
    )
