"""The recovery records: hosts that are not back in service, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.cli.layout import EVACUATE_ID
from novaha.core.errors import RecordError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.text import word as q
from novaha.evacuator.client import HUNG_AFTER

_CLAIMED = timedelta(minutes=5)
"""In which an evacuator that runs has claimed a fenced host."""

_LOOK = "novaha status"
_LOG = "tail -n 50 /var/log/novaha/nova-evacuate.log"


@dataclass(frozen=True, slots=True)
class Recoveries:
    """The records, and what tells whether they are to be believed.

    nodes: the nodes that the cluster still has, so that a record may be of one that is gone.
    older: the older agents' flags by node, None when they could not be read; older_problem: why.
    health: what the evacuator on this node says of itself, None when none runs here;
        health_problem: why it says nothing though it runs.
    """

    records: Mapping[str, Record | RecordError]
    nodes: frozenset[str]
    now: datetime
    older: Mapping[str, str] | None = field(default_factory=dict)
    older_problem: str = ""
    health: Mapping[str, Any] | None = None
    health_problem: str = ""


def records(recoveries: Recoveries) -> Iterator[Trouble]:
    """Hosts that are not back in service."""
    for node, record in sorted(recoveries.records.items()):
        if isinstance(record, RecordError):
            yield error(
                node,
                f"its record makes no sense ({record.problem}): it is held, and not recovered",
                f"novaha retry {q(node)}",
            )
            continue
        how = " without a power device" if record.unproven else ""
        fenced = f"fenced{how} at {record.fenced:%Y-%m-%d %H:%M:%S} UTC"
        match record.state:
            case RecoveryState.PENDING if recoveries.now - record.fenced > _CLAIMED:
                yield error(
                    node,
                    f"{fenced}, and no evacuator has claimed it",
                    f"{_LOOK}\ncrm_mon -1rfA\nstonith_admin --history {q(node)} --verbose",
                )
            case RecoveryState.PENDING | RecoveryState.RUNNING:
                yield warning(node, f"{fenced}, in recovery", _LOOK)
            case _ if record.kept and not record.admitted:
                what = f"{fenced}, back, and kept out of service until an operator lets it in"
                yield warning(node, what, f"{_LOOK}  # tells why\nnovaha release {q(node)}")
            case _:
                yield warning(node, f"{fenced}, recovered, not back in service yet", _LOOK)


def nodes(recoveries: Recoveries) -> Iterator[Trouble]:
    """Records of nodes that were removed from the cluster."""
    for node in sorted(recoveries.records.keys() - recoveries.nodes):
        yield warning(
            node,
            "it has a recovery record, and is no node of this cluster any more",
            f"crm_node --force --remove {q(node)}",
        )


def older(recoveries: Recoveries) -> Iterator[Trouble]:
    """What the older agents flagged and nobody has recovered since."""
    if recoveries.older is None:
        yield not_checked("", recoveries.older_problem)
        return
    for node, value in sorted(recoveries.older.items()):
        if value == "no" or node in recoveries.records:
            continue
        yield error(
            node,
            f"the older agents flagged it (evacuate={value}) and the evacuator, which looks each "
            "minute, has not adopted that: its instances may not have been recovered",
            "novaha status  # tells why\n"
            f"pcs stonith fence {q(node)}  # if its instances are still on it\n"
            f"attrd_updater --delete --name evacuate --node {q(node)}",
        )


def evacuator(recoveries: Recoveries) -> Iterator[Trouble]:
    """Whether it turns, and gets what it asks for."""
    health = recoveries.health
    if recoveries.health_problem:
        yield error("", recoveries.health_problem, _LOG)
        return
    if health is None:
        where = f"crm_resource --locate --resource {EVACUATE_ID}"
        yield not_checked("", "it does not run on this node", where)
        return
    if float(health["turn_age"]) > HUNG_AFTER:
        yield error("", f"its loop has not turned for {float(health['turn_age']):.0f} s", _LOG)
    if health["problem"]:
        yield error("", f"it cannot go on: {health['problem']}", _LOG)
    if health["nova"]["ok"] is None:
        yield not_checked("", "it has not asked Nova yet", "novaha doctor --only cloud")
    if health["nova"]["ok"] is False:
        yield error("", f"Nova does not answer it: {health['nova']['problem']}", _LOG)


RECORDS: tuple[Check[Recoveries], ...] = (
    Check("evacuator", "it turns, and Nova answers it", evacuator),
    Check("records", "no host is in recovery", records),
    Check("record-nodes", "each record is of a node of this cluster", nodes),
    Check("older-flags", "the older agents left no flag", older),
)
