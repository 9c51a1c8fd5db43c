"""What `novaha serve` is told: serve.conf, a file of its own.

novaha.conf holds the credentials of Nova; the process that serves never reads it.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from novaha.conf.file import Verbatim, check_values, parse
from novaha.conf.options import flag
from novaha.core.errors import ConfigError
from novaha.core.text import line

DEFAULT_FILE = "/etc/novaha/serve.conf"
SECTION = "serve"
SOCKET = "/run/novaha-serve/novaha.sock"

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        "listen",
        default=SOCKET,
        help="A path for a Unix socket, or ADDRESS:PORT. Any address but one of the loopback "
        "needs certfile, keyfile, and keystone_url or client_ca.",
    ),
    cfg.StrOpt("group", default="haclient", help="The group that may use the Unix socket."),
    cfg.ListOpt(
        "allowed_hosts",
        default=[],
        help="Names and addresses under which browsers reach it, besides the loopback and the "
        "address it listens on. Another name in a request is refused.",
    ),
    cfg.StrOpt("certfile", default="", help="Certificate for TLS, with its chain, in PEM."),
    cfg.StrOpt("keyfile", default="", help="Its private key, in PEM."),
    cfg.StrOpt(
        "client_ca",
        default="",
        help="Authorities of the clients' certificates, in PEM. Whoever has such a certificate may "
        "read.",
    ),
    cfg.ListOpt(
        "write_names",
        default=[],
        help="Common names of the clients' certificates that may also write.",
    ),
    cfg.StrOpt(
        "keystone_url",
        default="",
        help="Keystone's address, as https://keystone.example.org/v3. Each request then needs a "
        "token, which is verified there.",
    ),
    cfg.StrOpt(
        "keystone_cafile", default="", help="Authorities of Keystone's certificate, in PEM."
    ),
    cfg.ListOpt(
        "read_roles", default=["admin"], help="Roles in a token any of which allows to read."
    ),
    cfg.ListOpt("write_roles", default=[], help="Roles in a token any of which allows to write."),
    flag("writes", False, "Whether retry, release, proceed, pause and resume are offered at all."),
    cfg.FloatOpt(
        "refresh",
        default=2.0,
        min=0.5,
        help="Seconds for which what was read counts as new. Longer while reading takes long.",
    ),
    cfg.IntOpt(
        "max_connections",
        default=400,
        min=4,
        help="Connections at once; half of them from one address.",
    ),
    cfg.IntOpt(
        "max_rate", default=50, min=1, help="Requests in a second from one address or user."
    ),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """serve.conf as it was understood. socket: a Unix socket; else address and port."""

    socket: Path | None = Path(SOCKET)
    address: str = ""
    port: int = 0
    group: str = "haclient"
    allowed_hosts: tuple[str, ...] = ()
    certfile: str = ""
    keyfile: str = ""
    client_ca: str = ""
    write_names: frozenset[str] = frozenset()
    keystone_url: str = ""
    keystone_cafile: str = ""
    read_roles: frozenset[str] = frozenset({"admin"})
    write_roles: frozenset[str] = frozenset()
    writes: bool = False
    refresh: float = 2.0
    max_connections: int = 400
    max_rate: int = 50

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return bool(self.certfile)


def load(path: str = DEFAULT_FILE, listen: str = "") -> Settings:
    """Read and check serve.conf. A missing default file is no error.

    listen: instead of the file's.

    Raises ConfigError that names file and option, also for what would let strangers in.
    """
    conf = _read(path)
    group = conf[SECTION]
    where = listen or group.listen
    socket, address, port = _place(where)
    settings = Settings(
        socket=socket,
        address=address,
        port=port,
        group=group.group,
        allowed_hosts=tuple(name.lower() for name in group.allowed_hosts),
        certfile=group.certfile,
        keyfile=group.keyfile,
        client_ca=group.client_ca,
        write_names=frozenset(group.write_names),
        keystone_url=group.keystone_url.rstrip("/"),
        keystone_cafile=group.keystone_cafile,
        read_roles=frozenset(group.read_roles),
        write_roles=frozenset(group.write_roles),
        writes=group.writes,
        refresh=group.refresh,
        max_connections=group.max_connections,
        max_rate=group.max_rate,
    )
    for problem in _problems(settings):
        raise ConfigError(f"{path}, [{SECTION}]: {problem}")
    return settings


def _read(path: str) -> cfg.ConfigOpts:
    conf = Verbatim()
    conf.register_opts(OPTIONS, group=SECTION)
    conf(args=[], project="novaha", default_config_files=[], default_config_dirs=[], use_env=False)
    try:
        parsed = parse(path)
    except FileNotFoundError:
        if path != DEFAULT_FILE:
            raise ConfigError(f"configuration file {path} does not exist") from None
        return conf
    known = [option.dest for option in OPTIONS]
    for section, options in parsed.sections.items():
        if section != SECTION:
            raise ConfigError(f"{path}: only section [{SECTION}] is read from this file")
        for option in options:
            if option.replace("-", "_") not in known:
                near = difflib.get_close_matches(option, known, n=1)
                hint = f": is {near[0]} meant?" if near else ""
                at = parsed.lines[section, option.replace("-", "_")]
                raise ConfigError(f"line {at} of {path} has an unknown option{hint}")
    sections = {
        section: {name.replace("-", "_"): values for name, values in options.items()}
        for section, options in parsed.sections.items()
    }
    conf._namespace._add_parsed_config_file(path, sections, sections)
    check_values(conf, [SECTION], parsed)
    return conf


def _place(listen: str) -> tuple[Path | None, str, int]:
    """A Unix socket's path, or an address and a port."""
    if listen.startswith("/"):
        return Path(listen), "", 0
    host, colon, port = listen.rpartition(":")
    host = host.strip("[]")
    host = "127.0.0.1" if host.lower() == "localhost" else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(
            f"listen: '{line(listen, longest=100)}' is neither an absolute path nor ADDRESS:PORT, "
            "with a number as its address: /run/novaha-serve/novaha.sock, 127.0.0.1:8080, "
            "[::1]:8080"
        ) from None
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError("listen: after the address and a colon there has to be a port")
    return None, str(address), int(port)


