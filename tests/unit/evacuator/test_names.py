"""Hosts of Nova that could be mistaken for each other."""

from __future__ import annotations

import pytest

from novaha.core.errors import AmbiguousHostError, ClusterToolError, SharedHostError
from novaha.evacuator.names import KnownNodes, Names
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import record, recovered


def renamed(names: Names | None = None) -> Site:
    """[DEFAULT] host was changed: compute-1 is what is left of the time before."""
    site = Site()
    site.nodes = {"compute-1.localdomain": "compute-1"}
    site.nova.add_host("compute-1.localdomain")
    site.nova.add_instance("run-1", "compute-1.localdomain")
    if names is not None:
        site.names = names
        site.start_evacuator()
    site.nova.crash("compute-1.localdomain")
    site.fence("compute-1")
    return site


def told(site: Site) -> str:
    assert site.loop is not None
    return " ".join(site.loop.attention)


def test_law_1_two_hosts_that_differ_by_the_domain_are_not_touched() -> None:
    site = renamed()
    site.pass_time(120)
    assert site.nova.requests == []
    assert not site.nova.hosts["compute-1"].forced_down
    assert not site.nova.hosts["compute-1.localdomain"].forced_down
    assert record(site).hold
    assert not recovered(site)
    for word in ("compute-1, compute-1.localdomain", "host_names", "domain"):
        assert word in told(site)


@pytest.mark.parametrize(
    "names",
    [
        Names({}, "localdomain"),
        Names({"compute-1": "compute-1.localdomain"}),
        Names({"COMPUTE-1": "compute-1.localdomain"}),
    ],
)
def test_law_5_what_configuration_decides_is_recovered(names: Names) -> None:
    site = renamed(names)
    site.run_until(lambda: recovered(site))
    assert site.nova.instances["run-1"].host not in ("compute-1", "compute-1.localdomain")
    assert not site.nova.hosts["compute-1"].forced_down


def test_law_1_a_host_that_is_alive_is_not_taken_for_the_node_beside_it() -> None:
    """compute-1.b was fenced, and Nova knows only the host that is compute-1."""
    site = Site()
    site.fencing.computes = frozenset({"compute-1", "compute-1.b", "compute-2", "compute-3"})
    site.names = Names({}, nodes=site.fencing.compute_nodes)
    site.start_evacuator()
    site.nova.add_instance("run-1", "compute-1")
    site.records.flag("compute-1.b", site.time)
    site.confirm("compute-1.b")
    site.fencing.is_online = lambda node: node != "compute-1.b"
    site.pass_time(120)
    assert site.nova.requests == []
    assert not site.nova.hosts["compute-1"].forced_down
    assert "the nodes compute-1 and compute-1.b are the one host compute-1" in told(site)


def test_the_nodes_are_asked_for_once_a_minute() -> None:
    now, asked = 0.0, 0

    def ask() -> frozenset[str]:
        nonlocal asked
        asked += 1
        return frozenset({f"compute-{asked}"})

    nodes = KnownNodes(ask, lambda: now)
    assert nodes() == nodes() == {"compute-1"}
    now = 59.9
    assert nodes() == {"compute-1"}
    now = 60.0
    assert nodes() == {"compute-2"}


def test_a_cluster_that_does_not_answer_is_asked_again() -> None:
    def ask() -> frozenset[str]:
        raise ClusterToolError(["cibadmin"], 102, "")

    nodes = KnownNodes(ask, lambda: 0.0)
    for _ in range(2):
        with pytest.raises(ClusterToolError):
            nodes()


def test_nobody_waits_for_a_list_that_is_kept_warm() -> None:
    asked: list[float] = []
    now = 0.0

    def ask() -> frozenset[str]:
        asked.append(now)
        return frozenset({f"compute-{len(asked)}"})

    nodes = KnownNodes(ask, lambda: now)
    for second in range(100):
        now = float(second)
        nodes.keep_warm()
        count = len(asked)
        assert nodes() == {f"compute-{count}"}
        assert len(asked) == count, "it was there"
    assert asked == [0.0, 40.0, 80.0]


def test_a_list_that_cannot_be_kept_warm_is_asked_for_now_and_then() -> None:
    asked: list[float] = []
    now = 0.0

    def ask() -> frozenset[str]:
        asked.append(now)
        if len(asked) > 1:
            raise ClusterToolError(["cibadmin"], 102, "")
        return frozenset({"compute-1"})

    nodes = KnownNodes(ask, lambda: now)
    for second in range(56):
        now = float(second)
        try:
            nodes.keep_warm()
        except ClusterToolError:
            assert nodes() == {"compute-1"}, "as long as it is fresh"
    assert asked == [0.0, 40.0, 45.0, 50.0, 55.0]


def test_names_are_looked_for_as_configured() -> None:
    hosts = frozenset({"hv1", "compute-2.b", "compute-2.c", "compute-3"})
    assert Names({}).host("compute-3", hosts) == "compute-3"
    assert Names({"compute-1": "hv1"}).host("compute-1", hosts) == "hv1"
    assert Names({}, "c").host("compute-2", hosts) == "compute-2.c"
    with pytest.raises(AmbiguousHostError):
        Names({}).host("compute-2", hosts)
    with pytest.raises(SharedHostError):
        Names({}, nodes=lambda: ["compute-3", "compute-3.b"]).host("compute-3", hosts)
