"""Which instances count as lost at the end, by Nova's tables and by the hypervisors' files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from novahalab import layout
from novahalab.chaos import laws, outcome, report
from novahalab.chaos.history import History, Instance, Timeline, Wish
from novahalab.sandbox import Sandbox

VM = Instance("vm", "compute-2", "active", None, False, False)


@pytest.fixture
def end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """An instance that runs where Nova says."""
    monkeypatch.setattr(layout, "GUESTS", tmp_path)
    monkeypatch.setattr(Sandbox, "running", property(lambda self: self.name != "compute-9"))
    (tmp_path / "compute-1").mkdir()
    (tmp_path / "compute-2").mkdir()
    (tmp_path / "compute-2" / "vm-1").write_text("RUNNING vm\n")
    (tmp_path / "compute-1" / "vm-1").write_text("SHUTDOWN vm\n")
    (tmp_path / ".scratch").mkdir()
    (tmp_path / ".scratch" / "vm-1").write_text("RUNNING vm\n")
    history = History(began=0.0, ended=100.0)
    now(history, VM)
    history.wishes = {"vm-1": Wish({"active"})}
    return history


def now(history: History, instance: Instance) -> None:
    history.instances["vm-1"] = Timeline()
    history.instances["vm-1"].add(99.0, instance)


def test_what_runs_where_nova_says_is_not_lost(end: History) -> None:
    assert outcome.lost(end) == []


@pytest.mark.parametrize(
    "row",
    [
        replace(VM, vm_state="error"),
        replace(VM, task_state="rebuild_spawning"),
        replace(VM, vm_state="stopped"),
        replace(VM, host="compute-1"),
        replace(VM, deleted=True),
    ],
)
def test_what_is_not_in_order_is_lost(end: History, row: Instance) -> None:
    now(end, row)
    (problem,) = outcome.lost(end)
    assert problem.startswith("instance vm-1 ")
    end.missing = [problem]
    assert report.verdict(end, laws.judge(end))["instances_lost"] == [problem]
    assert report.verdict(end, laws.judge(end))["held"] is False


def test_nobody_misses_what_the_tenant_deleted(end: History) -> None:
    now(end, replace(VM, deleted=True))
    end.wishes["vm-1"].deleted = True
    assert outcome.lost(end) == []


def test_a_guest_that_runs_nowhere_is_lost_whatever_nova_says(end: History) -> None:
    (layout.GUESTS / "compute-2" / "vm-1").write_text("SHUTDOWN vm\n")
    assert len(outcome.lost(end)) == 1


def test_a_guest_on_a_host_that_is_off_is_lost(end: History) -> None:
    (layout.GUESTS / "compute-2").rename(layout.GUESTS / "compute-9")
    now(end, replace(VM, host="compute-9"))
    assert len(outcome.lost(end)) == 1


def test_a_stop_that_was_under_way_may_end_either_way(end: History) -> None:
    end.wishes["vm-1"] = Wish({"active", "stopped"})
    assert outcome.lost(end) == []
    now(end, replace(VM, vm_state="stopped"))
    (layout.GUESTS / "compute-2" / "vm-1").write_text("SHUTDOWN vm\n")
    assert outcome.lost(end) == []