def is_loopback(settings: Settings) -> bool:
    """Whether only this machine reaches it."""
    return settings.socket is not None or ipaddress.ip_address(settings.address).is_loopback


def _problems(settings: Settings) -> Iterable[str]:
    """What would let in who should not be, or cannot work."""
    if bool(settings.certfile) != bool(settings.keyfile):
        yield "certfile and keyfile belong together: one of them is not set"
    if settings.socket is not None and (settings.tls or settings.client_ca):
        yield "a Unix socket has no TLS: remove certfile, keyfile and client_ca, or set listen"
    if settings.client_ca and not settings.tls:
        yield "client_ca needs certfile and keyfile: there are no clients' certificates without TLS"
    if settings.keystone_url and not settings.keystone_url.startswith(("https://", "http://")):
        yield "keystone_url has to begin with https:// (or http://)"
    if settings.keystone_url and not (settings.read_roles | settings.write_roles):
        yield "no role in read_roles or write_roles: nobody could read"
    if settings.write_names and not settings.client_ca:
        yield "write_names needs client_ca, which says whose certificates count"
    if settings.writes and settings.socket is None:
        if not (settings.keystone_url or settings.client_ca):
            yield "writes needs to know who asks: set keystone_url or client_ca"
        elif not (settings.write_roles or settings.write_names):
            yield "writes is set, and nobody may write: name some in write_roles or write_names"
    if is_loopback(settings):
        return
    if not settings.tls:
        yield (
            f"listen names {settings.address}, which other machines reach: that needs TLS. Set "
            "certfile and keyfile, or listen on 127.0.0.1 behind a proxy"
        )
    if not (settings.keystone_url or settings.client_ca):
        yield (
            f"listen names {settings.address}, which other machines reach: that needs to know who "
            "asks. Set keystone_url (tokens) or client_ca (certificates)"
        )
    if settings.address in ("0.0.0.0", "::") and not settings.allowed_hosts:  # noqa: S104
        yield (
            f"listen names every address ({settings.address}): set allowed_hosts to the names "
            "under which it is reached"
        )
