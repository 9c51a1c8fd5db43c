"""What the older agents flagged and did not finish becomes a recovery of ours (ADR 6)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from novaha.core import events, naming
from novaha.core.errors import AmbiguousNodeError, NovahaError, RecordError, UnknownOutcomeError
from novaha.core.model import ComputeService
from novaha.core.ports import Fencing, OlderFlags, Records
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.text import word
from novaha.evacuator.prefetch import moment

LOG = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two looks at the flags: they only appear while older agents are left."""

_DONE = "no"
"""The older evacuator's last word. It knows that its requests were accepted, not that they worked;
and it may have said so after the host came back, where it then stands for good."""

_AFTERGLOW = timedelta(seconds=60)
"""What the older fence_compute tells Nova, it tells no later after the end of the fencing."""


class Adoption:
    """Adopts the older agents' flags, and hosts whose flag Pacemaker has erased.

    names: Nova's name of a node, given those of all hosts; raises NovahaError. now: UTC.
    clock: monotonic seconds.
    """

    def __init__(
        self,
        flags: OlderFlags,
        records: Records,
        fencing: Fencing,
        services: Callable[[], Iterable[ComputeService]],
        names: Callable[[str, frozenset[str]], str],
        journal: events.Sink,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._flags = flags
        self._records = records
        self._fencing = fencing
        self._services = services
        self._names = names
        self._journal = journal
        self._now = now
        self._clock = clock
        self._look_again_at = float("-inf")
        self._adopted = False
        self.notices: tuple[str, ...] = ()

    def poll(self, *, at_once: bool = False) -> bool:
        """Look at the flags if it is time, or `at_once`; whether a host was flagged anew.

        What goes wrong is a notice for people, and tried again.
        """
        now = self._clock()
        if now < self._look_again_at and not at_once:
            return False
        self._look_again_at = now + EVERY
        self._adopted = False
        notices: list[str] = []
        try:
            for name, value in sorted(self._flags.read().items()):
                notices += self._one(name, value)
            computes = self._fencing.compute_nodes()
            for node in sorted(self._fencing.still_off() & computes):
                notices += self._without_flag(node)
            for node in sorted(self._members_off(computes)):
                notices += self._member_without_flag(node)
        except NovahaError as error:
            notices.append(f"the older agents' flags cannot be adopted now: {error}")
        for notice in set(notices) - set(self.notices):
            LOG.warning("%s", notice)
        self.notices = tuple(notices)
        return self._adopted

    def _one(self, name: str, value: str) -> list[str]:
        """Deal with one flag; what people must know."""
        node = self._node(name)
        if node is None and value == _DONE:
            return []
        if node is None:
            return [
                f"the older agents flagged {name} ({value}), and it is not clear which node that "
                "is; if it has to be recovered: pcs stonith fence NODE; in any case: "
                f"attrd_updater --delete --name evacuate --node {word(name)}"
            ]
        record = self._records.read_all().get(node)
        if isinstance(record, RecordError):
            return []  # held until it is mended, which the loop says
        down_since = self._fencing.down_since(node)
        if record is not None and not _fenced_later(record, down_since):
            self._drop(name, value, "it has a recovery record")
        elif down_since is not None:
            self._adopt(node, name, value, down_since)
        elif value != _DONE:
            return self._not_down(node, name, value)
        return []

    def _without_flag(self, node: str) -> list[str]:
        """Pacemaker has erased the flag when it first tried to reach the dead host (measured).

        What the older fence_compute told Nova is still there.
        """
        down_since = self._fencing.down_since(node)
        by_hand = naming.newest_of(node, self._fencing.history().confirmed_by_hand())
        if down_since is None or self._records.read_all().get(node) is not None:
            return []
        if by_hand is not None and by_hand >= down_since:
            return []  # no agent was run; what comes of it is the operator's choice
        try:
            service = self._service(node)
        except NovahaError as error:
            return [_not_yet(node, "erased", error)]
        if _left_by_older_agents(service):
            self._record(node, down_since, "a force-down in Nova")
        return []

    def _members_off(self, computes: frozenset[str]) -> frozenset[str]:
        members = self._fencing.members() & computes
        return members - self._fencing.online() if members else members

    def _member_without_flag(self, node: str) -> list[str]:
        """The same of a full member, of which Pacemaker does not keep that it is still down.

        Nova tells whether it has lived since: then somebody else has switched it off. As it may
        have been in the cluster since, it is fenced once more before anything moves.
        """
        history = self._fencing.history()
        fenced = max(history.fencings_of(node), default=None)
        by_hand = naming.newest_of(node, history.confirmed_by_hand())
        if fenced is None or fenced == by_hand or self._records.read_all().get(node) is not None:
            return []
        try:
            service = self._service(node)
            newest = moment({s.host: s for s in self._services()})
        except NovahaError as error:
            return [_not_yet(node, "erased", error)]
        seen, now = service.last_seen, self._now()
        if seen and newest:
            seen -= max(timedelta(0), newest - now)  # Nova's clock may be ahead
        if _left_by_older_agents(service) and (seen is None or seen <= fenced + _AFTERGLOW):
            self._record(node, now, "a force-down in Nova")
        return []

    def _node(self, name: str) -> str | None:
        """The node that a flag is of: the older fence_compute used Nova's name of the host."""
        nodes = self._fencing.compute_nodes()
        try:
            node = naming.find_node(name, nodes)
        except AmbiguousNodeError:
            return None
        if node is not None:
            return node
        same = [node for node in nodes if self._is_called(node, name)]
        return same[0] if len(same) == 1 else None

    def _is_called(self, node: str, host: str) -> bool:
        try:
            return self._names(node, frozenset({host})) == host
        except NovahaError:
            return False

    def _not_down(self, node: str, name: str, value: str) -> list[str]:
        """The host is back, or was never down: only Nova knows whether it is in service again."""
        try:
            service = self._service(node)
        except NovahaError as error:
            return [_not_yet(node, value, error)]
        if service.forced_down:
            # Flagged, and nobody let it in since: what ran on it is lost. Pacemaker's history
            # knows nothing from this moment on, so it is fenced once more before anything moves.
            self._adopt(node, name, value, self._now())
        elif service.up and service.enabled:
            self._drop(name, value, "it is back in service")
        else:
            return [
                f"{node} was flagged by the older agents ({value}) and has been back since, and "
                f"its nova-compute does not run; if its instances do not either: pcs stonith "
                f"fence {word(node)}; if they do: attrd_updater --delete --name evacuate "
                f"--node {word(name)}"
            ]
        return []

    def _service(self, node: str) -> ComputeService:
        services = {service.host: service for service in self._services()}
        service = services[self._names(node, frozenset(services))]
        if service.problem:
            raise UnknownOutcomeError(f"read the service of {node}", service.problem)
        return service

    def _adopt(self, node: str, name: str, value: str, fenced: datetime) -> None:
        """The record first: the flag may only go when that is durable (law 3)."""
        self._record(node, fenced, f"evacuate={value}")
        self._flags.drop(name)

    def _record(self, node: str, fenced: datetime, left: str) -> None:
        unproven = bool(self._fencing.levels().without_power_device(node))
        self._records.flag_fenced(node, fenced=fenced, unproven=unproven, adopted=True)
        reason = f"the older agents left {left}"
        self._adopted = True
        self._journal.emit(events.Flagged(node, reason))
        LOG.warning("%s: %s, adopted", node, reason)

    def _drop(self, name: str, value: str, reason: str) -> None:
        self._flags.drop(name)
        LOG.info("%s: the older agents' flag %s is taken away: %s", name, value, reason)


def _fenced_later(record: Record, down_since: datetime | None) -> bool:
    """Whether the older agents flagged a host again whose recovery by us was over already."""
    return (
        record.state is RecoveryState.RECOVERED
        and down_since is not None
        and down_since > record.fenced
    )


def _left_by_older_agents(service: ComputeService) -> bool:
    """Whether it is as the older fence_compute leaves it, which gives no reason."""
    return service.forced_down and not service.enabled and not service.disabled_reason


def _not_yet(node: str, value: str, error: NovahaError) -> str:
    return f"{node} was flagged by the older agents ({value}); not adopted yet: {error}"
