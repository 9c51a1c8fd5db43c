"""Area "nova" and "keystone": each question and request, with each answer that is none."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import requests
import urllib3
from keystoneauth1 import session, token_endpoint
from keystoneauth1.identity import v3
from urllib3 import exceptions as urllib

from novaha.core.model import Action, ComputeService
from novaha.nova import deadline
from novaha.nova.compute import Nova
from tests.fuzz.kinds import SECRET, VALUE, Kind, Outcome, call, kind

URL = "http://nova.example.org:8774/v2.1"
KEYSTONE = "http://keystone.example.org:5000/v3"
ID = "11111111-2222-3333-4444-555555555555"
MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERVICE = ComputeService(id="s1", host="compute-1", up=True, forced_down=False, enabled=True)

VERSION = {"id": "v2.1", "version": "2.96", "min_version": "2.1", "status": "CURRENT"}

Reply = tuple[int, str, bytes] | BaseException
"""Status, content type and body; or what the library raises."""

JSON = "application/json"


@dataclass
class Cloud:
    """Answers in the place of the network: the version as it is, the rest as the kind has it."""

    reply: Reply
    version: Reply = (200, JSON, json.dumps({"version": {**VERSION, "links": []}}).encode())
    token: Reply = (500, JSON, b"{}")

    def answer(self, method: str, url: str) -> Reply:
        path = url.partition("?")[0].rstrip("/")
        if "keystone.example.org" in url:
            if path.endswith("/auth/tokens"):
                return self.token
            link = {"rel": "self", "href": KEYSTONE}
            one = {"id": "v3.14", "status": "stable", "links": [link]}
            return 200, JSON, json.dumps({"version": one}).encode()
        if path.endswith(("/v2.1", ":8774")):
            return self.version
        return self.reply


class Wire(deadline._Adapter):
    """Instead of a connection."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(5.0)
        self.cloud = cloud

    def send(self, request: Any, **options: Any) -> requests.Response:
        reply = self.cloud.answer(request.method, request.url)
        if isinstance(reply, BaseException):
            raise reply
        code, content, body = reply
        head = {"Content-Type": content, "X-Subject-Token": "t"} if content else {}
        raw = urllib3.HTTPResponse(
            io.BytesIO(body), headers=head, status=code, preload_content=False, reason="Why"
        )
        return self.build_response(request, raw)


def nova(cloud: Cloud, auth: Any = None) -> Nova:
    inner = requests.Session()
    for prefix in ("http://", "https://"):
        inner.mount(prefix, Wire(cloud))
    auth = auth or token_endpoint.Token(URL, "t")
    return Nova(
        session.Session(auth=auth, session=inner, timeout=5),
        interface="internal",
        region_name=None,
    )


def asked(cloud: Cloud, question: Callable[[Nova], object], auth: Any = None) -> Outcome:
    with mock.patch("tenacity.nap.time.sleep"):
        return call(lambda: question(nova(cloud, auth)))


READS: dict[str, Callable[[Nova], object]] = {
    "services": lambda n: n.services(),
    "instances of a host": lambda n: n.instances_on("compute-1"),
    "instances that changed": lambda n: n.instances_changed(MOMENT),
    "an instance": lambda n: n.instance(ID),
    "evacuations of a host": lambda n: n.evacuations_from("compute-1"),
    "evacuations since": lambda n: n.evacuations_since(MOMENT),
    "live migrations": lambda n: n.live_migrations_from("compute-1"),
    "a fault": lambda n: n.evacuation_fault(ID, MOMENT),
    "a log": lambda n: n.evacuation_log(ID, MOMENT),
    "the last deleted": lambda n: n.last_deleted(),
    "the conductor": lambda n: n.conductor_is_up(),
}
UPDATES: dict[str, Callable[[Nova], object]] = {
    "force down": lambda n: n.set_forced_down(SERVICE, True),
    "disable": lambda n: n.disable(SERVICE, "novaha: f"),
    "enable": lambda n: n.enable(SERVICE),
}
REQUESTS: dict[str, Callable[[Nova], object]] = {
    "evacuate": lambda n: n.evacuate(ID),
    "stop an instance": lambda n: n.act(ID, Action.STOP),
}

