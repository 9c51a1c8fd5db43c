"""Answers that are not Nova's, or never end; and endpoints in every form."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import session, token_endpoint

from novaha.core.errors import ComputeApiError, NotSentError, NovahaError, UnknownOutcomeError
from novaha.nova.compute import Nova

VERSION = {"id": "v2.1", "version": "2.96", "min_version": "2.1", "status": "CURRENT"}


class Server(ThreadingHTTPServer):
    """Nova's version document is in order; every list is what the test wants."""

    daemon_threads = True

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.list_answer = answer
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        links = [{"rel": "self", "href": f"{self.server.url}/v2.1/"}]
        path = self.path.partition("?")[0].rstrip("/")
        if path == "":
            older = {"id": "v2.0", "version": "", "min_version": "", "status": "SUPPORTED"}
            old_links = [{"rel": "self", "href": f"{self.server.url}/v2/"}]
            versions = [{**older, "links": old_links}, {**VERSION, "links": links}]
            reply(self, json.dumps({"versions": versions}).encode())
        elif path == "/v2.1":
            reply(self, json.dumps({"version": {**VERSION, "links": links}}).encode())
        else:
            self.server.list_answer(self)


def reply(
    handler: BaseHTTPRequestHandler, body: bytes, kind: str = "application/json", code: int = 200
) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None] | None = None) -> Server:
        empty = json.dumps({"services": []}).encode()
        server = Server(answer or (lambda handler: reply(handler, empty)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def nova_at(url: str, **options: Any) -> Nova:
    auth = token_endpoint.Token(url, "token")
    return Nova(session.Session(auth=auth, **options), interface="public", region_name=None)


@pytest.mark.parametrize("path", ["", "/", "/v2.1", "/v2.1/"])
def test_an_endpoint_in_any_form_is_found(path: str, serve: Callable[..., Server]) -> None:
    server = serve()
    assert nova_at(server.url + path).services() == []
    assert server.asked[-1].startswith("/v2.1/os-services")


BODIES = [
    (b"<html><body>Please sign in</body></html>", "text/html", 200),
    (b"<html></html>", "application/json", 200),
    (b"", "application/json", 200),
    (b"", "text/plain", 204),
    (b'{"services": [', "application/json", 200),
    (b"null", "application/json", 200),
    (b"[]", "application/json", 200),
    (b'"text"', "application/json", 200),
    (b"5", "application/json", 200),
    (b"\xff\xfe\x00", "application/json", 200),
    (b'{"other": []}', "application/json", 200),
    (b"<html>Bad gateway</html>", "text/html", 502),
]


@pytest.mark.parametrize(("body", "kind", "code"), BODIES)
def test_what_is_no_answer_of_novas_is_an_unknown_outcome(
    body: bytes, kind: str, code: int, serve: Callable[..., Server]
) -> None:
    server = serve(lambda handler: reply(handler, body, kind, code))
    with pytest.raises(UnknownOutcomeError) as caught:
        nova_at(server.url).services()
    assert "\n" not in str(caught.value)
    if code == 200 and b"other" not in body:
        assert "answered no JSON" in str(caught.value)
        assert server.url in str(caught.value)


def test_pages_that_repeat_have_an_end(serve: Callable[..., Server]) -> None:
    row = {
        "id": "i1",
        "name": "web",
        "OS-EXT-SRV-ATTR:host": "compute-1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
    }
    page = {"servers": [row], "servers_links": [{"rel": "next", "href": "x"}]}
    server = serve(lambda handler: reply(handler, json.dumps(page).encode()))
    with pytest.raises(UnknownOutcomeError, match="has no end"):
        nova_at(server.url).instances_on("compute-1")
    assert len(server.asked) < 10


def test_a_byte_at_a_time_does_not_outlive_the_time_out(serve: Callable[..., Server]) -> None:
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not stop.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    server = serve(drip)
    done: list[ComputeApiError] = []

    def ask() -> None:
        try:
            nova_at(server.url, timeout=0.5).services()
        except ComputeApiError as error:
            done.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)  # without an end it would take over an hour
    stop.set()
    assert [type(error) for error in done] == [UnknownOutcomeError]


def test_a_server_that_only_accepts_does_not_outlive_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v2.1"
        began = time.monotonic()
        with pytest.raises(ComputeApiError):
            nova_at(url, timeout=0.3).services()
        assert time.monotonic() - began < 60


@pytest.mark.parametrize("options", [{"verify": "/no/such/ca.pem"}, {"cert": "/no/such/cert.pem"}])
def test_a_missing_file_of_tls_is_named(options: dict[str, str]) -> None:
    with pytest.raises(NotSentError) as caught:
        nova_at("https://127.0.0.1:1/v2.1", **options).services()
    assert next(iter(options.values())) in str(caught.value)
    assert "[keystone]" in str(caught.value)


def test_a_certificate_of_an_unknown_authority_points_to_cafile(tmp_path: Path) -> None:
    import ssl
    import subprocess

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(NotSentError) as caught:
        nova_at(f"https://127.0.0.1:{server.server_address[1]}/v2.1").services()
    server.shutdown()
    server.server_close()
    assert "cafile" in str(caught.value)


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("bad"), KeyError("x"), TypeError()])
def test_only_novahas_own_errors_leave_the_adapter(
    error: Exception, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    nova = nova_at(serve().url)
    nova.services()

    def broken(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(session.Session, "request", broken)
    for call in (nova.services, nova.version, nova.last_deleted, nova.conductor_is_up):
        try:
            call()
        except NovahaError:
            continue
    for host in ("instances_on", "evacuations_from", "live_migrations_from", "instance"):
        with pytest.raises(NovahaError):
            getattr(nova, host)("x")
