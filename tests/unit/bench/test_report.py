"""docs/benchmarks.md and its plots, from raw data alone."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from novahabench import cli, data
from novahabench.data import Outcome
from novahabench.mark import Case, Goal, Mark
from novahabench.report import shown, table, value
from novahabench.stats import Summary, summary

ABOUT = {
    "began": "2026-01-01T00:00:00Z",
    "quick": False,
    "commit": {"id": "0123456789ab", "changed": False},
    "machine": {
        "processor": "a processor",
        "cores": 2,
        "memory_mb": 8192,
        "kernel": "6.1",
        "system": "Debian GNU/Linux 12 (bookworm)",
        "load": 0.1,
    },
    "versions": {"python": "3.11.2", "pacemaker": "2.1.5"},
}


def mark(number: int, title: str) -> Mark:
    return Mark(number, title, "What.", "that.", "at most 1.0", lambda quick, say: ())


def written(path: Path, *outcomes: Outcome) -> Path:
    path.write_text(json.dumps(data.to_json(outcomes, ABOUT)))
    return path


def rendered(tmp_path: Path, *files: Path) -> str:
    docs = tmp_path / "docs"
    assert cli.main(["report", *map(str, files), "--docs", str(docs)]) == 0
    return (docs / "benchmarks.md").read_text()


COST = Outcome(
    "cost",
    mark(4, "Cost of a turn"),
    [
        Case("off", "s", (0.05, 0.06), {"older": (0.1, 0.1)}, Goal(1.0, "older")),
        Case("off, Nova dead", "s", (0.2,), goal=Goal(0.3)),
        Case("idle", "s", (1.0,), series="hosts", size=100),
        Case("idle", "s", (2.0,), series="hosts", size=300),
    ],
)


def test_the_document_shows_every_case_and_its_judgement(tmp_path: Path) -> None:
    text = rendered(tmp_path, written(tmp_path / "a.json", COST))
    assert "| 4    | [Cost of a turn](#4-cost-of-a-turn) | at most 1.0 | yes     |" in text
    assert "## 4. Cost of a turn" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| off  ")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    beside = "older: 100 ms [100, 100] n=2"
    assert cells == ["off", "55 ms [52.5, 57.5] n=2", beside, "0.55", "≤ 1", "yes"]
    (dead,) = [line for line in text.splitlines() if line.startswith("| off, Nova dead")]
    assert "≤ 300 ms" in dead
    assert "2026-01-01T00:00:00Z, commit 0123456789ab; 2 cores (a processor)" in text


def test_what_was_not_measured_is_said_and_why(tmp_path: Path) -> None:
    why = "the older agents cannot be fetched: no network"
    cost = Outcome(
        "cost",
        mark(4, "Cost of a turn"),
        [
            Case("a", "s", (0.05,), goal=Goal(1.0, "older"), missing={"older": why}),
            Case("b", "MB", (), goal=Goal(1.0, "older"), missing={"novaha": "no GNU time"}),
            Case("c", "s", (0.2,), {"bare": (0.1,)}, Goal(3.0, "bare"), missing={"older": why}),
        ],
    )
    text = rendered(tmp_path, written(tmp_path / "a.json", cost))
    assert "| yes (2 not measured) |" in text
    rows = {
        name: [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if line.startswith(f"| {name} ")
        ]
        for name in "abc"
    }
    assert rows["a"] == [["a", "50 ms n=1", "older: not measured", "", "≤ 1", "not measured"]]
    assert rows["b"] == [["b", "not measured", "", "", "≤ 1", "not measured"]]
    assert rows["c"] == [["c", "200 ms n=1", "bare: 100 ms n=1", "2.00", "≤ 3", "yes"]]
    assert f"Not measured, older: {why}\n" in text
    assert "Not measured, novaha: no GNU time\n" in text


def test_what_a_reader_has_to_know_of_a_result_is_said(tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", COST)
    run = json.loads(file.read_text())
    run["marks"][0]["note"] = "these deaths were told to Pacemaker."
    file.write_text(json.dumps(run))
    assert "\n**Note:** these deaths were told to Pacemaker.\n" in rendered(tmp_path, file)


def test_every_plot_is_shown_and_is_the_same_for_the_same_data(tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", COST)
    text = rendered(tmp_path, file)
    plots = sorted((tmp_path / "docs/benchmarks").iterdir())
    assert [p.name for p in plots] == ["cost-hosts.svg", "cost-s.svg"]
    before = [p.read_bytes() for p in plots]
    for plot in plots:
        assert f"(benchmarks/{plot.name})" in text
        assert ElementTree.fromstring(plot.read_text()).tag.endswith("svg")
    rendered(tmp_path, file)
    assert [p.read_bytes() for p in plots] == before


def test_of_a_mark_in_several_files_the_last_is_shown(tmp_path: Path) -> None:
    other = Outcome("react", mark(1, "Time to react"), [Case("alert", "s", (0.1,))])
    again = Outcome("cost", mark(4, "Cost of a turn"), [Case("off", "s", (0.007,))])
    text = rendered(
        tmp_path,
        written(tmp_path / "a.json", COST),
        written(tmp_path / "b.json", other, again),
    )
    assert "7 ms n=1" in text
    assert "55 ms" not in text
    assert text.index("## 1. Time to react") < text.index("## 4. Cost of a turn")


def test_a_mark_that_was_missed_or_broke_off_says_so(tmp_path: Path) -> None:
    missed = Outcome("cost", mark(4, "Cost"), [Case("off", "s", (1.0,), goal=Goal(0.5))])
    broken = Outcome("react", mark(1, "React"), [], problem="BenchError: no lab")
    text = rendered(tmp_path, written(tmp_path / "a.json", missed, broken))
    assert text.count("**no**") == 3
    assert "**Not measured whole:** BenchError: no lab" in text


def test_what_is_no_result_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.json"
    file.write_text("{}")
    assert cli.main(["report", str(file), "--docs", str(tmp_path / "docs")]) == 2
    assert "no result of bench/run" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    ("found", "unit", "text"),
    [
        (Summary(1.5, 1.25, 2.0, 9), "s", "1.5 s [1.25, 2] n=9"),
        (Summary(0.0123, 0.01, 0.02, 9), "s", "12.3 ms [10, 20] n=9"),
        (Summary(1234.0, 1000.0, 2000.0, 3), "MB", "1234 MB [1000, 2000] n=3"),
        (summary([0.0]), "s", "0 ms n=1"),
        (summary([1.5]), "requests", "1.5 requests n=1"),
    ],
)
def test_values_for_people(found: Summary, unit: str, text: str) -> None:
    assert shown(found, unit) == text


def test_a_value_in_its_unit() -> None:
    assert value(0.3, "s") == "300 ms"


def test_tables_are_aligned() -> None:
    lines = table(("a", "b"), [("long one", "1"), ("x|y", "22")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "x\\|y" in lines[-1]
