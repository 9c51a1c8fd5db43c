"""Masakari's API, asked by OpenStack's own client, and by hand what that does not ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openstack
import pytest

from novaha.core.steps import Progress
from novaha.web import masakari
from tests.unit.web.serving import (
    FENCE,
    LOOPBACK,
    Served,
    Tokens,
    host,
    instance,
    serving,
    snapshot,
)

OTHER = "00000000-0000-4000-8000-000000000003"
SEVERAL = snapshot(
    host("compute-1", [instance(i, str(p), detail=f"{p}") for i, p in enumerate(Progress)]),
    host("compute-3", [], state="recovered", fence_id=OTHER, fenced="2025-12-31T23:00:00Z"),
    host(
        "compute-4",
        [instance(50, "refused")],
        state="recovered",
        counts={"refused": 1},
        fence_id="00000000-0000-4000-8000-000000000004",
        fenced="2025-12-31T22:00:00Z",
        host=None,
    ),
    host("compute-5", [], state="pending", fence_id="00000000-0000-4000-8000-000000000005"),
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(SEVERAL) as found:
        yield found


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    """openstacksdk, as Horizon's panels and `openstack notification list` use it."""
    url = f"http://localhost:{served.port}/instance-ha/v1"
    connection = openstack.connection.Connection(
        auth_type="none",
        endpoint=url,
        instance_ha_endpoint_override=url,
        instance_ha_default_microversion="1.3",
    )
    return connection.instance_ha


def test_the_client_sees_recoveries_as_notifications(client: Any) -> None:
    found = {one.notification_uuid: one for one in client.notifications()}
    statuses = {one.hostname: one.status for one in found.values()}
    assert statuses == {
        "compute-1.example.org": "running",
        "compute-3.example.org": "finished",
        "compute-4": "failed",
        "compute-5.example.org": "new",
    }
    one = client.get_notification(FENCE)
    assert (one.type, one.hostname) == ("COMPUTE_HOST", "compute-1.example.org")
    assert one.generated_time == "2026-01-01T02:03:04.000000"
    assert [n.notification_uuid for n in client.notifications(status="finished")] == [OTHER]
    assert len([*client.notifications(limit=1)]) == 4


def test_the_client_sees_one_segment_and_all_hosts(client: Any) -> None:
    (segment,) = client.segments()
    assert (segment.name, segment.uuid) == ("novaha", masakari.SEGMENT)
    assert client.get_segment(segment.uuid).service_type == "COMPUTE"
    hosts = {one.name: one for one in client.hosts(segment.uuid)}
    assert {name: one.on_maintenance for name, one in hosts.items()} == {
        "compute-1.example.org": True,
        "compute-2": False,
        "compute-3.example.org": True,
        "compute-4": True,
        "compute-5.example.org": True,
    }
    one = client.get_host(hosts["compute-2"].uuid, segment.uuid)
    assert one.name == "compute-2"
    assert client.get_notification(FENCE).source_host_uuid == hosts["compute-1.example.org"].uuid


EXPECTED = {
    "waiting": "pending",
    "preparing": "ongoing",
    "moving": "ongoing",
    "restoring": "ongoing",
    "settled": "succeeded",
    "refused": "failed",
    "excluded": "ignored",
    "released": "ignored",
}


def get(served: Served, path: str, version: str = "1.3") -> Any:
    return served.get(f"/instance-ha/v1{path}", OpenStack_API_Version=f"instance-ha {version}")


def test_instances_are_moves(served: Served, client: Any) -> None:
    moves = get(served, f"/notifications/{FENCE}/vmoves")["vmoves"]
    assert {move["message"]: move["status"] for move in moves} == EXPECTED
    assert moves[0]["instance_uuid"] == instance(0)["id"]
    assert moves[0]["dest_host"] == "compute-2"
    one = get(served, f"/notifications/{FENCE}/vmoves/{moves[3]['uuid']}")["vmove"]
    assert one == moves[3]
    assert len({move["uuid"] for move in moves}) == len(moves)
    if hasattr(client, "vmoves"):  # since 1.5 of the client
        seen = {one.server_id: one.status for one in client.vmoves(FENCE)}
        assert seen == {move["instance_uuid"]: move["status"] for move in moves}


def test_the_client_cannot_have_anything_evacuated(served: Served, client: Any) -> None:
    payload = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}
    with pytest.raises(openstack.exceptions.HttpException) as raised:
        client.create_notification(
            type="COMPUTE_HOST",
            hostname="compute-2",
            generated_time="2026-01-01T00:00:00.000000",
            payload=payload,
        )
    assert raised.value.response.status_code == 403
    assert "Pacemaker" in str(raised.value)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/segments", "/notifications", f"/segments/{masakari.SEGMENT}/hosts"):
            body = json.dumps({"notification": {}}).encode()
            assert served.ask(f"/instance-ha/v1{path}", method, body).status == 403


