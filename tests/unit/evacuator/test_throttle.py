"""Requests wait while Nova has enough of them, and none is forgotten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from novaha.core.errors import NotSentError, RefusedError
from novaha.evacuator.throttle import Throttle
from tests.fakes.faults import UNAVAILABLE
from tests.unit.evacuator.sites import assert_moved, recovered, site_with


def test_no_more_at_once_than_the_window_has_room_for() -> None:
    throttle = Throttle(2, lambda: 0.0)
    with throttle.turn():
        pass
    inside = threading.Semaphore(0)
    most: list[int] = []
    out: list[int] = []
    go_on = threading.Event()

    def send(number: int) -> None:
        with throttle.turn():
            out.append(number)
            most.append(len(out))
            inside.release()
            go_on.wait(10)
            out.remove(number)

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, number) for number in range(8)]
        assert inside.acquire(timeout=10)
        assert inside.acquire(timeout=10)
        assert not inside.acquire(timeout=0.2)
        go_on.set()
    assert [future.exception() for future in sent] == [None] * 8
    assert max(most) == 2


def test_an_error_leaves_its_place_to_the_next() -> None:
    throttle = Throttle(1, lambda: 0.0)
    for error in (NotSentError("evacuate", "HTTP 429"), UNAVAILABLE, RefusedError("x", 409, "y")):
        with pytest.raises(type(error)), throttle.turn():
            raise error
    with throttle.turn():
        pass


def test_law_2_a_nova_that_turns_requests_away_gets_them_later() -> None:
    site = site_with(running=12)
    site.nova.faults["evacuate"] = [NotSentError("evacuate", "too many requests (HTTP 429)")] * 6
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert_moved(site)
    assert len(site.nova.migrations) == 12
