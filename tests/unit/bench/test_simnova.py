"""The simulated Nova over HTTP, read and asked by the product's own adapter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from keystoneauth1.identity import V3Password
from keystoneauth1.session import Session
from novahabench.simnova import Api, server
from novahabench.simulated import BigNova

from novaha.core.errors import RefusedError
from novaha.nova.compute import Nova

INSTANCES = 2400
"""On two hosts: more than a page of the API on each."""


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    api = Api(BigNova(hosts=2, instances=INSTANCES, spawn_delay=1.5, each=0.0))
    api.nova.add_host("compute-3")
    serving = server(api)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield api
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def nova(api: Api) -> Nova:
    auth = V3Password(
        f"{api.base}/identity/v3",
        username="admin",
        password="secret",
        user_domain_name="Default",
        project_name="admin",
        project_domain_name="Default",
    )
    return Nova(Session(auth), interface="public", region_name="One")


def test_a_long_list_comes_whole(api: Api, nova: Nova) -> None:
    api.requests.clear()
    found = nova.instances_on("compute-1")
    assert len({instance.id for instance in found}) == INSTANCES / 2
    assert api.requests["servers"] >= 2


def test_an_evacuation_from_request_to_arrival(api: Api, nova: Nova) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    instance = nova.instances_on("compute-2")[0].id
    with pytest.raises(RefusedError, match="still in use"):
        nova.evacuate(instance)
    (service,) = (s for s in nova.services() if s.host == "compute-2")
    assert service.up
    with api.lock:
        api.nova.crash("compute-2")
    nova.set_forced_down(service, True)
    nova.disable(service, "for the test")
    (service,) = (s for s in nova.services() if s.host == "compute-2")
    assert (service.forced_down, service.enabled, service.up) == (True, False, False)
    nova.evacuate(instance)
    (row,) = nova.evacuations_from("compute-2")
    assert (row.instance, row.status) == (instance, "accepted")
    assert row.created is not None
    assert abs(row.created - datetime.now(UTC)) < timedelta(minutes=1)
    with api.lock:
        api.nova.advance(10)
    (row,) = nova.evacuations_from("compute-2")
    assert (row.status, row.destination) == ("done", "compute-3")  # the emptiest
    moved = nova.instance(instance)
    assert moved is not None
    assert (moved.host, moved.vm_state, moved.task_state) == ("compute-3", "active", None)
    assert [i.id for i in nova.instances_changed(began)] == [instance]
    assert api.nova.guests[instance] == {"compute-3"}


def test_what_is_not_there(nova: Nova) -> None:
    assert nova.instance("00000000-0000-0000-0000-00000000ffff") is None
    assert nova.last_deleted() == ""


def test_it_is_busy_with_one_after_the_other() -> None:
    nova = BigNova(hosts=2, instances=8, spawn_delay=0.0, each=5.0)
    nova.crash("compute-1")
    nova.hosts["compute-1"].forced_down = True
    for instance in [found.id for found in nova.on_host("compute-1")]:
        nova.evacuate(instance)
    left: list[int] = []
    for _ in range(5):
        nova.advance(5.0)
        left.append(len(nova.table.on["compute-1"]))
    assert left == [4, 3, 2, 1, 0]
