"""What is done about hosts whose power-off is held."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping

from novaha.core.agents import BRAKE_AGENT, EVACUATE_AGENT, PROVIDER
from novaha.core.brake import Host
from novaha.core.errors import NovahaError
from novaha.core.steering import HELD, PROCEED, Held, Pause, held_text
from novaha.pacemaker.cib import is_called, query
from novaha.pacemaker.computes import Computes, parameters, paused, read_computes
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.live import attributes_of_all, drop_transient, look, set_transient
from novaha.pacemaker.runner import Runner, detach
from novaha.pacemaker.witness import look_around, works

LOG = logging.getLogger(__name__)

_CLEANUP_TIMEOUT = 30.0

_NOT_CONNECTED = 8
"""Pacemaker's PCMK_EXEC_NOT_CONNECTED."""


class PacemakerStorm:
    """The live cluster, for novaha.evacuator.held."""

    def __init__(self, run: Runner | None = None) -> None:
        self._run = run or Runner()

    def held(self) -> Mapping[str, str]:
        return attributes_of_all(self._run, HELD)

    def view(self) -> Computes:
        return read_computes(self._run)

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        return look_around(view, nodes)

    def forget_failures(self, node: str, resource: str) -> None:
        # What ran there and lost its connection counts as the connection's failure (unpack.c,
        # "not connected"), and crm_resource reaches no history of a node without a connection.
        path = f"//node_state[{is_called(node)}]//lrm_rsc_op[@op-status='{_NOT_CONNECTED}']"
        self._run(["cibadmin", "--delete-all", "--force", "--xpath", path])
        command = ["crm_resource", "--cleanup", "--resource", resource]
        self._run(command, timeout=_CLEANUP_TIMEOUT)

    def fence(self, node: str) -> None:
        """Does not wait: several hosts are fenced side by side."""
        threading.Thread(target=self._fence, args=(node,), daemon=True).start()

    def _fence(self, node: str) -> None:
        try:
            FenceHistory(self._run).request(node)
        except NovahaError as error:
            LOG.warning("%s: its fencing cannot be asked for: %s", node, error)

    def note(self, node: str, held: Held) -> None:
        set_transient(node, HELD, held_text(held), self._run)

    def release(self, node: str) -> None:
        drop_transient(node, HELD, self._run)

    def withdraw(self, node: str) -> None:
        self._run(["crm_attribute", "--node", node, "--name", PROCEED, "--delete"])

    def brake(self) -> Mapping[str, str] | None:
        path = f"//primitive[@class='stonith'][@type='{BRAKE_AGENT}']"
        return next((parameters(found) for found in query(self._run, path)), None)

    def pause(self) -> Pause | None:
        return paused(self._run)


class StormForMonitor(PacemakerStorm):
    """The same, for the brake's monitor: it ends before a fencing that it requests."""

    def evacuator_runs(self) -> bool | None:
        """Whether Pacemaker has the evacuator on a node; None when it cannot tell, or there is
        none. Raises NovahaError when the cluster cannot be asked.
        """
        path = f"//primitive[@provider='{PROVIDER}'][@type='{EVACUATE_AGENT}']"
        names = [str(found.get("id")) for found in query(self._run, path)]
        seen = look(self._run)
        if not names or not seen.dc:
            return None
        return any(seen.running.get(name) for name in names)

    def works(self, view: Computes, node: str) -> bool:
        """Whether a process of the host answers, and not only its kernel."""
        return works(view, node)

    def fence(self, node: str) -> None:
        """In a process that outlives this one: the fencer carries out one action of a device at a
        time, and a monitor that waited for a fencing would keep it from its end.
        """
        detach(FenceHistory(self._run).command(node))
