"""What the owners of instances do meanwhile, and what they may expect at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from novahalab.chaos.history import Happening, History, Wish
from novahalab.chaos.schedule import Fault
from novahalab.cloud import ApiError, Client

EITHER = {"active", "stopped"}


class Tenants:
    """Does one thing after the other; an answer that does not come makes the wish open."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._nova = Client(timeout=15)
        self._made: list[str] = []

    def settle_in(self, hosts: Sequence[str], each: int, stopped: int) -> None:
        """Put instances on every host, and wait for them. Raises LabError if that fails."""
        for host in hosts:
            for server in self._nova.servers_create(
                each, host=host, stopped=stopped, name_prefix=f"on-{host}"
            ):
                state = "stopped" if server.status == "SHUTOFF" else "active"
                self._history.wishes[server.id] = Wish({state})

    def do(self, fault: Fault) -> None:
        """One of the ``tenant-…`` faults."""
        began = time.time()
        what = fault.kind.removeprefix("tenant-")
        try:
            target = self._create() if what == "create" else self._act(what, fault.value)
        except ApiError as error:
            target = f"(failed: {error.status or 'no answer'})"
        self._history.happenings.append(Happening(fault.kind, target, began, time.time()))

    def _create(self) -> str:
        body = {
            "name": f"chaos-{int(time.time())}",
            "imageRef": self._nova._image(),
            "flavorRef": self._nova._flavor("m1.nano"),
            "networks": "none",
        }
        made = str(self._nova.compute("POST", "/servers", {"server": body})["server"]["id"])
        self._made.append(made)
        return made

    def adopt(self) -> None:
        """Count as the tenant's what was made during the run and has come up once."""
        for made in list(self._made):
            timeline = self._history.instances.get(made)
            seen = timeline.spans[-1].value if timeline else None
            if seen and seen.vm_state == "active" and seen.task_state is None:
                self._history.wishes.setdefault(made, Wish({"active"}))
                self._made.remove(made)

    def unborn(self) -> list[str]:
        """Those made that never came up: nobody expects anything of them."""
        return list(self._made)

    def _act(self, what: str, share: float) -> str:
        self.adopt()
        wishes = self._history.wishes
        living = sorted(i for i, wish in wishes.items() if not wish.deleted)
        if what == "stop":
            living = [i for i in living if wishes[i].states == {"active"}]
        if what == "start":
            living = [i for i in living if wishes[i].states == {"stopped"}]
        if not living:
            return "(there is none)"
        server = living[int(share * len(living))]
        wish = wishes[server]
        if what == "delete":
            # From the moment of asking nobody misses it, whatever the answer.
            wish.deleted = True
            self._nova.compute("DELETE", f"/servers/{server}")
        elif what == "lock":
            self._nova.action(server, "lock")
            wish.locked = True
        else:
            # The host may die with the request in its queue: then either state is right.
            wish.states = set(EITHER)
            self._nova.action(server, f"os-{what}")
        return server
