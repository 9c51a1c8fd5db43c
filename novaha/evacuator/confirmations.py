"""Fencings that an administrator confirmed by hand: no agent ran, so nothing was flagged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from novaha.core.ports import Fencing, Records
from novaha.evacuator.journal import Journal

LOG = logging.getLogger(__name__)


class Confirmations:
    """Finds hosts that were declared down, and has them recovered or tells the operator.

    recover: whether to flag such a host; else the one command that does is told.

    Each confirmation is taken note of once and for ever, in the CIB: the history shows it for
    days, long after the host is back.
    """

    def __init__(
        self, records: Records, fencing: Fencing, journal: Journal, *, recover: bool
    ) -> None:
        self._records = records
        self._fencing = fencing
        self._journal = journal
        self._recover = recover
        self._done: set[tuple[str, datetime]] = set()
        self._told: set[str] = set()

    def take(self) -> tuple[str, ...]:
        """Act on confirmations that are new; what the operator has to be told.

        Raises ClusterToolError when Pacemaker cannot be asked.
        """
        notices: list[str] = []
        for node, moment in self._fencing.confirmed_by_hand().items():
            if (node, moment) in self._done:
                continue
            if node not in self._fencing.compute_nodes():
                self._done.add((node, moment))
            elif not is_news(node, moment, self._records, self._fencing):
                self._note(node, moment)
            elif self._recover:
                self._records.flag_fenced(node, fenced=moment)
                self._journal.write("flagged", node=node, reason="confirmed by hand to be down")
                self._note(node, moment)
            else:
                notices.append(_notice(node, moment))
        for notice in set(notices) - self._told:
            LOG.warning("%s", notice)
        self._told = set(notices)
        return tuple(notices)

    def _note(self, node: str, moment: datetime) -> None:
        """It has served: another evacuator must not take it for new when the host is away next."""
        if self._records.seen_confirmation(node) != text(moment):
            self._records.note_confirmation(node, text(moment))
        self._done.add((node, moment))


def to_be_told(records: Records, fencing: Fencing) -> tuple[str, ...]:
    """What there is to tell an operator who does not have such hosts recovered by themselves."""
    computes = fencing.compute_nodes()
    return tuple(
        _notice(node, moment)
        for node, moment in fencing.confirmed_by_hand().items()
        if node in computes and is_news(node, moment, records, fencing)
    )


def is_news(node: str, moment: datetime, records: Records, fencing: Fencing) -> bool:
    """Whether a compute node that was confirmed to be down at `moment` may still be so."""
    if records.seen_confirmation(node) == text(moment):
        return False
    if records.read_all().get(node) is not None:
        return False  # flagged already: the confirmation is what that waits for
    # A host that is back runs what it runs: to evacuate that would run it twice.
    return not fencing.is_online(node)


def text(moment: datetime) -> str:
    """How a confirmation is noted in the CIB."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _notice(node: str, moment: datetime) -> str:
    return (
        f"{node} was confirmed by hand to be down at {text(moment)}; "
        f"to recover its instances: novaha recover {node}"
    )
