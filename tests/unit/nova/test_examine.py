"""A look at Keystone and Nova, at an HTTP server that answers as they do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import session, token_endpoint
from keystoneauth1.identity import v3

from novaha import wiring
from novaha.nova.compute import Nova
from novaha.nova.examine import Cloud, examine
from novaha.nova.regions import RegionError
from tests.serving import serving


class Api(ThreadingHTTPServer):
    """Keystone and Nova under one address."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.newest = "2.96"
        self.ahead: float | None = 0.0
        self.regions = ["North"]
        self.roles = ["admin"]
        self.heartbeat = 0.0
        self.state = "up"
        self.codes: dict[str, int] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def token(self) -> dict[str, Any]:
        endpoints = [
            {"region_id": name, "region": name, "id": f"{name}-{kind}", "interface": kind}
            | {"url": f"{self.url}/v2.1"}
            for name in self.regions
            for kind in ("public", "internal")
        ]
        nova = {"type": "compute", "name": "nova", "id": "n"}
        return {
            "token": {
                "expires_at": "2100-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "methods": ["password"],
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
                "roles": [{"id": name, "name": name} for name in self.roles],
                "catalog": [{**nova, "endpoints": endpoints}],
            }
        }


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + (self.server.ahead or 0.0), usegmt=True)

    def answer(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v2.1")
        self.server.asked.append(self.path)
        version = {"id": "v2.1", "version": self.server.newest, "min_version": "2.1"}
        service = {"id": "s", "host": "compute-1", "binary": "nova-compute"}
        service |= {"status": "enabled", "disabled_reason": None, "forced_down": False}
        beat = datetime.fromtimestamp(time.time() + self.server.heartbeat, UTC)
        service |= {"state": self.server.state, "updated_at": beat.strftime("%Y-%m-%dT%H:%M:%S.%f")}
        here = {"rel": "self", "href": f"{self.server.url}/v3/"}
        found: dict[str, Any] = {
            "/v3/auth/tokens": self.server.token(),
            "/v3": {"version": {"id": "v3.14", "status": "stable", "links": [here]}},
            "": {"version": {**version, "status": "CURRENT", "links": []}},
            "/": {"version": {**version, "status": "CURRENT", "links": []}},
            "/os-services": {"services": [service]},
            "/os-migrations": {"migrations": []},
            "/servers/detail": {"servers": []},
            "/os-hypervisors/detail": {
                "hypervisors": [
                    {"id": "h", "hypervisor_type": "ironic", "service": {"host": "compute-1"}}
                ]
            },
        }
        code = self.server.codes.get(path, 200 if path in found else 404)
        body = found.get(path, {}) if code == 200 else {"error": {"message": "no", "code": code}}
        text = json.dumps(body).encode()
        self.send_response_only(code)
        if self.server.ahead is not None:
            self.send_header("Date", self.date_time_string())
        self.send_header("X-Subject-Token", "t")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as server:
        yield server


def login(api: Api) -> session.Session:
    auth = v3.Password(
        f"{api.url}/v3",
        username="u",
        password="hunter2",
        project_name="p",
        user_domain_name="d",
        project_domain_name="d",
    )
    return session.Session(auth=auth, timeout=5)


def test_what_can_be_read_on_the_way(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaha.nova.exposure._is_local", lambda host: False)
    keystone, nova = look(api).exposed
    assert keystone.startswith(f"auth_url is plain http ({api.url})")
    assert nova.startswith(f"Nova's endpoint is plain http ({api.url})")
    api.codes["/v3/auth/tokens"] = 401
    assert len(look(api).exposed) == 1


def look(api: Api, region: str | None = None) -> Cloud:
    return examine(login(api), "internal", region, lambda text: None)


def test_everything_answers(api: Api) -> None:
    said: list[str] = []
    found = examine(login(api), "internal", "North", said.append)
    assert found.failed == ""
    assert found.roles == {"admin"}
    assert found.version.startswith("2.")
    assert [service.host for service in found.services] == ["compute-1"]
    assert found.refused == ()
    assert found.ahead == pytest.approx(0.0, abs=2.0)
    assert said[0] == "signing in"
    assert len(said) > 3


@pytest.mark.parametrize("seconds", [90.0, -90.0])
def test_a_clock_that_is_wrong(api: Api, seconds: float) -> None:
    api.ahead = seconds
    assert look(api).ahead == pytest.approx(seconds, abs=2.5)


@pytest.mark.parametrize(("heartbeat", "ahead"), [(-8.0, 0.0), (-70.0, -60.0), (90.0, 90.0)])
def test_a_nova_that_tells_no_time_is_judged_by_its_computes(
    api: Api, heartbeat: float, ahead: float
) -> None:
    api.ahead = None
    api.heartbeat = heartbeat
    assert look(api).ahead == pytest.approx(ahead, abs=2.5)
    api.state = "down"
    assert look(api).ahead is None


def test_law_9_a_wrong_password_is_said_and_not_shown(api: Api) -> None:
    api.codes["/v3/auth/tokens"] = 401
    found = look(api)
    assert found.no_login
    assert "HTTP 401" in found.failed
    assert "hunter2" not in found.failed
    assert not any(path.startswith("/v2.1") for path in api.asked)


def test_a_keystone_that_is_away(api: Api) -> None:
    api.shutdown()
    api.server_close()
    found = look(api)
    assert found.no_login
    assert api.url in found.failed


def test_a_nova_that_is_in_another_region(api: Api) -> None:
    found = look(api, "South")
    assert not found.no_login
    assert "South" in found.failed


def test_a_nova_that_is_too_old(api: Api) -> None:
    api.newest = "2.38"
    assert "2.38" in look(api).failed


def test_what_the_user_may_not_do_is_named_one_by_one(api: Api) -> None:
    api.roles = ["member"]
    api.codes |= {"/os-services": 403, "/servers/detail": 403}
    found = look(api)
    assert found.failed == ""
    assert found.roles == {"member"}
    assert [what for what, _ in found.refused] == [
        "list the compute services",
        "list the instances of all projects",
    ]
    assert all("HTTP 403" in answer for _, answer in found.refused)


def test_ironics_hosts_are_told_and_a_list_that_is_refused_is_no_missing_right(api: Api) -> None:
    found = look(api)
    assert (found.bare_metal, found.unlisted) == ({"compute-1"}, "")
    api.codes["/os-hypervisors/detail"] = 403
    found = look(api)
    assert found.bare_metal == frozenset()
    assert "HTTP 403" in found.unlisted
    assert found.refused == ()  # the evacuator never asks for it


def test_a_given_token_tells_nothing_of_its_user(api: Api) -> None:
    plugin = token_endpoint.Token(f"{api.url}/v2.1", "a token")
    given = session.Session(auth=plugin, timeout=5)
    found = examine(given, "internal", None, lambda text: None)
    assert (found.failed, found.roles) == ("", None)
    assert len(found.services) == 1


def test_by_the_evacuators_own_configuration(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "novaha.conf"
    file.write_text("[keystone]\nregion_name = North\n")
    file.chmod(0o640)
    login = {"auth_url": f"{api.url}/v3", "username": "u", "password": "p", "tenant_name": "p"}
    found = wiring.examine(wiring.conf({"config": str(file), **login}), lambda text: None)
    assert (found.failed, found.roles) == ("", {"admin"})
    file.write_text("[keystone]\nregion_name = South\n")
    found = wiring.examine(wiring.conf({"config": str(file), **login}), lambda text: None)
    assert "South" in found.failed


def test_several_regions_and_none_chosen(api: Api) -> None:
    """Not the one that the catalogue lists first: a force-down would go to another cloud."""
    api.regions = ["RegionTwo", "RegionOne"]
    seen = look(api)
    assert "Nova is in the regions RegionOne, RegionTwo and none is chosen" in seen.failed
    assert "region_name" in seen.failed
    assert not [path for path in api.asked if path.startswith("/v2.1")]
    assert look(api, "RegionOne").failed == ""


def test_a_region_that_there_is_not(api: Api) -> None:
    api.regions = ["RegionTwo", "RegionOne"]
    seen = look(api, "RegionThree")
    assert "no Nova in the region RegionThree, only in RegionOne, RegionTwo" in seen.failed
    assert not [path for path in api.asked if path.startswith("/v2.1")]


def test_the_only_region_need_not_be_chosen_and_stays_it(api: Api) -> None:
    nova = Nova(login(api), interface="internal", region_name=None)
    nova.find()
    api.regions = ["Another", "North"]
    nova._session.invalidate()
    assert [s.host for s in nova.services()] == ["compute-1"]


def test_each_request_is_refused_while_the_region_is_unclear(api: Api) -> None:
    api.regions = ["RegionTwo", "RegionOne"]
    nova = Nova(login(api), interface="internal", region_name=None)
    for _ in range(2):
        with pytest.raises(RegionError) as caught:
            nova.services()
        assert caught.value.regions == ("RegionOne", "RegionTwo")


def test_a_token_and_an_address_have_no_regions(api: Api) -> None:
    auth = token_endpoint.Token(f"{api.url}/v2.1", "t")
    api.regions = ["RegionTwo", "RegionOne"]
    nova = Nova(session.Session(auth), interface="internal", region_name=None)
    assert [s.host for s in nova.services()] == ["compute-1"]


def test_the_evacuator_does_not_begin_while_the_region_is_unclear(api: Api) -> None:
    api.regions = ["RegionTwo", "RegionOne"]
    given = {"auth_url": f"{api.url}/v3", "username": "u", "password": "p", "tenant_name": "p"}
    with pytest.raises(RegionError, match="RegionOne, RegionTwo"):
        wiring.check_region(wiring.nova(wiring.conf(given)), 10.0)
    with pytest.raises(RegionError):
        wiring.check_nova(given)
    chosen = {**given, "region_name": "RegionTwo"}
    wiring.check_region(wiring.nova(wiring.conf(chosen)), 10.0)
    assert wiring.check_nova(chosen) == 1
    # A Keystone that is away keeps nobody from beginning.
    away = {**given, "auth_url": "http://127.0.0.1:1/v3"}
    wiring.check_region(wiring.nova(wiring.conf(away)), 10.0)
