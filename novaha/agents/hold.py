"""The hold: nothing on a host starts before the host's recovery is finished (law 4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from novaha.agents.cluster import Cluster
from novaha.agents.runtime import ActionError
from novaha.contract.ocf import ExitCode, Row
from novaha.core.errors import ClusterToolError, NovahaError, UnknownNodeError
from novaha.core.record import Record
from novaha.core.text import line

HOLD_WAIT = 5.0
"""Most seconds that a start waits for the end of a recovery: while it waits, Pacemaker can fence
nobody (measured), so it must not be long."""

_POLL = 0.5

_NOT_CONNECTED = frozenset({71, 75, 102})
"""Pacemaker's exit codes OSERR, TEMPFAIL and DISCONNECT: the tool has asked nobody."""

_Answer = TypeVar("_Answer")


def wait_until_free(
    cluster: Cluster,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Wait a moment for the end of this node's recovery; ActionError when that does not come.

    seconds: what the action has left; most of it is left for what comes after the wait.

    When the record cannot be read, nobody knows whether the host is free: so it is not, and the
    cluster's NovahaError is raised. Where the connection alone fails, as it does now and then on a
    remote node that has just joined (docs/facts.md), it is tried again before: Pacemaker repeats a
    start that has failed only after its failure-timeout.
    """
    give_up = monotonic() + min(HOLD_WAIT, seconds - 5)

    def answer(read: Callable[[], _Answer]) -> _Answer:
        while True:
            try:
                return read()
            except ClusterToolError as error:
                if error.returncode not in _NOT_CONNECTED or monotonic() >= give_up:
                    raise
            sleep(_POLL)

    node = answer(lambda: _this_node(cluster))
    while (record := answer(lambda: cluster.record(node))) is not None and record.hold:
        if monotonic() >= give_up:
            raise ActionError(ExitCode.ERR_GENERIC, held(record))
        sleep(_POLL)


def _this_node(cluster: Cluster) -> str:
    """This node's name, when it is one: a host by another name would always be free."""
    node, known = cluster.local_node(), cluster.known_nodes()
    if node not in known:
        raise UnknownNodeError(line(node), known)
    return node


def record_row(cluster: Cluster) -> Row:
    """This node's recovery record, for people; what cannot be read is said, and is no error."""
    try:
        record = cluster.record(cluster.local_node())
    except NovahaError as error:
        return ("record", "unknown", str(error))
    if record is None:
        return ("record", "none", "the host is free")
    return ("record", str(record.state), held(record) if record.hold else "the host is free")


def held(record: Record) -> str:
    """Why nova-compute stays down, for whoever reads crm_mon."""
    by = f" on {record.owner.partition('#')[0]}" if record.owner else ""
    return (
        f"recovery of {record.node} is {record.state}{by}, held: nova-compute stays down until "
        "it is finished"
    )
