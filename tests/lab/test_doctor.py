"""`novaha doctor` on a cluster and a cloud that are well, and on one that is not."""

from __future__ import annotations

import json
import shlex

import pytest
from novahalab import layout

from tests.lab.site import Site

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CONTROLLER, COMPUTE = layout.CONTROLLERS[0], "compute-1"
POWER, FLAG = f"ipmi-{COMPUTE}", "fence-nova"

Findings = list[dict[str, str]]


def doctor(site: Site, node: str) -> tuple[int, Findings]:
    """Its exit code and its findings."""
    said = site.on(node, "sh", "-c", "novaha doctor --output json; echo $?")
    text, _, code = said.rstrip().rpartition("\n")
    findings = json.loads(text)
    assert isinstance(findings, list)
    return int(code), findings


def named(findings: Findings, verdict: str) -> set[str]:
    return {finding["check"] for finding in findings if finding["verdict"] == verdict}


def errors(findings: Findings) -> Findings:
    return [finding for finding in findings if finding["verdict"] == "error"]


@pytest.fixture
def well(site: Site) -> Site:
    """Whole, without the memory of fencings that earlier tests made fail; Nova tells the time."""
    site.wait("signs of life", lambda: all(s["updated_at"] for s in site.nova.services()))
    site.on_any_controller("stonith_admin", "--history", "*", "--cleanup")
    return site


def test_a_whole_site_is_well_by_doctor(well: Site) -> None:
    code, findings = doctor(well, CONTROLLER)
    assert (code, errors(findings)) == (0, [])
    assert named(findings, "ok") >= {
        *("fencing-levels", "power-devices", "fence-device", "hold-rule", "running", "quorum"),
        *("agents", "python", "alert-file", "novaha.conf", "novaha.conf-options"),
        *("sign-in", "nova-api", "rights", "host-names", "compute-services", "clocks"),
        *("records", "older-flags", "nodes-online", "secrets"),
    }
    code, findings = doctor(well, COMPUTE)
    assert (code, errors(findings)) == (0, [])
    assert named(findings, "ok") >= {
        *("agents", "python", "nova-host", "fencing-levels", "running", "resume-guests"),
    }
    # It has no credentials and needs none.
    assert "sign-in" in named(findings, "not checked")


def test_law_1_a_level_in_the_wrong_order_is_an_error_with_its_remedy(well: Site) -> None:
    level = ("pcs", "stonith", "level")
    try:
        well.on_any_controller(*level, "remove", "1", "target", COMPUTE)
        well.on_any_controller(*level, "add", "1", COMPUTE, FLAG, POWER)
        for node in (CONTROLLER, COMPUTE):
            code, findings = doctor(well, node)
            (wrong,) = errors(findings)
            assert code == 1
            assert (wrong["check"], wrong["subject"]) == ("fencing-levels", COMPUTE)
            assert f"{FLAG} comes before {POWER}" in wrong["detail"]
        for command in wrong["remedy"].splitlines():
            well.on_any_controller(*shlex.split(command))
        assert doctor(well, CONTROLLER)[0] == 0
    finally:
        well.on_any_controller("novaha", "setup", "--apply")


def test_a_recovery_and_an_outage_are_told(well: Site) -> None:
    (made,) = well.nova.servers_create(1, host=COMPUTE, name_prefix="on-compute")
    well.spawn_delay(60)
    well.lab("crash", COMPUTE)
    well.wait("the recovery runs", lambda: well.state(COMPUTE) == "running")
    well.wait("it is requested", lambda: well.evacuations([made.id]).total() > 0)
    _, findings = doctor(well, CONTROLLER)
    told = [f for f in findings if f["check"] == "records"]
    assert [(f["subject"], f["verdict"], f["remedy"]) for f in told] == [
        (COMPUTE, "warning", "novaha status")
    ]
    well.lab("stop", "keystone")
    try:
        code, findings = doctor(well, CONTROLLER)
    finally:
        well.lab("start", "keystone")
    assert code == 1
    wrong = {finding["check"]: finding["detail"] for finding in errors(findings)}
    assert wrong.keys() <= {"sign-in", "evacuator"}  # which may run on another controller
    assert "10.77.2.2:5000" in wrong["sign-in"]
    well.spawn_delay(0)
    well.wait("the host is back", well.whole, 300)
