"""Reading what Pacemaker and the lab write."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from novahalab.chaos import leftovers
from novahalab.chaos.history import Taken, Timeline
from novahalab.chaos.observe import parse_fencings, parse_records, parse_requests
from novahalab.chaos.processes import is_agent, is_evacuator, is_nova_compute


@pytest.mark.parametrize(
    "text", ["2026-11-21 00:56:09Z", "2026-11-21 00:56:09.750Z", "2026-11-21 01:56:09 +01:00"]
)
def test_the_times_of_every_pacemaker(text: str) -> None:
    event = f'<l><fence_event action="reboot" target="n" status="success" completed="{text}"/></l>'
    (fencing,) = parse_fencings(ET.fromstring(event))
    assert fencing.completed == 1795222569.0
    assert fencing.killed


@pytest.mark.parametrize(("action", "status"), [("on", "success"), ("reboot", "pending")])
def test_what_does_not_take_a_node_down(action: str, status: str) -> None:
    event = f'<l><fence_event action="{action}" target="n" status="{status}"/></l>'
    (fencing,) = parse_fencings(ET.fromstring(event))
    assert not fencing.killed


def test_records() -> None:
    pairs = {
        "novaha-recovery": "running",
        "novaha-hold": "true",
        "novaha-fence-id": "x",
        "novaha-fenced": "1970-01-01T00:01:40Z",
    }
    body = "".join(f'<nvpair name="{name}" value="{value}"/>' for name, value in pairs.items())
    other = '<instance_attributes id="nodes-n"><nvpair name="a" value="b"/></instance_attributes>'
    text = f'<nodes><node uname="n">{other}<instance_attributes id="novaha-n">{body}'
    text += f'</instance_attributes></node><node uname="m">{other}</node></nodes>'
    found = parse_records(ET.fromstring(text))
    assert list(found) == ["n"]
    assert (found["n"].state, found["n"].hold, found["n"].fenced) == ("running", True, 100.0)


def test_what_became_of_requests_to_evacuate() -> None:
    def row(number: int, event: str | None, host: str, result: str, ended: float | None) -> object:
        return {
            "id": number,
            "instance_uuid": "vm-1",
            "asked": 100.0 + number,
            "event": event,
            "host": host,
            "result": result,
            "began": 101.0,
            "ended": ended,
        }

    rows = [
        row(1, "rebuild_server", "cloud", "Success", 102.0),
        row(1, "compute_rebuild_instance", "compute-2", "Success", 109.0),
        row(2, "rebuild_server", "cloud", "Error", 103.0),
        row(3, None, "", "", None),
        row(4, "rebuild_server", "cloud", "Success", 105.0),
        row(4, "compute_rebuild_instance", "compute-3", "", None),
    ]
    assert parse_requests(rows) == {  # type: ignore[arg-type]
        "vm-1": [
            Taken(101.0, "compute-2", 109.0),
            Taken(102.0, "", 103.0),
            Taken(103.0),
            Taken(104.0, "compute-3"),
        ]
    }


def test_failures_of_our_device() -> None:
    head = "Nov 21 00:56:08.509 controller-2 pacemaker-fenced [96] (x) notice: "
    lines = [
        f"{head}Action '{action}' targeting compute-1 using {device} on behalf of c@d: {how}\n"
        for action, device, how in (
            ("off", "fence-nova", "complete"),
            ("off", "fence-nova", "Done"),
            ("off", "fence-nova", "error (No such device)"),
            ("on", "fence-nova", "error"),
            ("off", "ipmi-compute-1", "error"),
        )
    ]
    (failure,) = leftovers.device_failures(iter(lines), 1795222600.0)
    assert failure[1] == "off of compute-1: error (No such device)"


def test_secrets_in_logs_and_files_that_all_may_read(tmp_path: Path) -> None:
    logs, disks = tmp_path / "logs", tmp_path / "nodes"
    for path, mode in (
        (logs / "controller-1/novaha/nova-evacuate.log", 0o640),
        (disks / "controller-1/disk/etc/open", 0o644),
        (disks / "controller-1/disk/etc/closed", 0o640),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("password=s3cret\n")
        path.chmod(mode)
    found = leftovers.secrets("s3cret", logs, disks)
    assert [f.split(":")[0] for f in found] == [
        "the log controller-1/novaha/nova-evacuate.log",
        "the world-readable file controller-1/disk/etc/open",
    ]
    assert leftovers.secrets("another", logs, disks) == []


def test_which_processes_are_whose() -> None:
    compute = ["/v/bin/python", "/v/bin/nova-compute", "--config-file", "/etc/nova/nova.conf", ""]
    evacuator = ["/opt/novaha/bin/python", "-I", "-m", "novaha.evacuator", ""]
    agent = ["/opt/novaha/bin/python", "-I", "/usr/lib/ocf/openstack/NovaCompute", "start", ""]
    asks = ["pgrep", "-f", "bin/nova-compute", ""]
    assert [is_nova_compute(a) for a in (compute, evacuator, agent, asks)] == [True] + 3 * [False]
    assert [is_evacuator(a) for a in (compute, evacuator, agent, asks)] == [False, True] + 2 * [
        False
    ]
    assert [is_agent(a) for a in (compute, evacuator, agent, asks)] == [False, False, True, False]


def test_a_timeline_is_sure_only_between_looks() -> None:
    line: Timeline[str] = Timeline()
    for moment, value in ((1.0, "a"), (2.0, "a"), (3.0, "b")):
        line.add(moment, value)
    assert line.sure(1.2, 1.9) is not None
    assert line.sure(1.5, 2.5) is None
    assert line.seen_at(2.5) == "a"
    assert line.seen_at(0.5) is None
