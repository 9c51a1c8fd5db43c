"""What the benchmarks read from the lab's logs: lines as the real ones have them."""

from __future__ import annotations

from datetime import datetime

import pytest
from novahabench import lab_logs
from novahabench.lab_logs import Fencing

_ON = "on behalf of pacemaker-controld.114@controller-2"
LINES = f"""\
Nov 21 06:30:10.000 controller-2 pacemaker-fenced    [110] (finalize_op) \
	notice: Operation 'reboot' targeting compute-1 by controller-2 for \
pacemaker-controld.114@controller-2: OK (complete) | id=a918b42c
Nov 21 06:30:15.660 controller-2 pacemaker-fenced    [110] (initiate_remote_stonith_op) \
	notice: Requesting peer fencing (off) targeting compute-1 | id=45d2ef6b state=querying
Nov 21 06:30:15.700 controller-2 pacemaker-fenced    [110] (initiate_remote_stonith_op) \
	notice: Requesting peer fencing (off) targeting compute-10 | id=45d2ef6c state=querying
Nov 21 06:30:15.900 controller-2 pacemaker-fenced    [110] (fenced_process_fencing_reply) \
	notice: Action 'off' targeting compute-1 using nova-brake {_ON}: complete
Nov 21 06:30:16.164 controller-2 pacemaker-fenced    [110] (fenced_process_fencing_reply) \
	notice: Action 'off' targeting compute-1 using ipmi-compute-1 {_ON}: complete
Nov 21 06:30:16.300 controller-2 pacemaker-fenced    [110] (fenced_process_fencing_reply) \
	notice: Action 'off' targeting compute-1 using fence-nova {_ON}: Error (Killed)
Nov 21 06:30:16.628 controller-2 pacemaker-fenced    [110] (fenced_process_fencing_reply) \
	notice: Action 'off' targeting compute-1 using fence-nova {_ON}: complete
Nov 21 06:30:18.824 controller-2 pacemaker-fenced    [110] (finalize_op) \
	notice: Operation 'reboot' targeting compute-1 by controller-2 for \
pacemaker-controld.114@controller-2: OK (complete) | id=45d2ef6b
Nov 21 06:30:18.828 controller-1 pacemaker-fenced    [104] (finalize_op) \
	notice: Operation 'reboot' targeting compute-1 by controller-2 for \
pacemaker-controld.114@controller-2: OK (complete) | id=45d2ef6b
Nov 21 06:30:33.072 controller-2 pacemaker-controld  [111] (do_lrm_rsc_op) \
	notice: Requesting local execution of start operation for compute-1 on controller-2 | x
Nov 21 06:30:38.780 controller-2 pacemaker-controld  [111] (log_executor_event) \
	notice: Result of start operation for compute-1 on controller-2: ok | CIB update 721
""".splitlines()


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-11-21T{text}").timestamp()


SINCE = at("06:30:15.000")


def test_a_fencing_in_pacemakers_log() -> None:
    assert lab_logs.fencing(reversed(LINES), "compute-1", SINCE) == Fencing(
        asked=pytest.approx(at("06:30:15.660")),
        off=pytest.approx(at("06:30:16.164")),
        flagged=pytest.approx(at("06:30:16.628")),
        ended=pytest.approx(at("06:30:18.824")),
        passed=pytest.approx(at("06:30:15.900")),
    )


def test_a_fencing_under_way_has_not_ended() -> None:
    found = lab_logs.fencing(LINES[:5], "compute-1", SINCE)
    assert found.off
    assert not found.ended


def test_when_a_connection_was_tried() -> None:
    assert lab_logs.starts(LINES, "compute-1", SINCE) == [pytest.approx(at("06:30:33.072"))]


def test_requests_by_kind_and_only_novahas() -> None:
    def line(client: str, request: str) -> str:
        return (
            "2026-11-21 06:30:20.500 71 INFO nova.api.openstack.requestlog [None req-1 2 - -] "
            f'{client} "{request}" status: 200 len: 789 microversion: 2.96 time: 0.030977'
        )

    instance = "/v2.1/servers/7b860f68-38e9-43f3-807c-a5c68d4c62fe"
    lines = [
        line("10.77.2.13", f"POST {instance}/action"),
        line("10.77.2.13", "GET /v2.1/servers/detail?all_tenants=1&host=compute-1"),
        line("10.77.2.13", "GET /v2.1/servers/detail?all_tenants=1&host=compute-2"),
        line("10.77.2.13", f"GET {instance}/os-instance-actions/req-{instance[-36:]}"),
        line("10.77.2.1", f"POST {instance}/action"),
        "2026-11-21 06:30:20.500 71 WARNING something else",
    ]
    found = lab_logs.requests(lines, SINCE)
    assert len(found) == 5
    assert found[0].seconds == 0.030977
    assert lab_logs.kinds(found, SINCE, SINCE + 10) == {
        "GET /servers/detail": 2,
        "POST /servers/ID/action": 1,
        "GET /servers/ID/os-instance-actions/ID": 1,
    }
    assert lab_logs.kinds(found, SINCE + 6, SINCE + 10) == {}


def test_the_journal_in_order_and_from_then_on() -> None:
    lines = [
        '{"time": "2026-11-21T06:30:20.000+00:00", "event": "claimed", "node": "compute-1"}',
        "cut off {",
        '{"time": "2026-11-21T06:30:19.500+00:00", "event": "before", "node": "compute-1"}',
    ]
    since = datetime.fromisoformat("2026-11-21T06:30:19.000+00:00").timestamp()
    assert [e["event"] for e in lab_logs.journal(lines, since)] == ["before", "claimed"]
    assert lab_logs.journal(lines, since + 0.6)[0]["at"] == since + 1
