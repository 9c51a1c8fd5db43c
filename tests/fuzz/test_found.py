"""What the kinds have found, each always run, whatever the sample is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from http.client import BadStatusLine
from pathlib import Path

import pytest
from keystoneauth1.identity import v3

from novaha.agents import fence_compute
from novaha.cli import main
from novaha.cli.configuration import integer
from novaha.cli.setup import pcs_version
from novaha.contract.parameters import ParameterError, to_bool, to_number
from novaha.core.errors import NovahaError, UnknownOutcomeError
from novaha.evacuator import client
from novaha.pacemaker import live
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.runner import Runner
from tests.fuzz.clouds import JSON, KEYSTONE, READS, REQUESTS, UPDATES, Cloud, nova
from tests.fuzz.commands import novaha
from tests.fuzz.kinds import SECRET
from tests.fuzz.tools import CIB, Tools, in_place


def test_broken_encoding_from_the_attribute_manager() -> None:
    shown = b'\xff host="compute-1" value="yes"\n'
    with in_place(Tools(broken={"attrd_updater": (0, shown, b"")})):
        assert live.older_flags() == {"compute-1": "yes"}


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00 +14:00", "9999-12-31 23:59:59 -14:00", "x"])
def test_moments_outside_of_the_calendar(text: str) -> None:
    event = f'<x><fence_event target="a" action="off" status="success" completed="{text}"/></x>'
    with (
        in_place(Tools(broken={"stonith_admin": (0, event.encode(), b"")})),
        pytest.raises(NovahaError, match="cannot be read"),
    ):
        FenceHistory().of("*")


@pytest.mark.parametrize("text", ["soon", "9" * 30, "1.5"])
def test_a_moment_in_the_status_section(text: str) -> None:
    state = f'<node_state uname="compute-1" node_fenced="{text}"/>'
    with (
        in_place(Tools(broken={"cibadmin": (0, state.encode(), b"")})),
        pytest.raises(NovahaError, match="node_fenced of compute-1 in the CIB cannot be read"),
    ):
        FenceHistory().down_since("compute-1")


@pytest.mark.parametrize("document", [b"<html/>", b"<pacemaker-result/>"])
def test_law_5_who_prints_something_else_has_not_said_that_a_node_is_offline(
    document: bytes,
) -> None:
    with in_place(Tools(broken={"crm_mon": (0, document, b"")})):
        for question in (live.look, FenceHistory().online):
            with pytest.raises(NovahaError, match="crm_mon printed <"):
                question()


def test_an_empty_history_is_one_and_another_document_is_none() -> None:
    for document, empty in ((b"<pacemaker-result/>", True), (b"<html/>", False)):
        with in_place(Tools(broken={"stonith_admin": (0, document, b"")})):
            if empty:
                assert FenceHistory().of("*") == []
            else:
                with pytest.raises(NovahaError, match="stonith_admin printed <html>"):
                    FenceHistory().of("*")


@pytest.mark.parametrize("code", [300, 302, 304, 307, 399])
@pytest.mark.parametrize("what", [*READS, *UPDATES, *REQUESTS])
def test_law_2_a_redirection_is_no_consent(code: int, what: str) -> None:
    ask = {**READS, **UPDATES, **REQUESTS}[what]
    with pytest.raises(UnknownOutcomeError):
        ask(nova(Cloud((code, JSON, b""))))


@pytest.mark.parametrize("error", [BadStatusLine("x"), RecursionError("x")])
def test_what_the_libraries_below_raise_is_translated(error: BaseException) -> None:
    with pytest.raises(UnknownOutcomeError) as caught:
        READS["services"](nova(Cloud(error)))
    assert "internal error" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [(" 7 ", 7), ("", 0), (None, 0), ("soon", 0), ("9" * 5000, 0), ("²", 0), ("-1", 0), ("٣", 0)],
)
def test_numbers_of_the_configuration(text: str | None, number: int) -> None:
    assert integer(text) == number


@pytest.mark.parametrize("shown", [b"\xff.2", b"9" * 5000, b"", b"x"])
def test_a_pcs_that_tells_no_version(shown: bytes) -> None:
    with in_place(Tools(broken={"pcs": (0, shown, b"")})):
        assert pcs_version(Runner()) in ((), (2,))


def test_a_level_with_an_index_of_nonsense_hides_no_cluster(tmp_path: Path) -> None:
    level = '<fencing-level id="x" target="compute-1" index="soon" devices="ipmi-1"/>'
    cib = CIB.replace("<fencing-topology>", f"<fencing-topology>{level}")
    ended = novaha("status", cib=CIB)(tmp_path).ended
    assert novaha("status", cib=cib)(tmp_path).ended == ended
    assert "findings" in novaha("doctor", "--only", "cluster", cib=cib)(tmp_path).said


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "1e9", "soon", "1e400"])
def test_seconds_between_two_looks(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.parser().parse_args(["status", f"--watch={text}"])
    assert end.value.code == 2
    assert "argument --watch: is no number from 0.1 to 86400 seconds" in capsys.readouterr().err
    assert main.parser().parse_args(["status", "--watch", "0.5"]).watch == 0.5
    assert main.parser().parse_args(["status", "--watch"]).watch == 0.0  # as often as is cheap


def test_a_kept_configuration_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    outcome = novaha("migrate", "--back", str(tmp_path / "pipe"))(tmp_path)
    assert outcome.ended == 1
    assert "is no regular file" in outcome.said


@pytest.mark.parametrize("name", ["novaha-hold", "novaha-recovery", "novaha-owner", "novaha-marks"])
def test_law_3_no_way_back_while_anything_of_a_record_holds_a_host(
    name: str, tmp_path: Path
) -> None:
    node = '<node id="compute-1" uname="compute-1" type="remote">'
    pair = f'<nvpair id="h" name="{name}" value="true"/>'
    cib = CIB.replace(node, f'{node}<instance_attributes id="s">{pair}</instance_attributes>')
    (tmp_path / "kept").write_text(CIB)
    outcome = novaha("migrate", "--back", str(tmp_path / "kept"), cib=cib)(tmp_path)
    assert outcome.ended == 1
    assert "compute-1 is in recovery" in outcome.said


@pytest.mark.parametrize("value", [SECRET, "perhaps", "\x1b[2J"])
def test_law_9_no_error_about_a_parameter_repeats_its_value(value: str) -> None:
    for read in (lambda: to_bool("insecure", value), lambda: to_number("delay", value, float)):
        with pytest.raises(ParameterError) as caught:
            read()
        assert value not in str(caught.value)


def test_law_9_a_word_too_many_may_be_a_password() -> None:
    err = io.StringIO()
    argv = ["-o", "off", "-n", "compute-1", "-p", "x", SECRET]
    assert fence_compute.main(argv, io.StringIO(), io.StringIO(), err) == 1
    assert "no option and no value" in err.getvalue()
    assert SECRET not in err.getvalue()


@pytest.mark.parametrize("name", ["\x1b[2J\x07", "\x00", "\u202e", "x" * 50_000, "a\nb"])
def test_what_the_fence_agent_says_is_one_line_that_a_terminal_only_shows(name: str) -> None:
    err = io.StringIO()
    with in_place(Tools()):
        code = fence_compute.main(["-o", "off", "-n", name], io.StringIO(), io.StringIO(), err)
    assert code == 1
    (line,) = err.getvalue().splitlines()
    assert line.isprintable()
    assert "is no node of this cluster" in line
    assert len(line) < 1000


def test_a_secret_of_the_request_is_masked_in_the_fence_agents_log(tmp_path: Path) -> None:
    file, err = tmp_path / "debug", io.StringIO()
    stdin = f"action=off\nplug={SECRET}\npassword={SECRET}\ndebug_file={file}\n"
    with in_place(Tools()):
        fence_compute.main([], io.StringIO(stdin), io.StringIO(), err)
    assert "'***' is no node" in err.getvalue()
    assert SECRET not in err.getvalue() + file.read_text()


def test_install_agents_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = novaha("install-agents", "--destdir", str(tmp_path / "file" / "x"))(tmp_path)
    assert outcome.ended == 1
    assert "cannot be used: Not a directory" in outcome.said


@pytest.mark.parametrize("code", [400, 401, 403, 500, 503])
def test_law_9_a_keystone_that_repeats_the_password_is_not_repeated(code: int) -> None:
    auth = v3.Password(KEYSTONE, username="u", password=SECRET, user_domain_name="d")
    body = json.dumps({"error": {"message": f"{SECRET} is wrong", "code": code}}).encode()
    cloud = Cloud((200, JSON, b"{}"), token=(code, JSON, body))
    with pytest.raises(NovahaError) as caught:
        READS["services"](nova(cloud, auth))
    assert SECRET not in f"{caught.value} {caught.value.args} {vars(caught.value)}"
    assert "*** is wrong" in str(caught.value)


def test_law_9_the_libraries_print_no_warning_of_their_own(tmp_path: Path) -> None:
    """keystoneauth1 warns of an address that it cannot reach, with the login in it."""
    conf = tmp_path / "novaha.conf"
    conf.write_text(
        "[keystone]\nauth_type = password\nusername = u\npassword = x\n"
        f"auth_url = http://u:{SECRET}@127.0.0.1:1/\n"
    )
    conf.chmod(0o640)
    code = f"from novaha import wiring; wiring.check_nova({{'config': {str(conf)!r}}})"
    script = (
        f"try:\n    {code.replace('; ', chr(10) + '    ')}\nexcept Exception as e:\n    print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "http://***@127.0.0.1:1" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr == ""


def test_law_9_the_evacuator_inherits_no_parameter_and_no_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OCF_RESKEY_password", "OCF_RESKEY_auth_url", "OS_PASSWORD", "OS_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "controller-1")
    found = client._environment()
    assert SECRET not in found.values()
    assert found["OCF_RESKEY_CRM_meta_on_node"] == "controller-1"
    assert found["PATH"] == os.environ["PATH"]
