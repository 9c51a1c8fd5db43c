"""`novaha policy`: mistakes are told before they matter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from novaha.cli import policy_site
from novaha.cli.main import main
from novaha.cli.policy_site import Known
from novaha.core.errors import NotSentError
from novaha.core.groups import Aggregate, Place
from novaha.core.model import Instance
from novaha.core.policy.traits import ImageTraits, Traits
from tests.fakes.nova import FakeNova


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def test_a_file_without_mistakes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("version: 1\nrules: [{preset: evacuable}]\n")
    assert main(["policy", "check", "--file", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 3 rules; default: evacuate\n"


def test_every_mistake_has_a_line_that_an_editor_can_jump_to(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("version: 1\ndefault: x\nrules: 7\n")
    assert main(["policy", "check", "--file", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{file}:2:10: error: one of these belongs here: evacuate")
    assert lines[1] == f"{file}:3:8: error: this is no list"


def test_what_is_no_yaml_is_told_in_the_same_way(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("version: [\n")
    assert main(["policy", "check", "--file", str(file)]) == 1
    assert f"{file}:2:1: error: this is no YAML" in capsys.readouterr().out


def test_a_rule_that_never_decides_is_a_warning(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        "version: 1\nrules:\n- {match: {name: a*}, action: leave}\n"
        "- {match: {name: ab}, action: leave}\n"
    )
    assert main(["policy", "check", "--file", str(file)]) == 0
    said = capsys.readouterr().out
    assert (
        f"{file}:4:1: warning: rule 'rule 2' can never decide: 'rule 1' matches before it" in said
    )


def test_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("version: 1\ndefault: x\n")
    assert main(["policy", "check", "--file", str(file), "--output", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(file)
    assert found["warnings"] == []
    (error,) = found["errors"]
    assert (error["line"], error["column"]) == (2, 10)


def test_without_a_policy(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", "--file", str(file)]) == 1
    assert "does not exist: without a policy all instances are moved" in capsys.readouterr().err


LOCAL = Traits("p1", "small", {}, "i1", (), {}, local_disk=True)


@dataclass
class Catalogue:
    """What Nova, Glance and Keystone tell besides the instances."""

    image_away: bool = False
    asked: list[str] = field(default_factory=list)

    def places(self) -> dict[str, Place]:
        self.asked.append("places")
        return {"compute-1": Place("az1", (Aggregate("ssd", {}),)), "compute-2": Place("az2")}

    def image(self, image: str) -> ImageTraits:
        self.asked.append(image)
        if self.image_away:
            raise NotSentError(f"read image {image}", "Connection refused")
        return ImageTraits({"evacuable": "true"})

    def has_project(self, project: str) -> bool:
        return project == "p1"


class Nova(FakeNova):
    def all_instances(self) -> list[Instance]:
        return [server.shown() for server in self.instances.values()]


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """A site with two hosts; the command reaches it as it would the real one."""
    nova, catalogue = Nova(), Catalogue()
    for host in ("compute-1", "compute-2"):
        nova.add_host(host)
    for name, host in (("web", "compute-1"), ("db", "compute-2"), ("local", "compute-1")):
        nova.add_instance(name, host)
    nova.instances["local"] = replace(nova.instances["local"], traits=LOCAL)
    real: Any = (nova, catalogue)
    monkeypatch.setattr(policy_site, "connect", lambda rules: Known(rules, *real))
    return catalogue


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["policy", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


RULES = """\
version: 1
rules:
- {name: databases, match: {name: name-db}, action: leave}
- preset: evacuable
- {name: nobody, match: {zone: az9}, action: notify}
"""


def test_one_instance_is_explained(
    file: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(RULES)
    code, out, _ = said(capsys, "explain", "db", "--file", str(file))
    assert code == 0
    assert "name-db (db) on compute-2" in out
    assert "databases" in out
    assert "If its host died: leave: stays with its host, by rule 'databases' of the policy" in out
    code, out, _ = said(capsys, "explain", "web", "--file", str(file))
    assert "does not match" in out
    assert "If its host died: evacuate: moved, by the default" in out


def test_a_local_disk_is_explained(
    file: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(RULES)
    code, out, _ = said(capsys, "explain", "local", "--file", str(file), "--output", "json")
    found = json.loads(out)
    assert (code, found["action"], found["moves"]) == (0, "leave", False)
    assert "its disk there would be lost" in found["why"]
    assert [(r["rule"], r["matches"]) for r in found["rules"]] == [
        ("databases", False),
        ("evacuable: flavor", False),
        ("evacuable: image property", True),
    ]


def test_what_cannot_be_read_is_no_answer(
    file: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(RULES + "local_disks: evacuate\ndefault: leave\n")
    catalogue.image_away = True
    code, out, err = said(capsys, "explain", "local", "--file", str(file))
    assert code == 1
    assert "undecided: the policy goes by what is not read yet: image_property" in out
    assert "read image i1: Connection refused" in err
    assert catalogue.asked.count("i1") == 1


def test_all_instances(
    file: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(RULES)
    code, out, _ = said(capsys, "test", "--file", str(file))
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["evacuate", "(default)", "1"] in rows
    assert ["leave", "databases", "1"] in rows
    assert "Decides about no instance now: rule 'nobody', line 5" in out
    assert "Not moved:" in out
    code, out, _ = said(capsys, "test", "--file", str(file), "--host", "compute-2")
    assert "name-db" in out
    assert "name-local" not in out
    assert catalogue.asked.count("places") == 2, "once a command"


def test_what_does_not_exist(
    file: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        "version: 1\nshared_storage: [{aggregate: hdd}]\nrules:\n"
        "- {match: {zone: [az1, az3], host: compute-*}, action: leave}\n"
        "- {match: {project: [p1, p2], host: [compute-1, compute-7]},"
        " except: {aggregate: ssd}, action: leave}\n"
    )
    code, out, _ = said(capsys, "check", "--site", "--file", str(file))
    assert code == 1
    assert out.splitlines() == [
        f"{file}:4:1: error: there is no zone with a compute host 'az3'",
        f"{file}:5:1: error: there is no project 'p2'",
        f"{file}:5:1: error: there is no compute host 'compute-7'",
        f"{file}:1:1: error: there is no aggregate with a compute host 'hdd'",
    ]


@pytest.mark.parametrize("words", [("explain",), ("check", "web"), ("test", "web")])
def test_an_instance_belongs_to_explain(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, *words)
    assert code == 1
    assert "an INSTANCE belongs to explain" in err


def test_an_instance_that_nova_has_not(
    file: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(RULES)
    code, _, err = said(capsys, "explain", "nobody", "--file", str(file))
    assert code == 1
    assert "Nova has no instance nobody: name it by its id" in err
