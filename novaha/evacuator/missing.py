"""Fencings that a recovery waits for, and that nobody else asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from novaha.core import events
from novaha.core.errors import NovahaError
from novaha.core.ports import Fencing
from novaha.core.recovery import RecoveryState
from novaha.core.text import word
from novaha.core.view import HostView
from novaha.evacuator.isolation import internal
from novaha.evacuator.ledger import HostLedger, Ledger
from novaha.evacuator.ledger.fencing import FencingFacts

LOG = logging.getLogger(__name__)

_LONGEST_PAUSE = 600.0
"""Seconds between two requests that fail."""


class MissingFencings:
    """Asks Pacemaker to fence a flagged host of whose fencing it knows nothing.

    Pacemaker forgets its fencing history when every cluster node was down, and no evacuation
    begins on a record alone (law 1). The same for a host whose fencing cut no power, once its
    levels are right: it may run to this moment.

    A fencing takes as long as its devices take: it is waited for in `pool`, never by the loop.
    One that succeeds is not asked for again, whatever comes of it; one that fails is, after
    `wait` seconds, then after twice as long each time, up to ten minutes.
    """

    def __init__(
        self,
        fencing: Fencing,
        journal: events.Sink,
        pool: Executor,
        wait: float,
        clock: Callable[[], float],
    ) -> None:
        """wait: seconds that Pacemaker has for a fencing of its own."""
        self._fencing = fencing
        self._journal = journal
        self._pool = pool
        self._wait = wait
        self._clock = clock

    def ask(self, views: Iterable[HostView], ledger: Ledger) -> None:
        """Ask for each that is missing.

        Raises ClusterToolError when Pacemaker cannot be asked for its history.
        """
        for view in views:
            page = ledger.of(view.node)
            if self._is_missing(view, page):
                page.fencing.begin()
                self._journal.emit(events.FencingRequested(view.node))
                self._pool.submit(self._request, view.node, page.fencing)

    def _is_missing(self, view: HostView, page: HostLedger) -> bool:
        record, now = view.record, self._clock()
        if (
            record.state is not RecoveryState.PENDING
            or view.standing.fence_confirmed
            or view.standing.unproven
            or view.standing.paused
            or page.fencing.requested
        ):
            return False
        failed, failed_at = page.fencing.failed
        if failed:
            return now >= failed_at + self._pause(failed)
        if now < page.first_seen + self._wait:
            return False
        return record.unproven or not self._fencing.anything_since(record.node, record.fenced)

    def _request(self, node: str, facts: FencingFacts) -> None:
        try:
            self._fencing.request(node)
            facts.succeeded()
            return
        except NovahaError as error:
            problem = str(error)
            LOG.warning("%s: Pacemaker did not fence it: %s", node, error)
        except Exception:
            problem = internal(node)
        failed = facts.fail(self._clock())
        facts.ask_again(
            problem=f"{node} waits for a fencing that fails: {problem}; it is asked for again "
            f"{self._pause(failed):.0f} s after that; `novaha evidence "
            f"{word(node)}` shows whether it lives"
        )
        self._journal.emit(events.FencingFailed(node, problem))

    def _pause(self, failed: int) -> float:
        return float(min(_LONGEST_PAUSE, self._wait * 2 ** min(failed - 1, 10)))


def problems(views: Iterable[HostView], ledger: Ledger) -> tuple[str, ...]:
    """Of the hosts that wait for a fencing: why it failed when it was last asked for."""
    return tuple(
        problem
        for view in views
        if (problem := ledger.of(view.node).fencing.problem)
        and view.record.state is RecoveryState.PENDING
        and not view.standing.fence_confirmed
    )
