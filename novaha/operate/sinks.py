"""Where notices go: a webhook, a command, mail, Alertmanager. Standard library only.

One interface; each has its own place in the outbox (`courier`), so that none waits for another.
What a sink does not take it is given again, until it does: nothing is dropped. Secrets come from
files.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from novaha.core.errors import ConfigError, NovahaError
from novaha.core.text import line
from novaha.operate.entries import Entry, iso
from novaha.operate.notices import Faults, Filter, Notice, Severity, Status
from novaha.operate.transport import (
    TIMEOUT,
    NotTakenError,
    address,
    context,
    is_local,
    post,
    secret,
)

if TYPE_CHECKING:
    from email.message import EmailMessage

_RUN = 30.0
"""Seconds that a command may take."""

_REPEAT = 60.0
"""Seconds between two repetitions of an alert."""

_LASTS = timedelta(minutes=5)
"""For how long an alert that is not repeated fires."""


class Sink(Protocol):
    """A receiver of notices."""

    def send(self, notice: Notice) -> None:
        """Returns when the receiver has it. Raises NotTakenError, ConfigError."""

    def repeat(self, notices: Sequence[Notice]) -> None:
        """Called now and then with the faults that fire. Raises as `send`."""


class Notifier:
    """A consumer of entries that tells a sink what its filter lets through, in order."""

    def __init__(self, sink: Sink, wanted: Filter) -> None:
        self._sink = sink
        self._wanted = wanted
        self._faults = Faults()

    def restore(self, state: str) -> None:
        """Go on where `state` was."""
        self._faults = Faults(state)

    def state(self) -> str:
        """What has to be known to go on."""
        return self._faults.state()

    def take(self, entries: Sequence[Entry]) -> int:
        """Up to the first one of which something was sent, so that this is remembered at once.

        What was sent just before a process is killed is sent again, with the same id.
        """
        for count, entry in enumerate(entries):
            before = self._faults.state()
            sent = False
            try:
                for notice in self._faults.follow(entry):
                    if self._wanted.lets(notice):
                        self._sink.send(notice)
                        sent = True
            except NovahaError:
                self._faults = Faults(before)
                if count:
                    return count
                raise
            if sent:
                return count + 1
        return len(entries)

    def idle(self) -> None:
        """Repeat what fires."""
        self._sink.repeat([n for n in self._faults.open if self._wanted.lets(n)])


@dataclass(frozen=True, slots=True)
class Webhook:
    """POSTs JSON of the form that OpenStack's specification of host monitoring gives a host
    failure: id, event_type, version, generated_time, payload; with more in the payload.
    """

    url: str
    secret_file: str = ""
    cafile: str = ""
    shared_storage: bool = True

    def send(self, notice: Notice) -> None:
        body = json.dumps(self.body(notice)).encode()
        headers = {"Content-Type": "application/json"}
        if self.secret_file:
            headers |= signature(secret(self.secret_file), body, int(time.time()))
        post(self.url, body, headers, self.cafile)

    def repeat(self, notices: Sequence[Notice]) -> None:
        """Told once, that is enough."""

    def body(self, notice: Notice) -> dict[str, Any]:
        """What is sent."""
        return {
            "id": notice.id,
            "event_type": notice.kind,
            "version": "1.0",
            "generated_time": notice.time.timestamp(),
            "payload": {
                "hostname": notice.node,
                "on_shared_storage": self.shared_storage,
                "failure_time": notice.began.timestamp(),
                "fault": notice.fault,
                "status": str(notice.status),
                "severity": notice.severity.name.lower(),
                "summary": notice.summary,
                "data": dict(notice.data),
            },
        }


def signature(key: bytes, body: bytes, now: int) -> dict[str, str]:
    """HMAC-SHA256 over the moment, a dot, and the body; so that nothing old can be sent again."""
    mac = hmac.new(key, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Novaha-Time": str(now), "X-Novaha-Signature": f"sha256={mac}"}


class Alertmanager:
    """Prometheus' Alertmanager, API v2: alerts that fire are repeated until they are resolved."""

    def __init__(
        self,
        url: str,
        token_file: str = "",
        cafile: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._token_file = token_file
        self._cafile = cafile
        self._clock = clock
        self._repeated_at = float("-inf")

    def send(self, notice: Notice) -> None:
        self._post([notice])

    def repeat(self, notices: Sequence[Notice]) -> None:
        """Once a minute."""
        now = self._clock()
        if notices and now - self._repeated_at >= _REPEAT:
            self._post(notices)
            self._repeated_at = now

    def _post(self, notices: Iterable[Notice]) -> None:
        headers = {"Content-Type": "application/json"}
        if self._token_file:
            headers["Authorization"] = f"Bearer {secret(self._token_file).decode()}"
        alerts = [self.alert(notice) for notice in notices]
        post(self._url, json.dumps(alerts).encode(), headers, self._cafile)

    def alert(self, notice: Notice) -> dict[str, Any]:
        """One alert. What needs no end fires for five minutes."""
        now = datetime.now(UTC)
        end = notice.time if notice.status is Status.RESOLVED else now + _LASTS
        words = "".join(word.capitalize() for word in notice.kind.replace("-", " ").split())
        labels = {
            "alertname": f"Novaha{words}",
            "severity": notice.severity.name.lower(),
            "node": notice.node,
            "fault": notice.fault,
        }
        return {
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {"summary": notice.summary},
            "startsAt": iso(notice.began),
            "endsAt": iso(max(end, notice.began)),
        }


@dataclass(frozen=True, slots=True)
class Command:
    """A program of the site: it gets the notice as JSON on standard input, and ends with 0."""

    path: str

    def send(self, notice: Notice) -> None:
        try:
            done = subprocess.run(
                [self.path],
                input=json.dumps(notice.plain()).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_RUN,
                check=False,
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            )
        except subprocess.TimeoutExpired:
            raise NotTakenError(f"{self.path} takes longer than {_RUN:.0f} s") from None
        except OSError as error:
            raise NotTakenError(f"{self.path}: {error.strerror}") from None
        if done.returncode:
            said = line(done.stderr.decode("utf-8", "replace"), longest=200)
            raise NotTakenError(f"{self.path} ends with {done.returncode}: {said}")

    def repeat(self, notices: Sequence[Notice]) -> None:
        """Told once, that is enough."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Mail by SMTP. tls: starttls, or none on this machine itself."""

    server: str
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password_file: str = ""
    cafile: str = ""
    tls: bool = True

    def send(self, notice: Notice) -> None:
        import smtplib

        host, port = address(self.server, 587 if self.tls else 25)
        if not self.tls and not is_local(host):
            raise ConfigError("[notify_mail] tls = false is for a server on this machine only")
        try:
            with smtplib.SMTP(host, port, timeout=TIMEOUT) as smtp:
                if self.tls:
                    smtp.starttls(context=context(self.cafile))
                if self.user:
                    smtp.login(self.user, secret(self.password_file).decode())
                smtp.send_message(self.message(notice))
        except smtplib.SMTPAuthenticationError:
            raise NotTakenError(f"{self.server} refuses user and password") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotTakenError(f"{self.server}: {line(error, longest=200)}") from None

    def repeat(self, notices: Sequence[Notice]) -> None:
        """Told once, that is enough."""

    def message(self, notice: Notice) -> EmailMessage:
        """One mail. All mails of a fault are one thread."""
        from email.message import EmailMessage
        from email.utils import format_datetime

        message = EmailMessage()
        message["From"] = line(self.sender)
        message["To"] = ", ".join(map(line, self.to))
        message["Date"] = format_datetime(notice.time)
        message["Subject"] = f"[novaha] {notice.status}: {line(notice.summary, longest=120)}"
        message["Message-ID"] = f"<{notice.id}@novaha.invalid>"
        message["Auto-Submitted"] = "auto-generated"
        if notice.fault:
            message["References"] = f"<{notice.fault}@novaha.invalid>"
        rows = [
            notice.summary,
            "",
            f"host: {notice.node or '-'}",
            f"severity: {notice.severity.name.lower()}",
            f"since: {iso(notice.began)}",
            f"fault: {notice.fault or '-'}",
            *(f"{name}: {line(value, longest=2000)}" for name, value in notice.data.items()),
            "",
            "To see what is so now: novaha status",
        ]
        message.set_content("\n".join(rows) + "\n")
        return message


KINDS: Mapping[str, Callable[[Mapping[str, Any]], Sink]] = {
    "webhook": lambda o: Webhook(o["url"], o["secret_file"], o["cafile"], o["shared_storage"]),
    "alertmanager": lambda o: Alertmanager(o["url"], o["token_file"], o["cafile"]),
    "command": lambda o: Command(o["path"]),
    "mail": lambda o: Mail(
        o["server"],
        o["sender"],
        tuple(o["to"]),
        o["user"],
        o["password_file"],
        o["cafile"],
        o["tls"],
    ),
}
"""The sinks by their names, made of their options."""


def made(kind: str, options: Mapping[str, Any]) -> tuple[Sink, Filter]:
    """The sink of this kind and what it is told. Raises ConfigError."""
    wanted = Filter(Severity[str(options["severity"]).upper()], frozenset(options["events"]))
    return KINDS[kind](options), wanted
