"""Reading the cluster and Nova: from records to the views that the planner decides on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from functools import partial

from novaha.core import proof, reading
from novaha.core.answers import Code, Wait
from novaha.core.errors import ComputeApiError, NovahaError, UnknownOutcomeError
from novaha.core.model import ComputeService, disabled_by_us, kept_out
from novaha.core.ports import Compute, Fencing, History
from novaha.core.proof import Proof
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.sentences import sentence
from novaha.core.steps import Scope
from novaha.core.view import HostView, Presence, Standing
from novaha.evacuator.destinations import Destinations, Fencings
from novaha.evacuator.doubts import Doubts, utc_now
from novaha.evacuator.following import Following
from novaha.evacuator.inventory import JUST_NOW, HostInventory, InventoryReader
from novaha.evacuator.isolation import seen
from novaha.evacuator.ledger import HostLedger, Ledger
from novaha.evacuator.names import Names
from novaha.evacuator.prefetch import Prefetch, Prefetched, by_host, moment
from novaha.evacuator.returning import Returning
from novaha.evacuator.site import SiteWatch

LOG = logging.getLogger(__name__)


_EVERYTHING = Scope()

_IDLE_QUESTION = 60.0
"""Seconds between questions to Nova when there is nothing to do."""


class Observer:
    """Reads everything that one turn needs, and no more than that.

    me: how this evacuator signs the records it owns. pool, ahead: for what a turn waits for, and
    for what none may have to wait for.
    lost_after: seconds without progress after which Nova's log of actions is asked.
    """

    def __init__(
        self,
        compute: Compute,
        fencing: Fencing,
        names: Names,
        me: str,
        pool: Executor,
        ahead: Executor,
        clock: Callable[[], float],
        lost_after: float,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self._compute = compute
        self._fencing = fencing
        self._names = names
        self._me = me
        self._pool = pool
        self._clock = clock
        self.doubts = Doubts(fencing, wall)
        self._ahead = Prefetch(compute, names.host, ahead, clock)
        self._lists = InventoryReader(compute, pool, clock)
        self._around = SiteWatch(compute, fencing, clock)
        self._following = Following(
            compute,
            Destinations(compute, fencing, names.host, lost_after),
            self._around.note_online,
            clock,
            lost_after,
        )
        self._returning = Returning(compute, clock)
        self.nova_problem: str | None = None
        """Why Nova could not be read, "" when it could, None when it was not asked yet."""
        self.left_disabled: list[ComputeService] = []
        """Services that are up and carry our disable, as seen when no host was flagged."""
        self._ask_again_at = float("-inf")
        self._hosts = frozenset[str]()

    def views(
        self,
        records: Mapping[str, Record],
        ledger: Ledger,
        scope: Scope = _EVERYTHING,
        fencings: Fencings | None = None,
    ) -> list[HostView]:
        """One view a record. Nova's failures become the views' `problem`, never an exception.

        scope: what the plan of the turn before wants to be read.
        fencings: where they are asked for already; else they are if any host needs them.

        Raises ClusterToolError when Pacemaker cannot be asked about fencings.
        """
        pending = {n for n, r in records.items() if r.state is RecoveryState.PENDING}
        if fencings is None and pending:
            fencings = Fencings(
                self.begin_history(), self._pool.submit(self._fencing.levels).result
            )
        asked = [node for node in records if node not in pending]
        services, problem, ahead = self._ask_nova(asked)
        if services:
            self._around.note_open(services.values())
            self._around.look_for_room(ledger)
        self._around.look_who_is_back(records, ledger)
        views = {
            node: self.doubts.judge(
                self._named(self._seen(records[node], ledger, scope), services, problem), services
            )
            for node in asked
        }
        given = self._given(records, ahead)
        owned_at = {node: ledger.of(node).requests.owned_at for node in records}
        if reading.all_just_begun(records.values(), owned_at, self._clock()):
            self._hold(views, given)
        lists = self._begin_lists(views, given, records, services, scope)

        def look(record: Record) -> HostView:
            page = ledger.of(record.node)
            view = views.get(record.node) or self._seen(record, ledger, scope)
            read = lists.get(record.node)
            return seen(view, lambda: self._look(view, page, services, read, fencings))

        seen_now = list(self._pool.map(look, records.values()))
        return self._still_shown(seen_now, scope.ended) if scope.ended else seen_now

    def _look(
        self,
        view: HostView,
        page: HostLedger,
        services: Mapping[str, ComputeService],
        lists: Callable[[], HostInventory] | None,
        fencings: Fencings | None,
    ) -> HostView:
        """One host, as its recovery state needs it. lists: of its host, None where they do not
        matter. fencings: on their way, where any host is pending."""
        state = view.record.state
        if state is RecoveryState.PENDING and fencings is not None:
            return self._pending(view, page, fencings)
        if lists is not None:
            return self._running(view, services, page, lists, fencings)
        over = state is RecoveryState.RECOVERED and not view.problem
        return self._recovered(view, page) if over else view

    def _begin_lists(
        self,
        views: Mapping[str, HostView],
        given: Mapping[str, HostInventory],
        records: Mapping[str, Record],
        services: Mapping[str, ComputeService],
        scope: Scope,
    ) -> dict[str, Callable[[], HostInventory]]:
        """What gives the lists of each node where they matter, or raises ComputeApiError."""
        wanted = {n: v.host for n, v in views.items() if v.host and reading.matters(v)}
        unread = {node: host for node, host in wanted.items() if node not in given}
        now = moment(services)
        read = self._lists.read(unread, records, scope.resting, scope.deferred, now)
        return {
            node: partial(given.__getitem__, node) if node in given else partial(read, node)
            for node in wanted
        }

    def _ask_nova(
        self, nodes: Sequence[str]
    ) -> tuple[Mapping[str, ComputeService], str, dict[str, Prefetched]]:
        """Nova's services, why there are none, and what was read ahead of these nodes."""
        only = self._ahead.pop(nodes[0]) if len(nodes) == 1 else None
        services, problem = self._services(only) if nodes else ({}, "")
        ahead = {node: found for node in nodes if (found := only or self._ahead.pop(node))}
        return services, problem, ahead

    def _given(
        self, records: Mapping[str, Record], ahead: Mapping[str, Prefetched]
    ) -> dict[str, HostInventory]:
        """The lists that were read ahead, by node."""
        self._lists.keep(records)
        for node, found in ahead.items():
            self._lists.note(records[node], found.lists, found.at, moment(found.services))
        return {node: found.lists for node, found in ahead.items()}

    def _hold(self, views: dict[str, HostView], given: dict[str, HostInventory]) -> None:
        """Read nothing of hosts that wait for others, unless that was read a moment ago."""
        for node, view in views.items():
            if node in given or not reading.may_wait(view):
                continue
            if recent := self._lists.recent(view.record):
                given[node] = recent
            else:
                waiting = sentence(Wait(Code.OTHERS_NOT_FORCED_DOWN))
                views[node] = replace(view, problem=waiting, held=True)

    def _still_shown(self, views: list[HostView], ended: Collection[str]) -> list[HostView]:
        """The same, where a host is about to be closed only if Nova shows its service still.

        Nova leaves out the instances and evacuations of a cell that does not answer, without a
        word: an empty list tells something only between two signs of life of that cell (law 5).
        """
        services, problem = self._services(None)
        shown = {host for host, service in services.items() if not service.problem}
        why = problem or "Nova ceased to show its service while it was read"
        return [
            replace(v, problem=why)
            if v.node in ended and not v.problem and v.host and v.host not in shown
            else v
            for v in views
        ]

    @property
    def open_hosts(self) -> frozenset[str] | None:
        """The hosts that took instances when Nova was asked last, None if it was not yet."""
        return self._around.open_hosts

    @property
    def room_since(self) -> float:
        """When room for instances may last have appeared somewhere, by the clock."""
        return self._around.room_since

    def begin_history(self) -> Callable[[], History]:
        """Begin to read Pacemaker's history; what gives it, or raises ClusterToolError."""
        return self._pool.submit(self._fencing.history).result

    def read_ahead(self, node: str, within: float = JUST_NOW) -> None:
        """Begin to read what a recovery of this node begins with, without waiting for it.

        within: seconds for which what was begun before is enough.
        """
        self._ahead.begin(node, self._hosts, within)

    def last_seen(self, node: str) -> datetime | None:
        """When Nova heard last from the nova-compute of `node`, or somebody changed its service.

        Raises NovahaError when Nova cannot be asked or knows no such host.
        """
        return self.all_last_seen()(node)

    def all_last_seen(self) -> Callable[[str], datetime | None]:
        """What tells the same of each node, from one question to Nova. Both raise NovahaError."""
        services = by_host(self._compute)

        def of(node: str) -> datetime | None:
            service = services[self._names.host(node, frozenset(services))]
            if service.problem:
                raise UnknownOutcomeError(f"read when {node} was seen last", service.problem)
            return service.last_seen

        return of

    def keep_warm(self) -> None:
        """Ask Nova for nothing in particular now and then, without waiting for the answer.

        It keeps a token and a connection ready, and tells a monitor whether Nova answers.
        """
        now = self._clock()
        if now >= self._ask_again_at:
            self._ask_again_at = now + _IDLE_QUESTION
            self._pool.submit(self._ask)

    def _ask(self) -> None:
        try:
            services = self._compute.services()
            self.nova_problem = ""
            self._hosts = frozenset(service.host for service in services)
            self._around.note_open(services)
            self.left_disabled = [
                s for s in services if s.up and disabled_by_us(s) and not kept_out(s)
            ]
        except NovahaError as error:
            self.nova_problem = str(error)
        except Exception:
            LOG.exception("ask Nova")
            self.nova_problem = "internal error, see the log"

    def _services(self, ahead: Prefetched | None) -> tuple[Mapping[str, ComputeService], str]:
        try:
            services = ahead.services if ahead else by_host(self._compute)
        except NovahaError as error:
            self.nova_problem = str(error)
            return {}, f"Nova cannot be asked: {error}"
        self.nova_problem = ""
        self._hosts = frozenset(services)
        return services, ""

    def _seen(self, record: Record, ledger: Ledger, scope: Scope) -> HostView:
        requests = ledger.of(record.node).requests
        return HostView(
            record=record,
            standing=Standing(
                mine=record.owner == self._me,
                owned_at=requests.owned_at,
                settled_before=record.node in scope.ended,
            ),
            requests=requests.view(self._clock()),
        )

    def _named(
        self, view: HostView, services: Mapping[str, ComputeService], problem: str
    ) -> HostView:
        """A host with its service, as far as Nova tells."""
        if problem:
            return replace(view, problem=problem)
        try:
            host = self._names.host(view.node, frozenset(services))
        except NovahaError as error:
            return replace(view, problem=str(error))
        service = services[host]
        return replace(view, host=host, presence=Presence(service), problem=service.problem)

    def _unread(self, view: HostView, error: ComputeApiError) -> HostView:
        self.nova_problem = str(error)
        return replace(view, problem=f"Nova cannot be asked: {error}")

    def _pending(self, view: HostView, page: HostLedger, fencings: Fencings) -> HostView:
        """Whether the host is known to be down; first what a power device has done (law 1).

        If it is, what Nova has of it is read as well: all can then be noted in one write.
        """
        history, levels = fencings.history(), fencings.levels()
        record = view.record
        standing = replace(view.standing, fenced_on_request=page.fencing.requested)
        view = self.doubts.judge(replace(view, standing=standing), {}, history)
        if view.standing.doubt:
            return view
        confirmed = replace(view, standing=replace(standing, fence_confirmed=True))
        node, since, devices = record.node, record.fenced, not record.unproven
        match proof.of_fencing(node, since, history, levels, devices=devices):
            case Proof.BY_DEVICE:
                untouched = record.untouched
                return self._confirmed(confirmed, page, fencings) if untouched else confirmed
            case Proof.BY_HAND:
                return confirmed
        unproven = levels.without_power_device(node)
        return replace(view, standing=replace(standing, unproven=unproven))

    def _confirmed(self, view: HostView, page: HostLedger, fencings: Fencings) -> HostView:
        self.read_ahead(view.node)  # unless the alert was quicker
        ahead = self._ahead.pop(view.node)
        if ahead is None:
            return view  # it is claimed all the same
        self._around.note_open(ahead.services.values())  # requests may follow in this turn
        self._lists.note(view.record, ahead.lists, ahead.at, moment(ahead.services))
        host = self._names.host(view.node, frozenset(ahead.services))
        read = replace(view, host=host, presence=Presence(ahead.services[host]))
        if ahead.services[host].problem:
            return view  # it is claimed, and waits
        if (read := self.doubts.judge(read, ahead.services, fencings.history())).standing.doubt:
            return read
        read = self._running(read, ahead.services, page, lambda: ahead.lists, fencings)
        return view if read.problem else read

    def _running(
        self,
        view: HostView,
        services: Mapping[str, ComputeService],
        page: HostLedger,
        lists: Callable[[], HostInventory],
        fencings: Fencings | None = None,
    ) -> HostView:
        try:
            return self._following.follow(view, lists(), services, page, fencings)
        except ComputeApiError as error:
            return self._unread(view, error)

    def _recovered(self, view: HostView, page: HostLedger) -> HostView:
        try:
            view = self._returning.look(view, page, off=view.node in self._around.off)
        except ComputeApiError as error:
            return self._unread(view, error)
        if not view.presence.alive or view.record.admitted:
            return view
        if page.presence.fencings is None:
            try:
                fencings = self._fencing.history().fencings_of(view.node)
                page.presence.note_fencings(fencings)
            except NovahaError as error:
                return replace(view, problem=str(error))
        return replace(view, presence=replace(view.presence, fencings=page.presence.fencings or ()))
