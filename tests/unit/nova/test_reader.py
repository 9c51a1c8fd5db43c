"""What Nova answers, field by field: a row that lacks something takes no other with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from novaha.core.errors import UnknownOutcomeError
from novaha.nova import reader
from novaha.nova.reader import CELL_SILENT

SERVICE = {
    "id": "u1",
    "binary": "nova-compute",
    "host": "compute-1",
    "state": "up",
    "status": "enabled",
    "forced_down": False,
    "disabled_reason": None,
    "updated_at": "2026-01-01T00:00:00.000000",
}
CONDUCTOR = {"binary": "nova-conductor", "host": "ctl", "state": "up", "status": "enabled"}
SERVER = {
    "id": "i1",
    "name": "web",
    "status": "ACTIVE",
    "OS-EXT-SRV-ATTR:host": "compute-1",
    "OS-EXT-STS:vm_state": "active",
    "OS-EXT-STS:task_state": None,
    "OS-EXT-STS:power_state": 1,
}
ROW = {
    "id": 7,
    "instance_uuid": "i1",
    "source_compute": "compute-1",
    "dest_compute": None,
    "status": "accepted",
    "created_at": "2026-01-01T00:00:00",
    "updated_at": None,
}
MISSING = object()


def changed(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    found = {**row, **{k: v for k, v in fields.items() if v is not MISSING}}
    return {k: v for k, v in found.items() if fields.get(k) is not MISSING}


def services(*rows: Any) -> dict[str, Any]:
    return {s.host: s for s in reader.services("x", {"services": list(rows)})[0]}


def test_a_whole_row_of_a_service() -> None:
    found = services(SERVICE)["compute-1"]
    assert (found.problem, found.up, found.enabled, found.forced_down) == ("", True, True, False)
    assert found.last_seen == datetime(2026, 1, 1, tzinfo=UTC)


DOWN = {"binary": "nova-compute", "host": "compute-9", "status": "UNKNOWN"}


def test_the_row_of_a_silent_cell_among_whole_ones() -> None:
    found = services(SERVICE, DOWN, CONDUCTOR)
    assert found["compute-1"].problem == ""
    assert found["compute-9"].problem == CELL_SILENT
    assert not found["compute-9"].up
    assert not found["compute-9"].forced_down


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ("id", "state", "status", "forced_down")
        for value in (MISSING, None, [], {}, 1.5, "")
    ]
    + [("state", "UP?"), ("status", "unknown"), ("forced_down", "false"), ("forced_down", 0)],
)
def test_law_1_a_service_that_lacks_what_decides_is_unreadable_and_not_forced_down(
    field: str, value: Any
) -> None:
    other = {**SERVICE, "host": "compute-2", "id": "u2"}
    found = services(changed(SERVICE, **{field: value}), other)
    assert found["compute-1"].problem
    assert (found["compute-1"].up, found["compute-1"].forced_down) == (False, False)
    assert found["compute-2"].problem == ""


@pytest.mark.parametrize("value", [None, "", "yesterday", 5, [], MISSING])
def test_a_heartbeat_that_cannot_be_read_is_none(value: Any) -> None:
    found = services(changed(SERVICE, updated_at=value))["compute-1"]
    assert (found.problem, found.last_seen) == ("", None)


@pytest.mark.parametrize("host", [None, "", 5, [], MISSING])
def test_a_service_without_host_is_nobodys(host: Any) -> None:
    assert set(services(changed(SERVICE, host=host), {**SERVICE, "host": "compute-2"})) == {
        "compute-2"
    }


def test_a_host_that_is_listed_twice_is_ambiguous_unless_the_rows_agree() -> None:
    assert services(SERVICE, SERVICE)["compute-1"].problem == ""
    twice = services(SERVICE, {**SERVICE, "id": "u9", "state": "down"})
    assert "twice" in twice["compute-1"].problem


@pytest.mark.parametrize("up", [True, False])
def test_the_conductors_come_with_the_same_answer(up: bool) -> None:
    conductor = {**CONDUCTOR, "state": "up" if up else "down"}
    assert reader.services("x", {"services": [SERVICE, conductor, {}]})[1] is up


@pytest.mark.parametrize(
    "body",
    [None, [], "", 5, {}, {"services": None}, {"services": {}}, {"services": [None]},
     {"services": ["x"]}, {"services": [[]]}],
)  # fmt: skip
def test_an_answer_without_the_list_is_an_error_of_the_question(body: Any) -> None:
    with pytest.raises(UnknownOutcomeError, match="Nova's"):
        reader.services("list the services", body)


def one(row: dict[str, Any]) -> Any:
    [found] = reader.instances("x", [row], "compute-1")
    return found


def test_a_whole_instance() -> None:
    found = one(SERVER)
    assert (found.problem, found.vm_state, found.host, found.fault) == (
        "", "active", "compute-1", None,
    )  # fmt: skip


def test_law_5_a_server_of_a_silent_cell_is_unreadable_and_stays_on_its_host() -> None:
    found = one({"id": "i1", "status": "UNKNOWN", "tenant_id": "t", "created": "x", "links": []})
    assert (found.problem, found.host, found.id) == (CELL_SILENT, "compute-1", "i1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("OS-EXT-STS:vm_state", MISSING),
        ("OS-EXT-STS:vm_state", None),
        ("OS-EXT-STS:vm_state", 3),
        ("OS-EXT-STS:task_state", MISSING),
        ("OS-EXT-STS:task_state", []),
        ("OS-EXT-SRV-ATTR:host", MISSING),
        ("OS-EXT-SRV-ATTR:host", {}),
        ("OS-EXT-STS:power_state", "1"),
        ("OS-EXT-STS:power_state", True),
    ],
)
def test_law_5_an_instance_that_lacks_what_decides_is_named(field: str, value: Any) -> None:
    found = reader.instances("x", [changed(SERVER, **{field: value}), {**SERVER, "id": "i2"}], "h")
    assert [bool(i.problem) for i in found] == [True, False]
    assert found[0].name == "web"


@pytest.mark.parametrize("fault", [{"message": "No valid host was found"}, {}, {"message": 4}])
def test_a_fault_in_any_form(fault: Any) -> None:
    assert one({**SERVER, "fault": fault}).fault is not None
    assert one({**SERVER, "fault": "text"}).fault is None


@pytest.mark.parametrize("number", [None, "", 5, [], MISSING])
def test_law_2_an_instance_without_id_makes_its_list_unreadable(number: Any) -> None:
    with pytest.raises(UnknownOutcomeError, match="without an id"):
        reader.instances("x", [SERVER, changed(SERVER, id=number)], "compute-1")


def test_a_whole_evacuation() -> None:
    [found] = reader.migrations("x", [ROW])
    assert (found.id, found.problem, found.destination, found.updated) == (7, "", None, None)
    [found] = reader.migrations("x", [{**ROW, "id": "8"}])
    assert found.id == 8


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", MISSING), ("status", None), ("status", 1), ("dest_compute", MISSING),
     ("dest_compute", 5)],
)  # fmt: skip
def test_law_2_an_evacuation_that_lacks_what_decides_may_be_under_way(
    field: str, value: Any
) -> None:
    [found] = reader.migrations("x", [changed(ROW, **{field: value})])
    assert found.problem
    assert found.status == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [(f, v) for f in ("id", "instance_uuid", "source_compute") for v in (MISSING, None, [], "")]
    + [("id", True), ("id", "x"), ("id", "²")],
)
def test_law_2_an_evacuation_of_nobody_makes_its_list_unreadable(field: str, value: Any) -> None:
    with pytest.raises(UnknownOutcomeError, match="evacuation"):
        reader.migrations("x", [ROW, changed(ROW, **{field: value})])


def hypervisor(host: Any, kind: Any = "ironic") -> dict[str, Any]:
    return {"id": "h", "hypervisor_type": kind, "service": {"id": "s", "host": host}}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], set()),
        ([hypervisor("bm")], {"bm"}),
        ([hypervisor("bm"), hypervisor("bm"), hypervisor("bm")], {"bm"}),  # a row for each node
        ([hypervisor("bm"), hypervisor("kvm", "QEMU")], {"bm"}),
        ([hypervisor("both"), hypervisor("both", "QEMU")], set()),
        ([hypervisor("bm", "Ironic")], {"bm"}),
        # What cannot be read makes no host one of Ironic's.
        ([hypervisor("bm", None)], set()),
        ([hypervisor("bm"), hypervisor("bm", None)], set()),
        ([hypervisor("bm"), {"service": {"host": "bm"}}], set()),
        ([hypervisor(None), hypervisor(""), hypervisor(7), {"hypervisor_type": "ironic"}], set()),
        ([{"hypervisor_type": "ironic", "service": None}, hypervisor("bm")], {"bm"}),
    ],
)
def test_a_host_is_ironics_when_all_of_its_hypervisors_are(
    rows: list[dict[str, Any]], expected: set[str]
) -> None:
    assert reader.bare_metal(rows) == expected
