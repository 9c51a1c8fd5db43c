"""A host that is fenced again and again comes back disabled, until an operator lets it in."""

from __future__ import annotations

import pytest

from novaha.core.model import KEPT_OUT
from novaha.core.recovery import Event
from novaha.core.situation import Policy
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import record, recovered, site_with

FLAPS = Policy(flap_fencings=3, flap_window=3600.0)


def dies_and_recovers(site: Site) -> None:
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(20)


def comes_back(site: Site) -> None:
    site.boot("compute-1")
    site.run_until(lambda: "compute-1" not in site.records.attributes)


def is_kept_out(site: Site) -> bool:
    host = site.nova.hosts["compute-1"]
    kept = not host.enabled and host.disabled_reason.startswith(KEPT_OUT)
    return kept and not host.forced_down


def flapped() -> Site:
    """A host that was fenced three times within the window, and is back."""
    site = site_with(policy=FLAPS)
    for _ in range(2):
        dies_and_recovers(site)
        comes_back(site)
        assert site.nova.hosts["compute-1"].enabled
    dies_and_recovers(site)
    site.boot("compute-1")
    site.run_until(lambda: is_kept_out(site))
    return site


def let_in(site: Site) -> None:
    """`novaha release compute-1`."""
    old = record(site)
    site.records.swap(old, old.after(Event.RELEASE, owner=""))


def test_the_third_time_it_comes_back_disabled_with_the_history() -> None:
    site = flapped()
    reason = site.nova.hosts["compute-1"].disabled_reason
    times = sorted(f"{at:%Y-%m-%dT%H:%M:%SZ}" for _, at in site.fencing.successes)
    assert reason == f"novaha: kept out, fenced 3 times within 3600 s: {' '.join(times)}"
    site.pass_time(7200)
    assert is_kept_out(site), "the window is long over"
    assert site.loop is not None
    (said,) = site.loop.attention
    assert "compute-1 is kept out of service: fenced 3 times within 3600 s: " in said
    assert "`novaha release compute-1` lets it in" in said


def test_fencings_before_it_was_back_in_service_count_too() -> None:
    site = site_with(policy=Policy(flap_fencings=3, return_after=100.0))
    for times in range(3):
        dies_and_recovers(site)
        site.boot("compute-1")
        site.run_until(lambda: not site.nova.hosts["compute-1"].forced_down)
        site.pass_time(30)
        assert is_kept_out(site) is (times == 2)
        assert not site.nova.hosts["compute-1"].enabled


def test_one_that_is_kept_out_is_looked_at_no_more_often_than_one_that_stays_dead() -> None:
    site = flapped()
    site.pass_time(60)
    assert site.loop is not None
    assert site.loop.turn() == 5.0  # the pause between idle turns


def test_an_operator_lets_it_in() -> None:
    site = flapped()
    let_in(site)
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.nova.hosts["compute-1"].enabled
    assert site.loop is not None
    assert site.loop.attention == ()


def test_or_enables_it_in_nova() -> None:
    site = flapped()
    site.nova.hosts["compute-1"].enabled = True
    site.nova.hosts["compute-1"].disabled_reason = ""
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    site.pass_time(60)
    assert site.nova.hosts["compute-1"].enabled


def test_the_death_of_the_evacuator_lets_nobody_in() -> None:
    site = flapped()
    site.fencing.successes.clear()  # the whole cluster was down: Pacemaker has forgotten
    for _ in range(2):
        site.kill_evacuator()
        site.pass_time(10)
        site.start_evacuator()
        site.pass_time(120)
        assert is_kept_out(site)


def test_nor_does_the_loss_of_its_record() -> None:
    site = flapped()
    del site.records.attributes["compute-1"]
    site.pass_time(300)
    assert is_kept_out(site)


def test_nor_does_another_death_long_after() -> None:
    site = flapped()
    site.pass_time(7200)
    dies_and_recovers(site)
    site.boot("compute-1")
    site.pass_time(120)
    assert is_kept_out(site)
    let_in(site)
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.nova.hosts["compute-1"].enabled


def test_law_3_one_that_dies_while_it_is_kept_out_is_recovered_on_a_persons_word() -> None:
    site = flapped()
    site.nova.add_instance("run-moved-here", "compute-1")
    site.pass_time(120)
    site.nova.crash("compute-1")
    site.nova.hosts["compute-1"].powered = False
    site.pass_time(60)
    site.fencing.by_hand["compute-1"] = site.time
    site.fencing.successes.append(("compute-1", site.time))
    site.fencing.down.add("compute-1")
    site.run_until(lambda: site.where()["run-moved-here"][0] != "compute-1")


def test_deaths_that_are_far_apart_are_forgiven() -> None:
    site = site_with(policy=FLAPS)
    for _ in range(4):
        dies_and_recovers(site)
        comes_back(site)
        assert site.nova.hosts["compute-1"].enabled
        site.pass_time(1900)


def test_a_fencer_that_does_not_answer_keeps_the_host_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from novaha.core.errors import ClusterToolError

    site = site_with(policy=FLAPS)
    dies_and_recovers(site)
    with monkeypatch.context() as patched:

        def silent(self: object) -> None:
            raise ClusterToolError(["stonith_admin"], 124, "timed out")

        patched.setattr(type(site.fencing), "history", silent)
        patched.setattr(site.loop._confirmations, "poll", lambda: ())  # type: ignore[union-attr]
        site.boot("compute-1")
        site.pass_time(60)
        assert site.nova.hosts["compute-1"].forced_down
        assert site.loop is not None
        (said,) = site.loop.attention
        assert "compute-1 cannot be worked on: stonith_admin exited with 124" in said
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.nova.hosts["compute-1"].enabled


def test_a_host_has_to_be_up_for_a_while() -> None:
    site = site_with(policy=Policy(return_after=120.0))
    dies_and_recovers(site)
    site.boot("compute-1")
    site.run_until(lambda: not site.nova.hosts["compute-1"].forced_down)
    site.pass_time(100)
    assert not site.nova.hosts["compute-1"].enabled
    site.nova.hosts["compute-1"].running = False
    site.pass_time(90)
    site.nova.start_compute("compute-1")
    site.pass_time(100)
    assert not site.nova.hosts["compute-1"].enabled, "counted from the last time it came up"
    site.run_until(lambda: "compute-1" not in site.records.attributes, 120)
    assert site.nova.hosts["compute-1"].enabled


def test_every_host_may_have_to_be_let_in() -> None:
    site = site_with(policy=Policy(return_disabled=True))
    dies_and_recovers(site)
    site.boot("compute-1")
    site.run_until(lambda: is_kept_out(site))
    site.pass_time(300)
    assert is_kept_out(site)
    let_in(site)
    site.run_until(lambda: "compute-1" not in site.records.attributes)
    assert site.nova.hosts["compute-1"].enabled
