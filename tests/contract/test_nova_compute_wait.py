"""nova-compute-wait as Pacemaker's executor runs it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

WAIT = "ocf/nova-compute-wait"
FENCE = "fence_agents/fence_compute"

OK, GENERIC, UNIMPLEMENTED, NOT_RUNNING = 0, 1, 3, 7


@pytest.fixture
def wait(execute):
    env = {
        "OCF_RESOURCE_INSTANCE": "nova-compute-wait",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
    }

    def run(action: str, **more: str) -> subprocess.CompletedProcess[str]:
        return execute(WAIT, action, env={**env, **more})

    return run


def test_start_monitor_stop(wait, tmp_path: Path) -> None:
    """The state file is the older agent's, for whoever looks at it."""
    file = tmp_path / "rsctmp" / "nova-compute-wait.active"
    assert wait("monitor").returncode == NOT_RUNNING
    assert wait("start").returncode == OK
    assert wait("start").returncode == OK  # idempotent
    assert file.exists()
    assert wait("monitor").returncode == OK
    assert wait("stop").returncode == OK
    assert wait("stop").returncode == OK
    assert not file.exists()
    assert wait("monitor").returncode == NOT_RUNNING


def test_law_4_and_8_start_is_refused_within_seconds_on_a_host_that_is_held(wait, execute) -> None:
    execute(FENCE, "-o", "off", "-n", "compute-1")
    began = time.monotonic()
    done = wait("start", OCF_RESKEY_evacuation_delay="600")
    assert time.monotonic() - began < 10
    assert done.returncode == GENERIC
    assert "ocf-exit-reason:recovery of compute-1 is pending, held:" in done.stderr
    assert wait("monitor").returncode == NOT_RUNNING


def test_law_4_the_record_of_another_host_does_not_matter(wait, execute) -> None:
    execute(FENCE, "-o", "off", "-n", "compute-2")
    assert wait("start").returncode == OK


def test_law_4_nobody_passes_when_the_cib_cannot_be_read(wait, cib: Path) -> None:
    cib.write_text("nonsense")
    assert wait("start").returncode == GENERIC
    assert wait("monitor").returncode == NOT_RUNNING


def test_stop_works_on_a_held_host_and_without_a_cluster(wait, execute, cib: Path) -> None:
    wait("start")
    execute(FENCE, "-o", "off", "-n", "compute-1")
    cib.write_text("nonsense")
    assert wait("monitor").returncode == OK
    assert wait("stop").returncode == OK
    assert wait("monitor").returncode == NOT_RUNNING


def test_other_actions(wait) -> None:
    assert wait("notify").returncode == OK
    assert wait("validate-all").returncode == OK
    assert wait("promote").returncode == UNIMPLEMENTED


def test_what_means_nothing_cannot_be_wrong(wait) -> None:
    """The older agent did not read it either."""
    done = wait("start", OCF_RESKEY_insecure="perhaps", OCF_RESKEY_evacuation_delay="a while")
    assert done.returncode == OK
    assert done.stderr == "INFO: ignored, means nothing any more: insecure, evacuation_delay\n"
