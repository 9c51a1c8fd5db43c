"""The evacuator's socket and pid file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from novaha.contract import proc
from novaha.evacuator import client, pidfile, places
from novaha.evacuator.server import Server


def test_answers_and_doorbell(tmp_path: Path) -> None:
    rung: list[int] = []
    Server(
        tmp_path / client.SOCKET,
        {"health": lambda: {"pid": 7}, "ring": lambda: rung.append(1) or {"ok": True}},
    ).start()
    assert client.ask("health", tmp_path) == {"pid": 7}
    client.ring(tmp_path)
    assert rung == [1]
    assert "error" in client.ask("nonsense", tmp_path)


def test_law_9_nobody_but_root_and_the_cluster_may_ask(tmp_path: Path) -> None:
    path = tmp_path / client.SOCKET
    Server(path, {})
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(client.EvacuatorError, match="does not answer"):
        client.ring(tmp_path)


@pytest.fixture
def process():
    """Starts processes with this command line after python's own; all are ended."""
    started = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        code = "import time; print(flush=True); time.sleep(600)"
        command = [sys.executable, "-c", code, *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        started[-1].stdout.readline()
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


EVACUATOR = ("-m", "novaha.evacuator")


def entry(pid: int, ticks: int = 0) -> str:
    return f"{pid} {proc.started(pid) + ticks} {pidfile._boot()}\n"


def test_a_running_evacuator_is_found_and_ended(tmp_path: Path, process) -> None:
    one = process(*EVACUATOR)
    (tmp_path / client.PID_FILE).write_text(entry(one.pid))
    assert client.pid(tmp_path) == one.pid
    assert client.terminate(tmp_path)
    assert one.wait(10) == -signal.SIGTERM
    assert client.pid(tmp_path) is None


def test_the_pid_file_of_an_earlier_version(tmp_path: Path, process) -> None:
    one = process(*EVACUATOR)
    (tmp_path / client.PID_FILE).write_text(f"{one.pid}\n")
    assert client.pid(tmp_path) == one.pid
    with open(tmp_path / client.PID_FILE) as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # as that version did
        with pytest.raises(client.EvacuatorError, match="another evacuator"):
            pidfile.hold(tmp_path)
    assert client.terminate(tmp_path)
    assert one.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("words", [(), ("novaha.evacuator",), ("-m", "novaha.evacuator.x")])
@pytest.mark.parametrize("older", [True, False])
def test_a_reused_pid_is_nobodys_and_never_killed(
    tmp_path: Path, process, words: tuple[str, ...], older: bool
) -> None:
    one = process(*words)
    (tmp_path / client.PID_FILE).write_text(f"{one.pid}\n" if older else entry(one.pid))
    assert client.pid(tmp_path) is None
    assert client.terminate(tmp_path)
    assert one.poll() is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda pid: entry(pid, ticks=1),
        lambda pid: f"{pid} {proc.started(pid)} another-boot\n",
        lambda pid: f"-{pid}",
        lambda pid: f"{pid} x y",
        lambda pid: "9" * 5000,
        lambda pid: "\0\xff",
        lambda pid: "",
    ],
)
def test_a_later_process_of_that_id_is_another_one(tmp_path: Path, process, forge) -> None:
    one = process(*EVACUATOR)
    (tmp_path / client.PID_FILE).write_text(forge(one.pid))
    assert client.pid(tmp_path) is None
    assert client.terminate(tmp_path)
    assert one.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_users_process_is_no_evacuator(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "sleep 600; :", *EVACUATOR]
    with subprocess.Popen(command, user=54321, start_new_session=True) as one:
        try:
            (tmp_path / client.PID_FILE).write_text(f"{one.pid}\n")
            assert client.pid(tmp_path) is None
            assert client.terminate(tmp_path)
            assert one.poll() is None
        finally:
            os.killpg(one.pid, signal.SIGKILL)


def test_init_is_not_killed(tmp_path: Path) -> None:
    (tmp_path / client.PID_FILE).write_text("1\n")
    assert client.pid(tmp_path) is None
    assert client.terminate(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "link", "garbage", "file"])
def test_stop_needs_no_pid_file(tmp_path: Path, kind: str) -> None:
    path, run_dir = tmp_path / client.PID_FILE, tmp_path
    match kind:
        case "missing":
            run_dir = tmp_path / "nowhere"
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "garbage":
            path.write_bytes(os.urandom(100_000))
        case "file":
            run_dir = path
            path.write_text("no directory")
    assert client.pid(run_dir) is None
    assert client.terminate(run_dir)


def test_an_evacuator_without_pid_file_is_found_by_what_it_has_open(tmp_path: Path) -> None:
    bell = tmp_path / "bell"
    bell.touch()
    code = f"import time; f = open({str(bell)!r}); print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code, *EVACUATOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as one:
        one.stdout.readline()
        assert client.terminate(tmp_path)
        assert one.wait(10) == -signal.SIGTERM


def test_one_evacuator_holds_the_pid_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pidfile, "is_evacuator", lambda pid: pid == os.getpid())
    with pidfile.hold(tmp_path) as file:
        assert stat.S_IMODE((tmp_path / client.PID_FILE).stat().st_mode) == 0o600
        assert file.name is not None
        pid, started, boot = (tmp_path / client.PID_FILE).read_text().split()
        assert (int(pid), int(started)) == (os.getpid(), proc.started(os.getpid()))
        assert boot == pidfile._BOOT_ID.read_text().strip()
        with pytest.raises(client.EvacuatorError, match="another evacuator"):
            pidfile.hold(tmp_path)
    pidfile.hold(tmp_path).close()


