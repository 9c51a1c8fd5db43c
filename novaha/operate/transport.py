"""How a sink reaches its receiver: by HTTP, with TLS, with secrets of files.

Standard library only. What speaks with a network is loaded when somebody does: the command loads
the names of the sinks at each start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from novaha.core.errors import ConfigError, NovahaError
from novaha.core.text import line

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection

TIMEOUT = 10.0
"""Seconds for each step of a request."""

_MOST = 64 * 1024
"""Bytes of an answer that are read, and of a secret."""


class NotTakenError(NovahaError):
    """A receiver has not taken a notice; the text says why."""


def post(url: str, body: bytes, headers: Mapping[str, str], cafile: str) -> None:
    """POST; no redirect is followed, no proxy used, certificates are verified.

    Raises NotTakenError unless the answer is 2xx, ConfigError for an address that is none.
    """
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    where = target(url)
    host, port = str(where.hostname), where.port
    shown = f"{where.scheme}://{host}{f':{port}' if port else ''}"
    connection: HTTPConnection
    if where.scheme == "https":
        connection = HTTPSConnection(host, port, timeout=TIMEOUT, context=context(cafile))
    else:
        connection = HTTPConnection(host, port, timeout=TIMEOUT)
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    try:
        connection.request("POST", path, body, {"User-Agent": "novaha", **headers})
        answer = connection.getresponse()
        said = answer.read(_MOST)
    except (OSError, HTTPException, ValueError) as error:
        raise NotTakenError(f"{shown}: {line(error, longest=200)}") from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        text = line(said.decode("utf-8", "replace"), longest=200)
        raise NotTakenError(f"{shown} answers {answer.status}: {text}")


def target(url: str) -> SplitResult:
    """The parts of an address to which notices may go.

    Raises ConfigError, which repeats nothing of it.
    """
    try:
        where = urlsplit(url)
        port, host = where.port, where.hostname or ""
    except ValueError:
        raise ConfigError("the url of a sink is no URL") from None
    if where.scheme not in ("http", "https") or not host or port == 0:
        raise ConfigError("the url of a sink is no URL that begins with https://")
    if where.username or where.password:
        raise ConfigError("the url of a sink has a password: put it into a file")
    if where.scheme == "http" and not is_local(host):
        raise ConfigError("the url of a sink is plain http: only this machine itself may have that")
    if any(ord(char) <= 32 or ord(char) > 126 for char in url):
        raise ConfigError("the url of a sink is no URL: it has a blank or a special character")
    return where


def secret(path: str) -> bytes:
    """What is in a file, without the end of its line. Raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise ConfigError(f"{path} can be read by every user: chmod 640 {path}")
            found = file.read(_MOST).strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if not found:
        raise ConfigError(f"{path} is empty")
    return found


def context(cafile: str) -> ssl.SSLContext:
    """TLS that verifies, by this file or the system's. Raises ConfigError."""
    import ssl

    try:
        return ssl.create_default_context(cafile=cafile or None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{cafile} cannot be used as cafile: {line(error)}") from None


def is_local(host: str) -> bool:
    """Whether it is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(server: str, port: int) -> tuple[str, int]:
    """Host and port of a mail server; `port` where it names none. Raises ConfigError."""
    try:
        parts = urlsplit(f"//{server}")
        host, own = parts.hostname, parts.port
    except ValueError:
        host, own = None, None
    if not host:
        raise ConfigError("[notify_mail] server is no HOST or HOST:PORT")
    return host, own or port
