"""Fencings that an administrator confirmed by hand: no agent ran, so nothing was flagged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from novaha.core import events, naming
from novaha.core.errors import AmbiguousNodeError, NovahaError
from novaha.core.ports import Fencing, Records
from novaha.core.record import Record
from novaha.core.text import word

LOG = logging.getLogger(__name__)

_AFTERGLOW = timedelta(seconds=60)
"""By how much Nova's clock may be ahead, and its news of a dead host late."""


class Confirmations:
    """Finds hosts that were declared down, and has them recovered or tells the operator.

    recover: whether to flag such a host; else the one command that does is told.
    last_seen: when Nova heard last from a node; raises NovahaError. A host that was heard from
        after it was confirmed to be down was back since, or the confirmation was a mistake.

    Each confirmation is taken note of once and for ever, in the CIB: the history shows it for
    days, long after the host is back.
    """

    def __init__(
        self,
        records: Records,
        fencing: Fencing,
        journal: events.Sink,
        *,
        recover: bool,
        last_seen: Callable[[str], datetime | None],
    ) -> None:
        self._records = records
        self._fencing = fencing
        self._journal = journal
        self._recover = recover
        self._last_seen = last_seen
        self._refuted: dict[str, str] = {}
        self._done: set[tuple[str, datetime]] = set()
        self._told: set[str] = set()

    def poll(self) -> tuple[str, ...]:
        """Act on confirmations that are new; what the operator has to be told.

        Raises ClusterToolError when Pacemaker cannot be asked.
        """
        notices: list[str] = []
        for typed, moment in self._fencing.history().confirmed_by_hand().items():
            if (typed, moment) in self._done:
                continue
            nodes = self._fencing.compute_nodes()
            try:
                node = naming.find_node(typed, nodes)
            except AmbiguousNodeError as error:
                notices.append(f"a confirmation by hand is not taken up: {error}")
                continue
            if node is None:
                notices += self._not_ours(typed, moment, nodes)
            elif (node, moment) in self._done:
                continue
            elif not confirmation_is_open(node, moment, self._records, self._fencing):
                self._note(node, moment)
            elif self._recover:
                notices += self._flag(node, moment)
            else:
                notices.append(_notice(node, moment))
        for node in [node for node in self._refuted if self._fencing.is_online(node)]:
            del self._refuted[node]
        notices += self._refuted.values()
        for notice in set(notices) - self._told:
            LOG.warning("%s", notice)
        self._told = set(notices)
        return tuple(notices)

    def _flag(self, node: str, moment: datetime) -> list[str]:
        """Flag the host, unless it is known to have lived since; what there is to be told."""
        try:
            seen = self._last_seen(node)
        except NovahaError as error:
            return [
                f"{node} was confirmed by hand to be down at {text(moment)}; "
                f"its recovery begins when Nova can be asked: {error}"
            ]
        if seen is None or seen <= moment + _AFTERGLOW:
            self._refuted.pop(node, None)
            self._records.flag_fenced(node, fenced=moment)
            self._journal.emit(events.Flagged(node, "confirmed by hand to be down"))
        else:
            self._refuted[node] = (
                f"{node} is not recovered: it was confirmed by hand to be down at {text(moment)}, "
                f"and Nova had a heartbeat of its nova-compute at {text(seen)}; see "
                f"whether it lives with `novaha evidence {word(node)}`; if it is off, confirm that "
                f"again: `stonith_admin --confirm {word(node)}`"
            )
            self._journal.emit(events.ConfirmationRefuted(node, text(seen)))
        self._note(node, moment)
        return []

    def _not_ours(self, typed: str, moment: datetime, nodes: Iterable[str]) -> list[str]:
        """A controller's confirmation is none of ours; one under a wrong name helps nobody."""
        meant = [node for node in sorted(nodes) if naming.alike(typed, node)]
        open_ones = [
            n for n in meant if confirmation_is_open(n, moment, self._records, self._fencing)
        ]
        if not open_ones:
            self._done.add((typed, moment))
        return [
            f"{typed} was confirmed by hand to be down at {text(moment)}, and is no node of this "
            f"cluster; if {node} is meant, see whether it lives with "
            f"`novaha evidence {word(node)}`; if it is switched off: "
            f"`stonith_admin --confirm {word(node)}`"
            for node in open_ones
        ]

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
        for typed, moment in fencing.history().confirmed_by_hand().items()
        if (node := naming.find_node(typed, computes)) is not None
        and confirmation_is_open(node, moment, records, fencing)
    )


def confirmation_is_open(node: str, moment: datetime, records: Records, fencing: Fencing) -> bool:
    """Whether a compute node that was confirmed to be down at `moment` may still be so."""
    if records.seen_confirmation(node) == text(moment):
        return False
    record = records.read_all().get(node)
    back = isinstance(record, Record) and record.kept and record.fenced < moment
    if record is not None and not back:
        return False  # flagged already: the confirmation is what that waits for
    # A host that is back runs what it runs: to evacuate that would run it twice.
    return not fencing.is_online(node)


def text(moment: datetime) -> str:
    """How a confirmation is noted in the CIB."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _notice(node: str, moment: datetime) -> str:
    return (
        f"{node} was confirmed by hand to be down at {text(moment)}; "
        f"to recover its instances: novaha recover {word(node)}"
    )
