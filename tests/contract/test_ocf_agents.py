"""NovaCompute and NovaEvacuate as Pacemaker's executor runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from novaha import __version__
from novaha.agents.processes import started

COMPUTE = "ocf/NovaCompute"
EVACUATE = "ocf/NovaEvacuate"
FENCE = "fence_agents/fence_compute"

OK, GENERIC, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 3, 5, 6, 7


@pytest.fixture
def direct(tmp_path: Path, execute):
    """NovaCompute with a program of ours in nova-compute's place; ended in any case."""
    program = tmp_path / "nova-compute"
    program.write_text(
        "#!/bin/sh\n"
        'echo "started with $* as $0"\n'
        'case "$*" in *fail*) echo "no such option"; exit 4;; esac\n'
        'case "$*" in *stubborn*) trap "" TERM;; esac\n'
        "while :; do sleep 0.2; done\n"
    )
    program.chmod(0o755)
    env = {
        "OCF_RESKEY_binary": str(program),
        "OCF_RESKEY_log": str(tmp_path / "log" / "nova-compute.log"),
        "OCF_RESKEY_password": "secret-word",
        "OCF_RESKEY_CRM_meta_timeout": "30000",
        "OCF_RESOURCE_INSTANCE": "nova-compute:0",
    }

    def run(action: str, **more: str) -> subprocess.CompletedProcess[str]:
        return execute(COMPUTE, action, env={**env, **more})

    yield run
    run("stop")


def test_start_monitor_stop(direct, tmp_path) -> None:
    assert direct("monitor").returncode == NOT_RUNNING
    assert direct("start").returncode == OK
    assert direct("start").returncode == OK  # idempotent
    assert direct("monitor").returncode == OK
    assert direct("stop").returncode == OK
    assert direct("stop").returncode == OK
    assert direct("monitor").returncode == NOT_RUNNING
    log = (tmp_path / "log" / "nova-compute.log").read_text()
    assert log.count("started with --config-file /etc/nova/nova.conf") == 1


def test_law_9_nova_compute_does_not_inherit_the_password(direct, tmp_path) -> None:
    direct("start")
    pid = (tmp_path / "rsctmp" / "novaha-nova-compute_0.pid").read_text().split()[0]
    assert b"secret-word" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.getsid(int(pid)) == int(pid)


def test_law_4_start_is_refused_on_a_host_that_is_held(direct, execute) -> None:
    execute(FENCE, "-o", "off", "-n", "compute-1")
    began = time.monotonic()
    done = direct("start")
    assert done.returncode == GENERIC
    assert time.monotonic() - began < 10
    assert done.stderr.startswith("ocf-exit-reason:recovery of compute-1 is pending, held:")
    assert done.stderr.count("\n") == 1
    assert direct("monitor").returncode == NOT_RUNNING


def test_law_4_the_record_of_another_host_does_not_matter(direct, execute) -> None:
    execute(FENCE, "-o", "off", "-n", "compute-2")
    assert direct("start").returncode == OK


def test_law_4_nothing_starts_when_the_cib_cannot_be_read(direct, cib) -> None:
    cib.write_text("nonsense")
    done = direct("start")
    assert done.returncode == GENERIC
    assert "cibadmin" in done.stderr
    assert direct("monitor").returncode == NOT_RUNNING


def test_law_4_a_record_that_makes_no_sense_holds(direct, execute, cib) -> None:
    execute(FENCE, "-o", "off", "-n", "compute-1")
    cib.write_text(cib.read_text().replace('value="pending"', 'value="gibberish"'))
    assert direct("start").returncode == GENERIC


def test_stop_works_on_a_held_host_and_without_a_cluster(direct, execute, cib) -> None:
    direct("start")
    execute(FENCE, "-o", "off", "-n", "compute-1")
    cib.write_text("nonsense")
    assert direct("stop").returncode == OK


