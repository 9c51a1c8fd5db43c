"""The read API over a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from novaha.core.errors import NovahaError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.steps import HostReport
from novaha.evacuator import status
from tests.unit.web.serving import FENCE, Served, host, instance, serving, snapshot

try:
    from openapi_spec_validator import validate
except ImportError:  # it was called so before 0.7
    from openapi_spec_validator import validate_spec as validate

SEVERAL = snapshot(
    host("compute-1", [instance(i) for i in range(250)]),
    host(
        "compute-3",
        [
            instance(900, "refused", detail="no room", code="no-place"),
            instance(901, "settled"),
            instance(902, "waiting", name="<script>alert(1)</script>"),
        ],
        fence_id="00000000-0000-4000-8000-000000000003",
        fenced="2025-12-31T23:00:00Z",
    ),
    {"node": "compute-4", "state": "unreadable", "held": True, "detail": "nonsense"},
    others=[{"node": "compute-2", "state": "healthy"}, {"node": "compute-5", "state": "held"}],
    todo=[{"text": "do it", "commands": ["novaha retry compute-3"]}],
    verdict="ATTENTION",
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(SEVERAL) as found:
        yield found


def test_hosts_are_all_compute_hosts_by_name(served: Served) -> None:
    found = served.get("/v1/hosts")
    assert [(h["node"], h["state"]) for h in found["hosts"]] == [
        ("compute-1", "running"),
        ("compute-2", "healthy"),
        ("compute-3", "running"),
        ("compute-4", "unreadable"),
        ("compute-5", "held"),
    ]
    assert (found["total"], found["next"]) == (5, "")
    assert found["hosts"][0]["counts"] == {"moving": 250}
    assert "instances" not in found["hosts"][0]


def test_hosts_by_state(served: Served) -> None:
    found = served.get("/v1/hosts?state=held,unreadable")
    assert [h["node"] for h in found["hosts"]] == ["compute-4", "compute-5"]
    assert found["total"] == 2


def test_one_host(served: Served) -> None:
    assert served.get("/v1/hosts/compute-5") == {"node": "compute-5", "state": "held"}
    answer = served.ask("/v1/hosts/compute-9")
    assert answer.status == 404
    assert "no such compute host" in answer.json()["error"]["message"]


@pytest.mark.parametrize("limit", [7, 100, 252, 253, 254, 1000])
def test_pages_have_each_instance_once(served: Served, limit: int) -> None:
    seen: list[tuple[str, str]] = []
    marker, pages = "", 0
    while pages == 0 or marker:
        found = served.get(f"/v1/instances?limit={limit}&marker={marker}")
        assert found["total"] == 253
        assert len(found["instances"]) <= limit
        seen += [(i["id"], i["host"]) for i in found["instances"]]
        marker, pages = found["next"], pages + 1
    assert len(seen) == len({*seen}) == 253
    assert pages == -(-253 // limit)


def test_instances_are_found(served: Served) -> None:
    names = [i["name"] for i in served.get("/v1/instances?progress=refused,waiting")["instances"]]
    assert names == ["vm-900", "<script>alert(1)</script>"]
    assert served.get("/v1/instances?host=compute-3")["total"] == 3
    assert served.get("/v1/instances?host=compute-3&progress=moving")["total"] == 0
    assert served.get("/v1/instances?search=VM-249")["total"] == 1
    assert served.get("/v1/instances?search=no%20room")["instances"][0]["code"] == "no-place"
    one = instance(900)["id"]
    assert served.get(f"/v1/instances/{one}")["host"] == "compute-3"
    assert served.ask("/v1/instances/none").status == 404


def test_recoveries_are_by_their_fencing_the_oldest_first(served: Served) -> None:
    found = served.get("/v1/recoveries")["recoveries"]
    assert [r["node"] for r in found] == ["compute-3", "compute-1"]
    assert found[1]["id"] == FENCE
    assert served.get(f"/v1/recoveries/{FENCE}") == found[1]
    page = served.get("/v1/recoveries?limit=1")
    again = served.get(f"/v1/recoveries?limit=1&marker={page['next']}")
    assert [r["node"] for r in again["recoveries"]] == ["compute-1"]
    assert again["next"] == ""


def test_the_plan_is_what_is_left_in_its_order(served: Served) -> None:
    found = served.get("/v1/plan?limit=1000")
    assert found["total"] == 251  # one is settled, one is refused
    assert "vm-901" not in {i["name"] for i in found["plan"]}
    page = served.get("/v1/plan?limit=200")
    rest = served.get(f"/v1/plan?limit=200&marker={page['next']}")
    assert page["plan"] + rest["plan"] == found["plan"]
    assert rest["next"] == ""


@pytest.mark.parametrize(
    "path",
    [
        "/v1/hosts?limit=0",
        "/v1/hosts?limit=1001",
        "/v1/hosts?limit=-1",
        "/v1/hosts?limit=x",
        "/v1/hosts?limit=",
        "/v1/hosts?limit=%C2%B2",
        "/v1/hosts?limit=1&limit=2",
        "/v1/hosts?unknown=1",
        "/v1/health?x=1",
        "/v1/plan?marker=x",
        "/v1/instances?progress=none",
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(served: Served, path: str) -> None:
    answer = served.ask(path)
    assert answer.status == 400
    assert answer.json()["error"]["code"] == 400


def test_health_says_what_to_do(served: Served) -> None:
    found = served.get("/v1/health")
    assert found["verdict"] == "ATTENTION"
    assert found["todo"] == SEVERAL["todo"]
    assert found["hosts"] == {"healthy": 1, "held": 1, "running": 2, "unreadable": 1}
    assert found["evacuator_on"] == "controller-1"
    assert "pid" not in found["evacuator"]


@pytest.mark.parametrize(
    "path", ["/v1/hosts", "/v1/instances?limit=5", "/v1/plan", "/openapi.json"]
)
def test_who_has_the_answer_gets_no_other(served: Served, path: str) -> None:
    first = served.ask(path)
    again = served.ask(path, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert served.ask(path, If_None_Match='"other", W/"another"').status == 200


def test_the_answer_changes_with_the_cluster() -> None:
    with serving(snapshot(host())) as served:
        etag = served.ask("/v1/hosts").headers["etag"]
        served.cluster.content = snapshot()
        for _ in range(200):
            answer = served.ask("/v1/hosts", If_None_Match=etag)
            if answer.status != 304:
                break
            threading.Event().wait(0.05)
        assert answer.json()["total"] == 1


def test_head_and_what_there_is_not(served: Served) -> None:
    answer = served.ask("/v1/health", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert served.ask("/nothing").status == 404
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert served.ask("/v1/health", method).status == 405


def test_the_document_is_openapi_and_has_every_path(served: Served) -> None:
    document = served.get("/openapi.json")
    validate(document)
    names = [o["operationId"] for p in document["paths"].values() for o in p.values()]
    assert len(names) == len({*names})
    for path, operations in document["paths"].items():
        if "get" in operations and path != "/v1/events":
            assert served.ask(known(path)).status == 200


def known(path: str) -> str:
    """A path of the document, of something that is there."""
    return path.format(
        node="compute-1", id=instance(1)["id"] if path == "/v1/instances/{id}" else FENCE
    )


def test_answers_are_as_the_document_says(served: Served) -> None:
    document = served.get("/openapi.json")
    told = {"at": "2026-01-01T00:00:00Z", "age": 3, "node": "c", "left_out": 0}
    elsewhere = snapshot(evacuator=None, evacuator_on="c", told=told, missing=[])
    with serving(elsewhere) as other:
        for one, paths in ((served, [*document["paths"]]), (other, ["/v1/health", "/v1/hosts"])):
            for path in paths:
                operation = document["paths"][path].get("get")
                content = operation and operation["responses"]["200"]["content"]
                if content and "application/json" in content:
                    schema = content["application/json"]["schema"]
                    whole = {**schema, "components": document["components"]}
                    jsonschema.Draft202012Validator(whole).validate(one.get(known(path)))


def test_the_schemas_know_every_key_that_is_shown(served: Served) -> None:
    schemas = served.get("/openapi.json")["components"]["schemas"]
    for schema, path in (("Host", "hosts/compute-1"), ("Recovery", f"recoveries/{FENCE}")):
        assert {*served.get(f"/v1/{path}")} <= {*schemas[schema]["properties"]}
    assert {*served.get("/v1/health")} == {*schemas["Health"]["properties"]}
    assert {*served.get("/v1/plan")["plan"][0]} == {*schemas["Instance"]["properties"]}


def test_many_readers_are_one_reading() -> None:
    with serving(SEVERAL) as served:
        served.get("/v1/health")
        before = served.cluster.reads
        paths = ["/v1/hosts", "/v1/instances", "/v1/health", "/v1/plan"] * 50
        with ThreadPoolExecutor(20) as pool:
            assert {a.status for a in pool.map(served.ask, paths)} == {200}
        # As many as there is time for, at the pace of the settings: not one for each.
        assert served.cluster.reads - before < 50


def test_a_cluster_that_cannot_be_read_any_more_is_shown_as_it_was() -> None:
    with serving(snapshot(host())) as served:
        assert served.get("/v1/health")["problem"] == ""
        served.cluster.error = NovahaError("the CIB cannot be read")
        for _ in range(200):
            found = served.get("/v1/health")
            if found["problem"]:
                break
            threading.Event().wait(0.05)
        assert found["problem"] == "the CIB cannot be read"
        assert served.get("/v1/hosts")["total"] == 2
        served.shared._read_at -= 60
        found = served.get("/v1/health")
        assert found["verdict"] == "ATTENTION"
        assert "could not be read" in found["todo"][0]["text"]


def test_a_cluster_that_cannot_be_read_at_all_is_said() -> None:
    with serving() as served:
        served.cluster.error = NovahaError("the CIB cannot be read")
        answer = served.ask("/v1/hosts")
        assert answer.status == 503
        assert "the CIB cannot be read" in answer.json()["error"]["message"]
        served.cluster.error = ZeroDivisionError("a fault of ours")
        assert served.ask("/v1/hosts").status == 503


def events(served: Served, count: int) -> list[dict[str, Any]]:
    """The first changes; after the first the cluster is another."""
    connection = served.connect()
    connection.request("GET", "/v1/events")
    answer = connection.getresponse()
    assert answer.status == 200
    assert (answer.getheader("content-type") or "").startswith("text/event-stream")
    found = []
    while len(found) < count:
        row = answer.readline()
        assert row
        if row.startswith(b"data: "):
            found.append(json.loads(row[6:]))
            served.cluster.content = snapshot()
    connection.close()
    return found


def test_a_stream_tells_each_change() -> None:
    with serving(snapshot(host())) as served:
        first, then = events(served, 2)
        assert [r["node"] for r in first["recoveries"]] == ["compute-1"]
        assert then["recoveries"] == []
        assert then["number"] > first["number"]
        assert then["health"]["verdict"] == "OK"


def test_a_stream_ends_with_the_server() -> None:
    with serving() as served:
        connection = served.connect()
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        assert answer.readline() == b"event: state\n"
    answer.read()
    connection.close()


def test_ages_are_no_change() -> None:
    with serving(snapshot(host())) as served:
        served.get("/v1/health")
        number, reads = served.shared._number, served.cluster.reads
        moved = snapshot(host())
        moved["evacuator"]["turn_age"] = 3.2
        served.cluster.content = moved
        while served.cluster.reads < reads + 2:
            served.get("/v1/health")
            threading.Event().wait(0.05)
        assert served.shared._number == number


def test_the_state_is_made_of_what_status_has() -> None:
    record = Record("n", RecoveryState.RUNNING, FENCE, datetime(2026, 1, 1, tzinfo=UTC))
    assert {*host()} == {*status.host(HostReport(record, None, ""))}
