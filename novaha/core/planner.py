"""What to do next: from what was seen to steps, as a pure function.

`plan()` is called on every turn with everything that was read since the last one. It returns the
steps to take now and a report for people. It keeps no state and knows no clock.

What is done about an instance stands in `instances`, about a host in `hosts`, and which come first
in `schedule`. Whether an instance may be evacuated is asked of `gate`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable

from novaha.core import hosts, schedule
from novaha.core.schedule import GATHER as GATHER
from novaha.core.situation import Policy
from novaha.core.steps import Plan, Scope, Step
from novaha.core.view import HostView


def plan(
    views: Iterable[HostView],
    policy: Policy,
    now: float,
    room_since: float = float("-inf"),
) -> Plan:
    """The next steps for all flagged hosts.

    Invariants, whatever the views say:

    - Claim a `pending` host, by itself or with its Prepare, only when Pacemaker has confirmed its
      fencing and a power device took part in it; Evacuate only for a host whose record is
      `running`, owned by this evacuator and prepared, and whose service Nova shows as forced down;
      or `after_prepare`, when a Prepare has made it so (law 1);
    - at most one Evacuate per instance, none while a request or an evacuation of it may be under
      way, none to a second living host when it may be running on one, and never more than
      `max_in_flight` on the move in all; and none by a stale inventory (law 2);
    - Complete only when every instance is settled, excluded, refused or released, and no instance
      of another host was on its way here; and by no stale inventory (law 5);
    - nothing is asked for about a host whose record is in doubt (laws 1 and 2);
    - nothing else is asked for on a dead host by a stale inventory; where one leaves something
      to do, the host does not rest and is listed in the next turn;
    - Unforce, Enable and Drop only for a `recovered` host, and only what carries our mark
      (laws 4 and 6).

    now: monotonic seconds. room_since: when room for instances may last have appeared.
    """
    ordered = sorted(views, key=lambda view: (view.record.fenced, view.node))
    overview = schedule.overview(ordered, room_since)
    decisions = [hosts.decide(view, overview, policy, now) for view in ordered]
    closing = schedule.close(ordered, decisions, now)
    requests = schedule.request(ordered, decisions, policy, now)
    steps: list[Step] = [step for decision in decisions for step in decision.steps]
    steps += [*closing.complete, *requests.now]
    steps += schedule.disable(ordered, requests, now)
    deferred = closing.open | schedule.defer(decisions, requests)
    resting = schedule.rest(ordered, decisions, requests) - closing.ended - deferred
    return Plan(
        tuple(steps),
        tuple(decision.report for decision in decisions),
        requests.after_prepare,
        over_capacity=len(requests.asked) < requests.wanted,
        scope=Scope(closing.ended, resting, deferred),
    )