@pytest.mark.parametrize(
    ("wanted", "status", "answered"),
    [
        ("", 200, "instance-ha 1.0"),
        ("instance-ha 1.0", 200, "instance-ha 1.0"),
        ("instance-ha 1.3", 200, "instance-ha 1.3"),
        ("instance-ha latest", 200, "instance-ha 1.3"),
        ("compute 2.90", 200, "instance-ha 1.0"),
        ("compute 2.90, instance-ha 1.2", 200, "instance-ha 1.2"),
        ("instance-ha 1.4", 406, ""),
        ("instance-ha 2.0", 406, ""),
        ("instance-ha 0.9", 400, ""),
        ("instance-ha x", 400, ""),
        ("instance-ha 1", 400, ""),
        ("instance-ha", 400, ""),
    ],
)
def test_microversions(served: Served, wanted: str, status: int, answered: str) -> None:
    answer = served.ask("/instance-ha/v1/segments", OpenStack_API_Version=wanted)
    assert answer.status == status
    if answered:
        assert answer.headers["openstack-api-version"] == answered
        assert ("enabled" in answer.json()["segments"][0]) == (answered >= "instance-ha 1.2")


def test_what_came_later_is_not_there_before(served: Served) -> None:
    for version, status in (("1.2", 404), ("1.3", 200)):
        answer = served.ask(
            f"/instance-ha/v1/notifications/{FENCE}/vmoves",
            OpenStack_API_Version=f"instance-ha {version}",
        )
        assert answer.status == status
    details = "recovery_workflow_details"
    one = f"/notifications/{FENCE}"
    assert details not in get(served, one, "1.0")["notification"]
    assert get(served, one, "1.1")["notification"][details] == []
    assert details not in get(served, "/notifications", "1.1")["notifications"][0]


def test_it_is_discovered(served: Served) -> None:
    for path in ("/instance-ha", "/instance-ha/"):
        (version,) = served.get(path)["versions"]
        assert (version["min_version"], version["version"]) == ("1.0", "1.3")
    for path in ("/instance-ha/v1", "/instance-ha/v1/"):
        link = served.get(path)["version"]["links"][0]["href"]
        assert link == "http://localhost/instance-ha/v1/"


def test_lists_are_sorted_filtered_and_have_pages(served: Served) -> None:
    path = "/notifications?sort_key=generated_time&sort_dir"
    up = [n["generated_time"] for n in get(served, f"{path}=asc")["notifications"]]
    down = [n["generated_time"] for n in get(served, f"{path}=desc")["notifications"]]
    assert up == sorted(down)
    assert down == sorted(up, reverse=True)
    since = "/notifications?generated-since=2026-01-01T00:00:00"
    assert len(get(served, since)["notifications"]) == 2
    first = get(served, "/notifications?limit=2")["notifications"]
    rest = get(served, f"/notifications?marker={first[1]['notification_uuid']}")["notifications"]
    assert first + rest == get(served, "/notifications")["notifications"]
    maintained = get(served, f"/segments/{masakari.SEGMENT}/hosts?on_maintenance=False")["hosts"]
    assert [h["name"] for h in maintained] == ["compute-2"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/segments/none", 404),
        ("/segments/none/hosts", 404),
        (f"/segments/{masakari.SEGMENT}/hosts/none", 404),
        ("/notifications/none", 404),
        ("/notifications/none/vmoves", 404),
        (f"/notifications/{FENCE}/vmoves/none", 404),
        ("/notifications?limit=x", 400),
        ("/notifications?marker=none", 400),
        ("/notifications?sort_key=none", 400),
        ("/none", 404),
    ],
)
def test_what_is_not_there(served: Served, path: str, status: int) -> None:
    answer = served.ask(f"/instance-ha/v1{path}", OpenStack_API_Version="instance-ha 1.3")
    assert answer.status == status


def test_a_token_is_needed_as_everywhere() -> None:
    settings = replace(LOOPBACK, keystone_url="https://k")
    with serving(SEVERAL, settings, tokens=Tokens()) as served:
        assert served.ask("/instance-ha/v1/notifications").status == 401
        assert served.ask("/instance-ha/v1/notifications", X_Auth_Token="member").status == 403
        found = served.get("/instance-ha/v1/notifications", X_Auth_Token="admin")
        assert len(found["notifications"]) == 4
