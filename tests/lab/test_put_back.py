"""An old recovery record comes back to a host that lives again: a pushed copy of the CIB."""

from __future__ import annotations

import time

import pytest
from novahalab.chaos import putback
from novahalab.watcher import Watcher

from tests.lab.site import Site
from tests.lab.test_deaths import moved_before_the_power_was_cut, recovered, running

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NODE = "compute-1"
LIVED = 75.0
"""Seconds after its fencing when Nova's heartbeats prove that the host has lived since."""


def uid(site: Site) -> int:
    """Whom the evacuator runs as. Not by the owner of its files in /proc, which is root."""
    pid = site.on(site.evacuator(), "cat", "/run/novaha/evacuator.pid").split()[0]
    rows = site.on(site.evacuator(), "cat", f"/proc/{pid}/status").splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("Uid:"))


@pytest.mark.parametrize("another_process", [False, True])
def test_law_1_an_old_record_comes_back_to_a_host_that_lives(
    site: Site, watcher: Watcher, another_process: bool
) -> None:
    """The host is fenced again, and nothing moves before that; by what this evacuator has seen, or
    by Nova's heartbeats, where another one has seen nothing."""
    running(site, 1, NODE)
    site.lab("crash", NODE)
    site.wait("its record holds it", lambda: putback.copy(NODE))
    copy, began = putback.copy(NODE), time.monotonic()
    site.wait("it is back", site.whole)
    if another_process:
        pid = site.on(site.evacuator(), "cat", "/run/novaha/evacuator.pid").split()[0]
        site.on(site.evacuator(), "kill", "-KILL", pid)
        time.sleep(max(0.0, began + LIVED - time.monotonic()))
        site.wait("an evacuator runs", site.whole)
    instances = running(site, 2, NODE)
    assert uid(site) != 0
    watcher.look()
    before = len(site.fencings(NODE))
    putback.push(NODE, copy)
    site.wait("it is fenced again", lambda: len(site.fencings(NODE)) > before)
    site.wait("all run elsewhere", lambda: recovered(site, instances, NODE))
    watcher.look()
    assert moved_before_the_power_was_cut(watcher, instances, NODE) == []
    assert set(site.evacuations(instances).values()) == {1}
    site.wait("it is back", site.whole)
