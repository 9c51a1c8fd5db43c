"""What goes wrong for one host or instance stops no other."""

from __future__ import annotations

import pytest

from novaha.core.errors import NovahaError
from novaha.core.instances import Judge
from novaha.core.model import Instance
from novaha.core.recovery import RecoveryState
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import record, recovered


def two_hosts() -> Site:
    site = Site(hosts=4)
    for number in range(3):
        site.nova.add_instance(f"run-a{number}", "compute-1")
        site.nova.add_instance(f"run-b{number}", "compute-2")
    return site


def on(site: Site, host: str) -> set[str]:
    return {instance for instance, (where, _) in site.where().items() if where == host}


def test_a_cell_that_does_not_answer_keeps_no_other_host_waiting() -> None:
    site = two_hosts()
    site.nova.silent_cells.add("compute-2")
    site.fence("compute-1")
    site.fence("compute-2")
    site.run_until(lambda: recovered(site))
    assert on(site, "compute-1") == set()
    assert record(site, "compute-2").state is not RecoveryState.RECOVERED
    assert len(on(site, "compute-2")) == 3
    assert any("compute-2" in a and "its cell does not answer" in a for a in site.loop.attention)


def test_law_5_a_cell_that_answers_again_has_its_host_recovered() -> None:
    site = two_hosts()
    site.nova.silent_cells.add("compute-2")
    site.fence("compute-2")
    site.pass_time(120)
    assert site.nova.requests == []
    site.nova.silent_cells.clear()
    site.run_until(lambda: recovered(site, "compute-2"))
    assert on(site, "compute-2") == set()
    assert len(site.nova.requests) == 3


def test_law_2_a_cell_that_falls_silent_half_way_is_asked_for_nothing_twice() -> None:
    site = two_hosts()
    site.fence("compute-2")
    site.run_until(lambda: len(site.nova.requests) == 3)
    site.nova.silent_cells.add("compute-2")
    site.pass_time(60)
    assert record(site, "compute-2").state is RecoveryState.RUNNING
    site.nova.silent_cells.clear()
    site.run_until(lambda: recovered(site, "compute-2"))
    assert len(site.nova.requests) == 3


def test_law_5_an_instance_that_cannot_be_read_is_not_settled_and_the_others_move() -> None:
    site = two_hosts()
    site.nova.unreadable.add("run-a1")
    site.fence("compute-1")
    site.run_until(lambda: on(site, "compute-1") == {"run-a1"})
    site.pass_time(60)
    assert record(site).state is RecoveryState.RUNNING
    assert any("cannot be read" in text for text in site.loop.attention)
    site.nova.unreadable.clear()
    site.run_until(lambda: recovered(site))
    assert on(site, "compute-1") == set()


def test_an_error_of_nova_about_one_host_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = two_hosts()
    listed = site.nova.instances_on

    def broken(host: str) -> list[Instance]:
        if host == "compute-2":
            raise NovahaError("Nova answered no JSON")
        return listed(host)

    monkeypatch.setattr(site.nova, "instances_on", broken)
    fence_both(site)
    assert any("Nova answered no JSON" in text for text in site.loop.attention)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("y"), AttributeError("z")])
def test_a_bug_that_one_host_meets_keeps_no_other_waiting(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = two_hosts()
    decide = Judge.on_host

    def broken(judge: Judge, instance: Instance) -> object:
        if instance.host == "compute-2":
            raise error
        return decide(judge, instance)

    monkeypatch.setattr(Judge, "on_host", broken)
    fence_both(site)
    assert any("internal error on compute-2" in text for text in site.loop.attention)


def fence_both(site: Site) -> None:
    """compute-1 recovers, and compute-2 neither moves nor is closed."""
    site.fence("compute-1")
    site.fence("compute-2")
    site.run_until(lambda: recovered(site))
    site.pass_time(10)
    assert record(site, "compute-2").state is not RecoveryState.RECOVERED
    assert len(on(site, "compute-2")) == 3
