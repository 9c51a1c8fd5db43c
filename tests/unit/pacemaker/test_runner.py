"""Tools that fail, hang, print without end, and what of it may be shown."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from novaha.core.errors import ClusterToolError, NovahaError
from novaha.core.text import LONGEST
from novaha.pacemaker import runner
from novaha.pacemaker.cib import RecordStore
from novaha.pacemaker.runner import Runner


def shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def failed(text: str) -> str:
    with pytest.raises(ClusterToolError) as caught:
        Runner()(shell(text))
    return str(caught.value)


def test_what_is_printed_and_what_is_read() -> None:
    result = Runner()(["cat"], stdin=b"x" * 300_000)
    assert result.stdout == b"x" * 300_000
    assert Runner()(shell("cat; echo b >&2")).stderr == "b"


@pytest.mark.parametrize(("user", "log"), [(0, "/var/log/pacemaker.log"), (999, "none")])
def test_no_tool_of_another_user_than_root_opens_pacemakers_log(
    monkeypatch: pytest.MonkeyPatch, user: int, log: str
) -> None:
    """Pacemaker 3.0.3 closes its standard input for that."""
    monkeypatch.setenv("PCMK_logfile", "/var/log/pacemaker.log")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert f"PCMK_logfile={log}\n" in Runner()(["env"]).stdout.decode()


def test_a_tool_that_does_not_read_gets_no_more() -> None:
    assert Runner()(["true"], stdin=b"x" * 1_000_000).returncode == 0


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("one\\ntwo\\n", "one; two"),
        ("\\033[31mred\\007\\r\\n", "[31mred"),
        ("\\377\\376\\n", "\ufffd\ufffd"),
        (' 1 <cib>\\n 2 <nvpair value="Sup3r"/>\\n 3 \\nfailed: no\\n', "failed: no"),
        ('name="password" value="Sup3r"\\nCall failed: no\\n', "Call failed: no"),
    ],
)
def test_law_9_an_error_is_one_line_without_markup_or_control_characters(
    printed: str, said: str
) -> None:
    assert failed(f"printf '{printed}' >&2; exit 3") == f"/bin/sh exited with 3: {said}"


def test_an_error_is_bounded() -> None:
    assert len(failed("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 3")) < LONGEST + 50


def test_law_9_a_schema_error_does_not_show_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real cibadmin, which prints all of it."""
    file = tmp_path / "cib.xml"
    file.write_text(
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"'
        ' admin_epoch="0"><configuration><crm_config/><nodes/><resources>'
        '<primitive id="ipmi" class="stonith" type="fence_ipmilan"><instance_attributes id="a">'
        '<nvpair id="p" name="password" value="Sup3rSecret"/></instance_attributes></primitive>'
        "</resources><constraints/></configuration><status/></cib>"
    )
    monkeypatch.setenv("CIB_file", str(file))
    change = ["cibadmin", "--modify", "--allow-create", "--scope", "nodes", "--xml-pipe"]
    with pytest.raises(ClusterToolError) as caught:
        Runner()(change, stdin=b'<node id="x" bogus="1"/>')
    error = caught.value
    # "Call failed" before Pacemaker 3, "CIB API call failed" since.
    told = str(error).lower()
    assert told.endswith("call failed: update does not conform to the configured schema")
    assert "Sup3rSecret" not in repr(vars(error)) + error.stderr


def test_output_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MOST_OUTPUT", 1 << 20)
    with pytest.raises(ClusterToolError, match="1 MiB of output"):
        Runner()(["cat", "/dev/zero"])


def test_a_tool_that_hangs_is_ended_with_its_pipes_held_open(tmp_path: Path) -> None:
    """Its child keeps them: it is not waited for."""
    pid = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(ClusterToolError, match=r"in time: killed after 0\.2 s"):
        Runner()(shell(f"sleep 60 & echo $! > {pid}; wait"), timeout=0.2)
    os.kill(int(pid.read_text()), 9)
    assert time.monotonic() - began < 30


