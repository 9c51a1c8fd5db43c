"""What a recovery begins with, in one question to the CIB: each start of a tool takes its time."""

from __future__ import annotations

from novaha.core.ports import Configuration
from novaha.pacemaker.cib import RECORDS, query, records_in
from novaha.pacemaker.computes import PAUSES, pause_in
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.levels import IN_CIB
from novaha.pacemaker.runner import Runner


def read(run: Runner | None = None) -> Configuration:
    """The records, the fencing levels and the pause, as they stand at this moment.

    Raises ClusterToolError and NovahaError when the CIB cannot be read.
    """
    run = run or Runner()
    found = list(query(run, f"{RECORDS} | {IN_CIB} | {PAUSES}"))
    return Configuration(
        records=records_in(e for e in found if e.tag == "node"),
        levels=FenceHistory(run).levels_in(e for e in found if e.tag not in ("node", "nvpair")),
        pause=pause_in(e for e in found if e.tag == "nvpair"),
    )
