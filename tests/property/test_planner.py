"""The planner's invariants hold whatever was read, however little sense it makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from novaha.core.model import (
    DONE,
    IN_FLIGHT,
    REBUILDING,
    RESETTABLE,
    Action,
    ComputeService,
    EvacuationLog,
    Instance,
    Migration,
)
from novaha.core.planner import plan
from novaha.core.record import FORCED, Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, Failure, HostView, Nudge, Outcome, Policy
from novaha.core.steps import (
    FINAL,
    Act,
    Claim,
    Complete,
    Drop,
    Enable,
    Evacuate,
    ForceDown,
    Plan,
    Prepare,
    Progress,
    Step,
    Unforce,
)

HOSTS = ["compute-1", "compute-2", "compute-3"]
INSTANCES = ["a", "b", "c", "d"]
NOW = 1000.0
WHEN = datetime(2026, 1, 1, tzinfo=UTC)

times = st.floats(NOW - 300, NOW + 300)
attempts = st.dictionaries(
    st.sampled_from(INSTANCES),
    st.builds(
        Attempt,
        outcome=st.sampled_from(Outcome),
        at=times,
        seen=st.frozensets(st.integers(1, 6)),
    ),
)
statuses = st.sampled_from(
    [*sorted(IN_FLIGHT), DONE, "completed", "error", "failed", "cancelled", "surprise"]
)


@st.composite
def views(draw: st.DrawFn, node: str) -> HostView:
    def instance(name: str, host: str) -> Instance:
        return Instance(
            id=name,
            name=name,
            host=host,
            vm_state=draw(
                st.sampled_from(
                    [
                        *("active", "stopped", "error") * 4,
                        "paused",
                        "suspended",
                        "rescued",
                        "shelved",
                        "resized",
                        "building",
                        "deleted",
                        "soft-delete",
                        "surprise",
                    ]
                )
            ),
            task_state=draw(
                st.sampled_from([*[None] * 8, "deleting", "powering-off", "migrating", *REBUILDING])
            ),
            power_state=draw(st.sampled_from([0, 1, 4])),
        )

    # Left to chance alone, hardly one host in a hundred would be one that is being recovered.
    ready = draw(st.booleans())
    states = [RecoveryState.PENDING, RecoveryState.RUNNING, RecoveryState.RECOVERED]
    noted = st.fixed_dictionaries(
        {
            f"{node}/{i}": st.sampled_from(["active", "stopped", "paused", "resized"])
            for i in INSTANCES
        }
    )
    state = RecoveryState.RUNNING if ready else draw(st.sampled_from(states))
    record = Record(
        node=node,
        state=state,
        fence_id=f"id-{node}",
        fenced=WHEN + timedelta(seconds=draw(st.integers(0, 5))),
        owner="me" if ready else draw(st.sampled_from(["", "me", "other"])),
        marks=frozenset(draw(st.sets(st.sampled_from([FORCED])))),
        before=draw(noted if ready else st.none() | st.just({}) | noted),
    )
    service = st.builds(
        ComputeService,
        id=st.just("s"),
        host=st.just(node),
        up=st.booleans(),
        forced_down=st.just(True) if ready else st.booleans(),
        enabled=st.booleans(),
        disabled_reason=st.sampled_from(["", "maintenance", "novaha: fenced"]),
    )
    on_host = draw(st.sets(st.sampled_from(INSTANCES)))
    elsewhere = draw(st.sets(st.sampled_from(INSTANCES))) - on_host
    numbers = draw(st.lists(st.integers(1, 9), unique=True, max_size=6))
    return HostView(
        record=record,
        mine=record.owner == "me",
        fence_confirmed=draw(st.booleans()),
        host=node if ready else draw(st.sampled_from([node, None])),
        problem="" if ready else draw(st.sampled_from(["", "", "Nova is away"])),
        service=draw(service if ready else st.none() | service),
        instances=tuple(instance(f"{node}/{i}", node) for i in sorted(on_host)),
        moved={
            f"{node}/{i}": draw(st.none() | st.just(instance(f"{node}/{i}", "elsewhere")))
            for i in sorted(elsewhere)
        },
        migrations=tuple(
            Migration(
                id=number,
                instance=f"{node}/{draw(st.sampled_from(INSTANCES))}",
                source=node,
                destination=draw(st.none() | st.sampled_from(HOSTS)),
                status=draw(statuses),
            )
            for number in numbers
        ),
        attempts={f"{node}/{i}": a for i, a in draw(attempts).items()},
        nudges={
            f"{node}/{i}": Nudge(
                draw(st.sampled_from(Action)), draw(times), draw(st.integers(1, 9))
            )
            for i in draw(st.sets(st.sampled_from(INSTANCES)))
        },
        receivers={
            f"{node}/{i}": draw(st.sampled_from(HOSTS))
            for i in draw(st.sets(st.sampled_from(INSTANCES)))
        },
        unchanged_for={
            f"{node}/{i}": draw(st.sampled_from([0.0, 50.0, 200.0, 4000.0]))
            for i in draw(st.sets(st.sampled_from(INSTANCES)))
        },
        logs={
            f"{node}/{i}": EvacuationLog(over=draw(st.booleans()), untaken=draw(st.booleans()))
            for i in draw(st.sets(st.sampled_from(INSTANCES), max_size=1))
        },
        online_for=draw(st.none() | st.floats(0, 1000)),
        failures={
            f"{node}/{i}": Failure(draw(st.integers(1, 50)), draw(times))
            for i in draw(st.sets(st.sampled_from(INSTANCES)))
        },
        alive=draw(st.booleans()),
        quiet_until=draw(st.just(0.0) | times),
        settled_before=draw(st.booleans()),
        aged=draw(st.booleans()),
    )


sites = st.sets(st.sampled_from(HOSTS)).flatmap(
    lambda nodes: st.tuples(*(views(node) for node in sorted(nodes)))
)
policies = st.builds(Policy, max_in_flight=st.integers(1, 6))


@given(sites, policies)
def test_law_1_evacuate_only_what_is_claimed_prepared_and_forced_down(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    for step in plan(site, policy, NOW).steps:
        view = by_node[step.node]
        if isinstance(step, Claim) and view.record.state is RecoveryState.PENDING:
            assert view.fence_confirmed
        reset = (
            isinstance(step, Act)
            and step.action is Action.RESET
            and view.record.state is not RecoveryState.RECOVERED
        )
        if isinstance(step, Prepare) and step.claim:
            assert view.record.state is RecoveryState.PENDING
            assert view.fence_confirmed
            assert not view.unproven
        elif isinstance(step, Evacuate | ForceDown | Prepare) or reset:
            assert view.record.state is RecoveryState.RUNNING
            assert view.mine
        if isinstance(step, Evacuate) or reset:
            assert view.record.before is not None
            assert view.service is not None
            assert view.service.forced_down
            assert not view.problem
        if isinstance(step, Evacuate):
            assert not view.aged


@given(sites, policies)
def test_law_1_what_follows_a_prepare_is_for_a_host_that_it_prepares(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    decided = plan(site, policy, NOW)
    prepared = {step.node for step in decided.steps if isinstance(step, Prepare)}
    for evacuate in decided.then:
        view = by_node[evacuate.node]
        assert not view.aged
        running = view.record.state is RecoveryState.RUNNING and view.mine
        told = view.service is not None and view.service.forced_down
        assert evacuate.node in prepared or (running and told and view.record.before is not None)


@given(sites, policies)
def test_law_2_at_most_one_evacuation_of_an_instance(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    decided = plan(site, policy, NOW)
    evacuations = [step for step in (*decided.steps, *decided.then) if isinstance(step, Evacuate)]
    assert len({step.instance for step in evacuations}) == len(evacuations)
    dead = {
        view.host
        for view in site
        if view.host and view.record.state is RecoveryState.RUNNING
        if view.service is not None and view.service.forced_down
    }
    for step in evacuations:
        view = by_node[step.node]
        mine = [m for m in view.migrations if m.instance == step.instance]
        newest = max(mine, key=lambda m: m.id, default=None)
        unchanged = view.unchanged_for.get(step.instance, 0.0)
        if newest is not None and newest.status in (*IN_FLIGHT, DONE):
            # Only when its destination is dead, or when nothing has moved for long; and then, if
            # it may be running on a living destination, nowhere else.
            if newest.destination in dead:
                assert newest.status != DONE or unchanged >= 10
            else:
                log = view.logs.get(step.instance, EvacuationLog())
                still = min(s for v in site for i, s in v.unchanged_for.items() if i not in v.moved)
                never_begun = log.untaken and still >= policy.answer_wait
                assert unchanged >= policy.stuck_after or log.over or never_begun
        alive = {
            m.destination
            for m in mine
            if m.status in (*IN_FLIGHT, DONE) and m.destination and m.destination not in dead
        }
        assert not alive or step.target in alive
        attempt = view.attempts.get(step.instance)
        if attempt is not None:
            assert attempt.outcome is not Outcome.SENDING
            untraced = newest is None or newest.id in attempt.seen
            if untraced and attempt.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                assert attempt.at + policy.answer_wait <= NOW


@given(sites, policies)
def test_law_2_never_more_under_way_than_allowed(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    decided = plan(site, policy, NOW)
    new = sum(1 for step in (*decided.steps, *decided.then) if isinstance(step, Evacuate))
    still = {i for view in site for i, s in view.unchanged_for.items() if s >= policy.lost_after}
    moving = sum(
        1
        for r in decided.reports
        for i in r.instances
        if i.progress == "moving" and i.id not in still
    )
    assert new == 0 or new + moving <= policy.max_in_flight


@given(sites, policies)
def test_what_is_left_for_later_could_not_be_asked_for_in_the_next_turn(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    decided = plan(site, policy, NOW)
    asked = {s.node for s in (*decided.steps, *decided.then) if isinstance(s, Evacuate)}
    assert not asked & decided.later
    for report in decided.reports:
        if report.record.node in decided.later:
            assert {i.progress for i in report.instances} <= {Progress.WAITING, *FINAL}
            others = sum(len(v.instances) for v in site if v.node != report.record.node)
            waits = any(i.progress is Progress.WAITING for i in report.instances)
            assert not waits or others >= policy.max_in_flight


@settings(max_examples=400)
@given(sites, policies)
def test_a_host_that_rests_has_nothing_left_to_ask_for(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    decided = plan(site, policy, NOW)
    listed = plan([replace(view, aged=False) for view in site], policy, NOW)

    def asked(by: Plan, node: str) -> set[Step]:
        """What is only asked for by a list that is not aged."""
        found = {s for s in (*by.steps, *by.then) if s.node == node}
        return {s for s in found if isinstance(s, Evacuate | Act | Complete)}

    for node in decided.resting:
        assert asked(listed, node) == asked(decided, node)
    assert not decided.resting & (decided.later | decided.ended)


@given(sites, policies)
def test_law_2_an_aged_list_is_enough_only_for_what_is_elsewhere(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    for step in plan(site, policy, NOW).steps:
        view = by_node[step.node]
        running = view.record.state is RecoveryState.RUNNING
        if isinstance(step, Act) and running and view.aged:
            assert step.instance in view.moved


@given(sites, policies)
def test_law_5_complete_only_when_every_instance_is_settled(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    decided = plan(site, policy, NOW)
    reports = {report.record.node: report for report in decided.reports}
    for step in decided.steps:
        if isinstance(step, Complete):
            view, report = by_node[step.node], reports[step.node]
            assert view.settled_before
            assert not view.aged
            assert all(i.progress in FINAL for i in report.instances)
            still_there = {i.id for i in view.instances}
            assert set(step.unmoved) == still_there
            assert all(step.unmoved.values())


@given(sites, policies)
def test_laws_4_and_6_undo_only_what_is_ours_on_a_recovered_host(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    for step in plan(site, policy, NOW).steps:
        view = by_node[step.node]
        if isinstance(step, Unforce | Enable | Drop):
            assert view.record.state is RecoveryState.RECOVERED
            assert view.alive
        if isinstance(step, Unforce):
            assert FORCED in view.record.marks
        if isinstance(step, Enable):
            assert view.service is not None
            assert view.service.disabled_reason.startswith("novaha:")


@given(sites, policies)
def test_law_6_only_states_that_were_noted_are_reset(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    by_node = {view.node: view for view in site}
    for step in plan(site, policy, NOW).steps:
        if isinstance(step, Act) and step.action is Action.RESET:
            view = by_node[step.node]
            (instance,) = [i for i in view.instances if i.id == step.instance]
            if view.record.state is RecoveryState.RUNNING:
                assert instance.id in (view.record.before or {})
                assert instance.vm_state in RESETTABLE | {"resized"}
            else:
                assert instance.task_state in REBUILDING  # what our evacuation left behind


@given(sites, policies)
def test_every_host_is_reported_and_every_instance_on_it(
    site: tuple[HostView, ...], policy: Policy
) -> None:
    decided = plan(site, policy, NOW)
    assert sorted(r.record.node for r in decided.reports) == sorted(v.node for v in site)
    for report in decided.reports:
        assert report.detail