NO_JSON: dict[str, tuple[str, bytes]] = {
    "a page": ("text/html", b"<html><body>Please sign in</body></html>"),
    "a page as JSON": (JSON, b"<html></html>"),
    "a page in capitals": ("text/html", b"<!DOCTYPE HTML><HTML></HTML>"),
    "XML": ("application/xml", b"<?xml version='1.0'?><servers/>"),
    "half of it": (JSON, b'{"services": ['),
    "text": ("text/plain", b"service unavailable"),
    "zeros": (JSON, b"\0" * 64),
    "noise": (JSON, bytes(range(256))),
    "broken UTF-8": (JSON, b'{"a": "\xff"'),
    "null": (JSON, b"null"),
    "a list": (JSON, b"[]"),
    "a text": (JSON, b'"services"'),
    "a number": (JSON, b"5"),
    "true": (JSON, b"true"),
    "infinity": (JSON, b"Infinity"),
    "escapes": ("text/plain", b"\x1b[2J\x07"),
}
EMPTY: dict[str, tuple[str, bytes]] = {
    "nothing": (JSON, b""),
    "nothing of no type": ("", b""),
    "a blank": ("text/plain", b" "),
}
OTHER_JSON: dict[str, bytes] = {
    "an empty object": b"{}",
    "another list": b'{"other": []}',
    "null for the list": json.dumps(
        dict.fromkeys(("services", "servers", "migrations", "server", "instanceActions", "service"))
    ).encode(),
    **{
        f"{value!r} for the list": json.dumps(
            dict.fromkeys(
                ("services", "servers", "migrations", "server", "instanceActions", "service"), value
            )
        ).encode()
        for value in (5, "text", True, 1.5)
    },
    "an error with 200": b'{"computeFault": {"code": 500, "message": "no"}}',
    "a key in capitals": b'{"SERVICES": [], "SERVERS": [], "MIGRATIONS": []}',
    "an error of Keystone's": b'{"error": {"message": "no", "code": 401}}',
}
LISTS = {
    "a null in the list": None,
    "a number in the list": 5,
    "a text in the list": "compute-1",
    "a list in the list": [],
    "a truth in the list": True,
}

CODES = (300, 301, 302, 303, 304, 305, 307, 308, 310, 399)
CODES += (400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 422, 423, 426)
CODES += (428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 522, 530, 599)

BODIES = {
    "a message": (JSON, b'{"itemNotFound": {"message": "no", "code": 0}}'),
    "escapes": (JSON, json.dumps({"e": {"message": "\x1b[2J\r\n" + "x" * 9000}}).encode()),
    "a page": ("text/html", b"<html>proxy</html>"),
    "nothing": ("", b""),
    "a list": (JSON, b"[1]"),
    "a login": (
        JSON,
        json.dumps({"e": {"message": f"see http://u:{SECRET}@k/?password={SECRET}"}}).encode(),
    ),
}

RAISED: dict[str, Callable[[], BaseException]] = {
    "refused": lambda: requests.ConnectionError("[Errno 111] Connection refused"),
    "reset": lambda: requests.ConnectionError(urllib.ProtocolError("Connection aborted.")),
    "no name": lambda: requests.ConnectionError("Name or service not known"),
    "connect time-out": lambda: requests.ConnectTimeout("timed out"),
    "read time-out": lambda: requests.ReadTimeout("timed out"),
    "TLS": lambda: requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED certificate verify"),
    "a proxy": lambda: requests.exceptions.ProxyError("proxy"),
    "chunks": lambda: requests.exceptions.ChunkedEncodingError("IncompleteRead(0 bytes read)"),
    "an encoding": lambda: requests.exceptions.ContentDecodingError("gzip"),
    "redirects": lambda: requests.TooManyRedirects("30"),
    "a URL": lambda: requests.exceptions.InvalidURL(f"http://u:{SECRET}@"),
    "a schema": lambda: requests.exceptions.InvalidSchema("ftp"),
    "a header": lambda: requests.exceptions.InvalidHeader("\r\n"),
    "no CA bundle": lambda: OSError(
        "Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere.pem"
    ),
    "no certificate": lambda: OSError(
        "Could not find the TLS certificate file, invalid path: /nowhere.pem"
    ),
    "a length": lambda: ValueError("invalid literal for int() with base 10: b'zz'"),
    "an IDNA label": lambda: UnicodeError("label empty or too long"),
    "a half answer": lambda: http.client.IncompleteRead(b"x"),
    "a bad status": lambda: http.client.BadStatusLine("\x1b[2J"),
    "a long line": lambda: http.client.LineTooLong("header"),
    "urllib3's protocol": lambda: urllib.ProtocolError("broken"),
    "urllib3's location": lambda: urllib.LocationParseError("x"),
    "urllib3's decoder": lambda: urllib.DecodeError("x"),
    "urllib3's time-out": lambda: urllib.ReadTimeoutError(None, URL, "timed out"),  # type: ignore[arg-type]
    "out of files": lambda: OSError(24, "Too many open files"),
    "a broken pipe": lambda: BrokenPipeError(32, "Broken pipe"),
    "an end": lambda: EOFError("end"),
    "a type": lambda: TypeError("NoneType"),
    "a key": lambda: KeyError("version"),
    "an index": lambda: IndexError("list index out of range"),
    "an attribute": lambda: AttributeError("'NoneType' object has no attribute 'get'"),
    "recursion": lambda: RecursionError("maximum recursion depth exceeded"),
    "memory": lambda: MemoryError(),
    "an assertion": lambda: AssertionError("x"),
}
"""What the libraries raise, and what a fault in one of them would."""

