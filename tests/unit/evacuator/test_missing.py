"""Fencings that nobody else asks for: asked for again when they fail, and never waited for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

import pytest

from novaha.core.errors import ClusterToolError
from novaha.evacuator.act import Actor
from tests.fakes.cluster import Site
from tests.fakes.pacemaker import FakeFencing
from tests.unit.evacuator.sites import assert_moved, recovered, site_with


@dataclass
class Failing(FakeFencing):
    """Whose fencings fail as often as told; each notes when it was asked for."""

    errors: list[Exception] = field(default_factory=list)
    clock: Callable[[], float] = lambda: 0.0
    moments: list[float] = field(default_factory=list)

    def request(self, node: str) -> None:
        self.moments.append(self.clock())
        super().request(node)
        if self.errors:
            raise self.errors.pop(0)


class Later(Executor):
    """Does nothing before it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        self.waiting.append(lambda: fn(*args, **kwargs))
        return Future()

    def work(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


def failing(*errors: Exception) -> tuple[Site, Failing]:
    """A site whose compute-1 is flagged and whose fencing Pacemaker has forgotten."""
    site = site_with()
    fencing = Failing(errors=list(errors), clock=lambda: site.nova.now)
    fencing.computes, fencing.is_online = site.fencing.computes, site.fencing.is_online
    fencing.nodes = site.fencing.nodes
    site.fencing = fencing
    site.start_evacuator()
    site.fence("compute-1", confirmed=False)
    return site, fencing


REFUSED = ClusterToolError(["stonith_admin"], 237, "No route to host")
UNANSWERED = ClusterToolError(["stonith_admin"], None, "killed after 90 s")


@pytest.mark.parametrize("error", [REFUSED, UNANSWERED, KeyError("a mistake of ours")])
def test_law_3_a_fencing_that_fails_is_asked_for_again(error: Exception) -> None:
    site, fencing = failing(error, error, error)
    site.pass_time(600)
    waits = [b - a for a, b in zip(fencing.moments, fencing.moments[1:], strict=False)]
    assert waits == pytest.approx([60, 120, 240], abs=3), "and one that succeeds is not"
    assert site.nova.requests == []
    site.confirm("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)


def test_the_pause_between_two_has_an_end() -> None:
    site, fencing = failing(*[REFUSED] * 50)
    site.pass_time(6000)
    waits = [b - a for a, b in zip(fencing.moments, fencing.moments[1:], strict=False)]
    assert waits[4:] == pytest.approx([600] * len(waits[4:]), abs=3)
    assert len(waits) > 10


def test_an_operator_is_told_why_it_fails_until_the_host_is_fenced() -> None:
    site, fencing = failing(REFUSED)
    site.pass_time(70)
    assert site.loop is not None
    (said,) = site.loop.attention
    assert "compute-1 waits for a fencing that fails" in said
    assert "`novaha evidence compute-1`" in said
    assert "No route to host" in said
    site.pass_time(60)
    assert fencing.errors == []
    assert site.loop.attention == (), "this one succeeded, as far as anybody knows"


def test_law_8_a_fencing_that_takes_long_keeps_no_other_host_waiting() -> None:
    site, fencing = failing()
    site.fencers = later = Later()
    site.start_evacuator()
    site.nova.add_instance("run-other", "compute-2")
    site.pass_time(70)
    assert len(later.waiting) == 1
    site.fence("compute-2")
    site.run_until(lambda: recovered(site, "compute-2"))
    site.pass_time(300)
    assert len(later.waiting) == 1, "it is not over: it is not asked for again"
    fencing.errors = [REFUSED]
    later.work()
    site.pass_time(62)
    assert len(later.waiting) == 1


def test_what_a_step_meets_is_shown_in_the_turn_that_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_with()
    assert site.loop is not None
    site.fence("compute-1")

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(Actor, "_prepare", broken)
    monkeypatch.setattr(Actor, "_claim", broken)
    site.loop.turn()
    assert any("internal error on compute-1" in said for said in site.loop.attention)
    monkeypatch.undo()
    site.loop.turn()
    assert any("internal error on compute-1" in said for said in site.loop.attention)
    site.loop.turn()
    assert site.loop.attention == ()
