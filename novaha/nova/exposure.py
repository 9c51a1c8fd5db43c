"""What of the sign-in and of the requests somebody in the network could read or answer himself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from keystoneauth1.session import Session


def sign_in(session: Session) -> Iterator[str]:
    """What is exposed when signing in; nothing is sent."""
    if session.verify is False:
        yield "TLS is off (insecure): whoever answers is taken for Keystone and Nova"
    plugin = session.auth
    address = getattr(plugin, "auth_url", None) or getattr(plugin, "endpoint", None)
    if where := plain(str(address or "")):
        yield f"auth_url is plain http ({where}): what it signs in with can be read on the way"


def requests(endpoint: str | None) -> Iterator[str]:
    """What is exposed by each request to Nova at this endpoint."""
    if where := plain(endpoint or ""):
        yield f"Nova's endpoint is plain http ({where}): the token can be read on the way"


def plain(url: str) -> str:
    """The address in a URL that is http to another machine, without user and path; else ""."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() != "http" or _is_local(host):
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}" if port else f"http://{shown}"


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
