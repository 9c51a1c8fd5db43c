"""The fence agent: writes down that a host was fenced, so that its instances get recovered.

It stands behind the power device in the same level. `off` needs the cluster's own CIB and nothing
else (law 7); what follows from the flag is the evacuator's work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from novaha import __version__
from novaha.agents import fence_runtime
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.fence_parameters import PARAMETERS
from novaha.agents.fence_runtime import Handler, Log
from novaha.contract import streams
from novaha.contract.fence import Action, Agent, ExitCode, Request
from novaha.contract.parameters import validate
from novaha.core import naming
from novaha.core.errors import AmbiguousNodeError, RecordError, UnknownNodeError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState

AGENT = Agent(
    name="fence_compute",
    version=__version__,
    shortdesc="Fence agent that marks a compute host for the recovery of its instances",
    longdesc=(
        "Writes a recovery record for the fenced compute host into the cluster's configuration; "
        "ocf:openstack:NovaEvacuate brings the instances up elsewhere. It cuts no power: put it "
        "into a fencing level behind the device that does, as "
        "'pcs stonith level add 1 compute-1 ipmi-1 fence-nova'. It needs no credentials."
    ),
    parameters=PARAMETERS,
)


def main(
    argv: Sequence[str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    cluster: Cluster | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Carry out one request and return its exit code."""
    given = (argv, stdin, stdout, stderr)
    return fence_runtime.run(AGENT, _ACTIONS, cluster or PacemakerCluster(), *given, sleep=sleep)


def resolve(request: Request, known: Mapping[str, str]) -> str:
    """The cluster's name of the node that is meant; plug beats nodename.

    Pacemaker hands on a name as it was typed, and compares without case; so does this.

    Raises UnknownNodeError when it is no node of this cluster, AmbiguousNodeError when it
    could be several.
    """
    given = [name for name in (request.plug, request.nodename) if name]
    for name in given:
        if (node := naming.find_node(name, known)) is not None:
            return node
    for name in given:
        similar = [node for node in known if _same_host(name, node, request.domain)]
        if len(similar) == 1:
            return similar[0]
        if similar:
            raise AmbiguousNodeError(name, similar)
    raise UnknownNodeError(request.plug or request.nodename, known)


def _same_host(name: str, node: str, domain: str) -> bool:
    """Whether two names differ by nothing but case, and a domain that one of them leaves out."""
    if domain and naming.same_name(f"{name}.{domain}", node):
        return True
    return naming.alike(name, node)


def _off(request: Request, cluster: Cluster, out: TextIO, log: Log) -> ExitCode:
    if request.ignored:
        log(f"ignored, these parameters mean nothing any more: {', '.join(request.ignored)}")
    node = resolve(request, cluster.known_nodes())
    record = cluster.flag_fenced(node)
    log.debug(f"{node} is flagged for recovery, fence id {record.fence_id}")
    streams.tell(out, "Success: Powered OFF\n")  # it is written down, whoever hears of it
    return ExitCode.SUCCESS


def _on(request: Request, cluster: Cluster, out: TextIO, log: Log) -> ExitCode:
    """Refuse at once while the recovery is unfinished: waiting would block the cluster (law 8)."""
    node = resolve(request, cluster.known_nodes())
    state = _state(_record_of(cluster, node))
    if state in (RecoveryState.ABSENT, RecoveryState.RECOVERED):
        print("Success: Powered ON", file=out)
        return ExitCode.SUCCESS
    log(f"{node} is held: its recovery is {state}; it is let in by itself once that is finished")
    return ExitCode.FAILURE


def _status(request: Request, cluster: Cluster, out: TextIO, log: Log) -> ExitCode:
    node = resolve(request, cluster.known_nodes())
    power = _power(_record_of(cluster, node))
    print(f"Status: {power.upper()}", file=out)
    return ExitCode.SUCCESS if power == "on" else ExitCode.OFF


def _list(request: Request, cluster: Cluster, out: TextIO, log: Log) -> ExitCode:
    records = cluster.records() if request.action is Action.LIST_STATUS else {}
    power = {node: _power(records.get(node)) for node in sorted(cluster.compute_nodes())}
    return fence_runtime.show_list(request, out, power)


def _monitor(request: Request, cluster: Cluster, out: TextIO, log: Log) -> ExitCode:
    cluster.known_nodes()
    return ExitCode.SUCCESS


def _validate_all(request: Request, cluster: Cluster, out: TextIO, log: Log) -> ExitCode:
    validate(AGENT.parameters, request.given)
    if request.ignored:
        log(f"accepted, but these mean nothing any more: {', '.join(request.ignored)}")
    return ExitCode.SUCCESS


def _record_of(cluster: Cluster, node: str) -> Record | RecordError | None:
    try:
        return cluster.record(node)
    except RecordError as error:
        return error


def _state(record: Record | RecordError | None) -> RecoveryState:
    """A record that makes no sense is one of a host that was fenced: held."""
    if record is None:
        return RecoveryState.ABSENT
    return RecoveryState.PENDING if isinstance(record, RecordError) else record.state


def _power(record: Record | RecordError | None) -> str:
    """The flag as fence agents speak of it: a host whose recovery is unfinished is "off"."""
    return "on" if _state(record) in (RecoveryState.ABSENT, RecoveryState.RECOVERED) else "off"


_ACTIONS: dict[Action, Handler[Cluster]] = {
    Action.OFF: _off,
    Action.ON: _on,
    Action.STATUS: _status,
    Action.LIST: _list,
    Action.LIST_STATUS: _list,
    Action.MONITOR: _monitor,
    Action.VALIDATE_ALL: _validate_all,
    **fence_runtime.texts(AGENT),
}
