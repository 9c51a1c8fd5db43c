"""The recovery records: hosts that are not back in service, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.core.errors import RecordError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState

_CLAIMED = timedelta(minutes=5)
"""In which an evacuator that runs has claimed a fenced host."""

_LOOK = "novaha status"


@dataclass(frozen=True, slots=True)
class Recoveries:
    """The records, and what tells whether they are to be believed.

    nodes: the nodes that the cluster still has, so that a record may be of one that is gone.
    older: the older agents' flags by node, None when they could not be read; older_problem: why.
    """

    records: Mapping[str, Record | RecordError]
    nodes: frozenset[str]
    now: datetime
    older: Mapping[str, str] | None = field(default_factory=dict)
    older_problem: str = ""


def records(recoveries: Recoveries) -> Iterator[Trouble]:
    """Hosts that are not back in service."""
    for node, record in sorted(recoveries.records.items()):
        if isinstance(record, RecordError):
            yield error(
                node,
                f"its record makes no sense ({record.problem}): it is held, and not recovered",
                f"novaha retry {node}",
            )
            continue
        how = " without a power device" if record.unproven else ""
        fenced = f"fenced{how} at {record.fenced:%Y-%m-%d %H:%M:%S} UTC"
        match record.state:
            case RecoveryState.PENDING if recoveries.now - record.fenced > _CLAIMED:
                yield error(
                    node,
                    f"{fenced}, and nobody works on its recovery",
                    f"{_LOOK}\ncrm_mon -1rfA\nstonith_admin --history {node} --verbose",
                )
            case RecoveryState.PENDING | RecoveryState.RUNNING:
                yield warning(node, f"{fenced}, in recovery", _LOOK)
            case _:
                yield warning(node, f"{fenced}, recovered, not back in service yet", _LOOK)


def nodes(recoveries: Recoveries) -> Iterator[Trouble]:
    """Records of nodes that were removed from the cluster."""
    for node in sorted(recoveries.records.keys() - recoveries.nodes):
        yield warning(
            node,
            "it has a recovery record, and is no node of this cluster any more",
            f"crm_node --force --remove {node}",
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
            f"the older agents flagged it (evacuate={value}) and novaha knows nothing of it: its "
            "instances may not have been recovered",
            f"pcs stonith fence {node}  # if its instances are still on it\n"
            f"attrd_updater --delete --name evacuate --node {node}",
        )


RECORDS: tuple[Check[Recoveries], ...] = (
    Check("records", "no host is in recovery", records),
    Check("record-nodes", "each record is of a node of this cluster", nodes),
    Check("older-flags", "the older agents left no flag", older),
)
