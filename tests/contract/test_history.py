"""The history in real servers, those of MariaDB and PostgreSQL that are installed here."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from novaha.operate.database import History, HistoryError, Query
from novaha.operate.outbox import NAME, Outbox
from tests.unit.operate.servers import BEGAN, LONG, entries, entry, until

pytestmark = pytest.mark.tools

MARIADB = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
POSTGRES = shutil.which("initdb") and shutil.which("postgres") and find_spec("psycopg2")
_KINDS = {"mariadb": MARIADB, "postgresql": POSTGRES}


class Server:
    """A database server that can be killed and started again."""

    def __init__(self, kind: str, place: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._place = place
        self._as: dict[str, Any] = {}
        if kind == "mariadb":
            (place / "data").mkdir()
            self._argv = [
                *(str(MARIADB), "--no-defaults", f"--datadir={place}/data", "--user=root"),
                *(f"--socket={place}/s", f"--pid-file={place}/pid", f"--port={port}"),
                *("--bind-address=127.0.0.1", "--skip-grant-tables"),
                "--innodb-buffer-pool-size=16M",
            ]
            self._admin = f"mysql+pymysql://root@127.0.0.1:{port}/"
            self.url = f"{self._admin}novaha"
        else:
            if os.geteuid() == 0:  # it refuses to be root
                nobody = pwd.getpwnam("nobody")
                os.chown(place, nobody.pw_uid, nobody.pw_gid)
                self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            init = ["initdb", "-D", f"{place}/data", "-U", "novaha", "-A", "trust", "--no-sync"]
            subprocess.run(init, check=True, capture_output=True, cwd=place, **self._as)
            self._argv = [
                *("postgres", "-D", f"{place}/data", "-p", str(port), "-k", str(place)),
                *("-c", "listen_addresses=127.0.0.1"),
            ]
            self._admin = ""
            self.url = f"postgresql+psycopg2://novaha@127.0.0.1:{port}/postgres"
        self.start()
        if self._admin:
            with History(self._admin)._engine.begin() as connection:
                connection.exec_driver_sql("CREATE DATABASE novaha")

    def start(self) -> None:
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdout=log, stderr=log, cwd=self._place, **self._as
            )
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._place / "log").read_text()
        try:
            with History(self._admin or self.url)._connection():
                return True
        except HistoryError:
            time.sleep(0.1)
            return False

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture(params=[kind for kind, found in _KINDS.items() if found])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    # Not pytest's, which only root may enter.
    with tempfile.TemporaryDirectory(prefix="novaha-database-", dir="/var/tmp") as place:
        made = Server(request.param, Path(place))
        yield made
        made.kill()


def test_the_history_is_the_same_as_in_sqlite(server: Server) -> None:
    history = History(server.url)
    assert history.find(Query()) == []
    history.upgrade()
    history.upgrade()
    assert history.is_current()
    history.add(entries(1300)[:600])
    history.add(entries(1300))
    assert history.find(Query()) == entries(1300)
    node = frozenset({"compute-1"})
    assert (
        history.find(Query(nodes=node, most=2))
        == [e for e in entries(1300) if e.text("node") == "compute-1"][-2:]
    )
    odd = entry(
        2000,
        node="n" * 999 + "\x00\ud800😀",
        name="😀",
        instance="i",
        unmoved={str(n): "why" * 99 for n in range(999)},
    )
    history.add([odd, entry(2001, event="claimed", fence_id="f_1%")])
    assert history.find(Query(events=frozenset({"returned"}), most=1)) == [odd]
    assert history.instances_named("😀") == {"i"}
    assert len(history.find(Query(fence_id="f_1%"))) == 1
    assert history.find(Query(fence_id="f%1")) == []
    assert history.trim(timedelta(days=1), 100, BEGAN + timedelta(seconds=3000)) == 1202
    assert len(history.find(Query())) == 100


def test_a_server_that_is_killed_loses_nothing_and_doubles_nothing(
    server: Server, tmp_path: Path
) -> None:
    for name in ("state", "spool"):
        (tmp_path / name).mkdir()
    history = {"url": server.url, "keep_days": 1e5, "keep_events": 10**6}
    settings = {
        "history": history,
        "state_dir": str(tmp_path / "state"),
        "spool": str(tmp_path / "spool"),
    }
    outbox = Outbox(tmp_path / "state" / NAME)
    told = entries(4000)
    outbox.put(told[:3000])
    outbox.subscribe({"history": True})
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "novaha.operate"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(settings).encode() + b"\n")
    process.stdin.flush()
    until(lambda: outbox.behind()["history"] < 3000)
    server.kill()
    outbox.put(told)
    reports = (json.loads(row)["history"] for row in process.stdout)
    assert next(r for r in reports if r["problem"])["behind"] > 0
    server.start()
    until(lambda: outbox.behind()["history"] == 0)
    process.communicate(timeout=LONG)
    assert History(server.url).find(Query()) == told
