"""Which node is meant, and what is answered while a recovery is unfinished."""

from __future__ import annotations

import io

import pytest

from novaha.agents import fence_compute
from novaha.agents.fence_compute import resolve
from novaha.contract.fence import Action, Request
from novaha.core.errors import (
    AmbiguousNodeError,
    ClusterToolError,
    RecordError,
    UnknownNodeError,
)
from tests.unit.agents.fakes import FakeCluster, pending, recovered, running

KNOWN = {"controller-1": "member", "compute-1": "remote", "compute-2.example.org": "remote"}


def run(cluster: FakeCluster, *lines: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    stdin = io.StringIO("\n".join(lines))
    code = fence_compute.main([], stdin, out, err, cluster, sleep=lambda seconds: None)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("plug", "nodename", "domain", "node"),
    [
        ("compute-1", "", "", "compute-1"),
        ("compute-1", "controller-1", "", "compute-1"),
        ("17", "compute-1", "", "compute-1"),
        ("", "compute-1", "", "compute-1"),
        ("COMPUTE-1", "", "", "compute-1"),
        ("", "Compute-1", "", "compute-1"),
        ("17", "COMPUTE-1", "", "compute-1"),
        ("COMPUTE-2.Example.org", "", "", "compute-2.example.org"),
        ("COMPUTE-2", "", "", "compute-2.example.org"),
        ("Compute-2", "", "EXAMPLE.ORG", "compute-2.example.org"),
        ("compute-1.example.org", "", "", "compute-1"),
        ("compute-2", "", "", "compute-2.example.org"),
        ("compute-2", "", "example.org", "compute-2.example.org"),
    ],
)
def test_target(plug: str, nodename: str, domain: str, node: str) -> None:
    request = Request(Action.OFF, plug=plug, nodename=nodename, domain=domain)
    assert resolve(request, KNOWN) == node


def test_nodes_that_differ_by_case_are_told_apart_where_that_can_be() -> None:
    known = {"compute-1": "remote", "COMPUTE-1": "remote"}
    assert resolve(Request(Action.OFF, nodename="COMPUTE-1"), known) == "COMPUTE-1"
    with pytest.raises(AmbiguousNodeError, match="COMPUTE-1, compute-1"):
        resolve(Request(Action.OFF, nodename="Compute-1"), known)


def test_an_address_has_no_domain() -> None:
    known = {"10.0.0.1": "remote", "10.0.0.2": "remote"}
    assert resolve(Request(Action.OFF, nodename="10.0.0.2"), known) == "10.0.0.2"
    with pytest.raises(UnknownNodeError):
        resolve(Request(Action.OFF, nodename="10"), known)


@pytest.mark.parametrize("plug", ["compute-3", "compute-2.elsewhere.org", "", "compute"])
def test_no_target(plug: str) -> None:
    """Two different domains are two different machines."""
    with pytest.raises(UnknownNodeError):
        resolve(Request(Action.OFF, plug=plug), KNOWN)


def test_a_target_that_could_be_two_is_none() -> None:
    known = {"compute-1.a.org": "remote", "compute-1.b.org": "remote"}
    with pytest.raises(AmbiguousNodeError, match=r"compute-1\.a\.org, compute-1\.b\.org"):
        resolve(Request(Action.OFF, plug="compute-1"), known)


def test_off_flags_exactly_the_target() -> None:
    cluster = FakeCluster()
    assert run(cluster, "action=off", "nodename=compute-2", "plug=compute-2")[0] == 0
    assert cluster.flagged == ["compute-2"]


def test_law_3_off_fails_when_the_cluster_does() -> None:
    cluster = FakeCluster()
    cluster.broken = ClusterToolError(["cibadmin"], 102, "Transport endpoint is not connected")
    code, out, err = run(cluster, "action=off", "plug=compute-1")
    assert (code, out) == (1, "")
    assert err == "fence_compute: cibadmin exited with 102: Transport endpoint is not connected\n"


@pytest.mark.parametrize(
    ("record", "on", "status"),
    [
        (None, 0, 0),
        (pending("compute-1"), 1, 2),
        (running("compute-1"), 1, 2),
        (recovered("compute-1"), 0, 0),
        (RecordError("compute-1", "is nonsense"), 1, 2),
    ],
)
def test_law_4_on_and_status_follow_the_record(record, on: int, status: int) -> None:
    cluster = FakeCluster(compute_1=record)
    assert run(cluster, "action=on", "plug=compute-1")[0] == on
    assert run(cluster, "action=status", "plug=compute-1")[0] == status


def test_delay_is_for_off_only() -> None:
    slept: list[float] = []
    for action in ("off", "status"):
        fence_compute.main(
            [],
            io.StringIO(f"action={action}\nplug=compute-1\ndelay=3\n"),
            io.StringIO(),
            io.StringIO(),
            FakeCluster(),
            sleep=slept.append,
        )
    assert slept == [3.0]


def test_what_nobody_expected_is_a_failure_and_no_traceback() -> None:
    class Broken(FakeCluster):
        def known_nodes(self):
            raise ZeroDivisionError("division by zero")

    code, _, err = run(Broken(), "action=off", "plug=compute-1")
    assert (code, err) == (1, "fence_compute: unexpected ZeroDivisionError: division by zero\n")
