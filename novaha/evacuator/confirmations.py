"""Fencings that an administrator confirmed by hand: no agent ran, so nothing was flagged."""

from __future__ import annotations

from datetime import UTC, datetime

from novaha.core.ports import Fencing, Records
from novaha.evacuator.journal import Journal


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

    def take(self) -> tuple[str, ...]:
        """Act on confirmations that are new; what the operator has to be told.

        Raises ClusterToolError when Pacemaker cannot be asked.
        """
        notices: list[str] = []
        for node, moment in self._fencing.confirmed_by_hand().items():
            if (node, moment) in self._done:
                continue
            if self._is_news(node, moment):
                notice = self._act(node, moment)
                if notice:
                    notices.append(notice)
                    continue
            self._done.add((node, moment))
        return tuple(notices)

    def _is_news(self, node: str, moment: datetime) -> bool:
        if node not in self._fencing.compute_nodes():
            return False
        if self._records.seen_confirmation(node) == _text(moment):
            return False
        record = self._records.read_all().get(node)
        if record is not None:
            return False  # flagged already: the confirmation is what that waits for
        # A host that is back runs what it runs: to evacuate that would run it twice.
        return not self._fencing.is_online(node)

    def _act(self, node: str, moment: datetime) -> str:
        if not self._recover:
            return (
                f"{node} was confirmed by hand to be down at {_text(moment)}; "
                f"to recover its instances: novaha recover {node}"
            )
        self._records.flag_fenced(node, fenced=moment)
        self._records.note_confirmation(node, _text(moment))
        self._journal.write("flagged", node=node, reason="confirmed by hand to be down")
        return ""


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
