"""The command line of `novaha`, and what setup prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lxml import etree

from novaha import __version__
from novaha.cli import configuration, main, prerequisites, setup
from novaha.cli.prerequisites import TooOldError
from novaha.cli.setup import UsageError
from novaha.cli.steps import Step
from novaha.pacemaker.runner import Result


def test_law_9_no_password_on_a_command_line() -> None:
    for name in (
        *("password", "passwd", "os_password", "PASSWORD", "Passwd", "OS_PASSWORD", "pass", "pwd"),
        *("secret", "application_credential_secret", "auth_token", "API_KEY", "private-key", "key"),
    ):
        with pytest.raises(UsageError, match=r"novaha\.conf") as caught:
            setup.parameters([f"{name}=hunter2"])
        assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError, match=r"auth_url: no secrets") as caught:
        setup.parameters(["auth_url=https://admin:hunter2@keystone.example.org/v3"])
    assert "hunter2" not in str(caught.value)
    for slip in ("password hunter2", "password: hunter2", "=hunter2", "a hunter2=x"):
        with pytest.raises(UsageError) as caught:
            setup.parameters(["verbose=true", slip])
        assert "hunter2" not in str(caught.value)
        assert "option 2" in str(caught.value)


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
    assert text.startswith("set -e\numask 077\ndirectory=$(mktemp -d)\n")
    assert text.splitlines()[-1].startswith("pcs cluster cib-push ")


def test_setup_ends_with_the_advice_to_run_doctor_and_not_among_its_commands(
    monkeypatch, capsys
) -> None:
    monkeypatch.setattr(setup, "query", lambda run, path: [None])
    monkeypatch.setattr(setup, "known_nodes", lambda run: {})
    monkeypatch.setattr(setup, "pcs_version", lambda run: (0, 12))
    nothing = configuration.read(etree.fromstring("<cib/>"), {})
    monkeypatch.setattr(setup.configuration, "read", lambda root, nodes: nothing)
    monkeypatch.setattr(setup.prerequisites, "check", lambda root, run, given: None)
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


@pytest.mark.parametrize(
    "argv",
    [
        ["setup", "--password=hunter2"],
        ["setup", "--password", "hunter2"],
        ["status", "hunter2"],
        ["status", "--watch", "hunter2"],
        ["--hunter", "hunter2"],
        ["setup", "--evacuate-option", "PASSWORD=hunter2"],
        ["migrate", "--compute-option", "password=hunter2"],
    ],
)
def test_law_9_a_mistyped_command_line_is_not_repeated(argv: list[str], capsys) -> None:
    try:
        code = main.main(argv)
    except SystemExit as end:
        code = int(str(end.code))
    said = capsys.readouterr()
    assert code in (1, 2)
    assert said.err
    assert "hunter2" not in said.out + said.err


NEEDS = {
    "policy": ["check"],
    "plan": ["--any", "1"],
    "report": ["ID"],
    "notify": ["test"],
    **{name: ["HOST"] for name in ("release", "retry", "recover", "proceed", "evidence")},
    "pause": ["--reason", "work"],
}
"""What a command cannot do without."""


def test_each_command_tells_its_version_and_takes_debug(capsys) -> None:
    for command in main._COMMANDS:
        with pytest.raises(SystemExit) as end:
            main.main([command, "--version"])
        assert (end.value.code, capsys.readouterr().out) == (0, f"novaha {__version__}\n")
        host = NEEDS.get(command, [])
        assert main.parser().parse_args([command, *host]).debug is False
        assert main.parser().parse_args([command, *host, "--debug"]).debug is True
        assert main.parser().parse_args(["--debug", command, *host]).debug is True


@pytest.mark.parametrize("command", sorted(main._COMMANDS))
@pytest.mark.parametrize(
    "error", [ValueError("odd\x1b[31m thing"), KeyError("x"), OSError(5, "no")]
)
def test_no_command_shows_a_traceback_unasked(
    command: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def fails(args: object) -> int:
        raise error

    monkeypatch.setitem(main._COMMANDS, command, fails)
    argv = [command, *NEEDS.get(command, [])]
    assert main.main(argv) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"novaha: internal error, {type(error).__name__}: ")
    assert said.rstrip().endswith(f"where: novaha {command} --debug")
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert main.main([*argv, "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_printed_script_keeps_the_configuration_to_itself(tmp_path) -> None:
    text = setup.script([Step("t", ("a", "b"))])
    pcs = "pcs() { touch novaha-setup.xml; stat -c '%a %U' . novaha-setup.xml; pwd; }"
    shown = subprocess.run(
        ["sh", "-c", f"cd {tmp_path}; umask 0; {pcs}; {text}"],
        capture_output=True,
        text=True,
        check=True,
    )
    modes = [line.split()[0] for line in shown.stdout.splitlines() if " " in line]
    assert modes == ["700", "600"] * 3
    (where,) = {line for line in shown.stdout.splitlines() if line.startswith("/")}
    assert not Path(where).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "features", "installed", "said"),
    [
        ("1.1.18-11.el7-2b07d5c5a9", "", "", "runs Pacemaker 1.1.18"),
        ("2.0.5", "", "", "runs Pacemaker 2.0.5"),
        ("2.1.4-5", "", "", "runs Pacemaker 2.1.4"),
        ("2.1.5-a3f44794f94", "3.16.1", "2.1.5", ""),
        ("2.1.10-1", "3.19.6", "2.1.10", ""),
        ("3.0.0-6", "3.20.0", "3.0.0", ""),
        ("", "", "", ""),
        ("2.1.5", "3.15.0", "2.1.5", "crm_feature_set 3.15.0"),
        ("", "3.0.14", "", "crm_feature_set 3.0.14"),
        ("2.1.5", "3.16.1", "2.1.2", "Pacemaker 2.1.2 is installed"),
        ("2.1.5", "3.16.1", "nonsense", ""),
    ],
)
def test_a_pacemaker_that_is_too_old_is_refused(
    version: str, features: str, installed: str, said: str
) -> None:
    pair = f'<nvpair id="v" name="dc-version" value="{version}"/>' if version else ""
    root = etree.fromstring(
        f'<cib crm_feature_set="{features}"><configuration><crm_config><cluster_property_set>'
        f"{pair}</cluster_property_set></crm_config></configuration></cib>"
    )

    def run(argv: list[str]) -> Result:
        assert argv == ["cibadmin", "--version"]
        return Result(tuple(argv), 0, f"Pacemaker {installed}\nWritten by".encode(), "")

    given = {"config": "/nonexistent"}
    if not said:
        prerequisites.check(root, run, given)  # type: ignore[arg-type]
        return
    with pytest.raises(TooOldError) as caught:
        prerequisites.check(root, run, given)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert "2.1.5 on every node" in str(caught.value)
