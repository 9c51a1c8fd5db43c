"""A small site with instances on compute-1, and what is asked of it."""

from __future__ import annotations

from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from tests.fakes.cluster import Site


def site_with(running: int = 4, stopped: int = 0, **options: object) -> Site:
    site = Site(**options)
    for number in range(running):
        site.nova.add_instance(f"run-{number}", "compute-1")
    for number in range(stopped):
        site.nova.add_instance(f"off-{number}", "compute-1", "stopped")
    return site


def record(site: Site, node: str = "compute-1") -> Record:
    found = site.records.read(node)
    assert found is not None
    return found


def recovered(site: Site, node: str = "compute-1") -> bool:
    found = site.records.read(node)
    return found is not None and found.state is RecoveryState.RECOVERED


def assert_moved(site: Site, source: str = "compute-1") -> None:
    for instance, (host, state) in site.where().items():
        assert host != source, instance
        assert state == ("active" if instance.startswith("run") else "stopped"), instance