_FAULTS = {"a type", "a key", "an index", "an attribute", "memory", "an assertion"}
_FAULTS |= {"an end"}
_NOT_TOLD = {"a fault", "a log"}


def kinds() -> Iterator[Kind]:
    """All of both areas."""
    yield from _answers()
    yield from _codes()
    yield from _raised()
    yield from _rows()
    yield from _versions()
    yield from _tokens()


def _run(question: Callable[[Nova], object], reply: Reply) -> Callable[[Path], Outcome]:
    return lambda place: asked(Cloud(reply), question)


def _answers() -> Iterator[Kind]:
    for what, question in {**READS, **UPDATES}.items():
        for name, (content, body) in {**NO_JSON, **EMPTY}.items():
            says = r"Nova's API at http://nova\.example\.org\S* answered no JSON"
            run = _run(question, (200, content, body))
            yield kind("nova", f"no JSON, {what}", name, run, "NovahaError", says)
        for name, body in OTHER_JSON.items():
            run = _run(question, (200, JSON, body))
            says = "Nova's answer has no (list )?'"
            yield kind("nova", f"other JSON, {what}", name, run, "NovahaError", says)
    for what, question in READS.items():
        for name, row in LISTS.items():
            if what == "an instance":
                continue
            keys = ("services", "servers", "migrations", "instanceActions")
            run = _run(question, (200, JSON, json.dumps({key: [row] for key in keys}).encode()))
            says = "has an entry without fields"
            yield kind("nova", f"entries, {what}", name, run, "NovahaError", says)
    for what, question in REQUESTS.items():
        for name, (content, body) in NO_JSON.items():
            page = b"<" in body
            run = _run(question, (202, content, body))
            if name == "noise":
                continue  # of bytes: whether that is a page is anybody's guess
            says = "answered no JSON" if page else ""
            right = "NovahaError" if page else VALUE
            yield kind("nova", f"accepted, {what}", name, run, right, says)
        for name, (content, body) in EMPTY.items():
            run = _run(question, (202, content, body))
            yield kind("nova", f"accepted, {what}", name, run, VALUE)


def _codes() -> Iterator[Kind]:
    for what, question in {**READS, **UPDATES, **REQUESTS}.items():
        for number, code in enumerate(CODES):
            name, (content, body) = list(BODIES.items())[number % len(BODIES)]
            run = _run(question, (code, content, body))
            gone = what == "an instance" and code == 404
            right, says = (
                (VALUE, "")
                if gone
                else ("NovahaError", rf"\(HTTP {code}\)" if code != 304 else ".")
            )
            yield kind("nova", f"codes, {what}", f"{code}, {name}", run, right, says)


