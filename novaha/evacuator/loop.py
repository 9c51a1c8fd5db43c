"""The evacuator's cycle: read, plan, act, report; again."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from novaha.core import events, order
from novaha.core.errors import NovahaError, RecordError
from novaha.core.ports import Configuration, Records
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from novaha.core.steering import Pause
from novaha.core.steps import (
    FINAL,
    Act,
    Claim,
    Disable,
    Evacuate,
    HostReport,
    Plan,
    Prepare,
    Scope,
    Step,
)
from novaha.core.text import word
from novaha.core.view import HostView
from novaha.evacuator.act import Actor, StepResult
from novaha.evacuator.attention import Need, Needs, Since, needs
from novaha.evacuator.confirmed_by_hand import Confirmations
from novaha.evacuator.destinations import Fencings
from novaha.evacuator.held import HeldHosts
from novaha.evacuator.isolation import planned
from novaha.evacuator.ledger import Ledger
from novaha.evacuator.missing import MissingFencings, problems
from novaha.evacuator.observe import Observer
from novaha.evacuator.older_flags import Adoption
from novaha.evacuator.site_policy import SitePolicy
from novaha.evacuator.wakeup import Wakeup

LOG = logging.getLogger(__name__)


_REST = 8.0
"""Pause between two turns with work, as a multiple of the time that reading takes."""


_AT_ONCE = 2.0
"""Seconds of steps after which is looked again."""


class SupersededError(NovahaError):
    """Another evacuator owns what this one owned: it must end."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between idle turns, and between turns with work."""

    idle: float
    busy: float


