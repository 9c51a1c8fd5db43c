"""The judge of chaos: what breaks a law is seen, and what merely looks like it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from novahalab.chaos import laws
from novahalab.chaos.history import (
    Evacuation,
    Fencing,
    Happening,
    History,
    Instance,
    Moving,
    NovaCompute,
    Record,
    Service,
    Taken,
    Timeline,
    Wish,
)

RUNNING = Record("running", True, "f1", 100.0, "controller-1#1", "forced")
UP = Service(False, False, "")
DOWN = Service(True, True, "novaha: fenced, recovery f1")
VM = Instance("vm", "compute-1", "active", None, False, False)
FENCED = Fencing("compute-1", "reboot", "success", 101.0)


def timeline(*spans: tuple[float, float, object]) -> Timeline:  # type: ignore[type-arg]
    """Spans of (first, last, value), looked at ten times a second."""
    line: Timeline = Timeline()  # type: ignore[type-arg]
    for first, last, value in spans:
        for tenth in range(int(first * 10), int(last * 10) + 1):
            line.add(tenth / 10, value)
    return line


def evacuation(number: int, created: float, *progress: tuple[float, float, Moving]) -> Evacuation:
    row = Evacuation(number, "vm-1", "compute-1", created, progress[0][0])
    row.progress = timeline(*progress)
    return row


@pytest.fixture
def good() -> History:
    """One failover as it should be: compute-1 dies at 98, is flagged at 100, fenced at 101."""
    history = History(began=50.0, ended=300.0)
    history.happenings = [Happening("crash", "compute-1", 98.0, 98.1)]
    history.nodes = {"compute-1": timeline((20, 300, "online"))}
    history.records = {
        "compute-1": timeline(
            (50, 99.9, None),
            (100, 101.4, replace(RUNNING, state="pending", owner="", marks="")),
            (101.5, 120, RUNNING),
            (120.5, 140, replace(RUNNING, state="recovered", hold=False)),
            (140.5, 300, None),
        )
    }
    history.services = {"compute-1": timeline((50, 102, UP), (102.5, 130, DOWN), (130.5, 300, UP))}
    history.fencings = {FENCED: 101.9}
    history.instances = {
        "vm-1": timeline((50, 105, VM), (105.1, 300, replace(VM, host="compute-2")))
    }
    history.evacuations = {
        1: evacuation(
            1,
            103.0,
            (103.5, 105, Moving("pre-migrating", "compute-2")),
            (105.1, 300, Moving("done", "compute-2")),
        )
    }
    history.computes = {
        NovaCompute("compute-1", 7, 20.0): 97.9,
        NovaCompute("compute-1", 9, 121.0): 300.0,
        NovaCompute("compute-2", 8, 20.0): 300.0,
    }
    history.journal = [
        {"at": 119.9, "event": "recovered", "node": "compute-1", "unmoved": {}},
        {"at": 140.2, "event": "returned", "node": "compute-1"},
    ]
    history.wishes = {"vm-1": Wish({"active"})}
    return history


def broken(history: History) -> set[int]:
    return {breach.law for breach in laws.judge(history)}


def test_a_failover_as_it_should_be_breaks_nothing(good: History) -> None:
    assert laws.judge(good) == []


def test_law_1_an_evacuation_without_a_confirmed_fencing(good: History) -> None:
    good.fencings = {replace(FENCED, status="failed"): 101.9}
    assert 1 in broken(good)


def test_law_1_an_evacuation_on_the_fencing_of_an_earlier_failure(good: History) -> None:
    good.fencings = {replace(FENCED, completed=60.0): 61.0}
    assert 1 in broken(good)


def test_law_1_an_evacuation_without_a_record(good: History) -> None:
    good.records["compute-1"] = timeline((50, 300, None))
    assert 1 in broken(good)


def test_law_1_an_evacuation_of_a_host_that_nova_believes_up(good: History) -> None:
    good.services["compute-1"] = timeline((50, 300, UP))
    assert 1 in broken(good)


def test_law_1_an_evacuation_while_nova_compute_runs(good: History) -> None:
    good.computes[NovaCompute("compute-1", 7, 20.0)] = 110.0
    assert 1 in broken(good)


def test_law_1_what_was_not_seen_accuses_nobody(good: History) -> None:
    """No controller answered from before the failure until after the recovery."""
    good.records["compute-1"] = timeline((50, 90, None), (150, 300, None))
    good.records["compute-1"].spans[0].last = 90.0
    good.records["compute-1"].spans = [good.records["compute-1"].spans[0]]
    assert 1 not in broken(good)


def second(good: History, first_is: Moving) -> None:
    good.evacuations[1] = evacuation(1, 103.0, (103.5, 300, first_is))
    good.evacuations[2] = evacuation(2, 110.0, (110.5, 300, Moving("done", "compute-3")))


def test_law_2_a_second_evacuation_while_the_first_is_under_way(good: History) -> None:
    second(good, Moving("pre-migrating", "compute-2"))
    assert broken(good) == {2}


def test_law_2_a_second_evacuation_after_the_first_failed(good: History) -> None:
    second(good, Moving("error", None))
    assert broken(good) == set()


def test_law_2_a_second_evacuation_after_the_destination_was_fenced(good: History) -> None:
    """The row of the first one stays `pre-migrating` for ever."""
    second(good, Moving("pre-migrating", "compute-2"))
    good.fencings[Fencing("compute-2", "reboot", "success", 108.0)] = 108.5
    assert broken(good) == set()


@pytest.mark.parametrize(
    ("first", "accused"),
    [
        (Taken(104.0, "compute-2"), True),
        (Taken(104.0, "compute-2", over=109.0), False),
        (Taken(104.0, "compute-2", over=115.0), True),
        (Taken(104.0), False),  # no host ever took it up
        (Taken(130.0, "compute-2"), False),  # of another request
    ],
)
def test_law_2_a_first_evacuation_whose_row_names_no_destination(
    good: History, first: Taken, accused: bool
) -> None:
    second(good, Moving("accepted", None))
    good.requests["vm-1"] = [first, Taken(150.0, "compute-3")]
    assert broken(good) == ({2} if accused else set())


def test_law_2_a_first_evacuation_that_failed_and_whose_row_stays(good: History) -> None:
    second(good, Moving("accepted", "compute-2"))
    good.requests["vm-1"] = [Taken(103.0, "compute-2", over=109.0)]
    assert broken(good) == set()


def test_law_2_its_unnamed_destination_had_been_fenced(good: History) -> None:
    """The destination took it up, and died before Nova's row named it."""
    second(good, Moving("accepted", None))
    good.requests["vm-1"] = [Taken(103.0, "compute-2")]
    good.fencings[Fencing("compute-2", "reboot", "success", 108.0)] = 108.5
    assert broken(good) == set()


