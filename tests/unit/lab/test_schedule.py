"""The schedule of chaos: a pure function of its arguments, with room for a calm."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from novahalab import layout
from novahalab.chaos import faults, putback
from novahalab.chaos.schedule import Fault, schedule

COMPUTES = layout.computes(3)
SEEDS = st.integers(0, 10_000)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_the_same_seed_gives_the_same_schedule(seed: int) -> None:
    assert schedule(seed, 5, COMPUTES) == schedule(seed, 5, COMPUTES)


def test_other_seeds_give_other_schedules() -> None:
    assert len({tuple(schedule(seed, 5, COMPUTES)) for seed in range(50)}) == 50


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.sampled_from([1.0, 3.0, 20.0]), st.integers(2, 6))
def test_every_fault_ends_within_the_run_and_has_targets_that_exist(
    seed: int, minutes: float, computes: int
) -> None:
    names = {*layout.computes(computes), *layout.CONTROLLERS}
    found = schedule(seed, minutes, layout.computes(computes))
    assert [f.at for f in found] == sorted(f.at for f in found)
    for fault in found:
        assert fault.at >= 0
        assert fault.at + fault.lasts <= minutes * 60 + 0.01
        nodes = {t for t in fault.targets if t.startswith(("compute-", "controller-"))}
        assert nodes <= names


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_short_run_has_a_compute_node_die(seed: int) -> None:
    assert any(f.kind == "crash" and f.targets for f in schedule(seed, 1, COMPUTES))


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_all_but_one_leaves_one(seed: int) -> None:
    for fault in schedule(seed, 20, COMPUTES):
        if fault.kind == "crash-all-but-one":
            assert len(set(fault.targets)) == len(COMPUTES) - 1


def test_a_long_run_has_every_kind_that_there_is_and_each_can_be_done() -> None:
    kinds = {f.kind for seed in range(20) for f in schedule(seed, 60, COMPUTES)}
    done = {
        name.removeprefix("_").replace("_", "-")
        for name in vars(faults.Faults)
        if name.startswith(
            (
                "_crash",
                "_freeze_",
                "_kill_",
                "_stop_",
                "_cut_",
                "_deaf_",
                "_slow",
                "_fail",
                "_no_room",
            )
        )
        or name in ("_operator_disable", "_operator_down")
    }
    assert {k for k in kinds if not k.startswith("tenant-")} == done


@pytest.mark.parametrize("seed", range(30))
def test_a_controller_is_rarely_disturbed_while_another_one_is(seed: int) -> None:
    """Else the cluster has no quorum most of the time, and nothing else is tried."""
    found = schedule(seed, 60, COMPUTES)
    mine: list[Fault] = [f for f in found if "controller" in f.kind or "dc" in f.kind]
    overlapping = sum(1 for a, b in pairwise(mine) if b.at < a.at + a.lasts)
    assert overlapping <= len(mine) / 2


def test_a_record_comes_back_in_every_run_that_is_long_enough() -> None:
    for seed in range(30):
        found = [f for f in schedule(seed, 5, COMPUTES) if f.kind == "crash-and-put-back"]
        assert found
        assert all(f.at + f.lasts <= 300 for f in found)


def test_law_10_all_hosts_are_cut_off_at_once_in_every_run_that_is_long_enough() -> None:
    kinds = set()
    for seed in range(30):
        found = [
            f
            for f in schedule(seed, 5, COMPUTES)
            if f.targets == ("computes", "cluster") or f.kind == "deaf-controller"
        ]
        assert found
        assert all(f.lasts >= 20 and f.at + f.lasts < 300 for f in found)
        kinds |= {f.kind for f in found}
    assert kinds == {"cut-group", "deaf-controller"}


def test_what_is_put_back_is_the_record_alone() -> None:
    inner = (
        '<instance_attributes id="r"><nvpair id="s" name="{}" value="{}"/></instance_attributes>'
    )
    other = inner.format("osprole", "compute")
    entry = '<node id="c" uname="c">{}</node>'
    for state in ("pending", "running"):
        shown = putback.only_record(entry.format(other + inner.format("novaha-recovery", state)))
        assert f'value="{state}"' in shown
        assert "osprole" not in shown
    for shown in (other, inner.format("novaha-recovery", "recovered"), ""):
        assert putback.only_record(entry.format(shown)) == ""
    assert putback.only_record("") == ""
