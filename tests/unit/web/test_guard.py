"""Who may ask, how much, how often, and from where: over a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from novaha.conf.serve import Settings
from novaha.web import access, guard, server
from novaha.web.access import Access, Peer, RefusedError, of_transport
from novaha.web.guard import Rates
from tests.unit.web.serving import LOOPBACK, Served, Tokens, host, on_socket, serving, snapshot


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(snapshot(host())) as found:
        yield found


@pytest.mark.parametrize("name", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:9", "[::1]"])
def test_our_own_names_are_answered(served: Served, name: str) -> None:
    assert served.ask("/v1/health", Host=name).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:80",
        "",
        "@localhost",
        "[::1",
        "127.1",
    ],
)
def test_another_name_is_refused(served: Served, name: str) -> None:
    answer = served.ask("/v1/health", Host=name)
    assert answer.status in (400, 421)
    assert b"verdict" not in answer.body


def test_a_name_that_is_allowed_is_answered() -> None:
    with serving(settings=replace(LOOPBACK, allowed_hosts=("ha.example.org",))) as served:
        assert served.ask("/v1/health", Host="ha.example.org:8443").status == 200
        assert served.ask("/v1/health", Host="HA.example.org").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost:8080", "Host": "localhost:8080"}, 200),
        ({"Origin": "http://evil.example", "Host": "localhost"}, 403),
        ({"Origin": "http://localhost:1", "Host": "localhost:2"}, 403),
        ({"Origin": "null", "Host": "localhost"}, 403),
        ({"Origin": "", "Host": "localhost"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_ask(
    served: Served, headers: dict[str, str], status: int
) -> None:
    assert served.ask("/v1/health", **headers).status == status


@pytest.mark.parametrize("path", ["/v1/health", "/nothing", "/v1/hosts?limit=x", "/openapi.json"])
def test_every_answer_has_the_headers(served: Served, path: str) -> None:
    headers = served.ask(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] in ("no-store", "private, no-cache")
    assert "server" not in headers
    assert not any(name.startswith("access-control") for name in headers)


def test_too_many_requests_are_refused_each_client_by_itself() -> None:
    now = [0.0]
    rates = Rates(2, lambda: now[0])
    assert [rates.take("a") for _ in range(9)] == [True] * 8 + [False]
    assert rates.take("b")
    now[0] = 0.5
    assert [rates.take("a") for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert [rates.take("a") for _ in range(9)] == [True] * 8 + [False]


def test_the_rates_of_many_clients_are_bounded() -> None:
    rates = Rates(1, lambda: 0.0)
    for number in range(guard._CLIENTS + 5):
        rates.take(str(number))
    assert len(rates._left) == guard._CLIENTS


def test_a_client_that_asks_too_often_is_told() -> None:
    with serving(settings=replace(LOOPBACK, max_rate=1)) as served:
        answers = [served.ask("/v1/health") for _ in range(12)]
        assert {a.status for a in answers} == {200, 429}
        refused = next(a for a in answers if a.status == 429)
        assert refused.headers["retry-after"] == "1"


def test_connections_are_bounded() -> None:
    with serving(settings=replace(LOOPBACK, max_connections=8)) as served:
        kept = []
        for _ in range(4):  # half of them: all come from one address
            kept.append(socket.create_connection(("127.0.0.1", served.port)))
            kept[-1].settimeout(20)
            kept[-1].sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept[-1].recv(8).startswith(b"HTTP/1.1")
        one_more = socket.create_connection(("127.0.0.1", served.port))
        one_more.settimeout(20)
        try:
            one_more.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one_more.recv(8) == b""
        except ConnectionError:
            pass
        for connection in (*kept, one_more):
            connection.close()
        for _ in range(200):
            try:
                assert served.ask("/v1/health").status == 200
                break
            except (ConnectionError, OSError):
                threading.Event().wait(0.05)
        else:
            pytest.fail("the room of closed connections is not given back")


@pytest.mark.parametrize(
    "head",
    [b"", b"GET /v1/health HTT", b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX-A: "],
)
def test_a_head_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    real = server.protocol
    monkeypatch.setattr(server, "protocol", lambda c: real(c, head_within=0.3))
    with serving() as served:
        connection = socket.create_connection(("127.0.0.1", served.port))
        connection.settimeout(20)
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
        connection.close()
        # One that has been answered may stay, and ask again.
        kept = served.connect()
        for _ in range(2):
            kept.request("GET", "/v1/health")
            assert kept.getresponse().read()
        kept.close()


def test_a_head_without_end_is_refused(served: Served) -> None:
    connection = socket.create_connection(("127.0.0.1", served.port))
    connection.settimeout(20)
    try:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nX-A: " + b"a" * 200_000)
        answer = connection.recv(100)
        assert answer == b"" or b" 400 " in answer or b" 431 " in answer
    except ConnectionError:
        pass
    connection.close()
    assert served.ask("/v1/health").status == 200


def test_two_headers_that_decide_are_refused(served: Served) -> None:
    connection = socket.create_connection(("127.0.0.1", served.port))
    connection.settimeout(20)
    connection.sendall(
        b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: a\r\nX-Auth-Token: b\r\n\r\n"
    )
    assert b" 400 " in connection.recv(100)
    connection.close()


def test_the_socket_is_for_its_group_alone(tmp_path: Path) -> None:
    with serving(settings=on_socket(tmp_path / "run" / "n.sock")) as served:
        path = served.settings.socket
        assert path is not None
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0
        assert served.get("/v1/health")["verdict"] == "OK"


def test_two_do_not_serve_at_one_place(tmp_path: Path) -> None:
    settings = on_socket(tmp_path / "n.sock")
    first = server.listening(settings)
    with pytest.raises(server.ListenError, match="another process"):
        server.listening(settings)
    first.close()  # it was killed: its socket is left, and in nobody's way
    server.listening(settings).close()
    (tmp_path / "n.sock").unlink()
    (tmp_path / "n.sock").write_text("a file")
    with pytest.raises(server.ListenError, match="in the way"):
        server.listening(settings)
    taken = server.listening(LOOPBACK)
    port = taken.getsockname()[1]
    with pytest.raises(server.ListenError, match=str(port)):
        server.listening(replace(LOOPBACK, port=port))
    taken.close()
    with pytest.raises(server.ListenError, match="no group"):
        server.listening(replace(settings, group="no-such-group"))


async def who(peer: Peer, settings: Settings, tokens: Any = None, **headers: str) -> Any:
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return await Access(settings, tokens).who(peer, named)


def asked(*args: Any, **more: Any) -> Any:
    try:
        found = asyncio.run(who(*args, **more))
    except RefusedError as refused:
        return refused.status
    return found.name, found.may_write


KEYSTONE = replace(LOOPBACK, keystone_url="https://k/v3", write_roles=frozenset({"operator"}))
MUTUAL = replace(LOOPBACK, client_ca="ca.pem", write_names=frozenset({"alice"}))
AWAY = Peer("192.0.2.1")


@pytest.mark.parametrize(
    ("settings", "peer", "token", "expected"),
    [
        (LOOPBACK, AWAY, "", ("anonymous", False)),
        (LOOPBACK, Peer("uid 0", uid=0), "", ("root", True)),
        (LOOPBACK, Peer("uid 65534", uid=65534), "", ("nobody", False)),
        (LOOPBACK, Peer("uid 4242", uid=424242), "", ("uid 424242", False)),
        (KEYSTONE, AWAY, "", 401),
        (KEYSTONE, Peer("uid 0", uid=0), "", 401),
        (KEYSTONE, AWAY, "unknown", 401),
        (KEYSTONE, AWAY, "member", 403),
        (KEYSTONE, AWAY, "admin", ("alice@Default", False)),
        (KEYSTONE, AWAY, "operator", ("alice@Default", True)),
        (KEYSTONE, AWAY, "admin,operator", ("alice@Default", True)),
        (MUTUAL, AWAY, "", 401),
        (MUTUAL, Peer("192.0.2.1", names=("bob",)), "", ("bob", False)),
        (MUTUAL, Peer("192.0.2.1", names=("alice",)), "", ("alice", True)),
    ],
)
def test_who_asks_and_what_they_may(
    settings: Settings, peer: Peer, token: str, expected: object
) -> None:
    tokens = Tokens() if settings.keystone_url else None
    more = {"X_Auth_Token": token} if token else {}
    assert asked(peer, settings, tokens, **more) == expected


def test_a_token_is_asked_for_with_what_is_shown_alone() -> None:
    with serving(settings=KEYSTONE, tokens=Tokens()) as served:
        for path in ("/v1/health", "/v1/hosts", "/v1/events", "/v1/nothing", "/v1/instances/x"):
            answer = served.ask(path)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Keystone"
        assert served.cluster.reads == 0
        assert served.ask("/v1/health", X_Auth_Token="member").status == 403
        assert served.ask("/v1/health", X_Auth_Token="admin").status == 200
        assert served.ask("/openapi.json").status == 200


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server's certificate, alice's, and one that mallory has signed herself."""
    place = tmp_path_factory.mktemp("tls")

    def openssl(*argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=place, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "30")
    openssl(*new, "-keyout", "m.key", "-out", "m.pem", "-subj", "/CN=alice", "-days", "30")
    for name in ("server", "alice"):
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"),
        )
        (place / "ext").write_text("subjectAltName=DNS:localhost\n")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", f"{name}.pem", "-days", "30", "-extfile", "ext"),
        )
    return place


