"""The cluster as the agents see it.

lxml and subprocess load when the CIB is first asked, so that metadata and usage stay cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from novaha.core.errors import NovahaError, RecordError
from novaha.core.record import Record


class Cluster(Protocol):
    """What agents ask of Pacemaker. Everything raises NovahaError when it cannot answer."""

    def known_nodes(self) -> Mapping[str, str]:
        """Node name to kind: "member", "remote" or "guest"."""

    def compute_nodes(self) -> frozenset[str]:
        """Nodes that run instances: remote and guest nodes, and whatever has the role."""

    def local_node(self) -> str:
        """Pacemaker's name of this node."""

    def record(self, node: str) -> Record | None:
        """The node's recovery record; raises RecordError when it makes no sense."""

    def records(self) -> Mapping[str, Record | RecordError]:
        """All recovery records."""

    def flag_fenced(self, node: str) -> Record:
        """Write down durably that `node` was fenced, and whether that proves that it is down."""


class PacemakerCluster:
    """The live cluster (or the file that CIB_file names)."""

    def known_nodes(self) -> Mapping[str, str]:
        from novaha.pacemaker import cib

        return cib.known_nodes()

    def compute_nodes(self) -> frozenset[str]:
        from novaha.pacemaker import cib

        return cib.compute_nodes()

    def local_node(self) -> str:
        from novaha.pacemaker import cib

        return cib.local_node()

    def record(self, node: str) -> Record | None:
        from novaha.pacemaker.cib import RecordStore

        return RecordStore().read(node)

    def records(self) -> Mapping[str, Record | RecordError]:
        from novaha.pacemaker.cib import RecordStore

        return RecordStore().read_all()

    def flag_fenced(self, node: str) -> Record:
        from novaha.pacemaker.cib import RecordStore
        from novaha.pacemaker.fencing import FenceHistory

        try:
            unproven = bool(FenceHistory().levels().without_power_device(node))
        except NovahaError:
            unproven = True  # costs another fencing, if that works
        return RecordStore().flag_fenced(node, unproven=unproven)
