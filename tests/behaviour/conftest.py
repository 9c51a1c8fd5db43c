"""Every test here runs on the model, and with `-m lab` on the real Nova of a lab."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.behaviour.harness import NovaUnderTest
from tests.behaviour.on_model import ModelNova

KEEP = bool(os.environ.get("NOVAHA_LAB_KEEP"))
BOTH = ["model", pytest.param("lab", marks=pytest.mark.lab)]


@pytest.fixture(scope="session")
def lab_nova() -> Iterator[NovaUnderTest]:
    # The model needs neither the lab's code nor what that imports.
    from tests.behaviour.on_lab import LabNova
    from tests.lab.site import Site

    site = Site()
    if not KEEP:
        site.lab("down", timeout=300)
        site.lab("up", timeout=1800)
    nova = LabNova(site)
    nova.look_away(True)
    yield nova
    nova.give_back()
    if not KEEP:
        site.lab("down", timeout=300)


@pytest.fixture(params=BOTH)
def nova(request: pytest.FixtureRequest) -> NovaUnderTest:
    """Three hosts that are up, and no instances."""
    if request.param == "model":
        return ModelNova()
    real = request.getfixturevalue("lab_nova")
    real.clean()
    return real


@pytest.fixture(scope="module", params=BOTH)
def shared_nova(request: pytest.FixtureRequest) -> NovaUnderTest:
    """The same, for all tests of a module."""
    if request.param == "model":
        return ModelNova()
    real = request.getfixturevalue("lab_nova")
    real.clean()
    return real
