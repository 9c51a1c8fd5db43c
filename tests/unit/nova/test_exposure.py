"""What somebody in the network could read: told by the session that signs in."""

from __future__ import annotations

import pytest
from keystoneauth1 import session, token_endpoint
from keystoneauth1.identity import v3

from novaha.nova import exposure


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://keystone:5000/v3", "http://keystone:5000"),
        ("HTTP://keystone/", "http://keystone"),
        ("http://user:S3cret@keystone/v3?password=S3cret", "http://keystone"),
        ("http://[2001:db8::1]:8774/v2.1", "http://[2001:db8::1]:8774"),
        ("http://localhost.example.org", "http://localhost.example.org"),
        *((f"http://{host}:5000", "") for host in ("127.0.0.1", "127.9.9.9", "[::1]", "localhost")),
        *((url, "") for url in ("https://keystone", "", "keystone", "http://[", "http://k:port")),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert exposure.plain(url) == shown
    told = [
        *exposure.requests(url),
        *exposure.sign_in(session.Session(v3.Password(auth_url=url, password="S3cret"))),
    ]
    assert len(told) == (2 if shown else 0)
    assert all(shown in text and "S3cret" not in text for text in told)


@pytest.mark.parametrize(("verify", "told"), [(False, 1), (True, 0), ("/etc/ca.pem", 0)])
def test_certificates(verify: object, told: int) -> None:
    found = exposure.sign_in(
        session.Session(v3.Password(auth_url="https://k", password="S3cret"), verify=verify)
    )
    assert ["insecure" in text for text in found] == [True] * told


def test_a_token_that_was_given() -> None:
    auth = token_endpoint.Token("http://nova:8774", "t")
    (told,) = exposure.sign_in(session.Session(auth))
    assert "http://nova:8774" in told
    assert list(exposure.sign_in(session.Session(None))) == []
    assert list(exposure.requests(None)) == []
