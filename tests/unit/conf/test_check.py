"""Options that mean nothing are found, and all that mean something are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.conf.check import sections, unknown_options
from novaha.core.errors import ConfigError

SOUND = """\
[keystone]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = nova
password = secret
project_name = service
user-domain-name = Default
project_domain_name = Default
region_name = North
interface = public
cafile = /etc/ca.pem
timeout = 10
[nova]
host_names = compute-1:hv17
[evacuator]
poll_interval = 5
confirmed_by_hand = tell
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "novaha.conf"


def unknown(file: Path, text: str) -> list[str]:
    file.write_text(text)
    return unknown_options(str(file))


def test_nothing_is_wrong_with_what_is_documented(file: Path) -> None:
    assert unknown(file, SOUND) == []


def test_a_login_in_a_section_of_its_own(file: Path) -> None:
    text = SOUND.replace("[keystone]\n", "[keystone]\nauth_section = login\n[login]\n", 1)
    text = text.replace("region_name = North\ninterface = public\n", "")
    text = text.replace("cafile = /etc/ca.pem\ntimeout = 10\n", "")
    assert unknown(file, text) == []


def test_what_was_probably_meant(file: Path) -> None:
    text = SOUND.replace("poll_interval", "poll_intervall").replace("username", "user")
    assert unknown(file, text) == [
        "[keystone] user (is user_id meant?)",
        "[evacuator] poll_intervall (is poll_interval meant?)",
    ]


def test_options_of_another_way_to_sign_in(file: Path) -> None:
    (found,) = unknown(file, SOUND + "[keystone]\napplication_credential_secret = x\n")
    assert found.startswith("[keystone] application_credential_secret")


def test_sections_that_nobody_reads(file: Path) -> None:
    assert unknown(file, SOUND + "[database]\nconnection = x\n") == ["[database] connection"]


@pytest.mark.parametrize(
    "text", ["no section\n", "[keystone]\nauth_type = telepathy\n", "[keystone\na = b\n"]
)
def test_what_cannot_be_read(file: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        unknown(file, text)


def test_law_9_a_wrong_line_is_named_and_not_shown(file: Path) -> None:
    with pytest.raises(ConfigError) as failure:
        unknown(file, "[keystone]\npassword hunter2\n")
    assert "line 2" in str(failure.value)
    assert "hunter2" not in str(failure.value)


def test_the_last_of_several_values_is_the_last(file: Path) -> None:
    file.write_text("[DEFAULT]\nhost = a\nhost = b\n")
    assert sections(str(file)) == {"DEFAULT": {"host": ["a", "b"]}}


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(ConfigError):
        sections(str(file))
