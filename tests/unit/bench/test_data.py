"""What bench/run writes, and what it makes of samples."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from novahabench import data, marks, run
from novahabench.data import Outcome
from novahabench.mark import BenchError, Case, Goal, Mark, Say
from novahabench.stats import Summary, ratio, reached, summary


def case(*product: float, goal: Goal | None = None, **beside: tuple[float, ...]) -> Case:
    return Case("off", "s", product, beside=beside, goal=goal)


def mark(*cases: Case, error: Exception | None = None) -> Mark:
    def measure(quick: bool, say: Say) -> Iterable[Case]:
        say("measuring")
        yield from cases
        if error is not None:
            raise error

    return Mark(4, "Cost of a turn", "A turn.", "the older one.", "at most 1.0", measure)


def test_the_median_and_its_quartiles() -> None:
    assert summary([5, 1, 4, 2, 3]) == Summary(median=3, low=2, high=4, n=5)
    assert summary([7]) == Summary(7, 7, 7, 1)


def test_no_samples_are_an_error_and_no_zero() -> None:
    with pytest.raises(BenchError, match="not one sample"):
        summary([])


def test_the_ratio_is_one_of_medians() -> None:
    assert ratio(case(1, 2, 90, older=(4, 4, 1)), "older") == 0.5
    assert ratio(case(1, older=(0,)), "older") is None


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (case(0.3, goal=Goal(0.3)), True),
        (case(0.31, goal=Goal(0.3)), False),
        (case(1.0, older=(1.0,), goal=Goal(1.0, "older")), True),
        (case(1.1, older=(1.0,), goal=Goal(1.0, "older")), False),
        (case(0.0, older=(0.0,), goal=Goal(1.0, "older")), True),
        (case(0.1, older=(0.0,), goal=Goal(1.0, "older")), False),
        (case(9.0), None),
    ],
)
def test_a_goal_is_kept_up_to_its_limit(measured: Case, expected: bool | None) -> None:
    assert reached(measured) is expected


NO_NETWORK = {"older": "no network"}


@pytest.mark.parametrize(
    "unmeasured",
    [
        Case("off", "s", (1.0,), goal=Goal(1.0, "older"), missing=NO_NETWORK),
        Case("off", "MB", (), goal=Goal(1.0, "older"), missing={"novaha": "no GNU time"}),
        Case("off", "MB", (), goal=Goal(1.0), missing={"novaha": "no GNU time"}),
    ],
)
def test_what_could_not_be_measured_is_not_judged_and_fails_no_mark(unmeasured: Case) -> None:
    assert reached(unmeasured) is None
    assert Outcome("cost", mark(), [unmeasured, case(1.0, goal=Goal(2.0))]).reached
    assert not Outcome("cost", mark(), [unmeasured, case(3.0, goal=Goal(2.0))]).reached
    # Where no goal at all could be judged, nothing was reached.
    assert not Outcome("cost", mark(), [unmeasured, case(1.0)]).reached
    assert (
        data.case_from(
            data.to_json([Outcome("c", mark(), [unmeasured])], {})["marks"][0]["cases"][0]
        )
        == unmeasured
    )


def test_another_label_that_is_missing_leaves_the_goal_as_it_is() -> None:
    beside = Case("off", "s", (1.2,), {"bare": (1.0,)}, Goal(1.1, "bare"), missing=NO_NETWORK)
    assert reached(beside) is False


def test_a_run_without_network_says_what_it_did_not_measure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Case("monitor", "s", (1.0,), goal=Goal(1.0, "older"), missing=NO_NETWORK)
    code, written = measured(monkeypatch, tmp_path, mark(missing, case(1.0, goal=Goal(2.0))))
    assert code == 0
    (only,) = written["marks"]
    assert (only["reached"], only["unjudged"]) == (True, 1)
    assert only["cases"][0]["missing"] == NO_NETWORK
    assert "1 not measured" in " ".join(capsys.readouterr().out.split())


def test_a_goal_beside_nothing_cannot_be_judged() -> None:
    with pytest.raises(BenchError, match="no samples of older"):
        reached(case(1.0, goal=Goal(1.0, "older")))


def test_every_mark_declares_itself() -> None:
    found = marks.find()
    assert found
    for declared in found.values():
        assert 1 <= declared.id <= 8
        assert declared.title
        assert declared.measured.endswith(".")
        assert declared.beside.endswith(".")
        assert declared.mark
    assert list(found.values()) == sorted(found.values(), key=lambda m: m.id)


def test_marks_are_chosen_by_number_or_name_and_no_other() -> None:
    name, declared = next(iter(marks.find().items()))
    assert name in marks.choose([name])
    assert name in marks.choose([str(declared.id)])
    assert marks.choose([]) == marks.find()
    with pytest.raises(BenchError, match=f"{declared.id} \\({name}\\)"):
        marks.choose(["no-such-mark"])


def measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *declared: Mark
) -> tuple[int, dict[str, object]]:
    found = {f"mark{number}": mark for number, mark in enumerate(declared)}
    monkeypatch.setattr(marks, "choose", lambda only: found)
    file = tmp_path / "run.json"
    code = run.run([], quick=True, json_file=file)
    return code, json.loads(file.read_text())


def test_the_run_is_written_with_all_its_samples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = case(1.0, 3.0, older=(4.0, 4.0), goal=Goal(1.0, "older"))
    code, written = measured(monkeypatch, tmp_path, mark(good))
    assert code == 0
    assert written["format"] == 1
    assert written["quick"] is True
    assert {"began", "commit", "machine", "versions"} <= written.keys()
    (only,) = written["marks"]
    assert (only["id"], only["name"], only["reached"]) == (4, "mark0", True)
    (shown,) = only["cases"]
    assert shown["product"] == {
        "median": 2.0,
        "low": 1.5,
        "high": 2.5,
        "n": 2,
        "samples": [1.0, 3.0],
    }
    assert shown["beside"]["older"]["samples"] == [4.0, 4.0]
    assert shown["ratio"] == {"older": 0.5}
    assert shown["goal"] == {"limit": 1.0, "of": "older"}
    assert data.case_from(shown) == good


def test_a_mark_that_is_missed_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, written = measured(
        monkeypatch, tmp_path, mark(case(1.0, goal=Goal(0.5))), mark(case(1.0, goal=Goal(2.0)))
    )
    assert code == 1
    assert [m["reached"] for m in written["marks"]] == [False, True]


@pytest.mark.parametrize("error", [BenchError("the lab is on fire"), KeyError("lost")])
def test_a_mark_that_breaks_off_keeps_what_it_has_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    fine = case(1.0, goal=Goal(2.0))
    code, written = measured(monkeypatch, tmp_path, mark(fine, error=error), mark(fine))
    assert code == 1
    broken, whole = written["marks"]
    assert not broken["reached"]
    assert str(error) in broken["problem"]
    assert len(broken["cases"]) == 1
    assert whole["reached"]


def test_a_mark_that_measures_nothing_is_not_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, written = measured(monkeypatch, tmp_path, mark())
    assert code == 1
    assert "nothing was measured" in written["marks"][0]["problem"]


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for text in ("", "[]", '{"format": 2}'):
        file.write_text(text)
        with pytest.raises(BenchError, match=r"x\.json"):
            data.read(file)
    with pytest.raises(BenchError, match="cannot be read"):
        data.read(tmp_path / "none.json")
