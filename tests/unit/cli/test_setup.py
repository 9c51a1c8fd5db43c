"""The command line of `novaha`, and what setup prints."""

from __future__ import annotations

import subprocess

import pytest

from novaha import __version__
from novaha.cli import main, setup
from novaha.cli.layout import Step
from novaha.cli.setup import UsageError


def test_law_9_no_password_on_a_command_line() -> None:
    for name in ("password", "passwd", "os_password"):
        with pytest.raises(UsageError, match=r"novaha\.conf"):
            setup.parameters([f"{name}=x"])


def test_parameters() -> None:
    assert setup.parameters(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    for wrong in ("a", "=b"):
        with pytest.raises(UsageError):
            setup.parameters([wrong])


def test_the_script_survives_a_shell() -> None:
    text = setup.script([Step("t", ("stonith", "create", "x", "pcmk_host_list=a b"))])
    line = next(line for line in text.splitlines() if "stonith" in line)
    shown = subprocess.run(
        ["sh", "-c", f'pcs() {{ printf "<%s>" "$@"; }}; {line}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.endswith("<stonith><create><x><pcmk_host_list=a b>")
    assert text.startswith("set -e\npcs cluster cib ")
    assert text.splitlines()[-1].startswith("pcs cluster cib-push ")


def test_setup_ends_with_the_advice_to_run_doctor_and_not_among_its_commands(
    monkeypatch, capsys
) -> None:
    monkeypatch.setattr(setup, "query", lambda run, path: [None])
    monkeypatch.setattr(setup, "known_nodes", lambda run: {})
    monkeypatch.setattr(setup, "pcs_version", lambda run: (0, 12))
    monkeypatch.setattr(setup.configuration, "read", lambda root, nodes: None)
    monkeypatch.setattr(setup.layout, "plan", lambda now, wanted: [Step("t", ("a", "b"))])
    assert main.main(["setup"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("pcs cluster cib-push ")
    assert said.err.endswith(": novaha doctor\n")


def test_every_command_of_the_parser_is_carried_out_by_somebody() -> None:
    actions = main.parser()._subparsers._group_actions  # type: ignore[union-attr]
    assert set(actions[0].choices) == set(main._COMMANDS)


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"novaha {__version__}\n"


def test_an_error_is_one_message_and_exit_code_1(monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("CIB_file", "/nonexistent/cib.xml")
    assert main.main(["setup"]) == 1
    assert capsys.readouterr().err.startswith("novaha: ")
