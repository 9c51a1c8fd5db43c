"""The history beside the recoveries: made ready where it is wanted, and in nobody's way."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from novaha.conf.load import load
from novaha.core.events import Returned
from novaha.evacuator import client
from novaha.evacuator.keeping import Keeping
from novaha.operate.outbox import NAME, Outbox
from novaha.wiring import operate, url_secrets
from tests.unit.operate.servers import LONG, environment, until


def prepare(tmp_path: Path, text: str) -> tuple[str, list[Path]]:
    (tmp_path / "novaha.conf").write_text(text)
    places = [tmp_path / "lib" / "novaha", tmp_path / "run"]
    config = {"config": str(tmp_path / "novaha.conf")}
    return client._prepare_history(config, places, uid=0), places


@pytest.mark.parametrize(
    "text", ["", "[keystone]\n", "# [history]\n", "[evacuator]\nx = [history\n"]
)
def test_without_a_section_of_it_nothing_is_made(tmp_path: Path, text: str) -> None:
    said, places = prepare(tmp_path, text)
    assert said == ""
    assert not any(place.exists() for place in places)


@pytest.mark.parametrize("text", ["[history]\n", "[keystone]\n[HISTORY]\nurl=x\n"])
def test_with_one_its_directories_are_made_for_the_evacuators_user_alone(
    tmp_path: Path, text: str
) -> None:
    said, places = prepare(tmp_path, text)
    assert said == ""
    assert [place.stat().st_mode & 0o777 for place in places] == [0o700, 0o700]


def test_a_directory_that_cannot_be_made_is_told_and_stops_no_start(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    said, _ = prepare(tmp_path, "[history]\n")
    assert said == f"{tmp_path}/run is a regular file, no directory: find out who made it, and " + (
        "remove it"
    )


def test_no_configuration_is_no_history(tmp_path: Path) -> None:
    assert client._prepare_history({"config": f"{tmp_path}/none"}, [], uid=0) == ""


def configured(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "novaha.conf"
    file.write_text(text)
    file.chmod(0o640)
    return load({"config": str(file)})


def test_it_is_off_without_a_url(tmp_path: Path) -> None:
    assert operate(configured(tmp_path, "[history]\nkeep_days = 3\n")) == {}
    kept = Keeping({}, {}, "c-1")
    kept.emit(Returned("a"))
    kept.run(threading.Event())
    assert (kept.close(0), list(filter(None, kept.problems()))) == (True, [])


def test_what_the_courier_is_told(tmp_path: Path) -> None:
    conf = configured(tmp_path, "[history]\nurl = mysql://u:$%p@h/d\nkeep_days = 3\n")
    assert operate(conf) == {
        "history": {"url": "mysql://u:$%p@h/d", "keep_days": 3.0, "keep_events": 1_000_000}
    }


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        (None, ()),
        ("sqlite:////var/lib/novaha/history.db", ()),
        ("mysql://u:p%40ss@h/d", ("u:p%40ss", "p%40ss", "p@ss")),
        ("mysql://u:p@ss@h/d", ("u:p@ss", "p@ss")),
        ("mysql://u@h/d", ()),
    ],
)
def test_the_password_of_a_url_is_a_secret(url: str | None, secrets: tuple[str, ...]) -> None:
    assert url_secrets(url) == secrets


def settings(tmp_path: Path, **more: str) -> dict[str, str]:
    for name in ("state", "spool"):
        (tmp_path / name).mkdir(exist_ok=True)
    return {"state_dir": f"{tmp_path}/state", "spool": f"{tmp_path}/spool", **more}


def wanted(tmp_path: Path) -> dict[str, Any]:
    url = f"sqlite:///{tmp_path}/history.db"
    return {"history": {"url": url, "keep_days": 1e5, "keep_events": 10**6}}


def test_what_keeps_it_from_working_is_told(tmp_path: Path) -> None:
    kept = Keeping(wanted(tmp_path), settings(tmp_path, unkept="because"), "c-1")
    assert "no history is kept: because" in kept.problems()
    kept = Keeping(wanted(tmp_path), {**settings(tmp_path), "spool": f"{tmp_path}/no"}, "c-1")
    assert f"no history is kept: {tmp_path}/no: No such file or directory" in kept.problems()
    kept.emit(Returned("a"))
    assert kept.close(0)


def test_events_go_all_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from novaha.operate.database import History, Query

    caplog.set_level(logging.WARNING)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    kept = Keeping(wanted(tmp_path), settings(tmp_path), "c-1")
    stopping = threading.Event()
    kept.run(stopping)
    nodes = [f"compute-{n}" for n in range(50)]
    for node in nodes:
        kept.emit(Returned(node))
    assert kept.close(LONG)
    outbox = Outbox(tmp_path / "state" / NAME)
    until(lambda: outbox.behind() == {"history": 0})
    assert kept._supervisor is not None
    stopping.set()
    kept._supervisor.end()
    found = History(f"sqlite:///{tmp_path}/history.db").find(Query())
    assert [entry.text("node") for entry in found] == nodes
    assert not any(kept.problems()), caplog.text
