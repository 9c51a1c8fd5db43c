"""`novaha status` where no evacuator runs shows what it shows where one does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from novaha import wiring
from novaha.evacuator import digest, inspect, status
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import site_with

CONFIG = """
[keystone]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = u
password = p
project_name = p
user_domain_name = d
project_domain_name = d
"""


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Site], dict[str, Any]]:
    """`inspect.look` on another controller of this site."""
    config = tmp_path / "novaha.conf"
    config.write_text(CONFIG)
    config.chmod(0o600)

    def look(site: Site) -> dict[str, Any]:
        monkeypatch.setattr(inspect.client, "pid", lambda: None)
        monkeypatch.setattr(inspect, "RecordStore", lambda: site.records)
        monkeypatch.setattr(inspect, "FenceHistory", lambda: site.fencing)
        monkeypatch.setattr(wiring, "nova", lambda conf: site.nova)
        return inspect.look({"config": str(config)})

    return look


def own(site: Site) -> dict[str, Any]:
    loop = site.loop
    assert loop is not None
    health = status.Health(1, "controller-1", "u", 0.1, "", 0.0, "", 0.0, loop.attention)
    return status.own(health, loop.notices, loop.reports)


def full() -> Site:
    """A host has died, and there is no room for what ran on it."""
    site = site_with(running=3, stopped=1)
    for host in ("compute-2", "compute-3"):
        site.nova.hosts[host].room = 0
    site.fence("compute-1")
    site.pass_time(300)
    return site


def test_what_only_the_evacuator_knows_is_seen_on_every_controller(
    look: Callable[[Site], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = full()
    there = own(site)
    assert any("find no place elsewhere" in said for said in there["evacuator"]["attention"])
    details = {i["detail"] for i in there["hosts"][0]["instances"]}
    assert any("No valid host" in detail for detail in details)

    alone = look(site)
    assert (alone["told"], alone["problem"]) == (None, "")
    assert {i["detail"] for i in alone["hosts"][0]["instances"]} != details

    value = digest.make(there, datetime.now(UTC))
    monkeypatch.setattr(inspect.Digests, "read", lambda board: {"controller-1": value})
    here = look(site)
    assert here["hosts"] == there["hosts"]
    assert here["told"]["attention"] == there["evacuator"]["attention"]


def test_where_nova_cannot_be_asked_from_here_it_is_seen_as_well(
    look: Callable[[Site], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = full()
    there = own(site)
    value = digest.make(there, datetime.now(UTC))
    monkeypatch.setattr(inspect.Digests, "read", lambda board: {"controller-1": value})
    monkeypatch.setattr(inspect, "_from_nova", _away)
    here = look(site)
    assert here["problem"] == "no route"
    assert here["hosts"][0]["host"] == "compute-1"
    assert here["hosts"][0]["counts"] == there["hosts"][0]["counts"] != {}
    assert here["hosts"][0]["instances"] == there["hosts"][0]["instances"]


def _away(*_: object) -> None:
    raise inspect.NovahaError("no route")


def test_a_digest_that_makes_no_sense_hides_nothing(
    look: Callable[[Site], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = full()
    alone = look(site)
    monkeypatch.setattr(inspect.Digests, "read", lambda board: {"controller-1": "nonsense"})
    assert look(site) == alone
