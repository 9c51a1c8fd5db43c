"""Placement: what is left on each host, in as few requests as there are pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from novaha.core.errors import UnknownOutcomeError
from novaha.nova import regions
from novaha.nova.attempts import reading
from novaha.nova.failures import by_code, contained
from novaha.nova.reader import Row
from novaha.nova.session import secrets_of

_VERSION = "1.29"
"""The microversion: since Rocky; summaries have capacity and use, and the providers below."""

_DISABLED = "COMPUTE_STATUS_DISABLED"
"""The trait of a host that Nova's scheduler is to leave out."""


class Placement:
    """One Placement, by a session of keystoneauth1."""

    def __init__(self, session: Session, *, interface: str, region_name: str | None) -> None:
        self._session = session
        self._interface = interface
        self._region_name = region_name

    def free(self) -> dict[str, dict[str, int]]:
        """What is left of each resource, by the id of a host's resource provider.

        One request. Of a host without a single VCPU or megabyte left nothing is told: nothing fits
        there. Raises ComputeApiError.
        """
        what = "list what is left on each host"
        query = urlencode({"resources": "VCPU:1,MEMORY_MB:1"})
        with contained(what, lambda: secrets_of(self._session)):
            return summaries(what, reading(lambda: self._get(what, query)))

    def _get(self, what: str, query: str) -> Any:
        adapter = Adapter(
            self._session,
            service_type="placement",
            interface=self._interface,
            region_name=regions.chosen(self._session, self._interface, self._region_name),
        )
        headers = {"OpenStack-API-Version": f"placement {_VERSION}"}
        answer = adapter.get(f"/allocation_candidates?{query}", headers=headers, raise_exc=False)
        code = int(answer.status_code)
        if code >= 300:
            raise by_code(what, code, str(answer.reason or "no reason given"))
        try:
            return answer.json()
        except ValueError:
            raise UnknownOutcomeError(what, "Placement answered no JSON") from None


def summaries(what: str, body: object) -> dict[str, dict[str, int]]:
    """By Placement's answer. Raises UnknownOutcomeError where it makes no sense."""
    found = body.get("provider_summaries") if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        raise UnknownOutcomeError(what, "Placement's answer has no provider_summaries")
    free: dict[str, dict[str, int]] = {}
    for provider, summary in found.items():
        resources = summary.get("resources") if isinstance(summary, Mapping) else None
        traits = summary.get("traits") if isinstance(summary, Mapping) else None
        if not isinstance(resources, Mapping) or not isinstance(traits, list):
            raise UnknownOutcomeError(what, "Placement tells of a provider nothing that is known")
        if _DISABLED in traits:
            continue
        # What is below a host (NUMA cells, devices) is counted by itself, not for the host.
        free[str(provider)] = {
            str(name): int(amount["capacity"]) - int(amount["used"])
            for name, amount in resources.items()
            if isinstance(amount, Mapping) and {"capacity", "used"} <= amount.keys()
        }
    return free


def hosts(found: Iterable[Row]) -> dict[str, str]:
    """Nova's host by the id of its resource provider, from its list of hypervisors."""
    known: dict[str, str] = {}
    for row in found:
        service = row.get("service")
        host = service.get("host") if isinstance(service, Mapping) else None
        if isinstance(row.get("id"), str) and isinstance(host, str):
            known[row["id"]] = host
    return known


def apart(groups: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """The members of each server group that has to keep them on different hosts."""
    return {
        str(row["id"]): tuple(map(str, row.get("members") or ()))
        for row in groups
        if _policy(row) == "anti-affinity"
    }


def together(groups: Iterable[Row]) -> frozenset[str]:
    """The members of server groups that have to be on one host."""
    return frozenset(
        str(member)
        for row in groups
        if _policy(row) == "affinity"
        for member in row.get("members") or ()
    )


def _policy(row: Row) -> str:
    """One text from 2.64 on, a list of one before."""
    policies = row.get("policies")
    first = policies[0] if isinstance(policies, list) and policies else ""
    return str(row.get("policy") or first)
