"""Reading who gets at secrets: real files, real processes."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from novaha.cli.doctor import reading, secrecy
from novaha.cli.install import Directories
from novaha.evacuator import client
from tests.unit.cli.doctor.test_reading import Tools, parameter, site


@pytest.mark.parametrize(
    ("limit", "expected"), [(0, 0), (4096, 4096), (resource.RLIM_INFINITY, None)]
)
def test_the_limit_of_a_process(limit: int, expected: int | None) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard != resource.RLIM_INFINITY and (limit < 0 or limit > hard):
        pytest.fail("these tests need a machine whose hard limit of cores is unlimited")
    script = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, ({limit}, {hard}))"
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = secrecy.read_core_dumps(process.pid)
        process.communicate(b"\n")
    assert found is not None
    assert found.limit == expected
    assert found.pattern == secrecy.CORE_PATTERN.read_text().strip()
    assert secrecy.read_core_dumps(process.pid) is None
    assert secrecy.read_core_dumps(None) is None


def test_directories_that_anybody_may_write(tmp_path: Path) -> None:
    below = tmp_path / "all" / "below"
    below.mkdir(parents=True)
    file = below / "clouds.yaml"
    file.touch()
    assert secrecy.open_above(str(file)) == ""
    below.parent.chmod(0o777)
    assert secrecy.open_above(str(file)) == str(below.parent)
    below.parent.chmod(0o1777)
    assert secrecy.open_above(str(file)) == ""


def test_a_link_is_as_good_as_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(0o777)
    (tmp_path / "all" / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "all" / "real")
    assert secrecy.open_above(str(tmp_path / "link")) == str(tmp_path / "all")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "pid", lambda: None)
    directories = Directories(tmp_path / "ocf", tmp_path / "sbin", tmp_path / "alerts")

    def look(conf: str):
        file = tmp_path / "novaha.conf"
        file.write_text(conf)
        file.chmod(0o640)
        tools = Tools(parameter("config", str(file)))
        return reading.node(site(tools), tools, directories)  # type: ignore[arg-type]

    return look


def test_the_files_that_novaha_conf_leads_to(node, tmp_path: Path) -> None:
    clouds, secure = tmp_path / "clouds.yaml", tmp_path / "secure.yaml"
    text = f"[keystone]\ncloud = a\nclouds_file = {clouds}\n"
    assert [f.path for f in node(text).secret_files] == [str(tmp_path / "novaha.conf")]
    clouds.write_text("no: [yaml")  # it may be of no use, and hold a secret
    clouds.chmod(0o604)
    secure.touch(0o600)
    _, first, second = node(text).secret_files
    assert (first.path, first.mode) == (str(clouds), 0o604)
    assert (second.path, second.mode) == (str(secure), 0o600)
    assert len(node(text.replace("cloud = a", "auth_type = password")).secret_files) == 1
    assert len(node(text.replace("keystone", "KEYSTONE")).secret_files) == 3
    assert len(node("no options").secret_files) == 1


def test_what_cannot_be_looked_at(node, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = f"[keystone]\ncloud = a\nclouds_file = {tmp_path}/file/clouds.yaml\n"
    problems = [f.problem for f in node(text).secret_files if f.problem]
    assert problems == ["it cannot be looked at: Not a directory"] * 2


def test_an_evacuator_that_cannot_be_asked_is_none(node, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> int:
        raise client.EvacuatorError("no")

    monkeypatch.setattr(client, "pid", silent)
    assert node("").core_dumps is None
