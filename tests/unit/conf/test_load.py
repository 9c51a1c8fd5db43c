"""The file, the resource's parameters over it, and what is wrong with either."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from novaha.conf.load import load
from novaha.conf.options import list_opts
from novaha.core.errors import ConfigError
from novaha.nova.session import from_conf

APPLICATION_CREDENTIAL = """\
[keystone]
auth_type = v3applicationcredential
auth_url = http://127.0.0.1:1/v3
application_credential_id = some-id
application_credential_secret = some-secret
interface = public
region_name = North
"""
ON_THE_RESOURCE = {
    "auth_url": "http://127.0.0.1:1/v3",
    "username": "nova",
    "password": "secret",
    "tenant_name": "service",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "novaha.conf"
    path.write_text(APPLICATION_CREDENTIAL)
    path.chmod(0o640)
    return path


def test_an_application_credential_from_the_file(file: Path) -> None:
    session, interface, region = from_conf(load({"config": str(file)}))
    assert type(session.auth).__name__ == "ApplicationCredential"
    assert (interface, region) == ("public", "North")
    assert session.timeout == 30


def test_a_password_by_the_older_agents_parameters() -> None:
    given = {**ON_THE_RESOURCE, "endpoint_type": "adminURL", "region_name": "South"}
    session, interface, region = from_conf(load(given))
    auth = session.auth
    assert (auth._username, auth._password, auth._project_name) == ("nova", "secret", "service")
    assert (auth._user_domain_name, auth._project_domain_name) == ("Default", "Default")
    assert (interface, region) == ("admin", "South")


def test_the_resource_wins_over_the_file(file: Path) -> None:
    conf = load({"config": str(file), **ON_THE_RESOURCE, "insecure": "true"})
    session, interface, _ = from_conf(conf)
    assert session.auth._username == "nova"
    assert session.verify is False
    assert interface == "public"


@pytest.fixture
def with_cloud(file: Path, tmp_path: Path) -> Path:
    clouds = tmp_path / "clouds.yaml"
    file.write_text(f"[keystone]\ncloud = mine\nclouds_file = {clouds}\n")
    clouds.write_text(
        "clouds:\n  mine:\n    region_name: East\n    auth:\n"
        "      {auth_url: 'http://127.0.0.1:1/v3', username: u, password: p, project_name: x,\n"
        "       user_domain_name: Default, project_domain_name: Default}\n"
    )
    return file


def test_a_cloud_of_clouds_yaml(with_cloud: Path) -> None:
    session, _, region = from_conf(load({"config": str(with_cloud)}))
    assert session.auth._username == "u"
    assert region == "East"


def test_without_openstacksdk_a_cloud_is_an_error_that_says_so(
    with_cloud: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openstack", None)
    with pytest.raises(ConfigError, match="needs openstacksdk"):
        from_conf(load({"config": str(with_cloud)}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[evacuator]\npoll_interval = often\n", "poll_interval"),
        ("[evacuator]\nmax_in_flight = 0\n", "max_in_flight"),
        ("no section\n", "novaha.conf"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_file_and_option(
    file: Path, text: str, says: str
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load({"config": str(file)})


def test_nothing_to_sign_in_with_says_what_to_set(file: Path) -> None:
    file.write_text("")
    with pytest.raises(ConfigError, match="auth_type"):
        from_conf(load({"config": str(file)}))


def test_half_a_login_on_the_resource_is_an_error() -> None:
    with pytest.raises(ConfigError, match="password"):
        load({"auth_url": "http://127.0.0.1:1/v3", "username": "nova"})


def test_a_file_that_was_named_must_exist() -> None:
    with pytest.raises(ConfigError, match="/nowhere"):
        load({"config": "/nowhere/novaha.conf"})


def test_law_9_a_file_that_everybody_can_read_is_refused(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 640"):
        load({"config": str(file)})


def test_insecure_is_described_as_what_it_does() -> None:
    (insecure,) = [o for _, options in list_opts() for o in options if o.dest == "insecure"]
    assert insecure.help == "Do not verify the certificates of Keystone and Nova."
