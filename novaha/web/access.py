"""Who asks, and what they may do."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from novaha.conf.serve import Settings
from novaha.core.text import line


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    key: what counts as one client: its address, or its user on a Unix socket.
    uid: of its process, None where it is not on a Unix socket.
    names: the common names in its certificate, if it has shown one that is trusted.
    abort: ends the connection at once.
    """

    key: str
    uid: int | None = None
    names: tuple[str, ...] = ()
    abort: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who may read. name: for the history of what was done."""

    name: str
    may_write: bool = False


class RefusedError(Exception):
    """A request is refused. status: of HTTP. The text is shown to whoever asked."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Login:
    """Of a token that Keystone has confirmed."""

    user: str
    roles: frozenset[str]


class Tokens(Protocol):
    """Keystone."""

    async def login(self, token: str) -> Login:
        """Raises RefusedError: 401 for no valid token, 503 while Keystone does not answer."""


class Access:
    """Decides by the settings; `tokens` is Keystone where tokens are asked for."""

    def __init__(self, settings: Settings, tokens: Tokens | None = None) -> None:
        self._settings = settings
        self._tokens = tokens

    async def who(self, peer: Peer, headers: Mapping[str, str]) -> Who:
        """Who this is. Raises RefusedError for one who may not read."""
        settings = self._settings
        if peer.names:
            name = line(peer.names[0], longest=100)
            return Who(name, bool(settings.write_names & {*peer.names}))
        if self._tokens is not None:
            token = headers.get("x-auth-token", "")
            if not token:
                raise RefusedError(401, "a token of Keystone is needed, in X-Auth-Token")
            login = await self._tokens.login(token)
            if not login.roles & (settings.read_roles | settings.write_roles):
                raise RefusedError(403, "none of this token's roles may read here")
            return Who(line(login.user, longest=100), bool(login.roles & settings.write_roles))
        if settings.client_ca:
            raise RefusedError(401, "a certificate of a client is needed")
        if peer.uid is not None:
            return Who(_user(peer.uid), may_write=_may_write(peer.uid, settings.group))
        return Who("anonymous")


def of_transport(transport: Any) -> Peer:
    """The peer of a connection of asyncio's."""
    sock = transport.get_extra_info("socket")
    certificate = transport.get_extra_info("peercert") or {}
    if sock is not None and sock.family == socket.AF_UNIX:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        uid = struct.unpack("3i", raw)[1]
        return Peer(f"uid {uid}", uid=uid, abort=transport.abort)
    address = transport.get_extra_info("peername") or ("unknown",)
    return Peer(str(address[0]), names=_names(certificate), abort=transport.abort)


def _names(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    subject = certificate.get("subject", ())
    return tuple(value for part in subject for key, value in part if key == "commonName" and value)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _may_write(uid: int, group: str) -> bool:
    """root, this process's user, and the members of the group: they may write the CIB anyway."""
    if uid in (0, os.geteuid()):
        return True
    try:
        wanted, user = grp.getgrnam(group).gr_gid, pwd.getpwuid(uid)
        return wanted in os.getgrouplist(user.pw_name, user.pw_gid)
    except KeyError:
        return False


def tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS of the settings, None for none. Raises OSError (ssl.SSLError is one)."""
    if not settings.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certfile, settings.keyfile, password=_no_passphrase)
    if settings.client_ca:
        context.load_verify_locations(settings.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL if settings.keystone_url else ssl.CERT_REQUIRED
    return context


def _no_passphrase() -> str:
    raise OSError("the key has a passphrase, which nobody can type here")


def hosts_of(settings: Settings) -> frozenset[str]:
    """The names in `Host` that are ours: any other is a trick with DNS, or a slip."""
    own: Iterable[str] = ("localhost", "127.0.0.1", "::1", settings.address)
    return frozenset(name for name in (*own, *settings.allowed_hosts) if name)
