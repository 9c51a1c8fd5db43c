"""The command: what it prints, and its exit code."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime

import pytest

from novaha import __version__
from novaha.cli import main
from novaha.cli.doctor import command, report
from novaha.cli.doctor.finding import Check, Finding, Verdict, error, examine, warning

FINE = Finding("clocks", Verdict.OK, "", "Nova's clock is this node's")
WORSE = Finding("load", Verdict.WARNING, "controller-1", "the load is high", "pcs property set x=1")
WORST = Finding("roles", Verdict.ERROR, "compute-1", "it has none", "first\nsecond")


@pytest.fixture
def findings(monkeypatch) -> list[Finding]:
    found: list[Finding] = []
    monkeypatch.setattr(command, "diagnose", lambda areas, run, say: iter(found))
    return found


@pytest.mark.parametrize(
    ("found", "code"), [([], 0), ([FINE], 0), ([FINE, WORSE], 0), ([FINE, WORST, WORSE], 1)]
)
def test_the_exit_code_tells_whether_there_is_an_error(findings, found, code, capsys) -> None:
    findings += found
    for output in ("table", "json"):
        assert main.main(["doctor", "--output", output]) == code
        capsys.readouterr()


def test_wrong_usage_is_2() -> None:
    for wrong in (["--only", "everything"], ["--output", "yaml"]):
        with pytest.raises(SystemExit) as end:
            main.main(["doctor", *wrong])
        assert end.value.code == 2


def test_json_is_a_list_of_findings_with_five_keys(findings, capsys) -> None:
    findings += [FINE, WORST]
    main.main(["doctor", "--output", "json"])
    fine, worst = json.loads(capsys.readouterr().out)
    assert list(fine) == ["check", "verdict", "subject", "detail", "remedy"]
    assert (fine["verdict"], fine["remedy"]) == ("ok", "")
    assert (worst["subject"], worst["remedy"]) == ("compute-1", "first\nsecond")


def test_the_table_is_aligned_and_remedies_are_whole_lines() -> None:
    lines = command.shown([FINE, WORSE, WORST]).splitlines()
    at = lines[0].index("FINDING")
    assert lines[1][at:] == "Nova's clock is this node's"
    assert [line[at:] for line in lines[4:7]] == ["it has none", "-> first", "-> second"]
    assert lines[4].split()[:3] == ["roles", "error", "compute-1"]
    assert lines[-1] == "3 findings: 1 ok, 1 warning, 1 error."


def test_a_narrow_terminal_breaks_what_is_said_and_never_a_command() -> None:
    long = Finding("c", Verdict.ERROR, "s", "word " * 40, "command " * 40)
    lines = command.shown([long], width=80).splitlines()
    said = [line for line in lines if "word" in line]
    assert len(said) > 2
    assert max(map(len, said)) <= 80
    assert sum("command" in line for line in lines) == 1


def test_a_check_that_finds_nothing_is_ok() -> None:
    checks = [
        Check("a", "all is well", lambda facts: []),
        Check("c", lambda facts: f"all is {facts}", lambda facts: []),
        Check("b", "-", lambda facts: [error("x", facts, "do"), warning("y", facts)]),
    ]
    assert list(examine(checks, "seen")) == [
        Finding("a", Verdict.OK, "", "all is well"),
        Finding("c", Verdict.OK, "", "all is seen"),
        Finding("b", Verdict.ERROR, "x", "seen", "do"),
        Finding("b", Verdict.WARNING, "y", "seen"),
    ]


def test_a_cluster_that_does_not_answer_is_an_error(monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("CIB_file", "/nonexistent/cib.xml")
    assert main.main(["doctor", "--only", "cluster", "recovery", "--output", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["check"], found["verdict"]) == ("cluster", "error")


def test_names_of_checks_are_unique() -> None:
    """Machines tell them apart by name."""
    groups = (command.FENCING, command.RESOURCES, command.OPTIONS, command.LIVE)
    more = (command.NODE, command.CLOUD, command.RECORDS)
    names = [check.name for group in (*groups, *more) for check in group]
    assert len(names) == len(set(names))


def test_the_cloud_is_not_loaded_before_it_is_asked() -> None:
    """keystoneauth1 and novaclient take half a second to load."""
    import subprocess

    code = (
        "import sys; from novaha.cli.main import main; "
        "main(['doctor', '--only', 'cluster', 'recovery', '--output', 'json']); "
        "print([m for m in ('keystoneauth1', 'novaclient', 'oslo_config') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/nonexistent", "CIB_file": "/nonexistent", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_what_libraries_log_does_not_get_between_the_findings(monkeypatch, capsys) -> None:
    def diagnose(areas, run, say):
        logging.getLogger("keystoneauth.identity.generic.base").warning("Failed to discover")
        yield FINE

    monkeypatch.setattr(command, "diagnose", diagnose)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert main.main(["doctor"]) == 0
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_what_is_being_done(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = command.Progress()
    progress("signing in")
    progress.done()
    assert "signing in ..." in capsys.readouterr().err


def test_nobody_else_does(capsys) -> None:
    command.Progress()("signing in")
    assert capsys.readouterr().err == ""


UNSURE = Finding("sign-in", Verdict.NOT_CHECKED, "", "no credentials here")
MANY = [
    Finding(
        "levels", Verdict.ERROR, f"c-{n}", f"c-{n} has no level", f"pcs stonith level add c-{n}"
    )
    for n in range(100)
]


def test_problems_come_first(findings, capsys) -> None:
    findings += [FINE, UNSURE, WORSE, WORST]
    assert main.main(["doctor"]) == 1
    rows = capsys.readouterr().out.splitlines()
    order = ("roles", "load", "sign-in", "clocks")
    assert [row.split()[0] for row in rows if row.startswith(order)] == [*order]
    main.main(["doctor", "--output", "object"])
    assert [f["check"] for f in json.loads(capsys.readouterr().out)["findings"]] == [*order]


def test_only_problems(findings, capsys) -> None:
    findings += [FINE, UNSURE, WORSE]
    assert main.main(["doctor", "--problems"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "3 findings: 1 ok, 1 warning, 1 not checked."
    assert "clocks" not in out
    assert main.main(["doctor", "--problems", "--output", "json"]) == 0
    assert [f["check"] for f in json.loads(capsys.readouterr().out)] == ["load"]
    findings.remove(WORSE)
    assert main.main(["doctor", "--problems"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "No problem. 2 findings: 1 ok, 1 not checked."


def test_a_fault_of_many_hosts_is_one_line_and_names_how_many() -> None:
    lines = command.shown([*MANY, FINE]).splitlines()
    assert sum("c-" in line for line in lines) == 3
    assert lines[1].split()[:6] == ["levels", "error", "c-0", "and", "99", "more"]
    assert lines[2].split(maxsplit=1)[1] == "pcs stonith level add c-0"
    assert lines[3].strip() == "the same for c-1, c-2, c-3, and 96 more"
    assert lines[-1] == "101 findings: 1 ok, 100 error."


def test_what_differs_in_more_than_the_subject_is_not_grouped() -> None:
    other = Finding("levels", Verdict.ERROR, "c-7", "c-7 has no level", "something else")
    worse = Finding("levels", Verdict.WARNING, "c-8", "c-8 has no level", MANY[8].remedy)
    groups = report.grouped([*MANY[:2], other, worse, FINE, FINE])
    assert [len(group.subjects) for group in groups] == [2, 1, 1, 2]


def test_all_for_programs_is_one_object(findings, capsys) -> None:
    findings += MANY
    assert main.main(["doctor", "--output", "object"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["novaha"]) == (1, __version__)
    assert datetime.fromisoformat(told["time"].replace("Z", "+00:00")).tzinfo is not None
    assert told["node"]
    assert told["counts"] == {"ok": 0, "warning": 0, "error": 100, "not checked": 0}
    assert len(told["findings"]) == 100


def test_rows(findings, capsys) -> None:
    findings += [FINE, WORST]
    assert main.main(["doctor", "-f", "value", "-c", "check", "-c", "verdict"]) == 1
    assert capsys.readouterr().out == "roles error\nclocks ok\n"


@pytest.mark.parametrize("width", [60, 80])
def test_a_terminal_too_narrow_for_the_table_has_no_longer_line(width: int) -> None:
    long = Finding(
        "a-check-with-a-name", Verdict.NOT_CHECKED, "compute-1.example.org", "word " * 40
    )
    lines = command.shown([long, FINE, *MANY], width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "not checked: a-check-with-a-name (compute-1.example.org)"
    assert "ok: clocks: Nova's clock is this node's" in lines
