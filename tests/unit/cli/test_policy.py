"""`novaha policy`: mistakes are told before they matter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from novaha.cli.main import main


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
