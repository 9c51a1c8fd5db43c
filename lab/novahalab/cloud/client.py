"""A small client of the cloud's APIs, on the standard library alone."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from novahalab.errors import LabError

from . import settings

MICROVERSION = "2.96"
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ApiError(LabError):
    """An API refused or failed. ``status`` is the HTTP status, None if nothing answered."""

    def __init__(self, method: str, url: str, status: int | None, text: str) -> None:
        self.status = status
        super().__init__(f"{method} {url}: {status or 'no answer'}: {text[:500]}")


@dataclass(frozen=True)
class Server:
    """An instance as Nova shows it to an admin."""

    id: str
    name: str
    status: str
    task_state: str | None
    power_state: int
    host: str | None
    fault: str | None = None

    @classmethod
    def parse(cls, data: dict[str, Any]) -> "Server":
        """Read one entry of GET /servers/detail."""
        return cls(
            id=data["id"],
            name=data["name"],
            status=data["status"],
            task_state=data["OS-EXT-STS:task_state"],
            power_state=data["OS-EXT-STS:power_state"],
            host=data["OS-EXT-SRV-ATTR:host"],
            fault=data.get("fault", {}).get("message"),
        )


def wait(
    what: str,
    check: Callable[[], bool | str],
    timeout: float,
    every: float = 0.3,
) -> None:
    """Return when ``check`` is true, or is an empty text that would say what is missing.

    Raises LabError after ``timeout`` seconds, with what was missing at the end.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            found = check()
            if found is True or found == "":
                return
            problem = f": {found}" if found else ""
        except ApiError as error:
            if error.status is not None and error.status < 500:
                raise
            problem = f" ({error})"  # a cloud that has just started stumbles now and then
        if time.monotonic() > deadline:
            raise LabError(f"not so after {timeout:g} s: {what}{problem}")
        time.sleep(every)


