"""`novaha setup --remove` with the real pcs: what is left, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lxml import etree

from tests.contract import test_setup

NOVAHA = (sys.executable, "-m", "novaha.cli.main")

sandbox = test_setup.sandbox
applied = test_setup.applied

OURS = (
    *("novaha", "NovaEvacuate", "NovaCompute", "nova-compute", "nova-evacuate"),
    *("fence_compute", "fence-nova", "osprole"),
)


def resources(cib: Path) -> list[str]:
    return sorted(str(e.get("id")) for e in etree.parse(cib).iterfind(".//resources/*"))


@pytest.mark.parametrize("how", ["apply", "script"])
def test_all_that_setup_made_goes_and_the_rest_stays(
    sandbox, cib: Path, how: str, request: pytest.FixtureRequest
) -> None:
    before = resources(cib)
    request.getfixturevalue("applied")
    if how == "apply":
        told = sandbox(*NOVAHA, "setup", "--remove", "--apply")
        assert "systemctl enable nova-compute" in told
    else:
        text = cib.read_text()
        script = cib.with_name("remove.sh")
        script.write_text(sandbox(*NOVAHA, "setup", "--remove"))
        assert cib.read_text() == text
        sandbox("sh", str(script))
    assert resources(cib) == before
    assert [name for name in OURS if name in cib.read_text()] == []
    # Each host is fenced as before, and no level names a device that is gone.
    levels = etree.parse(cib).iterfind(".//fencing-topology/fencing-level")
    assert [(e.get("target"), e.get("devices")) for e in levels] == [
        ("compute-1", "ipmi-1"),
        ("compute-2", "ipmi-2"),
    ]
    again = sandbox(*NOVAHA, "setup", "--remove", "--apply")
    assert again == "nothing of novaha is configured in this cluster: nothing to remove\n"


@pytest.mark.parametrize(
    ("state", "hold", "reason"),
    [("running", "true", "in recovery"), ("recovered", "false", "not back in service")],
)
def test_law_3_a_host_in_recovery_stops_it(
    sandbox, cib: Path, state: str, hold: str, reason: str
) -> None:
    pairs = {
        "novaha-recovery": state,
        "novaha-hold": hold,
        "novaha-fence-id": "0c6d5f4e-8a55-4a0e-9f3e-0d9f4b1f6a11",
        "novaha-fenced": "2026-01-01T00:00:00Z",
        "novaha-owner": "controller-1#3f9a01bc",
    }
    record = "".join(f'<nvpair id="r-{n}" name="{n}" value="{v}"/>' for n, v in pairs.items())
    node = '<node id="compute-1" uname="compute-1" type="remote"><instance_attributes id='
    node += f'"novaha-compute-1">{record}</instance_attributes></node></nodes>'
    cib.write_text(cib.read_text().replace("</nodes>", node))
    text = cib.read_text()
    for apply in ([], ["--apply"]):
        assert sandbox(*NOVAHA, "setup", "--remove", *apply, fails=True) == ""
    assert cib.read_text() == text
    said = sandbox("sh", "-c", f"{' '.join(NOVAHA)} setup --remove 2>&1 || :")
    assert reason in said
    assert "compute-1" in said
