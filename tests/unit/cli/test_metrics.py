"""`novaha metrics`: what is told where the evacuator runs, elsewhere, and of a broken cluster."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novaha.cli import main, metrics
from novaha.core.brake import Host
from novaha.core.errors import NovahaError, RecordError
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.steering import Held
from novaha.evacuator import status
from novaha.evacuator.client import EvacuatorError
from novaha.evacuator.metrics import Metrics
from novaha.pacemaker.computes import Computes

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINE = re.compile(
    r"# (HELP|TYPE) novaha_\w+ .+|"
    r'novaha_\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? [-+0-9.e]+'
)


class Store:
    def __init__(self, records: dict[str, Any] | None) -> None:
        self._records = records

    def read_all(self) -> Any:
        if self._records is None:
            raise NovahaError("no CIB")
        return self._records


def record(node: str, state: RecoveryState, ago: float) -> Record:
    return Record(node, state, f"id-{node}", NOW - timedelta(seconds=ago))


RECORDS = {
    "k1": record("k1", RecoveryState.RUNNING, 60),
    "k2": record("k2", RecoveryState.PENDING, 30),
    "k3": record("k3", RecoveryState.RECOVERED, 9000),
    "k4": RecordError("k4", "nonsense"),
}
COMPUTES = Computes(
    {n: Host(n, lost=n == "k5") for n in ("k1", "k2", "k5")},
    {},
    True,
    held={"k5": Held(NOW, "answers")},
)


def own(question: str) -> dict[str, Any]:
    assert question == "metrics"
    health = status.Health(1, "c-2", "novaha", 2.0, "", 0.0, "", 0.0, ())
    return Metrics(lambda node: None).data(status.own(health, (), ()), NOW)


def nobody(question: str) -> dict[str, Any]:
    raise EvacuatorError("no evacuator")


def told(ask: Any = own, records: Any = RECORDS, computes: Any = lambda: COMPUTES) -> str:
    return metrics.rendered(metrics.families(ask, Store(records), computes))  # type: ignore[arg-type]


def broken() -> Computes:
    raise NovahaError("no CIB")


@pytest.mark.parametrize("ask", [own, nobody, lambda q: {"error": "unknown question"}])
@pytest.mark.parametrize(("records", "computes"), [(RECORDS, lambda: COMPUTES), (None, broken)])
def test_each_line_is_one_of_the_format(ask, records, computes) -> None:
    shown = told(ask, records, computes)
    assert [line for line in shown.splitlines() if not LINE.fullmatch(line)] == []
    names = re.findall(r"# TYPE (\w+)", shown)
    assert len(names) == len(set(names))


def test_the_records_are_told_on_every_controller() -> None:
    for ask, running in ((own, 1), (nobody, 0)):
        lines = told(ask).splitlines()
        assert f"novaha_evacuator_running {running}" in lines
        for state, count in (("pending", 1), ("running", 1), ("recovered", 1), ("unreadable", 1)):
            assert f'novaha_hosts{{state="{state}"}} {count}' in lines
        at = (NOW - timedelta(seconds=60)).timestamp()
        assert f"novaha_oldest_unrecovered_host_timestamp_seconds {at}" in lines
        assert f'novaha_host_fenced_timestamp_seconds{{host="k1",state="running"}} {at}' in lines
        assert "novaha_compute_hosts 3" in lines
        assert "novaha_lost_hosts 1" in lines
        assert 'novaha_held_hosts{reason="answers"} 1' in lines
        for reason in ("too-many", "works", "unproven"):
            assert f'novaha_held_hosts{{reason="{reason}"}} 0' in lines
        assert 'novaha_source_up{source="records"} 1' in lines


def test_what_cannot_be_read_is_left_out_and_told() -> None:
    lines = told(nobody, None, broken).splitlines()
    assert 'novaha_source_up{source="records"} 0' in lines
    assert 'novaha_source_up{source="cluster"} 0' in lines
    assert not [line for line in lines if line.startswith(("novaha_hosts", "novaha_held"))]


def test_without_a_recovery_the_oldest_is_0() -> None:
    lines = told(own, {}).splitlines()
    assert "novaha_oldest_unrecovered_host_timestamp_seconds 0.0" in lines
    assert 'novaha_hosts{state="pending"} 0' in lines


def test_a_label_is_quoted() -> None:
    family = {"name": "novaha_x", "kind": "gauge", "about": "a\\b"}
    shown = metrics.rendered([{**family, "samples": [["", {"host": 'a"b\\c\nd'}, 1]]}])
    assert shown.splitlines()[0] == "# HELP novaha_x a\\\\b"
    assert shown.splitlines()[2] == 'novaha_x{host="a\\"b\\\\c d"} 1'


def test_the_file_is_replaced_at_once_and_everybody_may_read_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(metrics, "families", list)
    file = tmp_path / "novaha.prom"
    file.write_text("older")
    before = file.stat().st_ino
    mask = os.umask(0o077)
    try:
        assert main.main(["metrics", "--textfile", str(file)]) == 0
    finally:
        os.umask(mask)
    assert file.read_text() == "\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["novaha.prom"]


def test_a_file_that_nobody_reads_or_can_write_is_an_error(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(metrics, "families", list)
    assert main.main(["metrics", "--textfile", str(tmp_path / "novaha.txt")]) == 1
    assert main.main(["metrics", "--textfile", str(tmp_path / "no" / "novaha.prom")]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def _names() -> set[str]:
    return set(re.findall(r"# TYPE (\w+)", told()))


def test_alerts_and_dashboard_ask_for_what_there_is() -> None:
    known = _names()
    known |= {f"{name}_{end}" for name in known for end in ("bucket", "sum", "count")}
    rules = (ROOT / "monitoring/prometheus/novaha.rules.yml").read_text()
    board = (ROOT / "monitoring/grafana/novaha.json").read_text()
    for text in (rules, board):
        asked = set(re.findall(r"\bnovaha_\w+", text))
        assert asked
        assert asked <= known
    panels = json.loads(board)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_every_metric_is_explained() -> None:
    page = (ROOT / "docs/guide/monitoring.md").read_text()
    rows = re.findall(r"^\| `(novaha_\w+)", page, re.M)
    assert set(rows) == _names()
