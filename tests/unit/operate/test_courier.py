"""The courier, a real process: in order, none lost, none twice, whatever is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import NovahaError
from novaha.operate import courier
from novaha.operate.courier import Worker
from novaha.operate.database import History, Query
from novaha.operate.entries import Entry, dumps
from novaha.operate.outbox import NAME, Outbox
from novaha.operate.supervisor import Supervisor
from tests.unit.operate.receivers import Received, http
from tests.unit.operate.servers import LONG, entries, environment, until
from tests.unit.operate.test_notices import Story


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    for name in ("state", "spool"):
        (tmp_path / name).mkdir()
    history = {
        "url": f"sqlite:///{tmp_path}/history.db",
        "keep_days": 1e5,
        "keep_events": 10**6,
    }
    return {
        "history": history,
        "state_dir": str(tmp_path / "state"),
        "spool": str(tmp_path / "spool"),
    }


@pytest.fixture
def outbox(settings: dict[str, Any]) -> Outbox:
    return Outbox(Path(settings["state_dir"]) / NAME)


def start(settings: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "novaha.operate"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings).encode() + b"\n")
    process.stdin.flush()
    return process


def kept(settings: dict[str, Any]) -> list[Entry]:
    history = History(settings["history"]["url"])
    history.upgrade()
    return history.find(Query())


def test_all_reaches_the_history_whatever_is_killed(
    settings: dict[str, Any], outbox: Outbox
) -> None:
    told = entries(6000)
    outbox.put(told[:3000])
    outbox.subscribe({"history": True})
    for number in range(4):
        process = start(settings)
        outbox.put(told[: 3000 + 750 * (number + 1)])
        before = outbox.behind()["history"]
        if number:  # the first one may not even have made its tables
            until(lambda before=before: outbox.behind()["history"] < before)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start(settings)
    until(lambda: outbox.all() == [])
    process.communicate(timeout=LONG)
    assert kept(settings) == told


def test_it_ends_with_the_evacuator_and_brings_first_what_that_has_left(
    settings: dict[str, Any], outbox: Outbox
) -> None:
    spool = Path(settings["spool"])
    (spool / "w.jsonl").write_text("".join(dumps(e) + "\n" for e in entries(30)))
    process = start(settings)
    process.communicate(timeout=LONG)  # closes its standard input
    assert process.returncode == 0
    assert kept(settings) == entries(30)
    assert outbox.all() == []
    assert list(spool.iterdir()) == []


def test_one_at_a_time(settings: dict[str, Any], outbox: Outbox) -> None:
    first = start(settings)
    assert first.stdout is not None
    first.stdout.readline()
    second = start(settings)
    outbox.put(entries(3))
    until(lambda: outbox.all() == [])
    first.kill()
    first.wait()
    assert second.stdout is not None
    assert json.loads(second.stdout.readline())["history"]["problem"] == ""
    second.communicate(timeout=LONG)


def test_a_database_that_is_away_is_told_of_and_nothing_is_lost(
    settings: dict[str, Any], outbox: Outbox, tmp_path: Path
) -> None:
    settings["history"]["url"] = f"sqlite:///{tmp_path}/away/history.db"
    outbox.put(entries(10))
    process = start(settings)
    assert process.stdout is not None
    reports = (json.loads(row)["history"] for row in process.stdout)
    problem = next(r for r in reports if r["problem"] and r["behind"])
    assert problem["behind"] == 10
    assert "unable to open database file" in problem["problem"]
    (tmp_path / "away").mkdir()
    assert next(r for r in reports if not r["problem"] and not r["behind"])
    process.communicate(timeout=LONG)
    assert kept(settings) == entries(10)


def test_a_file_in_place_of_a_damaged_one_is_brought_on(
    settings: dict[str, Any], outbox: Outbox
) -> None:
    process = start(settings)
    assert process.stdout is not None
    process.stdout.readline()
    for path in Path(settings["state_dir"]).glob(f"{NAME}*"):
        path.unlink()
    outbox.put(entries(4))
    until(lambda: outbox.all() == [])
    process.communicate(timeout=LONG)
    assert kept(settings) == entries(4)


def test_a_command_puts_in_what_an_operator_did(settings: dict[str, Any]) -> None:
    def run(*told: Entry) -> None:
        subprocess.run(
            [sys.executable, "-m", "novaha.operate"],
            input=json.dumps({**settings, "entries": [dumps(e) for e in told]}).encode() + b"\n",
            env=environment(),
            check=True,
            timeout=LONG,
        )

    run(*entries(2))
    assert kept(settings) == entries(2), "where no courier runs it is delivered at once"
    process = start(settings)
    run(*entries(3))
    until(lambda: kept(settings) == entries(3))
    process.communicate(timeout=LONG)


class Taker:
    """Takes some at a time, and fails as told."""

    def __init__(self, at_once: int = 3) -> None:
        self.took: list[Entry] = []
        self.fails = False
        self._at_once = at_once

    def take(self, told: Sequence[Entry]) -> int:
        if self.fails:
            raise NovahaError("no answer")
        self.took += told[: self._at_once]
        return min(self._at_once, len(told))

    def idle(self) -> None:
        pass

    def state(self) -> str:
        return f"took {len(self.took)}"

    def restore(self, state: str) -> None:
        self.restored = state


def test_a_consumer_that_fails_is_given_the_same_again(outbox: Outbox) -> None:
    taker = Taker()
    outbox.subscribe({"mail": True})
    outbox.put(entries(7))
    worker = Worker("mail", taker, outbox, threading.Event())
    assert worker.step() == 3
    taker.fails = True
    for _ in range(2):
        with pytest.raises(NovahaError):
            worker.step()
    taker.fails = False
    while worker.step():
        pass
    assert taker.took == entries(7)
    again = Taker()
    assert Worker("mail", again, outbox, threading.Event()).step() == 0
    assert again.restored == "took 7"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(courier, "_LOOK", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_worker_says_why_it_brings_nothing(outbox: Outbox) -> None:
    taker, stopping = Taker(), threading.Event()
    taker.fails = True
    outbox.subscribe({"mail": True})
    outbox.put(entries(5))
    worker = Worker("mail", taker, outbox, stopping)
    thread = threading.Thread(target=worker.run)
    thread.start()
    until(lambda: worker.state.problem == "no answer")
    taker.fails = False
    until(lambda: taker.took == entries(5))
    until(lambda: worker.state.problem == "")
    stopping.set()
    thread.join()


def test_a_sink_is_told_each_once_or_again_with_the_same_id_whatever_is_killed(
    settings: dict[str, Any], outbox: Outbox
) -> None:
    story = Story()
    told = [story("attention", f"compute-{n}", code="x", text="") for n in range(90)]
    received = Received()
    outbox.subscribe({"history": True, "webhook": True})
    outbox.put(told[:30])
    with http(received) as port:
        webhook = {"url": f"http://127.0.0.1:{port}", "secret_file": "", "cafile": ""}
        options = {"shared_storage": True, "severity": "warning", "events": []}
        settings["sinks"] = {"webhook": {**webhook, **options}}
        for end in (60, 90):
            process = start(settings)
            before = len(received.requests)
            until(lambda before=before: len(received.requests) > before + 5)
            process.send_signal(signal.SIGKILL)
            process.wait()
            outbox.put(told[:end])
        received.status = 503
        process = start(settings)
        assert process.stdout is not None
        reports = (json.loads(row) for row in process.stdout)
        refused = next(r["webhook"] for r in reports if r["webhook"]["problem"])
        assert "answers 503: not" in refused["problem"]
        received.requests = []
        received.status = 200
        until(lambda: outbox.all() == [])
        process.communicate(timeout=LONG)
    assert kept(settings) == told, "it waits for nobody"
    nodes = [body["payload"]["hostname"] for body in received.bodies]
    assert nodes[-1] == "compute-89"
    assert list(dict.fromkeys(nodes)) == nodes, "none twice while nothing is killed"


def test_an_operator_is_told_only_of_what_lasts() -> None:
    now = 0.0
    supervisor = Supervisor({}, clock=lambda: now)
    supervisor.heed({"history": {"behind": 7, "problem": "no answer"}})
    assert supervisor.problem() == ""
    now = 599.0
    supervisor.heed({"history": {"behind": 9, "problem": "still none"}})
    assert supervisor.problem() == ""
    now = 601.0
    assert supervisor.problem() == (
        "history takes nothing for 601 s (still none), 9 events wait; recoveries go on"
    )
    supervisor.heed({"history": {"behind": 0, "problem": ""}})
    assert supervisor.problem() == ""
    assert supervisor.report() == {"history": {"behind": 0, "problem": ""}}


def test_a_courier_that_ends_is_started_again(
    settings: dict[str, Any], outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("novaha.operate.supervisor._FIRST_PAUSE", 0.01)
    pids: list[int] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> Any:
        made: Any = real(*arguments, **options)
        pids.append(made.pid)
        processes.append(made)
        return made

    processes: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(subprocess, "Popen", popen)
    supervisor, stopping = Supervisor(settings), threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(stopping,))
    thread.start()
    outbox.put(entries(2))
    until(lambda: outbox.all() == [])
    processes[0].kill()
    outbox.put(entries(4))
    until(lambda: outbox.all() == [])
    stopping.set()
    supervisor.end()
    thread.join()
    assert len(set(pids)) >= 2
    assert kept(settings) == entries(4)
