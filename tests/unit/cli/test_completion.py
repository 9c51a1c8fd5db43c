"""Bash itself completes the command's words."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from novaha.cli import completion
from novaha.cli.main import _COMMANDS, parser


def completed(line: str, directory: Path) -> list[str]:
    """What bash offers at the end of a line; it takes `--name=value` for three words."""
    words = re.sub(r"(?<=\S)=(?=\S)", " = ", re.sub(r"(?<=\S)=$", " =", line)).split(" ")
    script = (
        f"{completion.script()}\nCOMP_WORDS=({shlex.join(words)}); "
        f'COMP_CWORD={len(words) - 1}; _novaha; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands(tmp_path: Path) -> None:
    assert {*_COMMANDS, "--version", "--help"} <= set(completed("novaha ", tmp_path))
    assert completed("novaha mig", tmp_path) == ["migrate"]
    assert completed("novaha --debug sta", tmp_path) == ["status"]


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


@pytest.mark.parametrize("command", subcommands())
def test_every_option_of_a_command(command: str, tmp_path: Path) -> None:
    wanted = {name for a in subcommands()[command]._actions for name in a.option_strings}
    offered = set(completed(f"novaha {command} -", tmp_path))
    assert offered == wanted


def test_arguments_with_choices_are_offered() -> None:
    """As of a command of commands."""
    command = argparse.ArgumentParser()
    command.add_argument("what", choices=("on", "off"))
    assert completion._words(command._actions) == "-h --help on off"


def test_values(tmp_path: Path) -> None:
    assert completed("novaha status --output ", tmp_path) == ["table", "json"]
    assert completed("novaha status --output=", tmp_path) == ["table", "json"]
    assert completed("novaha status --output=js", tmp_path) == ["json"]
    (tmp_path / "kept.xml").touch()
    assert completed("novaha migrate --back k", tmp_path) == ["kept.xml"]
    assert completed("novaha setup --compute k", tmp_path) == [], "a node is no file"


def test_bash_takes_it_for_the_command() -> None:
    line = f"{completion.script()}\ncomplete -p novaha"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "complete -F _novaha novaha\n"
