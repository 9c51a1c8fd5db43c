"""Reading ahead keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future

from novaha.evacuator.ahead import AT_ONCE, ReadAhead
from tests.fakes.cluster import Inline
from tests.fakes.nova import FakeNova

HOSTS = frozenset(f"compute-{number}" for number in range(40))


class Silent(Executor):
    """Nova does not answer."""

    def __init__(self) -> None:
        self.asked: list[Future] = []

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        self.asked.append(Future())
        return self.asked[-1]


def test_a_rack_does_not_pile_questions_up_before_a_nova_that_does_not_answer() -> None:
    pool, now = Silent(), [0.0]
    ahead = ReadAhead(FakeNova(), lambda node, hosts: node, pool, lambda: now[0])
    for node in sorted(HOSTS):
        ahead.begin(node, HOSTS)
    now[0] = 60.0  # what was asked so long ago is of no use to anybody, and goes on all the same
    for node in sorted(HOSTS):
        ahead.begin(node, HOSTS)
        assert ahead.take(node) is None
    asked = len(pool.asked)
    assert AT_ONCE - 2 < asked <= AT_ONCE
    for future in pool.asked:
        future.set_result([])
    ahead.begin("compute-1", HOSTS)
    assert len(pool.asked) == asked + 2


def test_one_list_of_the_services_serves_nodes_that_die_together() -> None:
    nova, now = FakeNova(), [0.0]
    for host in ("compute-1", "compute-2"):
        nova.add_host(host)
    ahead = ReadAhead(nova, lambda node, hosts: node, Inline(), lambda: now[0])
    for later in (0.0, 0.5, 1.6):
        now[0] = later
        ahead.begin("compute-1" if later != 0.5 else "compute-2", HOSTS)
        if later:
            assert ahead.take("compute-1") is not None
    assert nova.calls.count("services") == 2
