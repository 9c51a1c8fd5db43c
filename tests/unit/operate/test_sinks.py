"""Sinks against real receivers; nothing dropped, nobody believed without his certificate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import ConfigError, NovahaError
from novaha.operate import sinks, transport
from novaha.operate.notices import Filter, Notice, Severity, Status
from novaha.operate.sinks import Alertmanager, Command, Mail, Notifier, NotTakenError, Webhook
from tests.unit.operate.receivers import Received, certificate, http, smtp
from tests.unit.operate.servers import BEGAN
from tests.unit.operate.test_notices import Story

NOTICE = Notice(
    "7d1f6f86-5b0d-5c27-8a52-000000000001",
    "7d1f6f86-5b0d-5c27-8a52-000000000002",
    "no-place",
    Status.FIRING,
    Severity.CRITICAL,
    "compute-1",
    "make room",
    BEGAN,
    BEGAN + timedelta(seconds=9),
    {"node": "compute-1", "text": "make\nroom"},
)


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return certificate(tmp_path_factory.mktemp("another"), "elsewhere.example")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def make(text: str, mode: int = 0o600) -> str:
        path = tmp_path / "secret"
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    return make


def test_a_webhook_has_the_form_of_the_specification(received: Received) -> None:
    with http(received) as port:
        Webhook(f"http://127.0.0.1:{port}/hook?a=b").send(NOTICE)
    ((path, headers, _),) = received.requests
    assert path == "/hook?a=b"
    assert headers["Content-Type"] == "application/json"
    assert received.bodies == [
        {
            "id": NOTICE.id,
            "event_type": "no-place",
            "version": "1.0",
            "generated_time": BEGAN.timestamp() + 9,
            "payload": {
                "hostname": "compute-1",
                "on_shared_storage": True,
                "failure_time": BEGAN.timestamp(),
                "fault": NOTICE.fault,
                "status": "firing",
                "severity": "critical",
                "summary": "make room",
                "data": {"node": "compute-1", "text": "make\nroom"},
            },
        }
    ]


def test_a_webhook_is_signed(received: Received, file: Callable[[str], str]) -> None:
    with http(received) as port:
        Webhook(f"http://127.0.0.1:{port}", file("key\n")).send(NOTICE)
    ((_, headers, body),) = received.requests
    signed = headers["X-Novaha-Time"].encode() + b"." + body
    wanted = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
    assert headers["X-Novaha-Signature"] == f"sha256={wanted}"


def test_a_certificate_is_verified(
    received: Received, tls: tuple[str, str], another: tuple[str, str]
) -> None:
    with http(received, tls) as port:
        url = f"https://localhost:{port}/"
        with pytest.raises(NotTakenError, match="CERTIFICATE_VERIFY_FAILED"):
            Webhook(url).send(NOTICE)
        with pytest.raises(NotTakenError, match="CERTIFICATE_VERIFY_FAILED"):
            Webhook(f"https://127.0.0.1:{port}/", cafile=tls[0]).send(NOTICE)
        with pytest.raises(NotTakenError, match="CERTIFICATE_VERIFY_FAILED"):
            Webhook(url, cafile=another[0]).send(NOTICE)
        assert received.requests == []
        Webhook(url, cafile=tls[0]).send(NOTICE)
    assert len(received.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 503])
def test_whatever_is_no_success_is_not_taken_and_no_redirect_is_followed(
    received: Received, status: int
) -> None:
    received.status = status
    with http(received) as port:
        received.location = f"http://127.0.0.1:{port}/elsewhere"
        with pytest.raises(NotTakenError, match=rf"127\.0\.0\.1:{port} answers {status}") as raised:
            Webhook(f"http://127.0.0.1:{port}/secret-path").send(NOTICE)
    assert len(received.requests) == 1
    assert "secret-path" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_a_receiver_that_is_not_there_or_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(transport, "TIMEOUT", 0.05)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        with pytest.raises(NotTakenError, match="refused"):
            Webhook(f"http://127.0.0.1:{port}").send(NOTICE)
        listening.listen()
        with pytest.raises(NotTakenError, match="timed out"):
            Webhook(f"http://127.0.0.1:{port}").send(NOTICE)


@pytest.mark.parametrize(
    "url",
    [
        *("", "hook", "ftp://h/", "http://h.example/", "https://u:s3cret@h/", "https://"),
        *("https://h:s3cret/", "https://h/a b", "https://h/\r\nX: s3cret", "https://[s3cret/"),
        *("http://10.0.0.1/", "http://localhost.example/", "https://h/é", "https://h:0/"),
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError, match="the url of a sink") as raised:
        Webhook(url).send(NOTICE)
    assert "s3cret" not in str(raised.value)


def test_no_proxy_is_used(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with http(received) as port:
        Webhook(f"http://localhost:{port}/").send(NOTICE)
    assert len(received.requests) == 1


def test_a_secret_is_of_a_file_that_not_everybody_reads(
    file: Callable[..., str], tmp_path: Path
) -> None:
    for path, said in (
        (file("key", 0o644), "can be read by every user"),
        (str(tmp_path / "none"), "No such file"),
        (str(tmp_path), "Is a directory"),
    ):
        with pytest.raises(ConfigError, match=said):
            Webhook("http://127.0.0.1:1", path).send(NOTICE)
    with pytest.raises(ConfigError, match="is empty"):
        Webhook("http://127.0.0.1:1", file(" \n")).send(NOTICE)


def test_an_alert_by_the_api_of_alertmanager(
    received: Received, file: Callable[[str], str]
) -> None:
    with http(received) as port:
        sink = Alertmanager(f"http://127.0.0.1:{port}/", file("token"))
        before = datetime.now(UTC)
        sink.send(NOTICE)
        resolved = Status.RESOLVED
        sink.send(Notice(**{**_fields(NOTICE), "status": resolved}))
    assert {path for path, _, _ in received.requests} == {"/api/v2/alerts"}
    assert received.requests[0][1]["Authorization"] == "Bearer token"
    (firing,), (over,) = received.bodies
    assert (
        firing["labels"]
        == over["labels"]
        == {
            "alertname": "NovahaNoPlace",
            "severity": "critical",
            "node": "compute-1",
            "fault": NOTICE.fault,
        }
    )
    assert firing["annotations"] == {"summary": "make room"}
    assert firing["startsAt"] == over["startsAt"] == "2026-01-02T03:04:05.000Z"
    assert datetime.fromisoformat(firing["endsAt"]) > before + timedelta(minutes=4)
    assert over["endsAt"] == "2026-01-02T03:04:14.000Z"
    for alert in (firing, over):
        check_alert(alert)


def check_alert(alert: dict[str, Any]) -> None:
    """What Alertmanager's OpenAPI document asks of a postable alert."""
    assert set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
    for name, value in {**alert["labels"], **alert["annotations"]}.items():
        assert name.isidentifier()
        assert isinstance(value, str)
        assert value
    assert datetime.fromisoformat(alert["startsAt"]) <= datetime.fromisoformat(alert["endsAt"])


