"""Errors carry data, and their text says what is wrong, where, and what to do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from novaha.core.errors import (
    AmbiguousHostError,
    AmbiguousNodeError,
    ClusterToolError,
    ComputeApiError,
    ConfigError,
    NovahaError,
    RecordConflictError,
    RecordError,
    RefusedError,
    SharedHostError,
    TransitionError,
    UnknownHostError,
    UnknownNodeError,
)

LONG = "n" * 2000


@pytest.mark.parametrize(
    ("made", "data", "text"),
    [
        (
            lambda: RecordError("c1", "no state"),
            {"node": "c1", "problem": "no state"},
            "recovery record of c1: no state",
        ),
        (
            lambda: TransitionError("running", "fence"),
            {"state": "running", "event": "fence"},
            "a host in recovery state 'running' cannot take the step 'fence'",
        ),
        (
            lambda: RecordConflictError("c1"),
            {"node": "c1"},
            "recovery record of c1 was changed by somebody else meanwhile",
        ),
        (
            lambda: UnknownNodeError("c9", ["c2", "c1"]),
            {"name": "c9", "known": ("c1", "c2")},
            "'c9' is no node of this cluster; it knows c1, c2",
        ),
        (
            lambda: UnknownNodeError(LONG),
            {"name": LONG, "known": ()},
            f"'{'n' * 99}…' is no node of this cluster",
        ),
        (
            lambda: AmbiguousNodeError("C1", ["c1", "cC"]),
            {"name": "C1", "nodes": ("c1", "cC")},
            "'C1' could be any of the nodes c1, cC",
        ),
        (
            lambda: AmbiguousNodeError(LONG, ["b", "a"]),
            {"nodes": ("a", "b")},
            f"'{'n' * 99}…' could be any of the nodes a, b",
        ),
        (
            lambda: UnknownHostError("c1", ["h2", "h1"]),
            {"node": "c1", "hosts": ("h1", "h2")},
            "Nova knows no compute host for node c1 (it knows h1, h2); if their names differ by "
            "more than the domain, set [nova] host_names = c1:NAME_IN_NOVA in novaha.conf",
        ),
        (
            lambda: AmbiguousHostError("c1", ["c1.b", "c1.a"]),
            {"node": "c1", "hosts": ("c1.a", "c1.b")},
            "node c1 could be any of Nova's hosts c1.a, c1.b; "
            "set [nova] host_names = c1:NAME_IN_NOVA in novaha.conf (or [nova] domain, if that of "
            "all hosts decides), or delete the service that is out of use: openstack compute "
            "service delete ID",
        ),
        (
            lambda: SharedHostError("c1", "h", ["c2", "c1"]),
            {"node": "c1", "host": "h", "nodes": ("c1", "c2")},
            "the nodes c1 and c2 are the one host h of Nova; set [nova] host_names = "
            "c1:NAME_IN_NOVA,c2:NAME_IN_NOVA in novaha.conf, or remove the node that is out of use",
        ),
        (lambda: ConfigError("no cloud"), {}, "no cloud"),
        (lambda: ConfigError(LONG), {}, "n" * 999 + "…"),
        (
            lambda: ComputeApiError("services", "timed out"),
            {"what": "services", "detail": "timed out"},
            "services: timed out",
        ),
        (
            lambda: RefusedError("evacuate", 409, "busy"),
            {"what": "evacuate", "code": 409, "detail": "busy (HTTP 409)", "final": False},
            "evacuate: busy (HTTP 409)",
        ),
        (
            lambda: RefusedError("x", 400, "never", final=True),
            {"final": True},
            "x: never (HTTP 400)",
        ),
        (
            lambda: ClusterToolError(["crm_mon", "-1"], 102, " not connected\n"),
            {"argv": ("crm_mon", "-1"), "returncode": 102, "stderr": " not connected\n"},
            "crm_mon exited with 102: not connected",
        ),
        (
            lambda: ClusterToolError(["cibadmin"], None, " \n"),
            {"returncode": None},
            "cibadmin did not finish in time",
        ),
        (lambda: ClusterToolError([], 0, ""), {"argv": (), "returncode": 0}, "? exited with 0"),
    ],
    ids=itertools.count(),
)
def test_what_an_error_carries_and_says(
    made: Callable[[], NovahaError], data: dict[str, Any], text: str
) -> None:
    error = made()
    assert {name: getattr(error, name) for name in data} == data
    assert str(error) == text


def test_where_nova_has_no_host_at_all() -> None:
    assert "(it knows none at all)" in str(UnknownHostError("c1", []))
