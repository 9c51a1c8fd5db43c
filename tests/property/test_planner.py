"""The planner's laws, whatever was read, however little sense it makes.

Each law is a function that looks at one plan, and yields once for each place where it could have
been broken. So each is known to have been put to the test, and each is shown to find a planner
that does not see what the law is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from novaha.core import treatment
from novaha.core.faults import Fault, Kind
from novaha.core.model import (
    CLOSED,
    DONE,
    EVACUABLE,
    FAILED,
    GOING_AWAY,
    IN_FLIGHT,
    OPEN,
    REBUILDING,
    RESETTABLE,
    Action,
    EvacuationLog,
    Instance,
    Migration,
    kept_out,
)
from novaha.core.planner import GATHER
from novaha.core.policy.rules import Decision
from novaha.core.record import ADMITTED, ADOPTED, FORCED, Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Outcome
from novaha.core.steps import (
    FINAL,
    Act,
    Claim,
    Complete,
    Disable,
    Doubt,
    Drop,
    Enable,
    Evacuate,
    ForceDown,
    KeepOut,
    Plan,
    Prepare,
    Progress,
    Restart,
    Step,
    Unforce,
)
from novaha.core.view import HostView
from tests.property import sites
from tests.property.sites import NOW, WHEN, Site, smaller
from tests.views import changed

Law = Callable[[Site, Plan], Iterator[None]]


def _steps(site: Site, decided: Plan) -> Iterator[tuple[Step, HostView]]:
    by_node = {view.node: view for view in site.views}
    for step in (*decided.steps, *decided.after_prepare):
        yield step, by_node[step.node]


def _requests(site: Site, decided: Plan) -> Iterator[tuple[Evacuate, HostView]]:
    for step, view in _steps(site, decided):
        if isinstance(step, Evacuate):
            yield step, view


def _dead(site: Site) -> set[str | None]:
    """The hosts that Nova knows to be down, in recoveries that are claimed."""
    return {
        view.host
        for view in site.views
        if view.record.state is RecoveryState.RUNNING
        if view.host and view.presence.service is not None and view.presence.service.forced_down
    }


def law_1_a_host_is_claimed_when_its_fencing_is_confirmed(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        takes = isinstance(step, Claim) or (isinstance(step, Prepare) and step.claim)
        if takes and view.record.state is RecoveryState.PENDING:
            yield
            assert view.standing.fence_confirmed
            assert not view.standing.unproven
        if isinstance(step, Prepare) and step.claim:
            assert view.record.state is RecoveryState.PENDING


def law_1_nova_is_told_only_about_a_claimed_host(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        if isinstance(step, ForceDown | Disable) or (isinstance(step, Prepare) and not step.claim):
            yield
            assert view.record.state is RecoveryState.RUNNING
            assert view.standing.mine
            assert not view.problem


def law_1_evacuate_only_what_is_claimed_prepared_and_forced_down(
    site: Site, p: Plan
) -> Iterator[None]:
    for step in p.steps:
        view = next(view for view in site.views if view.node == step.node)
        resets = isinstance(step, Act) and step.action is Action.RESET
        resets = resets and view.record.state is not RecoveryState.RECOVERED
        if isinstance(step, Evacuate) or resets:
            yield
            assert view.record.state is RecoveryState.RUNNING
            assert view.standing.mine
            assert view.record.before is not None
            assert view.presence.service is not None
            assert view.presence.service.forced_down
            assert not view.problem


def law_1_what_follows_a_prepare_is_for_a_host_that_it_prepares(
    site: Site, p: Plan
) -> Iterator[None]:
    prepared = {step.node for step in p.steps if isinstance(step, Prepare)}
    by_node = {view.node: view for view in site.views}
    for step in p.after_prepare:
        view = by_node[step.node]
        yield
        told = view.presence.service is not None and view.presence.service.forced_down
        running = view.record.state is RecoveryState.RUNNING and view.standing.mine
        assert step.node in prepared or (running and told and view.record.before is not None)
        assert prepared


def laws_1_and_2_nothing_is_asked_about_a_host_in_doubt(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        if view.standing.doubt:
            yield
            over = view.record.state is RecoveryState.RECOVERED
            assert isinstance(step, Drop if over else Doubt)


def law_2_at_most_one_request_for_an_instance(site: Site, p: Plan) -> Iterator[None]:
    asked = [step.instance for step, _ in _requests(site, p)]
    yield from (None for _ in asked)
    assert len(set(asked)) == len(asked)
    for step, view in _requests(site, p):
        (instance,) = [i for i in view.inventory.instances if i.id == step.instance]
        assert instance.vm_state in EVACUABLE
        assert instance.vm_state not in GOING_AWAY
        assert instance.task_state != "deleting"
        assert step.seen == {m.id for m in view.inventory.migrations if m.instance == step.instance}


def law_2_none_by_a_list_of_a_turn_before(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        running = view.record.state is RecoveryState.RUNNING
        if isinstance(step, Evacuate) or (isinstance(step, Act) and running):
            yield
            assert not view.inventory.is_stale or (
                isinstance(step, Act) and step.instance in view.inventory.moved
            )


def law_2_none_while_a_predecessors_requests_may_come(site: Site, p: Plan) -> Iterator[None]:
    for _, view in _requests(site, p):
        yield
        assert view.requests.quiet_until <= NOW


def law_2_none_for_what_cannot_be_read(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _requests(site, p):
        yield
        assert not any(i.problem for i in view.inventory.instances if i.id == step.instance)
        assert not any(m.problem for m in view.inventory.migrations if m.instance == step.instance)


def law_2_none_while_a_request_may_be_under_way(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _requests(site, p):
        attempt = view.requests.attempts.get(step.instance)
        if attempt is None:
            continue
        yield
        assert attempt.outcome is not Outcome.SENDING
        newest = max(
            (m.id for m in view.inventory.migrations if m.instance == step.instance), default=None
        )
        if newest is None or newest in attempt.seen:
            assert attempt.outcome is not Outcome.REFUSED
            if attempt.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                assert attempt.at + site.policy.answer_wait <= NOW
            else:
                assert attempt.at + site.policy.retry_base <= NOW


def law_2_none_while_an_evacuation_may_be_under_way(site: Site, p: Plan) -> Iterator[None]:
    dead = _dead(site)
    still = min(
        (
            s
            for v in site.views
            for i, s in v.evacuations.unchanged_for.items()
            if i not in v.inventory.moved
        ),
        default=0.0,
    )
    for step, view in _requests(site, p):
        (instance,) = [i for i in view.inventory.instances if i.id == step.instance]
        mine = [m for m in view.inventory.migrations if m.instance == step.instance]
        newest = max(mine, key=lambda m: m.id, default=None)
        unchanged = view.evacuations.unchanged_for.get(step.instance, 0.0)
        log = view.evacuations.logs.get(step.instance, EvacuationLog())
        over = unchanged >= site.policy.stuck_after or log.over
        over = over or (log.untaken and still >= site.policy.answer_wait)
        if newest is not None and (
            newest.destination in dead or newest.id in view.evacuations.dead_migrations
        ):
            yield
            assert newest.status != DONE or unchanged >= 10
        elif (
            newest is not None and newest.status in (*IN_FLIGHT, DONE)
        ) or instance.task_state in REBUILDING:
            yield
            assert over


def _ours(view: HostView, instance: str) -> list[Migration]:
    """The evacuations of this recovery that a destination may have taken up, newest first."""
    rows = [m for m in view.inventory.migrations if m.instance == instance and m.destination]
    rows = [m for m in rows if m.created is None or m.created >= WHEN]
    return sorted(rows, key=lambda m: -m.id)


def law_2_none_to_a_second_living_host(site: Site, p: Plan) -> Iterator[None]:
    dead = _dead(site)
    for step, view in _requests(site, p):
        rows = _ours(view, step.instance)
        living = [
            m
            for m in rows
            if m.destination not in dead and m.id not in view.evacuations.dead_migrations
        ]
        assert (
            step.target is None or step.target not in dead or step.target == _received(view, step)
        )
        open_ = [m.destination for m in living if m.status in (*OPEN, CLOSED)]
        if open_:
            yield
            assert step.target == open_[0]
            continue
        failed = [m for m in rows if m.status in FAILED]
        newest = failed[0] if failed else None
        fault = view.evacuations.faults.get(newest.id) if newest else None
        if newest in living and (fault is None or fault.kind.may_leave_a_guest):
            # Only a second failure there may tell that nothing is left.
            there = [m for m in failed if m.destination == newest.destination]
            if len(there) == 1:
                yield
                assert step.target == newest.destination
        if not failed and _received(view, step) not in (None, *dead):
            yield
            assert step.target == _received(view, step)


def _received(view: HostView, step: Evacuate) -> str | None:
    return view.evacuations.receivers.get(step.instance)


def law_2_never_more_under_way_than_allowed(site: Site, p: Plan) -> Iterator[None]:
    new = sum(1 for _ in _requests(site, p))
    still = {
        i
        for view in site.views
        for i, seconds in view.evacuations.unchanged_for.items()
        if seconds >= site.policy.lost_after
    }
    moving = sum(
        1
        for report in p.reports
        for i in report.instances
        if i.progress is Progress.MOVING and i.id not in still
    )
    if new:
        yield
        assert new + moving <= site.policy.max_in_flight
    assert not p.over_capacity or new + moving >= site.policy.max_in_flight or _held_back(site)


def _held_back(site: Site) -> bool:
    """Whether requests may wait for more than room: for a new list, or for other dead hosts."""
    return any(
        view.inventory.is_stale
        or view.record.state is RecoveryState.PENDING
        or view.standing.owned_at + GATHER > NOW
        for view in site.views
    )


def law_2_what_failed_waits_before_it_is_tried_again(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _requests(site, p):
        failure = view.evacuations.failures.get(step.instance)
        if failure is not None:
            yield
            pause = min(site.policy.retry_cap, site.policy.retry_base * 2 ** (failure.count - 1))
            assert failure.at + pause <= NOW or failure.at < site.room_since


def law_5_complete_only_when_every_instance_is_settled(site: Site, p: Plan) -> Iterator[None]:
    reports = {report.record.node: report for report in p.reports}
    for step, view in _steps(site, p):
        if isinstance(step, Complete):
            yield
            report = reports[step.node]
            assert view.standing.settled_before
            assert not view.inventory.is_stale
            assert view.requests.quiet_until <= NOW
            assert all(i.progress in FINAL for i in report.instances)
            assert set(step.unmoved) == {i.id for i in view.inventory.instances}
            assert all(step.unmoved.values())
            assert step.node in p.scope.ended


def law_5_no_host_is_closed_to_which_something_was_on_its_way(
    site: Site, p: Plan
) -> Iterator[None]:
    for step, view in _steps(site, p):
        if not isinstance(step, Complete):
            continue
        for other in site.views:
            if other.node == view.node or other.record.state is RecoveryState.RECOVERED:
                continue
            if other.record.before is None:
                continue
            yield
            assert other.record.state is RecoveryState.RUNNING
            assert other.standing.mine
            assert not other.problem


def laws_4_and_6_undo_only_what_is_ours_on_a_recovered_host(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        if view.standing.doubt or not isinstance(step, Unforce | Enable | Drop | Restart):
            continue
        yield
        assert view.record.state is RecoveryState.RECOVERED
        assert view.presence.alive
        assert not view.problem
        assert view.presence.service is not None
        ours = view.presence.service.forced_down and FORCED in view.record.marks
        assert ours is isinstance(step, Unforce | Restart)


def law_6_a_host_is_enabled_only_where_the_disable_is_ours(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        if isinstance(step, Enable):
            yield
            assert view.presence.service is not None
            reason = view.presence.service.disabled_reason
            assert reason.startswith("novaha:") or (not reason and ADOPTED in view.record.marks)
            assert view.presence.service.forced_down or (
                view.presence.service.up and view.presence.heartbeat_since_unforce
            )


def laws_4_and_6_a_host_is_kept_out_only_before_nova_may_use_it(
    site: Site, p: Plan
) -> Iterator[None]:
    for step, view in _steps(site, p):
        if not isinstance(step, KeepOut):
            continue
        yield
        service = view.presence.service
        assert view.record.state is RecoveryState.RECOVERED
        assert view.presence.alive
        assert not view.problem
        assert not view.standing.doubt
        assert service is not None
        assert not (kept_out(service) and view.record.kept)
        assert not view.record.admitted or not step.reason.startswith("novaha: kept out")
        reason = service.disabled_reason
        ours = reason.startswith("novaha:") or (not reason and ADOPTED in view.record.marks)
        forced = service.forced_down and FORCED in view.record.marks
        assert forced if service.enabled else ours
        others = [s for s in p.steps if s.node == step.node]
        assert others == [step]


def laws_4_and_6_only_an_operator_lets_a_host_in_that_is_kept_out(
    site: Site, p: Plan
) -> Iterator[None]:
    for step, view in _steps(site, p):
        if isinstance(step, Enable):
            yield
            assert view.presence.service is not None
            assert view.record.admitted or not kept_out(view.presence.service)
            wait = site.policy.return_after
            assert not wait or (view.presence.up_for is not None and view.presence.up_for >= wait)


def law_6_the_record_goes_last(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        if isinstance(step, Drop) and not view.standing.doubt:
            yield
            assert view.presence.service is not None
            assert (
                view.presence.service.enabled
                or not view.presence.service.disabled_reason.startswith("novaha:")
            )
            assert view.requests.unanswered_at + site.policy.answer_wait <= NOW
            (report,) = [r for r in p.reports if r.record.node == step.node]
            assert not view.presence.service.up or all(
                i.progress in FINAL for i in report.instances
            )


def law_6_a_finished_evacuation_is_closed_before_the_host_may_be_up(
    site: Site, p: Plan
) -> Iterator[None]:
    for step, view in _steps(site, p):
        if isinstance(step, Unforce):
            yield
            assert not any(m.status == DONE for m in view.inventory.migrations)


def law_6_only_states_that_were_noted_are_reset(site: Site, p: Plan) -> Iterator[None]:
    for step, view in _steps(site, p):
        if isinstance(step, Act) and step.action is Action.RESET:
            (instance,) = [i for i in view.inventory.instances if i.id == step.instance]
            yield
            if view.record.state is RecoveryState.RUNNING:
                assert instance.id in (view.record.before or {})
                assert instance.vm_state in RESETTABLE | {"resized"}
            else:
                assert instance.task_state in REBUILDING  # what our evacuation left behind


def what_waits_for_later_could_not_be_asked_for_in_the_next_turn(
    site: Site, p: Plan
) -> Iterator[None]:
    asked = {step.node for step, _ in _requests(site, p)}
    assert not asked & p.scope.deferred
    for report in p.reports:
        if report.record.node in p.scope.deferred:
            yield
            assert {i.progress for i in report.instances} <= {Progress.WAITING, *FINAL}
            others = sum(
                len(v.inventory.instances) for v in site.views if v.node != report.record.node
            )
            waits = any(i.progress is Progress.WAITING for i in report.instances)
            assert not waits or others >= site.policy.max_in_flight


def a_host_that_rests_has_nothing_left_to_ask_for(site: Site, p: Plan) -> Iterator[None]:
    listed = site.plan(lambda view: changed(view, is_stale=False)) if p.scope.resting else p

    def asked(by: Plan, node: str) -> set[tuple[object, ...]]:
        """What is only asked for by a list that is new."""
        found = [s for s in (*by.steps, *by.after_prepare) if s.node == node]
        return {(type(s), repr(s)) for s in found if isinstance(s, Evacuate | Act | Complete)}

    for node in p.scope.resting:
        yield
        assert asked(listed, node) == asked(p, node)
    assert not p.scope.resting & (p.scope.deferred | p.scope.ended)


def every_host_is_reported_and_every_instance_on_it(site: Site, p: Plan) -> Iterator[None]:
    assert sorted(r.record.node for r in p.reports) == sorted(v.node for v in site.views)
    for report in p.reports:
        yield
        assert report.detail


LAWS: dict[str, Law] = {
    name: law
    for name, law in list(globals().items())
    if name.startswith(("law", "what_waits", "a_host", "every_host"))
}


def _breaks(law: Law, site: Site, decided: Plan) -> bool:
    try:
        for _ in law(site, decided):
            pass
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("name", LAWS)
def test_the_planner_keeps(name: str) -> None:
    law, tried = LAWS[name], 0
    for site, decided in sites.planned():
        if _breaks(law, site, decided):
            least = smaller(site, lambda s: _breaks(law, s, s.plan()))
            list(law(least, least.plan()))  # tells what is broken
        tried += sum(1 for _ in law(site, decided))
    assert tried >= 15, f"{tried} places where it could have been broken"


Blindness = Callable[[HostView], HostView]


def seeing(**instead: object) -> Blindness:
    """A planner that sees this, whatever is so."""
    return lambda view: changed(view, **instead)


def service(**instead: object) -> Blindness:
    return lambda view: changed(
        view, service=view.presence.service and replace(view.presence.service, **instead)
    )


def instances(**instead: object) -> Blindness:
    return lambda v: changed(
        v, instances=tuple(replace(i, **instead) for i in v.inventory.instances)
    )


def rows(**instead: object) -> Blindness:
    return lambda v: changed(
        v, migrations=tuple(replace(m, **instead) for m in v.inventory.migrations)
    )


def record(change: Callable[[Record], Record]) -> Blindness:
    return lambda view: replace(view, record=change(view.record))


def _all_paused(record: Record) -> Record:
    names = dict.fromkeys((f"{record.node}/{letter}" for letter in "abcd"), "paused")
    return replace(record, before=names)


def _nobodys_guest(view: HostView) -> HostView:
    return changed(view, faults={row.id: Fault(Kind.OTHER) for row in view.inventory.migrations})


def _still(view: HostView) -> HostView:
    return changed(view, unchanged_for={i.id: 9999.0 for i in view.inventory.instances})


def _crowded(view: HostView) -> HostView:
    more = (Instance(f"{view.node}/{n}", "x", view.node, "active") for n in range(20))
    return changed(view, instances=tuple(more))


BLIND: list[tuple[Law, Blindness]] = [
    (law_1_a_host_is_claimed_when_its_fencing_is_confirmed, seeing(fence_confirmed=True)),
    (law_1_a_host_is_claimed_when_its_fencing_is_confirmed, seeing(unproven="")),
    (law_1_nova_is_told_only_about_a_claimed_host, seeing(mine=True)),
    (law_1_nova_is_told_only_about_a_claimed_host, seeing(problem="")),
    (law_1_evacuate_only_what_is_claimed_prepared_and_forced_down, seeing(mine=True)),
    (law_1_evacuate_only_what_is_claimed_prepared_and_forced_down, seeing(problem="")),
    (law_1_evacuate_only_what_is_claimed_prepared_and_forced_down, service(forced_down=True)),
    (law_1_evacuate_only_what_is_claimed_prepared_and_forced_down, record(_all_paused)),
    (law_1_what_follows_a_prepare_is_for_a_host_that_it_prepares, service(forced_down=True)),
    (laws_1_and_2_nothing_is_asked_about_a_host_in_doubt, seeing(doubt="")),
    (law_2_at_most_one_request_for_an_instance, instances(task_state=None)),
    (law_2_at_most_one_request_for_an_instance, instances(vm_state="active")),
    (law_2_at_most_one_request_for_an_instance, rows(instance="another")),
    (law_2_none_by_a_list_of_a_turn_before, seeing(is_stale=False)),
    (law_2_none_while_a_predecessors_requests_may_come, seeing(quiet_until=0.0)),
    (law_2_none_for_what_cannot_be_read, instances(problem="")),
    (law_2_none_for_what_cannot_be_read, rows(problem="")),
    (law_2_none_while_a_request_may_be_under_way, seeing(attempts={})),
    (law_2_none_while_an_evacuation_may_be_under_way, seeing(migrations=())),
    (law_2_none_while_an_evacuation_may_be_under_way, rows(status="error")),
    (law_2_none_while_an_evacuation_may_be_under_way, instances(task_state=None)),
    (law_2_none_while_an_evacuation_may_be_under_way, _still),
    (law_2_none_to_a_second_living_host, rows(destination=None)),
    (law_2_none_to_a_second_living_host, rows(created=WHEN - timedelta(hours=1))),
    (law_2_none_to_a_second_living_host, _nobodys_guest),
    (law_2_none_to_a_second_living_host, seeing(receivers={})),
    (law_2_never_more_under_way_than_allowed, _still),
    (law_2_what_failed_waits_before_it_is_tried_again, seeing(failures={})),
    (law_5_complete_only_when_every_instance_is_settled, seeing(settled_before=True)),
    (law_5_complete_only_when_every_instance_is_settled, seeing(is_stale=False)),
    (law_5_complete_only_when_every_instance_is_settled, seeing(quiet_until=0.0)),
    (law_5_complete_only_when_every_instance_is_settled, seeing(instances=())),
    (law_5_no_host_is_closed_to_which_something_was_on_its_way, seeing(problem="")),
    (law_5_no_host_is_closed_to_which_something_was_on_its_way, seeing(mine=True)),
    (laws_4_and_6_undo_only_what_is_ours_on_a_recovered_host, seeing(alive=True)),
    (laws_4_and_6_undo_only_what_is_ours_on_a_recovered_host, seeing(problem="")),
    (laws_4_and_6_a_host_is_kept_out_only_before_nova_may_use_it, seeing(alive=True)),
    (laws_4_and_6_a_host_is_kept_out_only_before_nova_may_use_it, seeing(problem="")),
    (
        laws_4_and_6_a_host_is_kept_out_only_before_nova_may_use_it,
        service(disabled_reason="novaha: fenced"),
    ),
    (
        laws_4_and_6_only_an_operator_lets_a_host_in_that_is_kept_out,
        service(disabled_reason="novaha: fenced"),
    ),
    (laws_4_and_6_only_an_operator_lets_a_host_in_that_is_kept_out, seeing(up_for=1000.0)),
    (
        laws_4_and_6_only_an_operator_lets_a_host_in_that_is_kept_out,
        record(lambda known: replace(known, marks=known.marks | {ADMITTED})),
    ),
    (
        laws_4_and_6_undo_only_what_is_ours_on_a_recovered_host,
        record(lambda known: replace(known, marks=known.marks | {FORCED})),
    ),
    (law_6_a_host_is_enabled_only_where_the_disable_is_ours, seeing(heartbeat_since_unforce=True)),
    (
        law_6_a_host_is_enabled_only_where_the_disable_is_ours,
        service(enabled=False, disabled_reason="novaha: x"),
    ),
    (law_6_the_record_goes_last, seeing(unanswered_at=float("-inf"))),
    (law_6_the_record_goes_last, service(enabled=True)),
    (law_6_a_finished_evacuation_is_closed_before_the_host_may_be_up, seeing(migrations=())),
    (law_6_only_states_that_were_noted_are_reset, record(_all_paused)),
    (law_6_only_states_that_were_noted_are_reset, instances(task_state="rebuilding")),
    (what_waits_for_later_could_not_be_asked_for_in_the_next_turn, _crowded),
    (a_host_that_rests_has_nothing_left_to_ask_for, seeing(attempts={})),
    (every_host_is_reported_and_every_instance_on_it, record(lambda k: replace(k, node="x"))),
]


@pytest.mark.parametrize(("law", "blindness"), BLIND)
def test_each_law_finds_a_planner_that_is_blind(law: Law, blindness: Blindness) -> None:
    assert any(_finds(law, site, blindness) for site in sites.sites())


def _finds(law: Law, site: Site, blindness: Blindness) -> bool:
    try:
        return _breaks(law, site, site.plan(blindness))
    except (KeyError, StopIteration):  # such a plan is about another node
        return True


def test_each_law_is_tried_on_a_blind_planner() -> None:
    assert {law for law, _ in BLIND} == set(LAWS.values())


def test_nothing_is_moved_that_the_policy_leaves() -> None:
    """But what may be running elsewhere already goes there, whatever it says (law 2)."""
    seen: dict[str, int] = {}
    for site, decided in sites.planned():
        rules = site.policy.rules
        if rules is None:
            continue
        for step, view in _requests(site, decided):
            found = treatment.decision(step.case)
            if step.target is not None:
                seen["elsewhere"] = seen.get("elsewhere", 0) + 1
                continue
            assert isinstance(found, Decision)
            assert found.moves, view.node
            assert not found.keeps_disks
            assert found.group not in site.policy.waiting
            seen[str(found.treatment)] = seen.get(str(found.treatment), 0) + 1
    assert seen.keys() == {"elsewhere", "evacuate", "stopped"}
