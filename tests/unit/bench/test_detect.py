"""What bench/detect reads from Pacemaker's logs, and when its marks are reached."""

from __future__ import annotations

from datetime import datetime

import pytest
from novahabench import detect
from novahabench.detect import Result

LINES = [
    "May 04 05:37:11.470 controller-3 pacemaker-controld  [122] (monitor_timeout_cb) \tinfo: "
    "Timed out waiting for remote poke response from compute-1",
    "May 04 05:37:11.640 controller-3 pacemaker-controld  [122] (te_fence_node) \tnotice: "
    "Requesting peer fencing (reboot) targeting compute-1 | id=11 timeout=60000",
    "May 04 05:37:11.970 controller-3 pacemaker-fenced    [118] (log_async_result) \tnotice: "
    "Operation 'reboot' [189] targeting compute-1 using ipmi-compute-1 returned 0 | call 7",
    "May 04 05:37:12.010 controller-3 pacemaker-fenced    [118] (finalize_op) \tnotice: "
    "Operation 'reboot' targeting compute-1 by controller-3 for pacemaker-controld.122: OK",
    "May 04 05:38:00.000 controller-3 pacemaker-fenced    [118] (log_async_result) \tnotice: "
    "Operation 'reboot' [190] targeting compute-10 using ipmi-compute-10 returned 0",
    "May 04 05:38:01.000 controller-3 pacemaker-fenced    [118] (log_async_result) \tnotice: "
    "Operation 'reboot' [191] targeting compute-2 using ipmi-compute-2 returned 1",
]


class Logs:
    def pacemaker(self) -> list[str]:
        return LINES


def at(text: str) -> float:
    return datetime.strptime(f"2026-05-04 {text}", "%Y-%m-%d %H:%M:%S.%f").timestamp()


@pytest.mark.parametrize(
    ("host", "since", "moment"),
    [
        ("compute-1", "05:37:09.000", "05:37:11.970"),
        ("compute-1", "05:37:12.000", None),
        ("compute-10", "05:37:09.000", "05:38:00.000"),
        ("compute-2", "05:37:09.000", None),  # that one failed
    ],
)
def test_when_the_power_was_off(host: str, since: str, moment: str | None) -> None:
    expected = None if moment is None else at(moment)
    assert detect._off(Logs(), host, at(since)) == expected


def test_whom_it_wants_to_fence_and_who_did_not_answer() -> None:
    assert detect._matches(Logs(), detect._FENCING) == ["compute-1"]
    assert detect._matches(Logs(), detect._NO_ANSWER) == ["compute-1"]


@pytest.mark.parametrize(
    ("off", "alarms", "reached"),
    [
        ([3.0, 3.9, 5.0], [], True),
        ([3.0, 4.0, 5.0], [], False),
        ([3.0, 3.1, 3.2], ["compute-3"], False),
    ],
)
def test_the_marks(off: list[float], alarms: list[str], reached: bool) -> None:
    assert Result(off={"idle": off}, alarms=alarms).reached() is reached