def test_a_process_that_ends_at_once_is_an_error_with_its_last_words(direct) -> None:
    done = direct("start", OCF_RESKEY_additional_parameters="--fail")
    assert done.returncode == GENERIC
    assert "exit code 4" in done.stderr
    assert "no such option" in done.stderr
    assert direct("monitor").returncode == NOT_RUNNING


def test_stop_kills_what_does_not_end(direct) -> None:
    direct("start", OCF_RESKEY_additional_parameters="--stubborn")
    assert direct("stop", OCF_RESKEY_CRM_meta_timeout="6000").returncode == OK
    assert direct("monitor").returncode == NOT_RUNNING


def test_a_pid_that_was_used_again_is_neither_trusted_nor_killed(direct, tmp_path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        pidfile = tmp_path / "rsctmp" / "novaha-nova-compute_0.pid"
        pidfile.parent.mkdir()
        pidfile.write_text(f"{other.pid} 1\n")
        assert direct("monitor").returncode == NOT_RUNNING
        assert direct("stop").returncode == OK
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


DAMAGES = {
    "lost": lambda pidfile: None,
    "empty": lambda pidfile: pidfile.write_text(""),
    "nonsense": lambda pidfile: pidfile.write_bytes(b"\xff\0 once"),
    "one word": lambda pidfile: pidfile.write_text("1\n"),
    "a directory": lambda pidfile: pidfile.mkdir(),
    "a named pipe": lambda pidfile: os.mkfifo(pidfile),
    "a link to itself": lambda pidfile: pidfile.symlink_to(pidfile),
    "far too long": lambda pidfile: pidfile.write_bytes(b"1" * 5_000_000),
}


def damaged(tmp_path: Path, how: str) -> int:
    """Damage the pid file; returns the process id that it had."""
    pidfile = tmp_path / "rsctmp" / "novaha-nova-compute_0.pid"
    pid = int(pidfile.read_text().split()[0])
    pidfile.unlink()
    DAMAGES[how](pidfile)
    return pid


@pytest.mark.parametrize("how", DAMAGES)
def test_law_4_a_pid_file_of_no_use_does_not_hide_the_process(direct, tmp_path, how) -> None:
    direct("start")
    pid = damaged(tmp_path, how)
    assert direct("monitor").returncode == OK
    assert direct("start").returncode == OK
    log = (tmp_path / "log" / "nova-compute.log").read_text()
    assert log.count("started with") == 1, "a second nova-compute runs"
    assert direct("stop").returncode == OK
    assert started(pid) is None
    assert direct("monitor").returncode == NOT_RUNNING


@pytest.mark.parametrize("how", DAMAGES)
def test_a_pid_file_of_no_use_is_no_process(direct, tmp_path, how) -> None:
    direct("start")
    pidfile = tmp_path / "rsctmp" / "novaha-nova-compute_0.pid"
    pid = int(pidfile.read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    damaged(tmp_path, how)
    assert direct("monitor").returncode == NOT_RUNNING
    assert direct("stop").returncode == OK


def test_law_4_what_cannot_be_told_apart_is_neither_started_nor_killed(direct, tmp_path) -> None:
    """A wrapper that becomes another program, and a pid file that cannot be read."""
    (tmp_path / "nova-compute").write_text("#!/bin/sh\nexec sleep 600\n")
    direct("start")
    pid = damaged(tmp_path, "nonsense")
    try:
        for action in ("monitor", "start", "stop"):
            done = direct(action)
            assert done.returncode == GENERIC, action
            assert f"process {pid} may be" in done.stderr
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00600\x00"
    finally:
        os.kill(pid, signal.SIGKILL)
    assert direct("stop").returncode == OK
    assert direct("monitor").returncode == NOT_RUNNING


def test_another_users_process_of_the_same_name_is_not_believed(direct, tmp_path) -> None:
    """Anybody can start a program with these words: it is neither reported nor killed."""
    words = [str(tmp_path / "nova-compute"), "--config-file", "/etc/nova/nova.conf"]
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "start_new_session": True}
    twin = subprocess.Popen(["sh", "-c", "while :; do sleep 0.2; done", *words], **nobody)
    pidfile = tmp_path / "rsctmp" / "novaha-nova-compute_0.pid"
    marked = subprocess.Popen(["sleep", "600"], env={"NOVAHA_PIDFILE": str(pidfile)}, **nobody)
    try:
        for text in (None, "nonsense"):
            if text:
                pidfile.parent.mkdir(exist_ok=True)
                pidfile.write_text(text)
            assert direct("monitor").returncode == NOT_RUNNING
            assert direct("stop").returncode == OK
            assert (twin.poll(), marked.poll()) == (None, None)
    finally:
        for process in (twin, marked):
            process.kill()
            process.wait()


def test_a_pid_file_that_cannot_be_written_leaves_no_process(direct, tmp_path) -> None:
    (tmp_path / "rsctmp").mkdir()
    (tmp_path / "rsctmp" / "novaha-nova-compute_0.pid").mkdir()
    done = direct("start")
    assert done.returncode == GENERIC
    assert "novaha-nova-compute_0.pid cannot be written" in done.stderr
    assert direct("monitor").returncode == NOT_RUNNING


def test_a_probe_without_the_program_is_not_running(direct) -> None:
    gone = {"OCF_RESKEY_binary": "/nonexistent/nova-compute"}
    assert direct("monitor", **gone).returncode == NOT_RUNNING
    assert direct("stop", **gone).returncode == OK
    assert direct("start", **gone).returncode == INSTALLED


@pytest.mark.parametrize("agent", [COMPUTE, EVACUATE])
def test_wrong_parameters_are_a_configuration_error_but_never_for_stop(execute, agent) -> None:
    wrong = {"OCF_RESKEY_insecure": "perhaps", "OCF_RESKEY_binary": "/nonexistent"}
    done = execute(agent, "validate-all", env=wrong)
    assert done.returncode == CONFIGURED
    assert done.stderr == ("ocf-exit-reason:parameter insecure: is neither true nor false\n")
    assert execute(agent, "start", env=wrong).returncode == CONFIGURED
    assert execute(agent, "stop", env=wrong).returncode == OK


@pytest.mark.parametrize("agent", [COMPUTE, EVACUATE])
def test_older_parameters_without_meaning_are_named_once(execute, agent) -> None:
    done = execute(agent, "validate-all", env={"OCF_RESKEY_no_shared_storage": "true"})
    assert done.returncode == OK
    assert done.stderr == "INFO: ignored, means nothing any more: no_shared_storage\n"


@pytest.mark.parametrize("agent", [COMPUTE, EVACUATE])
def test_unknown_actions(execute, agent) -> None:
    assert execute(agent, "promote").returncode == UNIMPLEMENTED
    assert execute(agent).returncode == 2
    for action in ("usage", "--help"):
        assert "validate-all" in execute(agent, action).stdout
    done = execute(agent, "--version")
    assert (done.returncode, done.stdout) == (OK, f"{Path(agent).name} {__version__}\n")


def test_evacuator_that_cannot_work_says_why_and_leaves_nothing(execute) -> None:
    """Level 10 signs in; what it says does not have the password in it (law 9)."""
    env = {
        "OCF_CHECK_LEVEL": "10",
        "OCF_RESKEY_auth_url": "http://127.0.0.1:9/v3",
        "OCF_RESKEY_username": "nova",
        "OCF_RESKEY_password": "secret-word",
        "OCF_RESKEY_tenant_name": "service",
    }
    done = execute(EVACUATE, "validate-all", env=env)
    assert done.returncode == GENERIC
    assert "ocf-exit-reason:" in done.stderr
    assert "secret-word" not in done.stderr + done.stdout


def test_interpreter_of_the_tests_is_the_one_that_runs_the_agents() -> None:
    assert sys.version_info >= (3, 11)
