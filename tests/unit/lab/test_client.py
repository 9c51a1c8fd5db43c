"""What the lab says of a cloud that is not ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from novahalab.cloud import client
from novahalab.errors import LabError


class Cloud(client.Client):
    """Nova's two lists, as they are given."""

    def __init__(self, services: list[dict[str, Any]], hypervisors: list[str]) -> None:
        self._services, self._hypervisors = services, hypervisors

    def services(self, binary: str = "nova-compute") -> list[dict[str, Any]]:
        return self._services

    def compute(self, *arguments: Any, **options: Any) -> Any:
        return {"hypervisors": [{"hypervisor_hostname": name} for name in self._hypervisors]}


def service(host: str, state: str = "up", forced_down: bool = False) -> dict[str, Any]:
    return {
        "host": host,
        "state": state,
        "status": "enabled",
        "forced_down": forced_down,
        "updated_at": "2030-01-01T00:00:00.000000",
    }


def test_hosts_that_are_up_and_known_are_ready() -> None:
    Cloud([service("compute-1")], ["compute-1"]).wait_computes(["compute-1"], timeout=0)


@pytest.mark.parametrize(
    ("services", "hypervisors", "told"),
    [
        ([], ["compute-1"], "Nova knows no nova-compute on compute-1"),
        ([service("compute-1", "down")], ["compute-1"], "compute-1 is down, enabled, forced down"),
        ([service("compute-1", "down", True)], [], "forced down: True, last heard of at 2030"),
        ([service("compute-1")], [], "Nova knows no hypervisor compute-1"),
    ],
)
def test_a_host_that_is_late_is_named_with_the_reason(
    services: list[dict[str, Any]], hypervisors: list[str], told: str
) -> None:
    rest = [service("compute-2")]
    cloud = Cloud(services + rest, [*hypervisors, "compute-2"])
    with pytest.raises(LabError, match=told) as error:
        cloud.wait_computes(["compute-1", "compute-2"], timeout=0)
    assert "compute-2" not in str(error.value)


def test_hosts_that_are_not_mapped_yet_need_no_hypervisor() -> None:
    cloud = Cloud([service("compute-1"), service("compute-2", "down")], [])
    cloud.wait_computes(["compute-1"], timeout=0, mapped=False)
    with pytest.raises(LabError, match="compute-2 is down"):
        cloud.wait_computes(["compute-1", "compute-2"], timeout=0, mapped=False)


@pytest.mark.parametrize(("check", "told"), [(lambda: False, "late$"), (lambda: "a", "late: a$")])
def test_waiting_ends_with_what_was_missing(check: Callable[[], bool | str], told: str) -> None:
    with pytest.raises(LabError, match=told):
        client.wait("late", check, timeout=0)


@pytest.mark.parametrize("check", [lambda: True, lambda: ""])
def test_waiting_ends_where_nothing_is_missing(check: Callable[[], bool | str]) -> None:
    client.wait("late", check, timeout=0)