def test_law_2_a_guest_on_two_hosts(good: History) -> None:
    good.twice = [(200.0 + n / 10, "vm-1", ["compute-1", "compute-2"]) for n in range(5)]
    (breach,) = laws.judge(good)
    assert breach.law == 2
    assert "vm-1" in breach.what
    assert "compute-1 and compute-2" in breach.what


def test_law_2_a_single_look_may_be_torn(good: History) -> None:
    good.twice = [(200.0, "vm-1", ["compute-1", "compute-2"])]
    assert broken(good) == set()


def test_law_3_a_fencing_that_left_no_record(good: History) -> None:
    good.fencings[Fencing("compute-1", "reboot", "success", 200.0)] = 200.5
    assert broken(good) == {3}


def test_law_3_a_record_that_vanished(good: History) -> None:
    good.records["compute-1"].spans = good.records["compute-1"].spans[:3]
    good.records["compute-1"].add(121.0, None)
    good.journal = []
    assert 3 in broken(good)


def test_law_4_a_nova_compute_on_a_held_host(good: History) -> None:
    good.computes[NovaCompute("compute-1", 11, 110.0)] = 111.0
    assert broken(good) == {4}


def test_law_4_a_host_unforced_or_enabled_while_held(good: History) -> None:
    good.services["compute-1"] = timeline((50, 102, UP), (102.5, 110, DOWN), (110.5, 300, UP))
    assert broken(good) == {4}


def test_law_5_a_host_called_recovered_with_an_instance_on_it(good: History) -> None:
    good.instances["vm-2"] = timeline((50, 300, VM))
    assert broken(good) == {5}


def test_law_5_what_was_named_was_settled(good: History) -> None:
    good.instances["vm-2"] = timeline((50, 300, VM))
    good.journal[0]["unmoved"] = {"vm-2": "Nova refuses it"}
    assert broken(good) == set()


def mark(good: History, ended: float | None) -> None:
    good.happenings.append(Happening("mark operator-disable", "compute-2", 200.0, ended))


def test_law_6_the_operators_mark_is_gone(good: History) -> None:
    ours = Service(False, True, "maintenance")
    good.records["compute-2"] = timeline((50, 300, None))
    good.services["compute-2"] = timeline((50, 200, UP), (200.2, 230, ours), (230.5, 300, UP))
    mark(good, 250.0)
    assert broken(good) == {6}


def test_law_6_the_operator_takes_it_off(good: History) -> None:
    ours = Service(False, True, "maintenance")
    good.records["compute-2"] = timeline((50, 300, None))
    good.services["compute-2"] = timeline((50, 200, UP), (200.2, 250.3, ours), (250.5, 300, UP))
    mark(good, 250.0)
    assert broken(good) == set()