class Loop:
    """Turns until told to stop. Requests go out in the actor's pool.

    configuration: reads it whole, for a turn that an alert wakes.
    pool: for what is written about different hosts, which a turn waits for.
    held: looks after hosts whose power-off is held, in a thread of its own; tells of pauses.
    site_policy: the rules that the site has declared for its instances.
    """

    def __init__(
        self,
        records: Records,
        configuration: Callable[[], Configuration],
        missing: MissingFencings,
        observer: Observer,
        actor: Actor,
        journal: events.Sink,
        confirmations: Confirmations,
        adoption: Adoption,
        policy: Policy,
        pace: Pace,
        me: str,
        pool: Executor,
        clock: Callable[[], float],
        held: HeldHosts | None = None,
        site_policy: SitePolicy | None = None,
    ) -> None:
        self._records = records
        self._configuration = configuration
        self._missing = missing
        self._observer = observer
        self._actor = actor
        self._journal = journal
        self._confirmations = confirmations
        self._adoption = adoption
        self.held = held
        self._site_policy = site_policy
        self._policy = policy
        self._pace = pace
        self._me = me
        self._pool = pool
        self._clock = clock
        self._ledger = Ledger()
        self._behind: set[str] = set()
        self._scope = Scope()
        self._hurry = False
        self._woken = False
        self._late: tuple[str, ...] = ()
        """Troubles that the steps of the turn before met: shown in that turn and the next."""
        self._unreadable: list[str] = []
        # A turn that is under way is not waited for.
        self.wakeup = Wakeup(observer.read_ahead)
        self.stopping = threading.Event()
        self.turned_at = clock()
        self.turning = False
        self.problem = ""
        self.reports: tuple[HostReport, ...] = ()
        self._notices: tuple[str, ...] = ()
        self.attention: tuple[str, ...] = ()
        """What an operator has to see to, and what to do about it."""
        self._needs = Needs(clock)
        self.failing, self.nova_silent = Since(), Since()

    @property
    def nova_problem(self) -> str | None:
        """Why Nova could not be read, "" when it could, None when it was not asked yet."""
        return self._observer.nova_problem

    @property
    def notices(self) -> tuple[str, ...]:
        """What people are told that concerns no recovery."""
        return (self.held.notices() if self.held else ()) + self._notices

    def run(self) -> None:
        """Turn until `stopping` is set.

        Raises SupersededError when another evacuator has taken over.
        """
        while not self.stopping.is_set():
            fenced = self.wakeup.drain()
            pause = self._pace.busy
            self.turning = True
            try:
                pause = self.turn(fenced)
                self.problem = ""
            except SupersededError:
                raise
            except NovahaError as error:
                if str(error) != self.problem:
                    LOG.warning("%s", error)
                self.problem = str(error)
            except Exception:
                LOG.exception("a turn failed; trying again")
                self.problem = "internal error, see the log"
            self.turned_at = self._clock()
            self.failing.note(bool(self.problem), self.turned_at)
            self.nova_silent.note(bool(self.nova_problem), self.turned_at)
            self.turning = False
            self._woken = bool(pause) and self.wakeup.wait(pause)

    def turn(self, fenced: Collection[str] = ()) -> float:
        """One turn. Returns the seconds to wait before the next.

        fenced: nodes whose fencing has just ended.

        Raises ClusterToolError when the cluster cannot be read, SupersededError.
        """
        now = self._clock()
        for node in fenced:
            self._observer.read_ahead(node)
        if self._site_policy is not None:
            self._policy = self._site_policy.applied(self._policy)
        records, fencings, pause = {}, None, None
        # Where there is something to do at once, nothing else is asked for before that.
        if fenced or self._woken:
            # All that decides about a host that was just fenced, in two questions side by side.
            history = self._observer.begin_history()
            found = self._configuration()
            fencings, pause = Fencings(history, lambda: found.levels), lambda: found.pause
            records = self._follow_records(found.records, now)
        elif self._hurry:
            records = self._read(now)
        if not records:
            self._notices = self._confirmations.poll() + self._adoption.notices
            records, fencings, pause = self._read(now), None, None
        self._hurry = False
        if not records:
            self.reports, self._scope = (), Scope()
            self.attention = (*self.notices, *self._unreadable, *self._policy_problems())
            self._follow(())
            self._observer.keep_warm()
            if self._site_policy is not None:
                self._site_policy.keep_warm()
            while self._observer.left_disabled:
                self._actor.enable(self._observer.left_disabled.pop())
            # A fencing that nobody recorded may be the older agents, whose flag is soon gone.
            return 0.0 if self._adoption.poll(at_once=self._woken) else self._pace.idle
        views = self._observer.views(records, self._ledger, self._scope, fencings)
        views = self._paused(views, pause)
        if self._site_policy is not None:
            views, self._policy = self._site_policy.complete(views, self._policy)
        cost = self._clock() - now
        troubles = (*self._late, *self._ledger.take_troubles(), *problems(views, self._ledger))
        self._missing.ask(views, self._ledger)
        room_since = self._observer.room_since
        decided, views = planned(views, self._policy, self._clock(), room_since)
        hosts = needs(views, self.nova_problem or "")
        if self._site_policy is not None:
            hosts += self._site_policy.needs(decided.reports)
            troubles += self._policy_problems()
        texts = (need.text for need in hosts)
        self.attention = (*self.notices, *self._unreadable, *troubles, *texts)
        self._follow(hosts)
        self._note_settled(decided.reports)
        self.reports = decided.reports
        self._scope = decided.scope
        by_node = {view.node: view for view in views}
        again = self._execute(decided, by_node)
        self._late = self._ledger.take_troubles()
        self.attention += self._late
        if again:
            self._hurry = True
            return 0.0
        sent = any(isinstance(step, Evacuate | Act | Claim | Prepare) for step in decided.steps)
        if not sent and self._adoption.poll():
            return 0.0
        if not sent and not order.is_busy(views):
            return self._pace.idle
        # What follows a write that failed was not asked for.
        failed = any(isinstance(s, Prepare) and s.node in self._behind for s in decided.steps)
        # Where Nova is busy, to look at it all the time would only keep it from its work.
        rest = self._pace.idle if order.only_moves(decided) and not failed else cost * _REST
        return max(self._pace.busy, min(self._pace.idle, rest))

    def _execute(self, decided: Plan, views: Mapping[str, HostView]) -> bool:
        """Execute the steps; whether the next turn begins at once.

        Requests come first, because they only go to the pool. The other steps wait for an answer,
        such as a write to the CIB, and get two seconds in all: when a rack dies, the first hosts'
        instances do not wait for the last host's record, and requests are made by a fresh reading.
        The next turn plans the steps that are left over. A host with which every step fails
        delays no other host.
        """
        if self.stopping.is_set():
            return False
        if (open_hosts := self._observer.open_hosts) is not None:
            self._actor.spread(len(open_hosts - {view.host for view in views.values()}))
        turn = order.in_order(decided, self._behind)
        end = self._clock() + _AT_ONCE
        for request in turn.requests:
            self._actor.execute(request, views[request.node], self._ledger.of(request.node))
        done = self._execute_until(end, turn.until_prepared, views)
        complete = all(how is StepResult.DONE for step, how in done if isinstance(step, Prepare))
        follows = complete and self._clock() < end
        if follows:
            for request in decided.after_prepare:
                self._actor.execute(request, views[request.node], self._ledger.of(request.node))
        done += self._execute_until(end, turn.after, views)
        asked = follows and bool(decided.after_prepare) and not any(v.held for v in views.values())
        # The next step depends on the result of these requests, which takes time to appear in Nova.
        passive: tuple[type[Step], ...] = (Disable, Prepare) if asked else (Disable,)
        return not self.stopping.is_set() and any(
            how is None or (how is not StepResult.FAILED and not isinstance(step, passive))
            for step, how in done
        )

    def _execute_until(
        self, end: float, steps: Sequence[Step], views: Mapping[str, HostView]
    ) -> list[tuple[Step, StepResult | None]]:
        """Execute steps until then, side by side for different hosts, in order for each.

        None where there was no time left.
        """
        by_node: dict[str, list[Step]] = {}
        for step in steps:
            by_node.setdefault(step.node, []).append(step)

        def execute(of_host: Sequence[Step]) -> list[tuple[Step, StepResult | None]]:
            return [(step, self._execute_one(end, step, views[step.node])) for step in of_host]

        done = list(itertools.chain.from_iterable(self._pool.map(execute, by_node.values())))
        self._behind |= {step.node for step, how in done if how is StepResult.FAILED}
        answered = (StepResult.DONE, StepResult.OUTDATED)
        self._behind -= {step.node for step, how in done if how in answered}
        return done

    def _execute_one(self, end: float, step: Step, view: HostView) -> StepResult | None:
        if self.stopping.is_set() or self._clock() >= end:
            return None
        if isinstance(step, Claim):
            self._observer.read_ahead(step.node)
        result = self._actor.execute(step, view, self._ledger.of(step.node))
        self.turned_at = self._clock()
        return result

    def _read(self, now: float) -> dict[str, Record]:
        """The records that make sense; the ledger follows them."""
        return self._follow_records(self._records.read_all(), now)

    def _follow_records(
        self, found: Mapping[str, Record | RecordError], now: float
    ) -> dict[str, Record]:
        records: dict[str, Record] = {}
        self._unreadable = []
        self._observer.doubts.follow(found, now)
        for node, record in found.items():
            if isinstance(record, RecordError):
                text = (
                    f"{record}; held until it is repaired, `novaha retry {word(node)}` rewrites it"
                )
                LOG.error("%s", text)
                self._unreadable.append(text)
                continue
            records[node] = record
        self._scope = self._scope.without(self._ledger.follow(records, now))
        self._behind &= records.keys()
        for record in records.values():
            self._check_owner(record)
        owned = {
            node: record.fence_id
            for node, record in records.items()
            if record.state is RecoveryState.RECOVERED
            or (record.state is RecoveryState.RUNNING and record.owner == self._me)
        }
        self._actor.owns(owned, now)
        return records

    def _check_owner(self, record: Record) -> None:
        if (
            record.state is RecoveryState.RUNNING
            and record.owner not in ("", self._me)
            and self._ledger.of(record.node).requests.owns(record.fence_id)
        ):
            raise SupersededError(
                f"the recovery of {record.node} was taken over by {record.owner}: ending"
            )

    def _paused(
        self, views: list[HostView], pause: Callable[[], Pause | None] | None
    ) -> list[HostView]:
        """The same; no recovery begins while an operator or the limits want none.

        One that runs goes on. pause: what an operator has set, where that was read.
        """
        begin = {view.node for view in views if view.record.state is RecoveryState.PENDING}
        if self.held is None:
            return views
        why = self.held.paused(pause) if begin else ""
        held = dict.fromkeys(begin, why) if why else self.held.limited(begin)
        return [
            replace(v, standing=replace(v.standing, paused=held[v.node])) if v.node in held else v
            for v in views
        ]

    def _policy_problems(self) -> tuple[str, ...]:
        return self._site_policy.problems() if self._site_policy is not None else ()

    def _follow(self, hosts: tuple[Need, ...]) -> None:
        for event in self._needs.follow(hosts, self.nova_problem or ""):
            self._journal.emit(event)

    def _note_settled(self, reports: tuple[HostReport, ...]) -> None:
        for report in reports:
            if report.record.state is not RecoveryState.RUNNING:
                continue
            facts = self._ledger.of(report.record.node).evacuations
            for instance in report.instances:
                if instance.progress in FINAL and facts.settle(instance.id):
                    self._journal.emit(
                        events.Settled(
                            report.record.node,
                            instance.id,
                            instance.name,
                            instance.where,
                            instance.detail,
                        )
                    )
