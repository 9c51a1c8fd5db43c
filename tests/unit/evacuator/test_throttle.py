"""Requests wait while Nova has enough of them, and none is forgotten."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

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


@pytest.mark.parametrize(("hosts", "together"), [(0, 1), (1, 1), (3, 3), (50, 8)])
def test_few_hosts_to_go_to_are_asked_for_one_by_one(hosts: int, together: int) -> None:
    throttle = Throttle(8, lambda: 0.0)
    for _ in range(8):
        with throttle.turn():
            pass
    throttle.limit(hosts)
    with ExitStack() as out:
        for _ in range(together):
            out.enter_context(throttle.turn())
        with ThreadPoolExecutor(1) as pool:
            one_more = pool.submit(lambda: out.enter_context(throttle.turn()))
            assert not wait([one_more], timeout=0.2).done
            throttle.limit(together + 1)
            assert bool(wait([one_more], timeout=1 if together < 8 else 0.2).done) is (together < 8)
            out.close()


@pytest.mark.parametrize(("others", "most"), [(1, 1), (6, 3)])
def test_requests_that_are_out_have_two_hosts_each_to_go_to(others: int, most: int) -> None:
    """Those that died are none of them, whatever Nova believes."""
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(8) as senders:
        site = site_with(running=8, hosts=2 + others, pools=(pool, senders))
        site.nova.add_instance("other", "compute-2")
        out: list[int] = []
        seen: list[int] = []
        evacuate, advance = site.nova.evacuate, site.nova.advance
        one_by_one = threading.RLock()  # the fake is not for several threads

        def slow(instance: str, target: str | None = None) -> None:
            out.append(1)
            seen.append(len(out))
            time.sleep(0.02)
            out.pop()
            with one_by_one:
                evacuate(instance, target)

        def advanced(seconds: float) -> None:
            with one_by_one:
                advance(seconds)

        site.nova.evacuate = slow  # type: ignore[method-assign]
        site.nova.advance = advanced  # type: ignore[method-assign]
        for host in ("compute-1", "compute-2"):
            site.fence(host)
        site.run_until(lambda: len(seen) == 9)
    assert max(seen) <= most


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
