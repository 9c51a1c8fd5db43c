"""Passwords mean what is written, and no slip shows one (law 9)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from novaha.conf.check import unknown_options
from novaha.conf.load import load
from novaha.core.errors import ConfigError
from novaha.nova.session import from_conf

CANARY = "Sup3rSecret"
LOGIN = """\
[keystone]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = nova
project_name = service
user_domain_name = Default
project_domain_name = Default
"""
PASSWORDS = [
    *("Sec$retPart", "pa$$word", "${x}", "$username", r"\$x", "100%", "%(x)s", "a\\b", "a\\"),
    *('in"side', "it's", '"', "a#b", "#a", "a;b", ";a", "a=b", "=a", "a:b", "pässwörd", "密码"),
    *("two words", "{x}", "[x]", "'a\"", "$", "$$$"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "novaha.conf"
    path.touch(0o640)
    return path


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_in_the_file_is_what_is_written(file: Path, password: str) -> None:
    file.write_text(f"{LOGIN}password = {password}\n", encoding="utf-8")
    session, _, _ = from_conf(load({"config": str(file)}))
    assert session.auth._password == password


@pytest.mark.parametrize("password", [*PASSWORDS, " blank ", '"quoted"'])
def test_a_password_on_the_resource_is_what_is_written(file: Path, password: str) -> None:
    login = {"auth_url": "http://127.0.0.1:1/v3", "username": "nova", "password": password}
    session, _, _ = from_conf(load({"config": str(file), **login}))
    assert session.auth._password == password


@pytest.mark.parametrize(
    ("written", "meant"),
    [('"a b"', "a b"), ("'a'", "a"), ('""a""', '"a"'), ('" a "', " a "), ("  a  ", "a")],
)
def test_the_format_takes_blanks_and_one_pair_of_quotes(
    file: Path, written: str, meant: str
) -> None:
    file.write_text(f"{LOGIN}password = {written}\n")
    session, _, _ = from_conf(load({"config": str(file)}))
    assert session.auth._password == meant


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"[keystone]\npassword {CANARY}\n", "line 2 of .* has no ="),
        (f"[keystone]\npassword {CANARY}=\n", "line 2 of .* has no name of an option"),
        (f"[keystone]\n= {CANARY}\n", "line 2 of .* has no name of an option"),
        (f"[keystone]\n  password = {CANARY}\n", "line 2 of .* begins with a blank"),
        (f"[keystone]\npassword = x\n  {CANARY}\n", "line 2 of .* goes on in the next line"),
        (f"password = {CANARY}\n", r"line 1 of .* before the first \[section\]"),
        (f"[{CANARY}\n", "line 1 of .* does not end"),
        (f"[]\nx = {CANARY}\n", "line 1 of .* has no name of a section"),
        (f"{CANARY}\n", "line 1 of .* has no ="),
        (f"[keystone]\ntimeout = {CANARY}\n", "line 2 of .* timeout is none that it takes"),
        (f"[keystone]\ninsecure = {CANARY}\n", "line 2 of .* insecure is none"),
        (f"[nova]\nhost_names = {CANARY}\n", "line 2 of .* host_names is none"),
        (f"[evacuator]\npoll_interval = {CANARY}\n", "line 2 of .* poll_interval is none"),
        (f"[evacuator]\nconfirmed_by_hand = {CANARY}\n", "line 2 of .* confirmed_by_hand is none"),
        (f"[keystone]\nauth_type = {CANARY}\n", "auth_type names no plugin"),
        (f"[keystone]\nauth_type = v3{CANARY}\npassword = {CANARY}\n", "auth_type names no plugin"),
        (f"{LOGIN.replace('auth_url', 'url')}password = {CANARY}\n", "auth_url"),
    ],
)
def test_law_9_a_slip_is_named_by_its_line_and_never_shown(
    file: Path, text: str, says: str
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=says) as failure:
        from_conf(load({"config": str(file)}))
    assert CANARY not in str(failure.value)


def test_law_9_a_file_in_another_encoding(file: Path) -> None:
    file.write_bytes(b"[keystone]\npassword = Sup3r\xe9Secret\n")
    with pytest.raises(ConfigError, match=r"line 2 of .* is not UTF-8") as failure:
        load({"config": str(file)})
    assert "Sup3r" not in str(failure.value)


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="no regular file"):
            load({"config": str(path)})


@pytest.mark.parametrize("line", [f"{CANARY} = x", f"password {CANARY} = x", f"[{CANARY}]"])
def test_law_9_a_name_that_may_be_a_secret_is_not_shown(file: Path, line: str) -> None:
    file.write_text(f"[keystone]\n{line}\n")
    (found,) = unknown_options(str(file))
    assert "line 2" in found
    assert CANARY not in found


def test_nothing_comes_from_the_environment_or_the_working_directory(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_NOVA__DOMAIN", "evil.example")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".novaha").mkdir()
    (tmp_path / ".novaha" / "novaha.conf").write_text("[nova]\ndomain = evil.example\n")
    other = tmp_path / "other.conf"
    other.touch(0o640)
    file.write_text("[nova]\ndomain = evil.example\n")
    assert load({"config": str(other)}).nova.domain == ""
    assert load().nova.domain == ""


@pytest.mark.parametrize("missing", ["username", "password"])
def test_address_and_credentials_are_of_one_source(file: Path, missing: str) -> None:
    file.write_text(f"{LOGIN}password = {CANARY}\nuser_id = other\n")
    login = {"auth_url": "http://other:1/v3", "username": "nova", "password": "x"}
    session, _, _ = from_conf(load({"config": str(file), **login}))
    assert (session.auth._user_id, session.auth._password) == (None, "x")
    del login[missing]
    with pytest.raises(ConfigError, match=f"no {missing}: give both there") as failure:
        load({"config": str(file), **login})
    assert CANARY not in str(failure.value)


def test_sections_in_upper_case_are_the_same(file: Path) -> None:
    file.write_text("[NOVA]\ndomain = a\n[Nova]\ndomain = b.example\n")
    assert load({"config": str(file)}).nova.domain == "b.example"


def test_netrc_of_a_user_changes_nothing(file: Path) -> None:
    file.write_text(f"{LOGIN}password = x\n")
    assert from_conf(load({"config": str(file)}))[0].session.trust_env is False


class TestClouds:
    """Only the file that is named, and secure.yaml beside it."""

    @pytest.fixture
    def clouds(self, file: Path, tmp_path: Path) -> Path:
        path = tmp_path / "site" / "clouds.yaml"
        path.parent.mkdir()
        file.write_text(f"[keystone]\ncloud = mine\nclouds_file = {path}\n")
        path.write_text(
            "clouds: {mine: {auth: {auth_url: 'http://127.0.0.1:1/v3', username: u,\n"
            "  project_name: x, user_domain_name: D, project_domain_name: D}}}\n"
        )
        path.with_name("secure.yaml").write_text("clouds: {mine: {auth: {password: right}}}\n")
        return path

    def test_the_working_directory_changes_nothing(
        self, file: Path, clouds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evil = "clouds: {mine: {auth: {auth_url: 'http://evil:1/v3', password: evil}}}\n"
        for name in ("clouds.yaml", "secure.yaml", "clouds-public.yaml"):
            (tmp_path / name).write_text(evil)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        session, _, _ = from_conf(load({"config": str(file)}))
        assert session.auth.auth_url == "http://127.0.0.1:1/v3"
        assert session.auth._password == "right"
        assert session.session.trust_env is False

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (f"clouds:\n  {CANARY}: [\n", "is no YAML"),
            (f"clouds: *{CANARY}\n", "is no YAML"),
            (CANARY, "has no mapping"),
            (f"clouds: {CANARY}\n", "has no mapping"),
            (f"clouds: {{{CANARY}: {{}}}}\n", "cannot be used"),
            (f"clouds: {{mine: {CANARY}}}\n", "cannot be used"),
            (f"clouds: {{mine: {{auth_type: {CANARY}}}}}\n", "cannot be used"),
        ],
    )
    def test_law_9_an_error_never_quotes_it(
        self, file: Path, clouds: Path, text: str, says: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        clouds.with_name("secure.yaml").unlink()
        clouds.write_text(text)
        with pytest.raises(ConfigError, match=says) as failure:
            from_conf(load({"config": str(file)}))
        assert CANARY not in str(failure.value) + caplog.text
