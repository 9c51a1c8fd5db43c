"""What is asked of the cluster about held hosts."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from novaha.core.errors import ClusterToolError
from novaha.pacemaker import storm
from novaha.pacemaker.runner import Result, Runner, detach
from novaha.pacemaker.storm import StormForMonitor
from tests.unit.pacemaker.test_live import STATUS

EVACUATOR = b"<xpath-query><primitive id='nova-evacuate' type='NovaEvacuate'/></xpath-query>"
NOWHERE = STATUS.replace(b'id="nova-evacuate" active="true"', b'id="nova-evacuate" active="false"')


class Printed(Runner):
    """Tools that print this. configured: what is found in the CIB."""

    def __init__(self, configured: bytes, status: bytes) -> None:
        self.configured, self.status = configured, status

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 0,
        accept: frozenset[int] = frozenset({0}),
        stdin: bytes | None = None,
    ) -> Result:
        shown = self.status if argv[0] == "crm_mon" else self.configured
        return Result(tuple(argv), 0, shown, "")


@pytest.mark.parametrize(
    ("configured", "status", "runs"),
    [
        (EVACUATOR, STATUS, True),
        (EVACUATOR, NOWHERE, False),
        (EVACUATOR, STATUS.replace(b'id="nova-evacuate"', b'id="another"'), False),
        (EVACUATOR, NOWHERE.replace(b'present="true"', b'present="false"'), None),
        (b"<xpath-query/>", NOWHERE, None),
    ],
)
def test_whether_the_evacuator_runs(configured: bytes, status: bytes, runs: bool | None) -> None:
    assert StormForMonitor(Printed(configured, status)).evacuator_runs() is runs


def test_a_fencing_is_requested_by_a_process_that_nobody_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr(storm, "detach", started.append)
    StormForMonitor(Printed(b"<xpath-query/>", b"")).fence("compute-1")
    assert started == [["stonith_admin", "--reboot", "compute-1", "--timeout", "60"]]


def test_a_detached_tool_outlives_its_session(tmp_path: Path) -> None:
    file = tmp_path / "session"
    detach(["sh", "-c", f"ps -o sid= -p $$ >{file}.new; mv {file}.new {file}"])
    end = time.monotonic() + 30
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert int(file.read_text()) != os.getsid(0)


def test_a_tool_that_is_missing_is_said_to_be() -> None:
    with pytest.raises(ClusterToolError, match="cannot be run"):
        detach(["/nonexistent/tool"])