def _fields(notice: Notice) -> dict[str, Any]:
    return {name: getattr(notice, name) for name in Notice.__slots__}


def test_alerts_are_repeated_until_they_are_resolved(received: Received) -> None:
    now = 0.0
    story = Story()
    with http(received) as port:
        sink = Alertmanager(f"http://127.0.0.1:{port}", clock=lambda: now)
        notifier = Notifier(sink, Filter())
        entries = [
            story("claimed", fence_id="f", before=""),
            story("attention", code="x", text=""),
        ]
        assert notifier.take(entries) == 1
        assert notifier.take(entries[1:]) == 1
        for moment in (1.0, 30.0, 61.0, 62.0, 125.0):
            now = moment
            notifier.idle()
        names = [[a["labels"]["alertname"] for a in body] for body in received.bodies]
        both = ["NovahaHostFailure", "NovahaX"]
        assert names == [both[:1], both[1:], both, both, both]
        notifier.take([story("recovered", unmoved={})])
        notifier.take([story("attention over", code="x")])
        sent = len(received.bodies)
        now = 999.0
        notifier.idle()
    assert len(received.bodies) == sent


def test_a_command_gets_json(tmp_path: Path) -> None:
    path = tmp_path / "told"
    path.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\ncat >{tmp_path}/notice\n")
    path.chmod(0o700)
    Command(str(path)).send(NOTICE)
    assert json.loads((tmp_path / "notice").read_text()) == NOTICE.plain()
    assert "OCF_" not in (tmp_path / "env").read_text()