def test_law_6_a_lock_is_gone(good: History) -> None:
    good.wishes["vm-1"].locked = True
    assert broken(good) == {6}


def test_law_7_our_device_fails_though_the_cluster_is_in_order(good: History) -> None:
    good.device_failures = [(150.0, "off of compute-1: error")]
    assert broken(good) == {7}
    good.happenings.append(Happening("kill-agents", "", 149.0, 151.0))
    assert broken(good) == set()


def test_law_8_a_death_that_is_fenced_late(good: History) -> None:
    good.happenings = [Happening("crash", "compute-1", 30.0, 30.1)]
    assert broken(good) == {8}
    good.happenings.append(Happening("freeze-controller", "controller-1", 40.0, 60.0))
    assert broken(good) == set()


def test_law_8_a_death_that_is_never_fenced(good: History) -> None:
    good.happenings.append(Happening("crash", "compute-1", 210.0, 210.1))
    assert broken(good) == {8}


def test_law_8_a_host_that_dies_while_it_boots_needs_no_other_fencing(good: History) -> None:
    good.happenings.append(Happening("crash", "compute-1", 210.0, 210.1))
    good.nodes["compute-1"] = timeline((20, 98, "online"), (98.5, 300, "offline"))
    assert broken(good) == set()


def test_law_9_a_password_that_shows(good: History) -> None:
    good.secrets = ["arguments of a process on controller-1: curl"]
    assert broken(good) == {9}


ALL_CUT_OFF = Happening("cut-group", "computes cluster", 98.0, 118.0)


def all_cut_off(history: History, cut: Happening = ALL_CUT_OFF) -> History:
    """All hosts were cut off, and compute-1 was powered off meanwhile."""
    history.happenings = [cut]
    history.records = {"compute-1": timeline((20, 100, None), (100.1, 140, RUNNING))}
    return history


@pytest.mark.parametrize(
    ("cut", "breaches"),
    [
        (ALL_CUT_OFF, 1),
        (Happening("deaf-controller", "controller-2", 98.0, 138.0), 1),
        (replace(ALL_CUT_OFF, began=60.0, ended=85.0), 1),
        (replace(ALL_CUT_OFF, began=50.0, ended=75.0), 0),
        (replace(ALL_CUT_OFF, began=103.0, ended=123.0), 0),
        (replace(ALL_CUT_OFF, target="computes api"), 0),
        (Happening("cut-controller", "controller-2 cluster", 98.0, 118.0), 0),
    ],
)
def test_law_10_a_power_off_for_a_fault_that_is_not_the_hosts_is_a_breach(
    good: History, cut: Happening, breaches: int
) -> None:
    found = laws.no_one_for_others(all_cut_off(good, cut))
    assert [(breach.law, breach.at) for breach in found] == [(10, 101.0)] * breaches


def test_law_10_a_host_with_a_fault_of_its_own_may_be_powered_off(good: History) -> None:
    cut = all_cut_off(good)
    cut.happenings.append(Happening("crash", "compute-1", 97.0, 97.1))
    assert laws.no_one_for_others(cut) == []
    cut.happenings[-1] = Happening("crash", "compute-2", 97.0, 97.1)
    assert laws.no_one_for_others(cut)


def test_a_fencing_that_waited_while_others_were_silent_blocks_nothing(good: History) -> None:
    good.fencings = {replace(FENCED, completed=198.0): 198.5}
    assert [b.law for b in laws.nothing_blocks(good)] == [8]
    good.happenings.append(Happening("freeze-compute", "compute-2", 97.0, 120.0))
    assert laws.nothing_blocks(good) == []
    good.happenings[-1] = Happening("deaf-controller", "controller-2", 97.0, 120.0)
    assert laws.nothing_blocks(good) == []
    good.happenings[-1] = Happening("cut-group", "controllers api", 97.0, 120.0)
    assert laws.nothing_blocks(good)


def test_law_1_an_old_fencing_does_not_count_when_its_record_came_back(good: History) -> None:
    """Case: a copy of the configuration is pushed, and the host is evacuated while it lives."""
    late = evacuation(2, 220.0, (220.2, 240, Moving("done", "compute-2")))
    good.evacuations[2] = late
    good.services["compute-1"] = timeline((20, 300, DOWN))
    good.computes = {}
    good.records["compute-1"] = timeline(
        (50, 99.9, None),
        (100, 140, RUNNING),
        (140.5, 200, None),
        (200.5, 260, RUNNING),
    )
    told = [b.what for b in laws.judge(good) if b.law == 1 and "evacuation 2" in b.what]
    assert ["confirmed no fencing" in what for what in told] == [True]
    good.fencings[Fencing("compute-1", "reboot", "success", 210.0)] = 210.5
    assert not [b for b in laws.judge(good) if b.law == 1 and "evacuation 2" in b.what]
