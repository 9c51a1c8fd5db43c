"""One lab a Pacemaker generation; every test finds it whole and empty."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from novahalab import layout
from novahalab.watcher import Watcher

from tests.lab.site import Site

GENERATIONS = os.environ.get("NOVAHA_LAB_GENERATIONS", "native,trixie,sid").split(",")
one_generation = pytest.mark.parametrize(
    "generation", GENERATIONS[:1], indirect=True, scope="session"
)
"""For what takes minutes, and depends on Nova rather than on Pacemaker."""
KEEP = bool(os.environ.get("NOVAHA_LAB_KEEP"))


@pytest.fixture(scope="session", params=GENERATIONS)
def generation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bring_up(site: Site, *options: str, tries: int = 3) -> None:
    """`lab up`, and again if that fails: on a busy machine a service may come too late.

    Only what the tests need is tried again; no test is, whatever it finds.
    """
    for left in reversed(range(tries)):
        try:
            site.lab("up", *options, timeout=1800)
            return
        except (AssertionError, subprocess.TimeoutExpired) as error:
            if not left:
                raise
            print(f"the lab did not come up, and is brought up again: {error}", file=sys.__stderr__)
            site.lab("down", timeout=300)


@pytest.fixture(scope="session")
def lab(generation: str) -> Iterator[Site]:
    site = Site()
    if not KEEP:
        site.lab("down", timeout=300)
    bring_up(site, "--pacemaker", generation)
    yield site
    if not KEEP:
        site.lab("down", timeout=300)


@pytest.fixture
def site(lab: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The lab, whole and empty; a failure tells what it looked like."""
    lab.restore()
    yield lab
    if getattr(request.node, "failed", False):
        print(lab.describe())


@pytest.fixture
def watcher(site: Site) -> Iterator[Watcher]:
    """Watches the guests during the test; no guest may ever run on two hosts (law 2)."""
    watching = Watcher(layout.GUESTS)
    watching.start()
    yield watching
    watching.stop()
    assert watching.twice == [], "guests ran on two hosts"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report