def _raised() -> Iterator[Kind]:
    for what, question in {**READS, **UPDATES, **REQUESTS}.items():
        for name, make in RAISED.items():

            def run(
                place: Path,
                make: Callable[[], BaseException] = make,
                question: Callable[[Nova], object] = question,
                name: str = name,
            ) -> Outcome:
                outcome = asked(Cloud(make()), question)
                inside = outcome.said.replace("internal error (", "a fault (")
                return Outcome(outcome.ended, inside if name in _FAULTS else outcome.said)

            says = "a fault|see the log" if name in _FAULTS else "."
            yield kind("nova", f"errors, {what}", name, run, "NovahaError", says)


_BAD: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "a fraction": 1.5,
    "true": True,
    "a list": [],
    "an object": {},
    "nothing": "",
    "escapes": "\x1b[2J\r\n",
    "long": "x" * 100_000,
}

_SERVICE = {"binary": "nova-compute", "host": "compute-1", "id": "s1", "state": "up"}
_SERVICE |= {"status": "enabled", "forced_down": False, "updated_at": "2026-01-01T00:00:00.0"}
_SERVICE |= {"disabled_reason": None}
_SERVER = {"id": ID, "name": "web", "OS-EXT-SRV-ATTR:host": "compute-1", "status": "ACTIVE"}
_SERVER |= {"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": None}
_SERVER |= {"OS-EXT-STS:power_state": 1, "fault": {"message": "no"}}
_MIGRATION = {"id": 1, "uuid": "m", "instance_uuid": ID, "source_compute": "compute-1"}
_MIGRATION |= {"dest_compute": "compute-2", "status": "done", "created_at": "2026-01-01T00:00:00"}
_MIGRATION |= {"updated_at": "2026-01-01T00:00:00", "migration_type": "evacuation"}
_ACTION = {"action": "evacuate", "request_id": "req-1", "start_time": "2026-01-01T12:00:00"}


def _rows() -> Iterator[Kind]:
    """One field that is not what it must be concerns its own row, and is no exception."""
    for what, key, row, needed in (
        ("services", "services", _SERVICE, ()),
        ("instances of a host", "servers", _SERVER, ("id",)),
        ("instances that changed", "servers", _SERVER, ("id",)),
        ("an instance", "server", _SERVER, ("id",)),
        ("evacuations of a host", "migrations", _MIGRATION, ("id", "instance_uuid")),
        (
            "evacuations since",
            "migrations",
            _MIGRATION,
            ("id", "instance_uuid", "source_compute"),
        ),
        ("live migrations", "migrations", _MIGRATION, ("id", "instance_uuid")),
        ("a fault", "instanceActions", _ACTION, ()),
        ("a log", "instanceActions", _ACTION, ()),
    ):
        for field in (*row, "unknown"):
            values = {**_BAD, "not there": ...}
            for name, value in values.items():
                changed = {k: v for k, v in {**row, field: value}.items() if v is not ...}
                body = json.dumps({key: changed if key == "server" else [changed]})
                right: tuple[str, ...] = (VALUE,)
                if field in needed and not _may_be(field, value):
                    right = ("NovahaError",)
                elif field in (*needed, "source_compute") or what in _NOT_TOLD:
                    right = (VALUE, "NovahaError")
                run = _run(READS[what], (200, JSON, body.encode()))
                yield kind("nova", f"rows, {what}", f"{field}: {name}", run, right)


def _may_be(field: str, value: object) -> bool:
    if isinstance(value, bool) or value is ...:
        return False
    if field == "id":
        return isinstance(value, (int, str)) and value != ""
    return isinstance(value, (str, int)) and value != ""


def _versions() -> Iterator[Kind]:
    """What Nova says of itself before anything is asked of it."""
    for name, (content, body) in {**NO_JSON, **EMPTY}.items():
        reply = (200, content, body)

        def run(place: Path, reply: Reply = reply) -> Outcome:
            return asked(Cloud((200, JSON, b'{"services": []}'), version=reply), READS["services"])

        says = "answered no JSON|tells no microversions"
        yield kind("nova", "version, no JSON", name, run, "NovahaError", says)
    for text in (
        *("", "2", "two", "2.x", "-1.5", "2.1.1", "0.0", "1.1", "2.0", "2.1", "2.52", "2.9"),
        *("\x1b[2J", "x" * 5000, "2.-1", "2. 96", "02.96", "٢.٩٦"),
    ):
        document = {"version": {**VERSION, "version": text, "links": []}}
        reply = (200, JSON, json.dumps(document).encode())

        def run(place: Path, reply: Reply = reply) -> Outcome:
            return asked(Cloud((200, JSON, b'{"services": []}'), version=reply), READS["services"])

        says = "tells no microversions|is the newest in common|[Vv]ersion"
        yield kind("nova", "version, numbers", text[:20], run, "NovahaError", says)
    for name, make in RAISED.items():

        def run(place: Path, make: Callable[[], BaseException] = make) -> Outcome:
            outcome = asked(Cloud((200, JSON, b"{}"), version=make()), READS["services"])
            return Outcome(outcome.ended, outcome.said.replace("internal error (", "a fault ("))

        yield kind("nova", "version, errors", name, run, "NovahaError", ".")
    for code in CODES:
        reply = (code, "", b"")

        def run(place: Path, reply: Reply = reply) -> Outcome:
            return asked(Cloud((200, JSON, b'{"services": []}'), version=reply), READS["services"])

        yield kind("nova", "version, codes", code, run, "NovahaError", ".")


