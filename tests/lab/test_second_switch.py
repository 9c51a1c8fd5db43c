"""A BMC that is dead too: a second level, with another switch for the same power."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from novahalab import bmc, layout
from novahalab.watcher import Watcher

from tests.lab.conftest import one_generation
from tests.lab.site import Site
from tests.lab.test_brake import COMPUTES, cut, fencings, heal, held, moved, two_each
from tests.lab.test_doctor import doctor, errors
from tests.lab.test_scenario import assert_running_once

# Levels are tried by the fencer in one way in all generations (lib/fencing, docs/facts.md).
pytestmark = [pytest.mark.lab, pytest.mark.slow, one_generation]

HOST = COMPUTES[0]
PDU = f"pdu-{HOST}"


@contextmanager
def second_level(site: Site) -> Iterator[None]:
    """Made as the guide has it (operating.md, a BMC that is dead too)."""
    bmc.start_spare(HOST)
    level = ("pcs", "stonith", "level")
    device = (
        f"ip={layout.spare_address(HOST)}",
        f"username={bmc.USER}",
        f"password={bmc.PASSWORD}",
    )
    options = ("lanplus=1", "cipher=3", "power_wait=0", f"pcmk_host_list={HOST}")
    site.on_any_controller("pcs", "stonith", "create", PDU, "fence_ipmilan", *device, *options)
    site.on_any_controller(*level, "add", "2", HOST, PDU)
    assert wrong(site) == {HOST}, "a level without the brake and the flag"
    site.on_any_controller("novaha", "setup", "--apply", "--brake-option", "window=1")
    try:
        yield
    finally:
        site.on_any_controller(*level, "remove", "2", "target", HOST)
        site.on_any_controller("pcs", "stonith", "delete", PDU)


def levels(site: Site) -> str:
    return site.on_any_controller("pcs", "stonith", "level", "config")


def wrong(site: Site) -> set[str]:
    """The hosts whose fencing levels doctor finds wrong."""
    _, findings = doctor(site, layout.CONTROLLERS[0])
    return {f["subject"] for f in errors(findings) if f["check"] == "fencing-levels"}


def test_a_host_whose_bmc_is_dead_is_fenced_by_its_second_switch(
    site: Site, watcher: Watcher
) -> None:
    instances = two_each(site)
    before = fencings(site)
    with second_level(site):
        assert f"nova-brake {PDU} fence-nova" in " ".join(levels(site).replace(",", " ").split())
        assert wrong(site) == set()
        bmc.connect(HOST, False)
        try:
            # Whichever level is tried: while all are cut off, none is powered off.
            cut()
            site.wait("all are held", lambda: held(site) == set(COMPUTES))
            heal()
            site.wait("none is held", lambda: not held(site))
            assert fencings(site) == before
            site.lab("crash", HOST, "--kind", "panic")
            site.wait("all are elsewhere", lambda: moved(site, instances, HOST), 300)
            assert fencings(site)[HOST] > before[HOST]
        finally:
            bmc.connect(HOST, True)
        site.wait("the site is whole", site.whole, 300)
    assert_running_once(site, watcher, instances)
    assert set(site.evacuations(instances).values()) == {1}
