"""What runs, what is online and what failed, against what is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from novaha.cli.configuration import Configuration, Device, Resource
from novaha.cli.doctor.cluster import is_stopped
from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.contract.names import EVACUATE_AGENT
from novaha.core.errors import RecordError
from novaha.core.record import Record
from novaha.core.text import word as q
from novaha.pacemaker.fencing import FenceEvent
from novaha.pacemaker.live import Live

_EVER = datetime.min.replace(tzinfo=UTC)
_NO_DC = "the cluster has no DC at this moment"


@dataclass(frozen=True, slots=True)
class Running:
    """What is configured, and what is so.

    problem: why `live` could not be read, "" if it was.
    fencings: Pacemaker's history of them; None where there is no fencer to ask.
    """

    now: Configuration
    records: Mapping[str, Record | RecordError]
    live: Live | None
    problem: str = ""
    fencings: Sequence[FenceEvent] | None = ()


def quorum(running: Running) -> Iterator[Trouble]:
    """Whether the cluster may act at all."""
    live = running.live
    if live is None or not live.dc:
        yield not_checked("", running.problem or _NO_DC, "crm_mon -1")
    elif not live.quorum:
        yield error("", "no quorum: nothing is fenced and nothing is recovered", "crm_mon -1")


def online(running: Running) -> Iterator[Trouble]:
    """Every node is there."""
    live = running.live
    if live is None or not live.dc:
        yield not_checked("", running.problem or _NO_DC)
        return
    for node in sorted(running.now.nodes):
        if not live.online.get(node, False):
            flagged = node in running.records
            yield warning(
                node,
                "it is offline, and flagged for recovery" if flagged else "it is offline",
                "novaha status" if flagged else "crm_mon -1rfA",
            )


def runs(running: Running) -> Iterator[Trouble]:
    """Ours and the fence devices run where they should."""
    live, now = running.live, running.now
    if live is None or not live.dc:
        yield not_checked("", running.problem or _NO_DC)
        return
    compute = now.holder()
    single: list[Device | Resource] = [r for r in now.resources if r.agent == EVACUATE_AGENT]
    for one in (*single, *now.devices):
        if not is_stopped(one.meta) and not live.running.get(one.id):
            yield error(one.id, "it runs nowhere", _see(one.id))
    if compute is None or is_stopped(compute.meta):
        return
    on = live.running.get(compute.id, frozenset())
    for node in now.computes():
        if live.online.get(node, False) and node not in on and node not in running.records:
            text = f"{compute.id} does not run there though the host is online and not held"
            yield error(node, text, _see(compute.id))


def _see(resource: str) -> str:
    return f"crm_mon -1rf\npcs resource cleanup {q(resource)}"


def failures(running: Running) -> Iterator[Trouble]:
    """Failed actions of what is ours or matters to us."""
    live, now = running.live, running.now
    if live is None or not live.dc:
        yield not_checked("", running.problem or _NO_DC)
        return
    ours = {r.id for r in now.resources} | {d.id for d in now.devices} | {*now.computes()}
    for failure in live.failures:
        if failure.resource in ours:
            yield warning(
                failure.resource,
                f"{failure.action} failed on {failure.node}: {failure.reason or 'no reason given'}",
                f"pcs resource cleanup {q(failure.resource)}",
            )


def fencings(running: Running) -> Iterator[Trouble]:
    """A host that could not be fenced is not recovered, and holds everything up."""
    if running.fencings is None:
        yield not_checked("", "only a controller has the history of fencings")
        return
    newest: dict[str, FenceEvent] = {}
    for event in running.fencings:
        last = newest.get(event.target)
        if event.completed and (last is None or (last.completed or _EVER) <= event.completed):
            newest[event.target] = event
    for node, event in sorted(newest.items()):
        if node in running.now.nodes and event.status == "failed":
            yield error(
                node,
                f"its last fencing failed, at {event.completed:%Y-%m-%d %H:%M:%S} UTC",
                f"stonith_admin --history {q(node)} --verbose\n"
                f"pcs stonith fence {q(node)}  # once the device works again\n"
                f"pcs stonith history cleanup {q(node)}  # if nothing is wrong with it any more",
            )


LIVE: tuple[Check[Running], ...] = (
    Check("quorum", "the cluster has quorum", quorum),
    Check("nodes-online", "every node is online", online),
    Check("running", "the evacuator, nova-compute and the fence devices run", runs),
    Check("fencings", "no node's last fencing failed", fencings),
    Check("failed-actions", "Pacemaker remembers no failure of theirs", failures),
)
