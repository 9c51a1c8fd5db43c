"""Reading ahead keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import timedelta

import pytest

from novaha.core.errors import UnknownOutcomeError
from novaha.core.model import Migration
from novaha.evacuator.inventory import Elsewhere
from novaha.evacuator.names import Names
from novaha.evacuator.prefetch import AT_ONCE, Prefetch
from tests.fakes.cluster import Inline
from tests.fakes.nova import EPOCH, FakeNova

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
    ahead = Prefetch(FakeNova(), lambda node, hosts: node, pool, lambda: now[0])
    for node in sorted(HOSTS):
        ahead.begin(node, HOSTS)
    now[0] = 60.0  # what was asked so long ago is of no use to anybody, and goes on all the same
    for node in sorted(HOSTS):
        ahead.begin(node, HOSTS)
        assert ahead.pop(node) is None
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
    ahead = Prefetch(nova, lambda node, hosts: node, Inline(), lambda: now[0])
    for later in (0.0, 0.5, 1.6):
        now[0] = later
        ahead.begin("compute-1" if later != 0.5 else "compute-2", HOSTS)
        if later:
            assert ahead.pop("compute-1") is not None
    assert nova.calls.count("services") == 2


def test_a_host_that_nova_was_not_asked_for_yet_is_read_ahead_too() -> None:
    """The evacuator has just begun, or the host is new."""
    nova = FakeNova()
    nova.add_host("compute-1")
    nova.add_instance("run-1", "compute-1")
    ahead = Prefetch(nova, Names({}).host, Inline(), lambda: 0.0)
    ahead.begin("compute-1", frozenset())
    found = ahead.pop("compute-1")
    assert found is not None
    assert [instance.id for instance in found.lists.instances] == ["run-1"]
    assert nova.calls == ["services", "instances_on", "evacuations_from"]


def test_a_node_that_is_no_host_of_nova_gives_nothing() -> None:
    nova = FakeNova()
    nova.add_host("compute-1")
    ahead = Prefetch(nova, Names({}).host, Inline(), lambda: 0.0)
    ahead.begin("controller-1", frozenset({"compute-1"}))
    assert ahead.pop("controller-1") is None
    assert nova.calls == ["services"]


@pytest.mark.parametrize(
    ("later", "within", "readings"), [(1.9, 2.0, 1), (2.0, 2.0, 2), (2.9, 3.0, 1), (3.0, 3.0, 2)]
)
def test_what_was_begun_a_moment_ago_is_enough(later: float, within: float, readings: int) -> None:
    nova, now = FakeNova(), [0.0]
    nova.add_host("compute-1")
    ahead = Prefetch(nova, lambda node, hosts: node, Inline(), lambda: now[0])
    ahead.begin("compute-1", HOSTS, within)
    now[0] = later
    ahead.begin("compute-1", HOSTS, within)
    assert nova.calls.count("instances_on") == readings
    found = ahead.pop("compute-1")
    assert found is not None
    assert found.at == (later if readings == 2 else 0.0)


def returned(minutes: float, destination: str | None = "compute-2") -> Migration:
    """An evacuation that compute-1 closed when it returned. minutes: how long ago."""
    created = EPOCH - timedelta(minutes=minutes)
    return Migration(7, "run-1", "compute-1", destination, "completed", created)


@pytest.mark.parametrize(
    ("rows", "task", "since"),
    [
        ([], None, None),
        ([returned(4)], None, 4),
        ([returned(4), returned(6), returned(60)], None, 6),
        ([returned(60)], None, None),
        ([returned(10)], None, 10),
        ([returned(10.1)], None, None),
        ([returned(4, None)], None, None),
        ([replace(returned(4), status="done")], None, None),
        ([replace(returned(4), instance="gone")], None, None),
        ([replace(returned(4), created=None)], None, None),
        ([returned(4)], "rebuild_spawning", None),
    ],
)
def test_what_became_of_evacuations_of_a_moment_ago_is_read_ahead_too(
    rows: list[Migration], task: str | None, since: float | None
) -> None:
    nova = FakeNova()
    nova.add_host("compute-1")
    nova.add_instance("run-1", "compute-1")
    nova.instances["run-1"] = replace(nova.instances["run-1"], task_state=task)
    nova.evacuations_from = lambda host: rows  # type: ignore[method-assign]
    ahead = Prefetch(nova, lambda node, hosts: node, Inline(), lambda: 0.0)
    ahead.begin("compute-1", HOSTS)
    found = ahead.pop("compute-1")
    assert found is not None
    assert nova.calls.count("evacuations_since") == (since is not None)
    if since is None:
        assert found.lists.elsewhere is None
    else:
        assert found.lists.elsewhere == Elsewhere(EPOCH - timedelta(minutes=since), [])


def test_where_that_cannot_be_read_the_rest_serves() -> None:
    def fail(moment: object) -> list[Migration]:
        raise UnknownOutcomeError("list", "no answer")

    nova = FakeNova()
    nova.add_host("compute-1")
    nova.add_instance("run-1", "compute-1")
    nova.evacuations_from = lambda host: [returned(4)]  # type: ignore[method-assign]
    nova.evacuations_since = fail  # type: ignore[method-assign]
    ahead = Prefetch(nova, lambda node, hosts: node, Inline(), lambda: 0.0)
    ahead.begin("compute-1", HOSTS)
    found = ahead.pop("compute-1")
    assert found is not None
    assert found.lists.rows == [returned(4)]
    assert found.lists.elsewhere is None


@pytest.mark.parametrize(("later", "lists"), [(0.9, 1), (1.0, 2)])
def test_how_long_one_list_of_the_services_serves(later: float, lists: int) -> None:
    nova, now = FakeNova(), [0.0]
    for host in ("compute-1", "compute-2"):
        nova.add_host(host)
    ahead = Prefetch(nova, lambda node, hosts: node, Inline(), lambda: now[0])
    ahead.begin("compute-1", HOSTS)
    now[0] = later
    ahead.begin("compute-2", HOSTS)
    assert nova.calls.count("services") == lists


@pytest.mark.parametrize(("later", "serves"), [(0.0, True), (2.9, True), (3.0, False)])
def test_what_was_read_ahead_gets_old(later: float, serves: bool) -> None:
    nova, now = FakeNova(), [0.0]
    nova.add_host("compute-1")
    ahead = Prefetch(nova, lambda node, hosts: node, Inline(), lambda: now[0])
    ahead.begin("compute-1", HOSTS)
    now[0] = later
    assert (ahead.pop("compute-1") is not None) is serves


def test_law_1_what_was_read_of_another_host_serves_nobody() -> None:
    """Nova has another one of that name by now."""
    nova = FakeNova()
    nova.add_host("compute-1")
    ahead = Prefetch(
        nova, lambda node, hosts: node if hosts == HOSTS else "compute-1.b", Inline(), lambda: 0.0
    )
    ahead.begin("compute-1", HOSTS)
    assert ahead.pop("compute-1") is None


@pytest.mark.parametrize("answered", [0, 1])
def test_nobody_waits_longer_than_it_is_of_use(answered: int) -> None:
    pool, now = Silent(), [0.0]
    ahead = Prefetch(FakeNova(), lambda node, hosts: node, pool, lambda: now[0])
    ahead.begin("compute-1", HOSTS)
    for future in pool.asked[:answered]:
        future.set_result({})
    now[0] = 2.99
    assert ahead.pop("compute-1") is None
