"""What the cluster does at this moment, as crm_mon tells it; and the older agents' flags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from novaha.pacemaker.cib import must_have, parse
from novaha.pacemaker.runner import Runner

_OLDER_FLAG = "evacuate"
_DIGEST = "novaha-digest"
_NO_SUCH_ATTRIBUTE = frozenset({0, 6, 78, 105})
"""Exit codes of attrd_updater --query: an attribute that nobody has set is an error to it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed action that Pacemaker remembers."""

    resource: str
    node: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Live:
    """The cluster at this moment.

    dc: whether there is one; without, nothing else here means anything.
    online: whether each node is. running: the nodes that each resource runs on.
    """

    dc: bool
    quorum: bool
    online: Mapping[str, bool]
    running: Mapping[str, frozenset[str]]
    failures: tuple[Failure, ...] = ()


def look(run: Runner | None = None) -> Live:
    """Ask crm_mon. Raises ClusterToolError when it cannot be asked."""
    command = ["crm_mon", "--one-shot", "--inactive", "--failcounts", "--output-as=xml"]
    root = parse((run or Runner())(command).stdout)
    must_have(root, "crm_mon", "summary")
    dc = root.find("summary/current_dc")
    running: dict[str, set[str]] = {}
    for resource in root.iterfind("resources//resource"):
        # An instance of a clone that has unique names is called NAME:0.
        nodes = running.setdefault(str(resource.get("id")).partition(":")[0], set())
        if resource.get("active") == "true" and resource.get("failed") != "true":
            nodes |= {str(node.get("name")) for node in resource.iterfind("node")}
    return Live(
        dc=dc is not None and dc.get("present") == "true",
        quorum=dc is not None and dc.get("with_quorum") == "true",
        online={
            str(node.get("name")): node.get("online") == "true" and node.get("unclean") != "true"
            for node in root.iterfind("nodes/node")
        },
        running={name: frozenset(nodes) for name, nodes in running.items()},
        failures=tuple(
            Failure(
                resource=re.sub(r"_[a-z-]+_\d+$", "", str(found.get("op_key"))).partition(":")[0],
                node=str(found.get("node")),
                action=found.get("task") or "an action",
                reason=found.get("exitreason") or found.get("exitstatus") or "",
            )
            for found in root.iterfind("failures/failure")
        ),
    )


def attributes_of_all(run: Runner, name: str) -> dict[str, str]:
    """A transient attribute by node, as the attribute manager has it; the empty ones left out.

    Raises ClusterToolError when the attribute manager cannot be asked.
    """
    command = ["attrd_updater", "--query", "--all", "--name", name]
    shown = run(command, accept=_NO_SUCH_ATTRIBUTE).stdout.decode(errors="replace")
    pairs = re.findall(r'host="([^"]*)" value="([^"]*)"', shown)
    return {host: value for host, value in pairs if value}


def set_transient(node: str, name: str, value: str, run: Runner | None = None) -> None:
    """Set a transient attribute. Raises ClusterToolError."""
    command = ["attrd_updater", "--node", node, "--name", name, "--update", value]
    (run or Runner())(command)


def drop_transient(node: str, name: str, run: Runner | None = None) -> None:
    """Take a transient attribute away. Raises ClusterToolError."""
    (run or Runner())(["attrd_updater", "--delete", "--name", name, "--node", node])


class Digests:
    """What each controller's evacuator tells the others: a private attribute of its node.

    Private: in the attribute managers only, never in the CIB, so no scheduler runs for it. It
    goes when the node does. Who may read it may ask the evacuator's socket: root and haclient.
    """

    def __init__(self, run: Runner | None = None) -> None:
        self._run = run or Runner()

    def read(self) -> dict[str, str]:
        """The digests by node. Raises ClusterToolError."""
        return attributes_of_all(self._run, _DIGEST)

    def tell(self, node: str, value: str, timeout: float) -> None:
        """Replace that of `node`, within `timeout` seconds. Raises ClusterToolError."""
        command = ["attrd_updater", "--private", "--node", node, "--name", _DIGEST]
        self._run([*command, "--update", value], timeout=timeout)

    def withdraw(self, node: str, timeout: float) -> None:
        """Take that of `node` away, within `timeout` seconds. Raises ClusterToolError.

        To delete what nobody has set creates it, and whether an attribute is private is decided by
        its creation: without --private here all later ones would be written to the CIB.
        """
        command = ["attrd_updater", "--private", "--delete", "--name", _DIGEST, "--node", node]
        self._run(command, timeout=timeout)


class OlderFlags:
    """The attribute `evacuate` of the older agents, private in Pacemaker's attribute manager.

    Pacemaker erases it when the node comes back, or as soon as it is fenced (facts.md).
    """

    def __init__(self, run: Runner | None = None) -> None:
        self._run = run or Runner()

    def read(self) -> dict[str, str]:
        """The flags by node; the empty ones left out.

        Raises ClusterToolError when the attribute manager cannot be asked.
        """
        return attributes_of_all(self._run, _OLDER_FLAG)

    def drop(self, node: str) -> None:
        """Take one away. Raises ClusterToolError."""
        drop_transient(node, _OLDER_FLAG, self._run)


def older_flags(run: Runner | None = None) -> dict[str, str]:
    """The older agents' flags by node; see OlderFlags.read."""
    return OlderFlags(run).read()
