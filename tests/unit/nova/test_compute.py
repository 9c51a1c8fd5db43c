"""The adapter against an HTTP server that answers as Nova does: versions, pages, fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import novaclient
import pytest
from keystoneauth1 import session, token_endpoint

from novaha.core.errors import NotSentError, RefusedError, UnknownOutcomeError
from novaha.core.groups import Aggregate, Place
from novaha.core.model import EvacuationLog, Migration
from novaha.nova.compute import Nova
from tests.serving import serving


class Api(ThreadingHTTPServer):
    """A few resources of Nova, and a list of what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.newest = "2.96"
        self.conductor = "up"
        self.forced: dict[str, Any] = {}
        self.instances: list[str] = []
        self.max_limit = 1000
        self.hypervisors: list[tuple[str, str]] = []
        self.aggregates: list[dict[str, Any]] = []
        self.evacuations: list[dict[str, Any]] = []
        self.evacuate_answers: list[int] = []
        self.actions: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    do_PUT = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, body: Any) -> None:
        url = urlparse(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        version = self.headers.get("OpenStack-API-Version", "")
        self.server.asked.append((self.command, url.path, version, body or query))
        code, found = self.find(url.path.removeprefix("/v2.1"), query, body)
        text = json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def page(
        self, key: str, rows: list[dict[str, Any]], marker: str, query: dict[str, str]
    ) -> dict[str, Any]:
        ids = [row[marker] for row in rows]
        start = ids.index(query["marker"]) + 1 if "marker" in query else 0
        limit = min(self.server.max_limit, int(query.get("limit", self.server.max_limit)))
        page = rows[start : start + limit]
        more = {f"{key}_links": [{"rel": "next", "href": "…"}]}
        return {key: page, **(more if len(page) == limit else {})}

    def find(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path in ("", "/"):
            version = {"id": "v2.1", "version": self.server.newest, "min_version": "2.1"}
            return 200, {"version": {**version, "status": "CURRENT", "links": []}}
        if path == "/os-migrations":
            host = query.get("source_compute")
            rows = [r for r in self.server.evacuations if host in (None, r["source_compute"])]
            return 200, self.page("migrations", rows, "uuid", query)
        if path.endswith("/action") and "evacuate" in body:
            code = self.server.evacuate_answers.pop(0) if self.server.evacuate_answers else 200
            return code, {"x": {"code": code, "message": "as the test wants it"}}
        if match := re.fullmatch(r"/servers/an-instance/os-instance-actions/?(.*)", path):
            if match[1]:
                return 200, {
                    "instanceAction": {**self.server.actions[0], "events": self.server.events}
                }
            return 200, {"instanceActions": self.server.actions}
        if path == "/os-services":
            service = {"id": "s", "host": "compute-1", "binary": "nova-compute", "state": "down"}
            more = {"status": "disabled", "disabled_reason": None, "forced_down": True}
            more["zone"] = "az1"
            more["updated_at"] = "2026-01-01T00:00:00.000000"
            conductor = {"id": "c", "host": "cloud", "binary": "nova-conductor"}
            conductor["state"] = self.server.conductor
            return 200, {"services": [{**service, **more}, {**more, **conductor}]}
        if path == "/os-aggregates":
            return 200, {"aggregates": self.server.aggregates}
        if path == "/os-services/s":
            return 200, {"service": {"id": "s", "host": "compute-1", **self.server.forced}}
        if path == "/os-hypervisors/detail":
            rows = [
                {"id": f"h-{n}", "hypervisor_type": kind, "service": {"host": host}}
                for n, (host, kind) in enumerate(self.server.hypervisors)
            ]
            return 200, self.page("hypervisors", rows, "id", query)
        if path == "/servers/detail":
            ids = self.server.instances
            rows = [{"id": i, "name": i, "OS-EXT-STS:vm_state": "active"} for i in ids]
            return 200, self.page("servers", rows, "id", query)
        return 404, {"itemNotFound": {"code": 404, "message": "Instance could not be found."}}


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as server:
        yield server


@pytest.fixture
def nova(api: Api) -> Nova:
    plugin = token_endpoint.Token(f"http://127.0.0.1:{api.server_port}/v2.1", "a token")
    return Nova(session.Session(auth=plugin, timeout=5), interface="internal", region_name=None)


def row(number: int, status: str = "done") -> dict[str, Any]:
    return {
        "id": number,
        "uuid": f"uuid-{number}",
        "instance_uuid": f"instance-{number}",
        "source_compute": "compute-1",
        "dest_compute": "compute-2",
        "status": status,
        "created_at": "2026-01-01T00:00:00.000000",
    }


def versions(api: Api, path: str) -> set[str]:
    return {version for _, asked, version, _ in api.asked if re.search(path, asked)}


def test_law_5_evacuates_below_2_95_so_that_what_ran_runs_again(api: Api, nova: Nova) -> None:
    nova.services()
    nova.evacuate("an-instance")
    (version,) = versions(api, "action")
    minor = int(version.removeprefix("compute 2."))
    assert minor == min(94, novaclient.API_MAX_VERSION.ver_minor)
    sent = [body for method, path, _, body in api.asked if method == "POST" and "action" in path]
    assert sent == [{"evacuate": {}}]


def test_an_older_nova_is_spoken_to_in_its_own_version(api: Api, nova: Nova) -> None:
    api.newest = "2.72"
    nova.services()
    nova.evacuate("an-instance")
    assert versions(api, "os-services") == versions(api, "action") == {"compute 2.72"}


def test_a_nova_that_is_too_old_is_named(api: Api, nova: Nova) -> None:
    api.newest = "2.38"
    with pytest.raises(NotSentError, match=r"2\.38.*2\.53"):
        nova.services()


@pytest.mark.parametrize("limit", [1000, 100])
def test_law_2_every_page_of_the_evacuations_is_read(api: Api, nova: Nova, limit: int) -> None:
    """However long Nova's pages are: `[api] max_limit` of nova.conf."""
    api.max_limit = limit
    api.evacuations = [row(n) for n in range(2500, 0, -1)]
    assert len(nova.evacuations_from("compute-1")) == 2500
    assert nova.evacuations_from("compute-2") == []


@pytest.mark.parametrize(("limit", "requests"), [(1000, 2), (5, 6)])
def test_law_2_the_newest_evacuations_are_read_whole_and_not_all_of_history(
    api: Api, nova: Nova, limit: int, requests: int
) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    api.max_limit = limit
    new = [{**row(n, "accepted"), "created_at": "2026-03-01T00:00:00.000000"} for n in range(12)]
    api.evacuations = [*new, *(row(n) for n in range(5000, 100, -1))]
    found = nova.evacuations_since(moment)
    assert sorted(m.id for m in found) == list(range(12))
    api.evacuations = [{**new[0], "id": 12, "uuid": "uuid-12"}, *api.evacuations]
    assert len(nova.evacuations_since(moment)) == 13
    asked = [query for _, path, _, query in api.asked if "os-migrations" in path]
    assert len(asked) == requests
    assert not any("changes-since" in query or "source_compute" in query for query in asked)


def test_an_older_nova_lists_all_evacuations_at_once(api: Api, nova: Nova) -> None:
    api.newest = "2.58"
    api.evacuations = [row(n) for n in range(60)]
    assert nova.evacuations_since(datetime(2026, 3, 1, tzinfo=UTC)) == []
    assert len(nova.evacuations_since(datetime(2025, 3, 1, tzinfo=UTC))) == 60
    assert not any("limit" in query for _, path, _, query in api.asked if "os-migr" in path)


def test_law_2_evacuations_are_asked_for_without_changes_since(api: Api, nova: Nova) -> None:
    api.evacuations = [row(1, "accepted")]
    assert nova.evacuations_from("compute-1") == [
        Migration(
            1, "instance-1", "compute-1", "compute-2", "accepted", datetime(2026, 1, 1, tzinfo=UTC)
        )
    ]
    (query,) = [query for _, path, _, query in api.asked if "os-migrations" in path]
    assert "changes-since" not in query
    assert query["migration_type"] == "evacuation"


def test_law_2_the_newest_live_migrations_that_have_not_ended(api: Api, nova: Nova) -> None:
    def live(number: int, instance: str, status: str) -> dict[str, Any]:
        return row(number, status) | {"instance_uuid": instance}

    api.evacuations = [
        live(1, "ended-since", "running"),
        live(2, "ended-since", "completed"),
        live(3, "under-way", "error"),
        live(4, "under-way", "running"),
    ]
    (found,) = nova.live_migrations_from("compute-1")
    assert (found.instance, found.id, found.destination) == ("under-way", 4, "compute-2")
    (query,) = [query for _, path, _, query in api.asked if "os-migrations" in path]
    assert query["migration_type"] == "live-migration"


@pytest.mark.parametrize(("limit", "pages"), [(1000, 1), (6, 1), (5, 2), (2, 3)])
def test_every_page_of_the_instances_is_read_and_no_other(
    api: Api, nova: Nova, limit: int, pages: int
) -> None:
    api.instances = [f"instance-{number}" for number in range(5)]
    api.max_limit = limit
    assert [i.id for i in nova.instances_on("compute-1")] == api.instances
    asked = [query for _, path, _, query in api.asked if path.endswith("/servers/detail")]
    assert len(asked) == pages
    assert {query["host"] for query in asked} == {"compute-1"}
    assert {query["all_tenants"] for query in asked} == {"1"}


def test_what_changed_is_asked_for_in_novas_time(api: Api, nova: Nova) -> None:
    api.instances = ["an-instance"]
    zone = timezone(timedelta(hours=1))
    (found,) = nova.instances_changed(datetime(2026, 1, 1, 1, 0, 0, 900000, zone))
    assert found.id == "an-instance"
    assert api.asked[-1][3]["changes-since"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(("state", "up"), [("up", True), ("down", False)])
def test_the_conductors_come_with_the_services(api: Api, nova: Nova, state: str, up: bool) -> None:
    api.conductor = state
    (service,) = nova.services()
    assert service.host == "compute-1"
    assert nova.conductor_is_up() is up
    assert len([path for _, path, _, _ in api.asked if path.endswith("/os-services")]) == 1


def test_a_service_as_nova_has_it(api: Api, nova: Nova) -> None:
    (service,) = nova.services()
    assert (service.host, service.up, service.forced_down, service.enabled) == (
        "compute-1",
        False,
        True,
        False,
    )
    assert service.last_seen is not None


def test_ironics_hosts_on_all_pages_and_no_compute_host_is_asked_for_its_uptime(
    api: Api, nova: Nova
) -> None:
    api.max_limit = 2
    api.hypervisors = [("bm", "ironic"), ("kvm", "QEMU"), ("bm", "ironic"), ("late", "ironic")]
    assert nova.bare_metal_hosts() == {"bm", "late"}
    versions = {v for _, path, v, _ in api.asked if path.endswith("/os-hypervisors/detail")}
    assert versions == {"compute 2.53"}  # from 2.88 on Nova asks each of them, the dead, too


def test_where_hosts_are(api: Api, nova: Nova) -> None:
    rack: dict[str, Any] = {
        "name": "rack-7",
        "hosts": ["compute-1", "gone"],
        "metadata": {"a": "b"},
    }
    api.aggregates = [rack, {**rack, "name": "other", "hosts": []}]
    place = Place("az1", (Aggregate("rack-7", {"a": "b"}),))
    assert nova.places() == {"compute-1": place}
    for wrong in ({"hosts": None}, {"name": None}, {"metadata": []}):
        api.aggregates = [{**rack, **wrong}]
        with pytest.raises(UnknownOutcomeError, match="an aggregate that cannot be read"):
            nova.places()


def test_law_1_forced_down_is_what_nova_says_is_so(api: Api, nova: Nova) -> None:
    (service,) = nova.services()
    api.forced = {"forced_down": True}
    nova.set_forced_down(service, True)
    assert api.asked[-1][3] == {"forced_down": True}
    for answer in ({"forced_down": False}, {}):
        api.forced = answer
        with pytest.raises(UnknownOutcomeError, match="does not say"):
            nova.set_forced_down(service, True)


def test_an_instance_that_is_gone_is_none(nova: Nova) -> None:
    assert nova.instance("gone") is None


@pytest.mark.parametrize(
    ("code", "kind"), [(409, RefusedError), (500, UnknownOutcomeError), (503, UnknownOutcomeError)]
)
def test_law_2_a_failed_evacuate_is_sent_once(
    api: Api, nova: Nova, code: int, kind: type[Exception]
) -> None:
    api.evacuate_answers = [code] * 5
    with pytest.raises(kind):
        nova.evacuate("an-instance")
    assert len([1 for _, path, _, _ in api.asked if "action" in path]) == 1


ACCEPTED = datetime(2026, 1, 1, tzinfo=UTC)


def action(name: str = "evacuate", start: str = "2026-01-01T00:00:00.000000") -> dict[str, Any]:
    return {"action": name, "start_time": start, "request_id": "req-1", "message": None}


def event(name: str, result: str | None, host: str = "conductor") -> dict[str, Any]:
    ended = "2026-01-01T00:00:09.000000" if result else None
    return {"event": name, "result": result, "finish_time": ended, "host": host}


TAKEN = "compute_rebuild_instance"


@pytest.mark.parametrize(
    ("events", "log"),
    [
        ([], EvacuationLog(untaken=True)),
        ([event("rebuild_server", None)], EvacuationLog()),
        ([event("rebuild_server", "Success")], EvacuationLog(queued=True)),
        ([event("rebuild_server", "Error")], EvacuationLog(over=True)),
        ([event(TAKEN, None, "compute-2")], EvacuationLog(over=False, destination="compute-2")),
        ([event(TAKEN, "Success", "compute-2")], EvacuationLog(True, "compute-2")),
        ([event(TAKEN, "Error", "compute-2")], EvacuationLog(True, "compute-2")),
    ],
)
def test_law_2_what_the_log_of_actions_tells(
    api: Api, nova: Nova, events: list[dict[str, Any]], log: EvacuationLog
) -> None:
    api.actions, api.events = [action()], events
    assert nova.evacuation_log("an-instance", ACCEPTED) == log


def test_law_2_the_log_of_another_request_tells_nothing(api: Api, nova: Nova) -> None:
    api.actions = [action(start="2025-12-31T23:00:00.000000")]
    api.events = [event("rebuild_server", "Error")]
    assert nova.evacuation_log("an-instance", ACCEPTED) == EvacuationLog()


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        ({"details": "Conflict updating instance"}, "Conflict updating instance"),
        (
            {"traceback": "Traceback:\n  File\nInstanceExists: it already exists.\n"},
            "InstanceExists",
        ),
        ({}, ""),
    ],
)
def test_law_2_why_an_evacuation_failed_at_its_destination(
    api: Api, nova: Nova, shown: dict[str, str], fault: str
) -> None:
    api.actions = [action()]
    failure = {**event("compute_rebuild_instance", "Error"), **shown}
    api.events = [event("rebuild_server", "Success"), failure]
    found = nova.evacuation_fault("an-instance", ACCEPTED)
    assert (found.text if found else "").startswith(fault)
    assert (found is not None) == bool(fault)
    assert nova.evacuation_fault("an-instance", ACCEPTED + timedelta(minutes=1)) is None
    assert nova.evacuation_fault("an-instance", None) is None


def test_a_plain_rebuild_dies_with_its_host(api: Api, nova: Nova) -> None:
    api.actions = [action("rebuild")]
    assert nova.evacuation_log("an-instance", None).over