def test_a_lock_of_a_local_user_on_an_earlier_versions_file_keeps_nobody_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / client.PID_FILE
    path.write_text("1\n")
    path.chmod(0o644)
    with open(path) as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        pidfile.hold(tmp_path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o600])
@pytest.mark.parametrize("text", ["1\n", "", "nonsense"])
def test_a_foreign_lock_keeps_nobody_out_after_the_mode_was_repaired(
    tmp_path: Path, mode: int, text: str
) -> None:
    path = tmp_path / client.PID_FILE
    path.write_text(text)
    path.chmod(mode)
    with open(path) as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        assert client.pid(tmp_path) is None  # repairs the mode
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pidfile.hold(tmp_path) as file:
            assert os.path.samestat(path.stat(), os.fstat(file.fileno()))
            assert not os.path.samestat(path.stat(), os.fstat(theirs.fileno()))


STARTER = """
import pathlib, sys, time
from novaha.evacuator import pidfile
try:
    file = pidfile.hold(pathlib.Path(sys.argv[1]))
except pidfile.EvacuatorError:
    print("lost", flush=True)
else:
    print("won", flush=True)
    sys.stdin.read()
"""


def test_of_starters_that_race_past_a_foreign_lock_one_wins(tmp_path: Path) -> None:
    path = tmp_path / client.PID_FILE
    path.write_text("1\n")
    with open(path) as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        argv = [sys.executable, "-c", STARTER, str(tmp_path), *EVACUATOR]
        pipe = subprocess.PIPE
        starters = [subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
        said = [starter.stdout.readline().strip() for starter in starters]
        for starter in starters:
            starter.communicate(timeout=10)
    assert sorted(said) == ["lost", "lost", "lost", "won"]


def test_an_evacuator_is_ended_where_the_kernel_has_no_pidfd(
    tmp_path: Path, process, monkeypatch
) -> None:
    def missing(pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    one, other = process(*EVACUATOR), process(*EVACUATOR)
    (tmp_path / client.PID_FILE).write_text(entry(one.pid))
    threading.Thread(target=one.wait, daemon=True).start()
    assert client.terminate(tmp_path)
    assert one.wait(10) == -signal.SIGTERM
    assert pidfile.end(pidfile.Process(other.pid, 1, pidfile._boot()), 1, 1)
    assert other.poll() is None


def test_directories_are_private_and_repaired(tmp_path: Path) -> None:
    run_dir, log_dir = tmp_path / "run", tmp_path / "log"
    for path in (run_dir, log_dir):
        path.mkdir()
        path.chmod(0o777)
    places.run_directory(run_dir)
    places.log_directory(log_dir)
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o750
    assert stat.S_IMODE(log_dir.stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize("make", [places.run_directory, places.log_directory])
def test_what_is_no_directory_is_refused(tmp_path: Path, make) -> None:
    path = tmp_path / "place"
    (tmp_path / "real").mkdir()
    path.symlink_to(tmp_path / "real")
    with pytest.raises(client.EvacuatorError, match="is a symbolic link, no directory"):
        make(path)
    path.unlink()
    path.touch()
    with pytest.raises(client.EvacuatorError, match="is a regular file, no directory"):
        make(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "place"
    path.mkdir()
    os.chown(path, 54321, -1)
    with pytest.raises(client.EvacuatorError, match="belongs to user 54321, not to root"):
        places.run_directory(path)
    (tmp_path / client.PID_FILE).write_text("1")
    os.chown(tmp_path / client.PID_FILE, 54321, -1)
    with pytest.raises(client.EvacuatorError, match="belongs to user 54321"):
        pidfile.hold(tmp_path)


def test_a_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with open(log, "wb") as file:
        file.truncate(1 << 40)  # sparse; nobody could read that
        file.seek(0, os.SEEK_END)
        file.write(b"\nan old line\n")
        size = file.tell()
        file.write(b"the last\n")
    assert places.tail(log)[-2:] == ["an old line", "the last"]
    assert places.tail(log, size) == ["the last"]
    assert places.tail(tmp_path / "missing") == []


@pytest.fixture
def served(tmp_path: Path):
    Server(
        tmp_path / client.SOCKET,
        {"health": lambda: {"pid": 7}, "big": lambda: {"x": ["y" * 1000] * 3000}},
        ("Sup3rSecret",),
    ).start()
    return tmp_path


def _connect(run_dir: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(run_dir / client.SOCKET))
    return connection


def test_clients_that_misbehave_disturb_nobody(served: Path) -> None:
    idle = [_connect(served) for _ in range(200)]
    for one, said in zip(idle[::-1], (b"h", b"\xff\0", b"hea"), strict=False):
        one.send(said)
    deaf = _connect(served)
    deaf.send(b"big\n")
    assert client.ask("health", served) == {"pid": 7}
    assert client.ask("big", served)["x"][2999] == "y" * 1000
    for one in (*idle, deaf):
        one.close()


@pytest.mark.parametrize("sent", [b"\xff\xfe\0\n", b"x" * 10_000_000 + b"\n", b"\n", b"{}\n"])
def test_a_question_that_is_none_is_told_so(served: Path, sent: bytes) -> None:
    too_long = contextlib.suppress(BrokenPipeError, ConnectionResetError)
    with _connect(served) as connection, too_long:
        connection.sendall(sent)
        assert b"error" in connection.recv(1000)
    assert client.ask("health", served) == {"pid": 7}


def test_an_answer_that_does_not_come_has_an_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / client.SOCKET))
        listener.listen()
        with pytest.raises(client.EvacuatorError, match="timed out"):
            client.ask("health", tmp_path, timeout=0.1)