def test_no_child_is_left_behind() -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(ClusterToolError):
        Runner()([sys.executable, "-c", code], timeout=1.0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("argv", [["no-such-tool"], ["cat", "a\0b"], ["/"]])
def test_what_cannot_be_run_is_an_error(argv: list[str]) -> None:
    with pytest.raises(ClusterToolError, match="cannot be run"):
        Runner()(argv)


# What the tools print, and nobody may take for "nothing is recorded"

NONSENSE = [
    b"",
    b"\n",
    b"nonsense",
    b"<",
    b"<node",
    b"\0\1\2",
    b"\xff\xfe<\0n\0/\0>\0",
    b"<cib/>",
    b"<html><body/></html>",
    b'<node id="x" uname="compute-2"/>',
    b'<node id="x"/>',
    b"<xpath-query><html/></xpath-query>",
    b'<xpath-query><node uname="compute-2"/></xpath-query>',
    b'<!DOCTYPE node SYSTEM "/etc/passwd"><node uname="compute-1"/>',
    b'<!DOCTYPE n [<!ENTITY e "x">]><node uname="compute-1">&e;</node>',
    '<!DOCTYPE n [<!ENTITY e "x">]><node uname="compute-1"/>'.encode("utf-16"),
    b'<?xml version="1.0" encoding="no-such"?><node uname="compute-1"/>',
    b"<node>" * 5000 + b"</node>" * 5000,
    b'<node uname="' + b"x" * 11_000_000 + b'"/>',
    b"<x:node uname='compute-1'/>",
]


class Prints(Runner):
    """cibadmin prints this, or crm_node that."""

    def __init__(self, cib: bytes = b"", name: bytes = b"") -> None:
        self.printed = {"cibadmin": cib, "crm_node": name}

    def __call__(self, argv, **options):  # type: ignore[no-untyped-def, override]
        return runner.Result(tuple(argv), 0, self.printed[argv[0]], "")


@pytest.mark.parametrize("printed", NONSENSE, ids=range(len(NONSENSE)))
def test_law_4_nonsense_of_cibadmin_is_no_record_that_is_missing(printed: bytes) -> None:
    store = RecordStore(Prints(printed))
    with pytest.raises(NovahaError) as caught:
        store.read("compute-1")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < LONGEST


@pytest.mark.parametrize(
    "printed", [p for p in NONSENSE if b"compute-2" not in p], ids=lambda p: p[:12]
)
def test_law_1_nonsense_of_cibadmin_is_no_level_that_is_right(printed: bytes) -> None:
    from novaha.pacemaker.fencing import FenceHistory

    with pytest.raises(NovahaError):
        FenceHistory(Prints(printed)).levels()


def test_comments_and_instructions_are_passed_over() -> None:
    text = b'<xpath-query><!-- a --><?b c?><node uname="compute-1"/></xpath-query>'
    assert RecordStore(Prints(text)).read("compute-1") is None


KNOWN = b'<xpath-query><node id="1" uname="compute-1"/></xpath-query>'


@pytest.mark.parametrize(
    "printed",
    [
        b"",
        b"\n",
        b"(null)\n",
        b"nonsense\n",
        b"compute-1\ncompute-2\n",
        b"two words",
        b"\xff",
        b"compute-1\x1b[0m\n",
        b"compute-10\n",
    ],
)
def test_law_4_nonsense_of_crm_node_is_no_node_that_is_free(printed: bytes) -> None:
    from novaha.pacemaker.cib import local_node

    with pytest.raises(NovahaError) as caught:
        local_node(Prints(KNOWN, printed))
    assert str(caught.value).isprintable()


def test_this_node_is_called_as_in_the_cib() -> None:
    from novaha.pacemaker.cib import local_node

    assert local_node(Prints(KNOWN, b"Compute-1\n")) == "compute-1"


@pytest.mark.parametrize("given", ["", ":", ".", "bin", ":/usr/bin", "/usr/bin:", "./x:..:~/bin:"])
def test_nothing_in_the_working_directory_is_run_for_a_tool(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has root run a command in a directory of theirs gets no program of theirs run."""
    for place in (tmp_path, tmp_path / "bin", tmp_path / "x"):
        place.mkdir(exist_ok=True)
        for name in ("id", "novaha-no-such-tool"):
            (place / name).write_text("#!/bin/sh\necho trap\n")
            (place / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", given)
    assert b"uid=" in Runner()(["id"]).stdout
    with pytest.raises(ClusterToolError, match="No such file"):
        Runner()(["novaha-no-such-tool"])
    path = Runner()(shell("echo $PATH")).stdout.decode().strip()
    assert all(entry.startswith("/") for entry in path.split(":"))


def test_a_directory_of_the_administrator_comes_first() -> None:
    assert runner.search_path("/opt/bin:/usr/bin") == "/opt/bin:/usr/bin:/usr/sbin:/sbin:/bin"
