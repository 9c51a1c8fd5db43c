"""The simulated Nova's API over HTTP, with the Keystone that it takes to reach it.

`python -m novahabench.simnova HOSTS INSTANCES SPAWN_DELAY EACH` prints its port. It speaks what the
product uses: tokens, discovery, paging by marker, filters, microversions; and counts requests.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from novaha.core.errors import RefusedError
from novaha.core.model import ComputeService
from novahabench.simulated import BigNova, migration, service, shown

_PAGE = 1000
_ACCEPTING = 0.07
"""Seconds that Nova takes to accept an evacuate request (docs/facts.md)."""

_MICROVERSION = "2.96"


class Api:
    """The state behind the requests. One at a time works on the model."""

    def __init__(self, nova: BigNova) -> None:
        self.nova = nova
        self.lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.base = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and body."""
        if path.startswith("/_bench/"):
            with self.lock:
                return 200, self._bench(path.rpartition("/")[2], body)
        kind, handler, arguments = self._route(method, path)
        if kind == "evacuate" and "evacuate" not in body:
            kind = "action"
        if kind == "servers" and "changes-since" in query:
            kind = "servers changed"
        if kind == "evacuate":
            time.sleep(_ACCEPTING)
        with self.lock:
            self.requests[kind] += 1
            self.nova.go_on()
            try:
                status, found = handler(*arguments, query, body)
                return int(status), found
            except RefusedError as error:
                return error.code, {
                    "conflictingRequest": {"message": error.detail, "code": error.code}
                }

    def _route(self, method: str, path: str) -> tuple[str, Any, tuple[str, ...]]:
        for wanted, pattern, kind, handler in _ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path.rstrip("/"))):
                return kind, getattr(self, handler), found.groups()
        return "unknown", self._unknown, ()

    def _unknown(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 404, {"itemNotFound": {"message": "the simulation does not know this", "code": 404}}

    # What a bench asks

    def _bench(self, question: str, body: Any) -> Any:
        match question:
            case "crash":
                self.nova.go_on()
                for name in body:
                    self.nova.crash(name)
            case "boot":
                self.nova.go_on()
                for name in body:
                    self.nova.start_compute(name)
            case "clear":
                self.requests.clear()
        self.nova.go_on()
        return {
            "requests": dict(self.requests),
            "evacuations": len(self.nova.migrations),
            "flights": len(self.nova.flights),
            "twice": len(self.nova.twice),
            "left": {name: len(found) for name, found in self.nova.table.on.items()},
        }

    # Keystone

    def _versions(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 300, {"versions": {"values": [self._v3()]}}

    def _version(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"version": self._v3()}

    def _v3(self) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self.base}/identity/v3/"}]
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": links,
        }

    def _token(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        def entry(kind: str, url: str) -> dict[str, Any]:
            interfaces = ("public", "internal", "admin")
            return {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [
                    {
                        "id": f"{kind}-{i}",
                        "interface": i,
                        "region_id": "One",
                        "region": "One",
                        "url": url,
                    }
                    for i in interfaces
                ],
            }

        catalog = [
            entry("compute", f"{self.base}/compute/v2.1"),
            entry("identity", f"{self.base}/identity"),
        ]
        project = {"id": "p", "name": "admin", "domain": {"id": "default", "name": "Default"}}
        return 201, {
            "token": {
                "methods": ["password"],
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "user": {
                    "id": "u",
                    "name": "admin",
                    "domain": {"id": "default", "name": "Default"},
                },
                "project": project,
                "roles": [{"id": "r", "name": "admin"}],
                "catalog": catalog,
            }
        }

    # Nova

    def _nova_version(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"version": self._v21()}

    def _nova_versions(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"versions": [self._v21()]}

    def _v21(self) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": _MICROVERSION,
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{self.base}/compute/v2.1/"}],
        }

    def _services(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if query.get("binary") == "nova-conductor":
            conductor = {**service(self.nova, next(iter(self.nova.hosts))), "state": "up"}
            return 200, {"services": [{**conductor, "binary": "nova-conductor"}]}
        names = [query["host"]] if "host" in query else list(self.nova.hosts)
        return 200, {"services": [service(self.nova, name) for name in names]}

    def _set_service(self, name: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        found = ComputeService(name, name.removeprefix("service-"), True, False, True)
        if "forced_down" in body:
            self.nova.set_forced_down(found, body["forced_down"])
        match body.get("status"):
            case "disabled":
                self.nova.disable(found, body.get("disabled_reason", ""))
            case "enabled":
                self.nova.enable(found)
        return 200, {"service": service(self.nova, found.host)}

    def _servers(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if query.get("deleted", "").lower() in ("1", "true"):
            return 200, {"servers": []}
        if "host" in query:
            found = self.nova.on_host(query["host"])
        elif "changes-since" in query:
            found = self.nova.changed_since(datetime.fromisoformat(query["changes-since"]))
        else:
            found = sorted(self.nova.table.values(), key=lambda server: server.id)
        if marker := query.get("marker"):
            found = [server for server in found if server.id > marker]
        limit = min(_PAGE, int(query.get("limit", _PAGE)))
        page: dict[str, Any] = {"servers": [shown(server) for server in found[:limit]]}
        if len(found) > limit:
            href = f"{self.base}/compute/v2.1/servers/detail?marker={found[limit - 1].id}"
            page["servers_links"] = [{"rel": "next", "href": href}]
        return 200, page

    def _server(self, instance: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if instance not in self.nova.table:
            return 404, {"itemNotFound": {"message": "no such instance", "code": 404}}
        return 200, {"server": shown(self.nova.table[instance])}

    def _act(self, instance: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if "evacuate" not in body:
            return self._unknown(query, body)
        self.nova.evacuate(instance, (body["evacuate"] or {}).get("host"))
        return 200, {}

    def _hypervisors(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"hypervisors": []}

    def _migrations(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        host = query.get("source_compute")
        found = self.nova.evacuations(host) if host else self.nova.migrations
        rows = sorted(found, key=lambda m: -m.id)
        shown_rows = [migration(self.nova, row) for row in rows]
        if marker := query.get("marker"):
            at = next(i for i, row in enumerate(shown_rows) if row["uuid"] == marker)
            shown_rows = shown_rows[at + 1 :]
        limit = min(_PAGE, int(query.get("limit", _PAGE)))
        page: dict[str, Any] = {"migrations": shown_rows[:limit]}
        if len(shown_rows) > limit:
            page["migrations_links"] = [{"rel": "next", "href": f"{self.base}/compute/v2.1"}]
        return 200, page


_ROUTES = (
    ("GET", r"/identity", "token", "_versions"),
    ("GET", r"/identity/v3", "token", "_version"),
    ("POST", r"/identity/v3/auth/tokens", "token", "_token"),
    ("GET", r"/compute", "discovery", "_nova_versions"),
    ("GET", r"/compute/v2.1", "discovery", "_nova_version"),
    ("GET", r"/compute/v2.1/os-services", "services", "_services"),
    ("PUT", r"/compute/v2.1/os-services/([^/]+)", "service", "_set_service"),
    ("GET", r"/compute/v2.1/servers/detail", "servers", "_servers"),
    ("GET", r"/compute/v2.1/servers", "servers", "_servers"),
    ("GET", r"/compute/v2.1/servers/([^/]+)", "server", "_server"),
    ("POST", r"/compute/v2.1/servers/([^/]+)/action", "evacuate", "_act"),
    ("GET", r"/compute/v2.1/os-migrations", "migrations", "_migrations"),
    ("GET", r"/compute/v2.1/os-hypervisors(?:/detail)?", "hypervisors", "_hypervisors"),
)


def server(api: Api) -> ThreadingHTTPServer:
    """An HTTP server for it on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # an answer in one piece
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = dict(parse_qsl(url.query))
            status, found = api.answer(self.command, url.path, query, body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if wanted := self.headers.get("OpenStack-API-Version"):
                self.send_header("OpenStack-API-Version", wanted)
                self.send_header("Vary", "OpenStack-API-Version")
            if wanted := self.headers.get("X-OpenStack-Nova-API-Version"):
                self.send_header("X-OpenStack-Nova-API-Version", wanted)
            if url.path.endswith("/auth/tokens"):
                self.send_header("X-Subject-Token", "a-token")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _handle  # noqa: N815 (http.server's names)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    made = Server(("127.0.0.1", 0), Handler)
    api.base = f"http://127.0.0.1:{made.server_address[1]}"
    return made


def main() -> None:
    """Serve until killed."""
    hosts, instances, spawn_delay, each = sys.argv[1:]
    api = Api(BigNova(int(hosts), int(instances), float(spawn_delay), float(each)))
    made = server(api)
    print(made.server_address[1], flush=True)
    made.serve_forever()


if __name__ == "__main__":
    main()