def _tokens() -> Iterator[Kind]:
    """Signing in: nothing of what it is done with is said."""

    def signed(reply: Reply) -> Outcome:
        auth = v3.Password(
            KEYSTONE,
            username="novaha",
            password=SECRET,
            project_name="p",
            user_domain_name="d",
            project_domain_name="d",
        )
        outcome = asked(
            Cloud((200, JSON, b'{"services": []}'), token=reply), READS["services"], auth
        )
        return Outcome(outcome.ended, outcome.said.replace("internal error (", "a fault ("))

    def run(reply: Reply) -> Callable[[Path], Outcome]:
        return lambda place: signed(reply)

    for name, (content, body) in {**NO_JSON, **EMPTY}.items():
        yield kind("keystone", "no JSON", name, run((201, content, body)), "NovahaError", ".")
    for name, body in OTHER_JSON.items():
        yield kind("keystone", "other JSON", name, run((201, JSON, body)), "NovahaError", ".")
    for code in CODES:
        for name, (content, body) in BODIES.items():
            if name != "a login":
                reply = (code, content, body)
                yield kind("keystone", f"codes, {name}", code, run(reply), "NovahaError", ".")
    for code in CODES:
        for form in (SECRET, quote(SECRET, safe=""), json.dumps(SECRET)):
            body = json.dumps({"error": {"message": f"wrong: {form}, again", "code": code}})
            reply = (code, JSON, body.encode())
            yield kind(
                "keystone",
                "the password repeated",
                f"{code} {form}",
                run(reply),
                "NovahaError",
                ".",
            )
    for name, make in RAISED.items():
        if name != "a URL":
            yield kind("keystone", "errors", name, run(make()), "NovahaError", ".")
    interfaces = ("internal", "public")
    endpoint = {"region_id": "R", "region": "R", "id": "e", "url": URL}
    whole = {
        "methods": ["password"],
        "user": {"id": "u", "name": "novaha", "domain": {"id": "d", "name": "d"}},
        "roles": [{"id": "r", "name": "admin"}],
        "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "catalog": [
            {
                "type": "compute",
                "id": "c",
                "name": "nova",
                "endpoints": [{**endpoint, "interface": i} for i in interfaces],
            }
        ],
    }
    yield kind("keystone", "tokens", "a whole one", run((201, JSON, _token(whole))), VALUE)
    for field in whole:
        for name, value in {**_BAD, "not there": ...}.items():
            changed = {k: v for k, v in {**whole, field: value}.items() if v is not ...}
            right = (VALUE, "NovahaError")
            reply = (201, JSON, _token(changed))
            yield kind("keystone", f"tokens, {field}", name, run(reply), right)
    for name, value in {**_BAD, "not there": ...}.items():
        for field in endpoint:
            changed_endpoint = {k: v for k, v in {**endpoint, field: value}.items() if v is not ...}
            entry = {
                **whole["catalog"][0],
                "endpoints": [{**changed_endpoint, "interface": "internal"}],
            }  # type: ignore[index]
            reply = (201, JSON, _token({**whole, "catalog": [entry]}))
            right = (VALUE, "NovahaError") if field != "url" else ("NovahaError",)
            yield kind("keystone", f"endpoints, {field}", name, run(reply), right)


def _token(content: dict[str, Any]) -> bytes:
    return json.dumps({"token": content}).encode()
