"""The alert agent rings for successful fencings, and never fails."""

from __future__ import annotations

import io

import pytest

from novaha.agents import alert


@pytest.mark.parametrize(
    ("event", "rings"),
    [
        ({"CRM_alert_kind": "fencing", "CRM_alert_rc": "0", "CRM_alert_task": "off"}, 1),
        ({"CRM_alert_kind": "fencing", "CRM_alert_rc": "0", "CRM_alert_task": "reboot"}, 1),
        ({"CRM_alert_kind": "fencing", "CRM_alert_rc": "-62"}, 0),
        ({"CRM_alert_kind": "node"}, 0),
        ({}, 0),
    ],
)
def test_when_it_rings(event: dict[str, str], rings: int) -> None:
    rung: list[float] = []
    assert alert.main(event, io.StringIO(), rung.append) == 0
    assert len(rung) == rings


def test_nobody_to_wake_is_no_failure() -> None:
    def nobody(timeout: float) -> None:
        raise OSError("no such socket")

    err = io.StringIO()
    assert alert.main({"CRM_alert_kind": "fencing", "CRM_alert_rc": "0"}, err, nobody) == 0
    assert err.getvalue() == "novaha_alert: nobody woken: no such socket\n"
