"""A short run of chaos: the laws hold while things break by a schedule.

Longer ones are for people: `lab/chaos --seed S --minutes M`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from novahalab import layout

from tests.lab.conftest import one_generation
from tests.lab.site import Site

pytestmark = [pytest.mark.lab, pytest.mark.chaos, one_generation]

CHAOS = Path(__file__).resolve().parents[2] / "lab" / "chaos"
SEED = 7


def test_all_laws_hold_in_three_minutes_of_chaos(site: Site, tmp_path: Path) -> None:
    verdict = tmp_path / "verdict.json"
    done = subprocess.run(
        [str(CHAOS), "--seed", str(SEED), "--minutes", "3", "--json", str(verdict)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(verdict.read_text())
    assert told["held"] is True
    # It was no calm day: hosts died, and were fenced and recovered.
    assert told["fencings"]
    assert told["evacuations"] > 0
    assert told["looks"]["guests"] > 0
    assert (layout.RUN / "complete").exists(), "chaos leaves the lab that it found"
