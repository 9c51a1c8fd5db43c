"""The model site ends with a message where an evacuator would keep it busy for ever."""

from __future__ import annotations

import pytest

from tests.unit.evacuator.sites import site_with


def test_an_evacuator_that_never_pauses_fails_its_test_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_with(running=1)
    assert site.loop is not None
    monkeypatch.setattr(site.loop, "turn", lambda rung: 0.0)
    with pytest.raises(AssertionError, match="livelock: 201 turns of an evacuator without a pause"):
        site.pass_time(1)


def test_an_evacuator_that_pauses_turns_as_often_as_it_is_due() -> None:
    site = site_with(running=1)
    site.pass_time(300)
    site.fence("compute-1")
    site.run_until(lambda: site.where()["run-0"][0] != "compute-1")