class Client:
    """One user's access to the cloud; by default the admin's. Raises ApiError from every call."""

    def __init__(
        self,
        user: str = settings.ADMIN,
        password: str = settings.ADMIN,
        project: str = settings.ADMIN,
        timeout: float = 60,
    ) -> None:
        self._user = user
        self._password = password
        self._project = project
        self._timeout = timeout
        self._token: str | None = None

    def token(self) -> str:
        """Return a token, asked for once."""
        if self._token is None:
            url = settings.AUTH_URL + "/auth/tokens"
            headers, _ = self._send("POST", url, json.dumps(self.login()).encode(), {})
            self._token = headers["X-Subject-Token"]
        return self._token

    def login(self) -> dict[str, Any]:
        """Return what Keystone is asked for a token with."""
        default = {"id": "default"}
        user = {"name": self._user, "domain": default, "password": self._password}
        return {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": self._project, "domain": default}},
            }
        }

    def call(
        self,
        method: str,
        service: str,
        path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        microversion: str = MICROVERSION,
    ) -> Any:
        """Send a request to a service's API and return the JSON of its answer, None if empty.

        ``body`` is sent as JSON, ``data`` as it is.
        """
        headers = {"X-Auth-Token": self.token(), "OpenStack-API-Version": f"compute {microversion}"}
        if data is not None:
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            data = json.dumps(body).encode()
        _, answer = self._send(method, settings.url(service, path), data, headers)
        return json.loads(answer) if answer else None

    def _send(
        self, method: str, url: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[Any, bytes]:
        request = urllib.request.Request(
            url, data, {"Content-Type": "application/json", **headers}, method=method
        )
        try:
            with _NO_PROXY.open(request, timeout=self._timeout) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise ApiError(method, url, error.code, text) from None
        except OSError as error:
            raise ApiError(method, url, None, str(error)) from None

    def compute(
        self, method: str, path: str, body: Any = None, microversion: str = MICROVERSION
    ) -> Any:
        """Send a request to Nova."""
        return self.call(method, "nova-api", "/v2.1" + path, body, microversion=microversion)

    # Instances

    def servers(self, **filters: str) -> list[Server]:
        """Return all instances of all projects, page by page."""
        found: list[dict[str, Any]] = []
        query = {"all_tenants": "1", "limit": "1000", **filters}
        while True:
            path = "/servers/detail?" + urllib.parse.urlencode(query)
            page = self.compute("GET", path)["servers"]
            found += page
            if len(page) < 1000:
                return [Server.parse(data) for data in found]
            query["marker"] = page[-1]["id"]

    def server(self, server_id: str) -> Server:
        """Return one instance."""
        return Server.parse(self.compute("GET", f"/servers/{server_id}")["server"])

    def action(self, server_id: str, action: str, **arguments: Any) -> None:
        """Send an action, such as ``os-stop`` or ``evacuate``, to an instance."""
        body = {action: arguments or None}
        if action == "evacuate":
            body = {action: arguments}
        self.compute("POST", f"/servers/{server_id}/action", body)

    def servers_create(
        self,
        count: int,
        flavor: str = "m1.nano",
        host: str | None = None,
        stopped: int = 0,
        name_prefix: str = "instance",
        report: Callable[[str], None] = lambda _: None,
    ) -> list[Server]:
        """Boot instances, wait until they run, and shut the last ``stopped`` of them off.

        With ``host`` all are on that host, else where the scheduler likes. Their names are
        ``name_prefix-1`` and so on. ``report`` is told how far it is.
        Raises LabError if one fails or they take too long.
        """
        if not 0 <= stopped <= count:
            raise LabError(f"cannot shut off {stopped} of {count} instances")
        server = {
            "name": f"{name_prefix}-1" if count == 1 else name_prefix,
            "imageRef": self._image(),
            "flavorRef": self._flavor(flavor),
            "networks": "none",
            "min_count": count,
            "max_count": count,
            "return_reservation_id": True,
            **({"host": host} if host else {}),
        }
        answer = self.compute("POST", "/servers", {"server": server})
        reservation = {"reservation_id": answer["reservation_id"]}
        timeout = 60 + 3.0 * count
        made = self._settle(reservation, set(), count, timeout, report)
        if stopped:
            off = {s.id for s in made[-stopped:]}
            for server_id in off:
                self.action(server_id, "os-stop")
            made = self._settle(reservation, off, count, timeout, report)
        return made

    def _settle(
        self,
        filters: dict[str, str],
        off: set[str],
        count: int,
        timeout: float,
        report: Callable[[str], None],
    ) -> list[Server]:
        """Wait until these instances run, except those to be ``off``; return them by number."""
        deadline = time.monotonic() + timeout
        while True:
            servers = self.servers(**filters)
            failed = [s for s in servers if s.status == "ERROR"]
            if failed:
                raise LabError(f"instance {failed[0].name} is in ERROR: {failed[0].fault}")
            done = [
                s
                for s in servers
                if s.status == ("SHUTOFF" if s.id in off else "ACTIVE") and not s.task_state
            ]
            report(f"{len(done)} of {count}")
            if len(done) == count:
                return sorted(done, key=lambda s: int(s.name.rpartition("-")[2]))
            if time.monotonic() > deadline:
                raise LabError(f"{len(done)} of {count} instances ready after {timeout:g} s")
            time.sleep(0.5)

    def servers_delete(self, server_ids: Iterable[str], timeout: float = 120) -> None:
        """Delete instances and wait (seconds) until Nova has forgotten them."""
        ids = set(server_ids)
        for server_id in ids:
            try:
                self.compute("DELETE", f"/servers/{server_id}")
            except ApiError as error:
                if error.status != 404:
                    raise
        wait(
            "the deleted instances are gone",
            lambda: not ids & {s.id for s in self.servers()},
            timeout + len(ids),
        )

    def _image(self) -> str:
        images = self.call("GET", "glance", "/v2/images?name=tiny")["images"]
        return str(images[0]["id"])

    def _flavor(self, name: str) -> str:
        flavors = {f["name"]: f["id"] for f in self.compute("GET", "/flavors")["flavors"]}
        if name not in flavors:
            raise LabError(f"no flavor {name!r}; there are {', '.join(sorted(flavors))}")
        return str(flavors[name])

    # Hosts

    def services(self, binary: str = "nova-compute") -> list[dict[str, Any]]:
        """Return Nova's services of one kind."""
        found: list[dict[str, Any]]
        found = self.compute("GET", f"/os-services?binary={binary}")["services"]
        return found

    def service(self, host: str) -> dict[str, Any]:
        """Return the nova-compute service of a host. Raises LabError if Nova knows none."""
        for service in self.services():
            if service["host"] == host:
                return service
        raise LabError(f"Nova knows no nova-compute on {host}")

    def update_service(self, host: str, **changes: Any) -> None:
        """Change a host's nova-compute service: ``forced_down=True``, ``status="disabled"``."""
        self.compute("PUT", f"/os-services/{self.service(host)['id']}", changes)

    def wait_computes(
        self, hosts: Sequence[str], timeout: float = 180, *, mapped: bool = True
    ) -> None:
        """Wait until these hosts can be scheduled to: service up and node known.

        mapped: False for hosts of which Nova's API can know no node yet: the service is enough.

        Raises LabError with what Nova says of each host that is late.
        """

        def late() -> str:
            services = {s["host"]: s for s in self.services()}
            known = self._known_nodes() if mapped else {*hosts}
            return "; ".join(filter(None, (_not_ready(h, services.get(h), known) for h in hosts)))

        wait("nova-compute is up", late, timeout)

    def _known_nodes(self) -> set[str]:
        nodes = self.compute("GET", "/os-hypervisors")["hypervisors"]
        return {node["hypervisor_hostname"] for node in nodes}

    def migrations(self, **filters: str) -> list[dict[str, Any]]:
        """Return migrations, evacuations among them."""
        query = urllib.parse.urlencode(filters)
        found: list[dict[str, Any]] = self.compute("GET", f"/os-migrations?{query}")["migrations"]
        return found


def _not_ready(host: str, service: dict[str, Any] | None, known: set[str]) -> str:
    """Why Nova would send nothing to this host; empty if it would."""
    if service is None:
        return f"Nova knows no nova-compute on {host}"
    if service["state"] != "up":
        return (
            f"nova-compute on {host} is {service['state']}, {service['status']}, "
            f"forced down: {service['forced_down']}, last heard of at {service['updated_at']}"
        )
    return "" if host in known else f"Nova knows no hypervisor {host}"
