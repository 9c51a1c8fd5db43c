"""The alert agent itself rings the evacuator's bell for fencings that succeeded."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from novaha.evacuator.address import BELL, RUN_DIR
from novaha.evacuator.wakeup import Wakeup, listen, open_pipe

ALERT = Path(__file__).resolve().parents[3] / "alerts/novaha_alert"
FENCED = {"CRM_alert_kind": "fencing", "CRM_alert_rc": "0", "CRM_alert_node": "compute-1"}


@pytest.fixture
def alert(tmp_path: Path) -> Path:
    """The agent, with the bell of this test."""
    text = ALERT.read_text()
    assert f"{RUN_DIR}/{BELL}\n" in text
    copy = tmp_path / "novaha_alert"
    copy.write_text(text.replace(RUN_DIR, str(tmp_path)))
    copy.chmod(0o755)
    return copy


def run(alert: Path, event: dict[str, str]) -> None:
    done = subprocess.run([alert], env=event, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_fencing_rings_and_names_its_node(alert: Path) -> None:
    wakeup = Wakeup()
    listen(open_pipe(alert.parent / BELL), wakeup)
    run(alert, FENCED)
    assert wakeup.wait(10)
    run(alert, {**FENCED, "CRM_alert_node": "compute-2"})
    nodes = set(wakeup.drain())
    while nodes != {"compute-1", "compute-2"}:
        assert wakeup.wait(10), nodes
        nodes |= wakeup.drain()
    assert not wakeup.wait(0)


@pytest.mark.parametrize(
    "event",
    [{**FENCED, "CRM_alert_rc": "-62"}, {**FENCED, "CRM_alert_kind": "node"}, {}],
)
def test_nothing_else_rings(alert: Path, event: dict[str, str]) -> None:
    wakeup = Wakeup()
    listen(open_pipe(alert.parent / BELL), wakeup)
    run(alert, event)
    assert not wakeup.wait(0.2)


def test_nobody_to_wake_is_no_failure(alert: Path) -> None:
    run(alert, FENCED)


def test_an_evacuator_that_was_killed_keeps_no_alert_waiting(alert: Path) -> None:
    os.mkfifo(alert.parent / BELL)
    run(alert, FENCED)


def test_whoever_rings_in_the_process_names_no_node() -> None:
    wakeup = Wakeup()
    wakeup.wake()
    assert wakeup.wait(0)
    assert wakeup.drain() == frozenset()


def test_law_9_nobody_but_root_and_the_cluster_may_ring(tmp_path: Path) -> None:
    listen(open_pipe(tmp_path / BELL), Wakeup())
    listen(open_pipe(tmp_path / BELL), Wakeup())  # one that was left behind is no hindrance
    assert stat.S_IMODE((tmp_path / BELL).stat().st_mode) & 0o007 == 0