def test_a_command_that_does_not_do_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "told"
    path.write_text("#!/bin/sh\necho no\x1b >&2\nexit 3\n")
    path.chmod(0o700)
    with pytest.raises(NotTakenError, match=r"ends with 3: no$"):
        Command(str(path)).send(NOTICE)
    with pytest.raises(NotTakenError, match="No such file"):
        Command(str(tmp_path / "none")).send(NOTICE)
    monkeypatch.setattr(sinks, "_RUN", 0.05)
    path.write_text("#!/bin/sh\nexec sleep 99\n")
    with pytest.raises(NotTakenError, match="takes longer"):
        Command(str(path)).send(NOTICE)


def test_mail_over_tls_with_a_login(
    received: Received, tls: tuple[str, str], another: tuple[str, str], file: Callable[[str], str]
) -> None:
    with smtp(received, tls) as port:
        where = (f"localhost:{port}", "novaha@example.org", ("a@example.org", "b@example.org"))
        for cafile in ("", another[0]):
            with pytest.raises(NotTakenError, match="CERTIFICATE_VERIFY_FAILED"):
                Mail(*where, cafile=cafile).send(NOTICE)
        Mail(*where, "user", file("pass word\n"), tls[0]).send(NOTICE)
    assert [base64.b64decode(login) for login in received.logins] == [b"\0user\0pass word"]
    (mail,) = (message_from_string(text, policy=default) for text in received.mails)
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Subject"] == "[novaha] firing: make room"
    assert mail["Message-ID"] == f"<{NOTICE.id}@novaha.invalid>"
    assert mail["References"] == f"<{NOTICE.fault}@novaha.invalid>"
    assert "host: compute-1" in mail.get_content()


def test_mail_without_tls_only_to_this_machine(received: Received) -> None:
    with smtp(received) as port:
        odd = {**_fields(NOTICE), "summary": "a\r\nBcc: x@example.org\nb"}
        Mail(f"127.0.0.1:{port}", "n@example.org", ("a@example.org",), tls=False).send(
            Notice(**odd)
        )
    (mail,) = (message_from_string(text, policy=default) for text in received.mails)
    assert mail["Bcc"] is None
    with pytest.raises(ConfigError, match="this machine only"):
        Mail("mail.example.org", "n@example.org", ("a@example.org",), tls=False).send(NOTICE)


class Moody:
    """A sink that takes what it is told to."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.refuses: frozenset[str] = frozenset()

    def send(self, notice: Notice) -> None:
        if notice.kind in self.refuses:
            raise NotTakenError("not now")
        self.sent.append(notice)

    def repeat(self, notices: object) -> None:
        pass


def test_what_is_not_taken_is_given_again_and_nothing_overtakes_it() -> None:
    story = Story()
    sink = Moody()
    notifier = Notifier(sink, Filter())
    entries = [
        story("requested", instance="i"),
        story("claimed", fence_id="f", before=""),
        story("requested", instance="i"),
        story("attention", code="x", text=""),
        story("recovered", unmoved={}),
    ]
    sink.refuses = frozenset({"host failure"})
    assert notifier.take(entries) == 1, "the first one concerns nobody"
    with pytest.raises(NovahaError, match="not now"):
        notifier.take(entries[1:])
    assert sink.sent == []
    sink.refuses = frozenset()
    assert notifier.take(entries[1:]) == 1
    assert notifier.take(entries[2:]) == 2
    restarted = Notifier(sink, Filter())
    restarted.restore(notifier.state())
    assert restarted.take(entries[4:]) == 1
    assert [(n.kind, str(n.status)) for n in sink.sent] == [
        ("host failure", "firing"),
        ("x", "firing"),
        ("host failure", "resolved"),
    ]
    assert sink.sent[0].fault == sink.sent[2].fault


def test_an_end_that_is_refused_is_told_whole_the_next_time() -> None:
    story = Story()
    sink = Moody()
    notifier = Notifier(sink, Filter())
    entries = [story("claimed", fence_id="f", before=""), story("returned")]
    assert notifier.take(entries) == 1
    sink.refuses = frozenset({"host failure"})
    with pytest.raises(NovahaError, match="not now"):
        notifier.take(entries[1:])
    sink.refuses = frozenset()
    assert notifier.take(entries[1:]) == 1
    begun, over = sink.sent
    assert (over.status, over.fault, over.began) == (Status.RESOLVED, begun.fault, begun.time)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
