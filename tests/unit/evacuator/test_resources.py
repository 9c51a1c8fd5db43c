"""The process does not grow: descriptors, threads and memory over many recoveries and a day idle.

Threads, journal and socket are the real ones; only Nova, Pacemaker and time are the model's.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from novaha.evacuator import client, status
from novaha.evacuator.journal import Journal
from novaha.evacuator.server import Server
from tests.fakes.cluster import Site

POOL = 4
WARM_UP, RECOVERIES = 10, 100
DAY = 24 * 3600.0

GROWTH = 64 * 1024
"""Bytes by which what Python holds may differ between two measurements: far less than one kept
object an instance, a turn or a request would make of 100 recoveries."""

SPANS = 3
"""Measurements, of which one has to be below that: tables and caches of Python's grow at times,
what is never let go grows in each."""


class Waited(Executor):
    """A real pool whose work is done before `submit` returns: the model knows no locks."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(POOL, name)
        # It starts a thread whenever none seems idle: all of them now, or one comes late.
        together = threading.Barrier(POOL)
        for thread in [self._pool.submit(together.wait) for _ in range(POOL)]:
            thread.result()

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        future = self._pool.submit(fn, *args, **kwargs)
        future.exception()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    """Memory is traced from the start; and pytest keeps no logged lines, which look like growth."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    tracemalloc.start()
    yield
    tracemalloc.stop()
    logging.disable(before)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An evacuator with real threads, journal and socket."""
    pools = [Waited("read"), Waited("send")]
    site = Site(pools=(pools[0], pools[1]), journal=Journal(tmp_path / "journal.jsonl"))
    answers = {"status": lambda: {"hosts": [status.host(r) for r in site.loop.reports]}}
    server = Server(tmp_path / client.SOCKET, answers)
    server.start()
    yield site
    server.close()
    for pool in pools:
        pool.shutdown()


def recover(site: Site, run_dir: Path) -> None:
    """A host with four instances dies, is recovered, returns; somebody looks on; new instances."""
    for number in range(4):
        form = "stopped" if number == 3 else "active"
        site.nova.add_instance(f"instance-{number}", "compute-1", form)
    site.fence("compute-1")
    site.pass_time(2)
    assert client.ask("status", run_dir)["hosts"]
    hang_up(run_dir)

    def over() -> bool:
        if not site.nova.hosts["compute-1"].running:
            site.boot("compute-1")
        return not site.records.attributes

    site.run_until(over)
    assert all(i.host != "compute-1" for i in site.nova.instances.values())
    # What belongs to the model must not grow either.
    for instance in list(site.nova.instances):
        site.nova.remove(instance)
    site.nova.forget()
    site.fencing.successes.clear()


def hang_up(run_dir: Path) -> None:
    """Somebody connects and goes away without a word."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(run_dir / client.SOCKET))


def settled_threads() -> int:
    """How many threads there are once those of the socket's last callers have ended."""
    end = time.monotonic() + 10
    while any("process_request" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < end, f"they never end: {threading.enumerate()}"
        time.sleep(0.01)
    return threading.active_count()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def held() -> int:
    """Bytes that Python holds."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def measured(work: Callable[[], None]) -> tuple[int, int, int]:
    """By how much threads, descriptors and memory grow while `work` is done."""
    # Threads first: one that still talks to a caller has its socket open.
    before = (settled_threads(), descriptors(), held())
    work()
    after = (settled_threads(), descriptors(), held())
    return (after[0] - before[0], after[1] - before[1], after[2] - before[2])


def test_nothing_grows_over_100_recoveries(site: Site, tmp_path: Path) -> None:
    def recoveries(count: int) -> None:
        for _ in range(count):
            recover(site, tmp_path)

    recoveries(WARM_UP)
    grown = []
    while len(grown) < SPANS and min(grown, default=GROWTH) >= GROWTH:
        begun, opened, kept = measured(lambda: recoveries(RECOVERIES))
        assert (begun, opened) == (0, 0)
        grown.append(kept)
    assert min(grown) < GROWTH, f"bytes more after each {RECOVERIES} recoveries: {grown}"
    recovered = (tmp_path / "journal.jsonl").read_text().count('"recovered"')
    assert recovered == WARM_UP + RECOVERIES * len(grown)


def test_nothing_grows_over_a_day_with_nothing_to_do(site: Site) -> None:
    def idle(seconds: float) -> None:
        site.pass_time(seconds, step=5.0)
        site.nova.forget()

    idle(600)
    turns_before = site.nova.now
    begun, opened, kept = measured(lambda: idle(DAY))
    assert site.nova.now - turns_before >= DAY
    assert (begun, opened) == (0, 0)
    assert kept < GROWTH, f"{kept} bytes more after a day"