def over_tls(served: Served, place: Path, client: str) -> bytes:
    """The beginning of the answer, nothing where the connection is refused."""
    context = ssl.create_default_context(cafile=str(place / "ca.pem"))
    if client:
        context.load_cert_chain(place / f"{client}.pem", place / f"{client}.key")
    raw = socket.create_connection(("127.0.0.1", served.port), timeout=20)
    try:
        with context.wrap_socket(raw, server_hostname="localhost") as connection:
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return connection.recv(100)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_a_certificate_is_needed_where_it_is_asked_for(certificates: Path) -> None:
    settings = replace(
        LOOPBACK,
        certfile=str(certificates / "server.pem"),
        keyfile=str(certificates / "server.key"),
        client_ca=str(certificates / "ca.pem"),
    )
    with serving(settings=settings) as served:
        assert over_tls(served, certificates, "alice").startswith(b"HTTP/1.1 200")
        for client in ("", "m"):
            assert over_tls(served, certificates, client) == b""
    either = replace(settings, keystone_url="https://k/v3")
    with serving(settings=either, tokens=Tokens()) as served:
        assert over_tls(served, certificates, "alice").startswith(b"HTTP/1.1 200")
        assert over_tls(served, certificates, "").startswith(b"HTTP/1.1 401")


def test_certificates_that_cannot_be_used_are_said(certificates: Path, tmp_path: Path) -> None:
    for certfile, keyfile in (
        (certificates / "server.pem", certificates / "alice.key"),
        (certificates / "server.pem", tmp_path / "missing"),
        (certificates / "ext", certificates / "server.key"),
    ):
        settings = replace(LOOPBACK, certfile=str(certfile), keyfile=str(keyfile))
        with pytest.raises(server.ListenError, match="certfile"):
            server.prepared(None, settings, lambda: None)
    assert access.tls(LOOPBACK) is None


def test_the_user_at_the_other_end_of_a_unix_socket_is_known() -> None:
    ours, _ = socket.socketpair()

    class Transport:
        def get_extra_info(self, name: str) -> Any:
            return ours if name == "socket" else None

        def abort(self) -> None:
            ours.close()

    peer = of_transport(Transport())
    assert (peer.key, peer.uid) == (f"uid {os.getuid()}", os.getuid())
    ours.close()


def test_a_signal_ends_the_streams() -> None:
    ended = []
    made = server.prepared(None, LOOPBACK, lambda: ended.append(True))
    made.handle_exit(signal.SIGTERM, None)
    assert ended == [True]
    assert made.should_exit
