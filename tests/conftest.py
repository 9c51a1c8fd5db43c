"""For all tests: nothing may depend on how busy the machine is, and nothing is left on it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.leftovers import left, seen

settings.register_profile(
    "novaha", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("novaha")


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_on_the_machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Fails the last test of a run with the names of what tests made, changed or removed.

    What tests and novaha itself make in the directory for temporary files is looked for in one of
    this run's own; a program that gets another environment is not seen there. The lab and the
    packages' roots install what they need on the machine, and have daemons that outlive a test.
    """
    items = request.session.items
    if any(item.get_closest_marker(mark) for item in items for mark in ("lab", "packages")):
        yield
        return
    tmp_path_factory.getbasetemp()  # pytest's own stays where it is: it keeps the last few
    before = seen()
    with (
        tempfile.TemporaryDirectory(prefix="novaha-tests-") as own,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", own)
        patch.setattr(tempfile, "tempdir", own)
        yield
        temporary = sorted(os.listdir(own))
    changed = left(before, seen())
    assert not changed, f"tests changed this machine: {', '.join(changed)}"
    assert not temporary, f"temporary files that nobody removed: {', '.join(temporary)}"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A controller whose clock is set to local time."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()
