"""serve.conf: what is understood, and what is refused because it would let strangers in."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.conf import serve
from novaha.core.errors import ConfigError

TLS = "certfile = c.pem\nkeyfile = k.pem\n"


def load(tmp_path: Path, text: str, listen: str = "") -> serve.Settings:
    file = tmp_path / "serve.conf"
    file.write_text(f"[serve]\n{text}")
    return serve.load(str(file), listen)


def test_without_a_file_it_is_a_unix_socket_that_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve, "DEFAULT_FILE", str(tmp_path / "none"))
    found = serve.load(str(tmp_path / "none"))
    assert found == serve.Settings()
    assert found.socket == Path("/run/novaha-serve/novaha.sock")
    assert not found.writes
    assert found.write_roles == frozenset()
    with pytest.raises(ConfigError, match="does not exist"):
        serve.load(str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("listen", "address", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:1", "127.0.0.1", 1),
        ("127.0.0.2:8080", "127.0.0.2", 8080),
        ("[::1]:8080", "::1", 8080),
        ("::1:8080", "::1", 8080),
    ],
)
def test_the_loopback_needs_nothing(tmp_path: Path, listen: str, address: str, port: int) -> None:
    found = load(tmp_path, f"listen = {listen}\n")
    assert (found.socket, found.address, found.port) == (None, address, port)
    assert serve.is_loopback(found)
    assert load(tmp_path, "", listen) == found


@pytest.mark.parametrize(
    "listen",
    ["192.0.2.1:8443", "[2001:db8::1]:8443", "0.0.0.0:8443", "[::]:8443", "[::ffff:127.0.0.1]:1"],
)
def test_what_others_reach_needs_tls_and_to_know_who_asks(tmp_path: Path, listen: str) -> None:
    ours = "allowed_hosts = ha.example.org\n"
    with pytest.raises(ConfigError, match="other machines reach: that needs TLS"):
        load(tmp_path, f"listen = {listen}\n{ours}keystone_url = https://k/v3\n")
    with pytest.raises(ConfigError, match="needs to know who asks"):
        load(tmp_path, f"listen = {listen}\n{ours}{TLS}")
    for who in ("keystone_url = https://k/v3\n", "client_ca = ca.pem\n"):
        found = load(tmp_path, f"listen = {listen}\n{ours}{TLS}{who}")
        assert found.tls
        assert not serve.is_loopback(found)


def test_every_address_needs_the_names(tmp_path: Path) -> None:
    for listen in ("0.0.0.0:1", "[::]:1"):
        with pytest.raises(ConfigError, match="allowed_hosts"):
            load(tmp_path, f"listen = {listen}\n{TLS}client_ca = ca.pem\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("listen = compute-1:80\n", "neither an absolute path nor"),
        ("listen = run/n.sock\n", "neither an absolute path nor"),
        ("listen = 127.0.0.1\n", "neither an absolute path nor"),
        ("listen = 127.0.0.1:\n", "there has to be a port"),
        ("listen = 127.0.0.1:x\n", "there has to be a port"),
        ("listen = 127.0.0.1:65536\n", "there has to be a port"),
        ("listen = :80\n", "neither an absolute path nor"),
        ("listen = *:80\n", "neither an absolute path nor"),
        ("certfile = c\nlisten = 127.0.0.1:1\n", "belong together"),
        (f"{TLS}listen = /run/n.sock\n", "has no TLS"),
        ("client_ca = ca\nlisten = 127.0.0.1:1\n", "client_ca needs certfile"),
        ("keystone_url = keystone\n", "has to begin with https://"),
        ("keystone_url = https://k\nread_roles =\n", "nobody could read"),
        ("write_names = alice\n", "write_names needs client_ca"),
        ("writes = true\nlisten = 127.0.0.1:1\n", "needs to know who asks"),
        ("writes = 1\nlisten = 127.0.0.1:1\nkeystone_url = https://k\n", "nobody may write"),
        ("refresh = 0.1\n", "line 2 of .*the value of refresh"),
        ("max_rate = 0\n", "line 2 of .*the value of max_rate"),
        ("writes = perhaps\n", "line 2 of .*the value of writes"),
        ("max_conections = 9\n", "line 2 of .*unknown option: is max_connections meant"),
        ("password = secret\n", "line 2 of .*unknown option"),
        ("[keystone]\npassword = secret\n", r"only section \[serve\]"),
    ],
)
def test_slips_are_said_where_they_are(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        load(tmp_path, text)
    assert "secret" not in str(raised.value)
    assert "serve.conf" in str(raised.value) or "listen" in str(raised.value)


def test_lists_and_names_are_taken_as_they_are_meant(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "allowed-hosts = HA.example.org, b\nwrite_roles = operator\nkeystone_url = https://k/v3/\n"
        "read_roles = reader,admin\nwrites = yes\n",
    )
    assert found.allowed_hosts == ("ha.example.org", "b")
    assert found.read_roles == {"reader", "admin"}
    assert found.write_roles == {"operator"}
    assert found.keystone_url == "https://k/v3"
    assert found.writes
