"""From what was seen to breaches of novaha's laws: pure functions of the history.

Each accuses only on what is certain: a value counts from the first to the last time it was seen,
and between two spans nothing is known. Nova and Pacemaker keep whole seconds, rounded down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from novahalab import layout
from novahalab.chaos.history import Evacuation, History, Instance, Record, Taken

SECOND = 1.0
IN_FLIGHT = frozenset({"accepted", "pre-migrating", "queued", "preparing", "running", "migrating"})
EVACUABLE = frozenset({"active", "stopped", "error"})
LATE = 60.0
"""Seconds from a host's death to its fencing that no recovery, and nothing of ours, explains."""
_CLUSTER_FAULTS = frozenset(
    {"crash-controller", "freeze-controller", "cut-controller", "crash-dc-and-compute"}
    | {"kill-agents"}
)
_SURELY_ONLINE = 3.0
"""Seconds for which a host was seen online before Pacemaker owes its death a fencing."""
_SAME_REQUEST = 5.0
"""Seconds between a request in an instance's log of actions and the row of its evacuation."""
_SETTLES = 60.0
"""Seconds after a fault of the cluster in which a slow fencing proves nothing."""


@dataclass(frozen=True)
class Breach:
    """One law broken. what: in one line. at: when. evidence: what happened around it."""

    law: int
    what: str
    at: float
    evidence: list[str] = field(default_factory=list)


def judge(history: History) -> list[Breach]:
    """All breaches, by law and by time."""
    found = [breach for law in _LAWS for breach in law(history)]
    return sorted(found, key=lambda breach: (breach.law, breach.at))


def _span_before(history: History, node: str, moment: float) -> list[Record]:
    """The records of one hold, the last first: back from ``moment`` to where the host was well."""
    timeline = history.records.get(node)
    if timeline is None:
        return []
    held: list[Record] = []
    for span in timeline.spans:
        if span.first > moment:
            break
        if span.value is None or not span.value.hold:
            held = []
        else:
            held.insert(0, span.value)
    return held


def _in_service_until(history: History, node: str, moment: float) -> float:
    """When the host was last seen without a record, having been so for a while; 0.0 if never."""
    timeline = history.records.get(node)
    spans = timeline.spans if timeline else []
    found = [s.last for s in spans if s.value is None and s.last <= moment and s.last - s.first > 5]
    return max(found, default=0.0)


def never_before_the_fence(history: History) -> list[Breach]:
    """Law 1: every evacuation has a record, a confirmed fencing since, and a force-down."""
    return [
        Breach(
            1,
            f"evacuation {row.id} of {row.instance} from {row.source}: {problem}",
            row.created,
            history.around(row.created - 40, row.created + 5, row.source, row.instance),
        )
        for row in history.evacuations.values()
        if row.created >= history.began and (problem := _premature(history, row))
    ]


def _premature(history: History, row: Evacuation) -> str:
    begin, end = row.created, row.created + SECOND
    timeline = history.records.get(row.source)
    sure = timeline.sure(begin, end) if timeline else None
    # `pending` after `running` is another fencing: a request may have been on its way by then.
    if sure is not None and (sure.value is None or sure.value.state == "recovered"):
        state = sure.value.state if sure.value else "absent"
        return f"its record was {state} when it was asked for"
    # The record may have appeared after the last look: then the fencing alone is judged.
    held = _span_before(history, row.source, row.seen)
    since = min((record.fenced for record in held), default=0.0)
    # A record that comes back tells of a fencing from before: the host has been in service since.
    since = max(since, _in_service_until(history, row.source, row.seen) - 2 * SECOND)
    confirmed = [
        f
        for f in history.fencings
        if f.target == row.source and f.killed and since <= f.completed <= begin
    ]
    if not confirmed:
        return "Pacemaker had confirmed no fencing of that host since it was flagged"
    services = history.services.get(row.source)
    service = services.sure(begin, end) if services else None
    if service is not None and not service.value.forced_down:
        return "its nova-compute was not forced down in Nova"
    for process, last in history.computes.items():
        if process.node == row.source and process.started <= begin and end <= last:
            return f"nova-compute (process {process.pid}) was running there"
    return ""


def one_at_a_time(history: History) -> list[Breach]:
    """Law 2: no second evacuation while a first one may still be under way."""
    rows: dict[str, list[Evacuation]] = {}
    for row in sorted(history.evacuations.values(), key=lambda r: r.id):
        rows.setdefault(row.instance, []).append(row)
    found = []
    for instance, mine in rows.items():
        for index, later in enumerate(mine):
            for earlier in mine[:index]:
                problem = _overlaps(history, earlier, later)
                if problem and later.created >= history.began:
                    text = f"evacuation {later.id} of {instance} was asked for while {problem}"
                    about = (instance, earlier.source, later.source)
                    around = history.around(earlier.created - 20, later.seen + 10, *about)
                    found.append(Breach(2, text, later.created, around))
    return found


def _overlaps(history: History, earlier: Evacuation, later: Evacuation) -> str:
    now = earlier.progress.seen_at(later.seen)
    # Both rows in one snapshot of the database: the earlier one certainly had not ended before.
    if now is None or now.status not in IN_FLIGHT:
        return ""
    request = _request(history, earlier)
    if request is not None and request.over is not None and request.over <= later.created:
        return ""  # its row may stay as it is for ever
    where = now.destination or (request.host if request else "")
    if not where:
        return ""  # no host ever took it up: it could bring nothing up anywhere
    dead = [
        f
        for f in history.fencings
        if f.target == where and f.killed and earlier.created <= f.completed <= later.created
    ]
    if dead:
        return ""
    return f"evacuation {earlier.id} to {where} was {now.status}, and {where} had not been fenced"


def _request(history: History, row: Evacuation) -> Taken | None:
    """The request that made a row of an evacuation: the one nearest to it, and near."""
    mine = history.requests.get(row.instance, [])
    nearest = min(mine, key=lambda request: abs(request.asked - row.created), default=None)
    if nearest is None or abs(nearest.asked - row.created) > _SAME_REQUEST:
        return None
    return nearest


def never_twice(history: History) -> list[Breach]:
    """Law 2: no guest runs on two hosts. Two looks in a row, so that a torn one accuses nobody."""
    episodes: list[list[tuple[float, str, list[str]]]] = []
    last: dict[str, list[tuple[float, str, list[str]]]] = {}
    for sample in history.twice:
        episode = last.get(sample[1])
        if episode is None or sample[0] - episode[-1][0] > 1.0:
            episode = last[sample[1]] = []
            episodes.append(episode)
        episode.append(sample)
    return [
        Breach(
            2,
            f"guest {first[1]} ran on {' and '.join(first[2])} for {episode[-1][0] - first[0]:.1f}"
            f" s ({len(episode)} looks)",
            first[0],
            history.around(first[0] - 60, episode[-1][0] + 10, first[1], *first[2]),
        )
        for episode in episodes
        if len(episode) > 1 and (first := episode[0])
    ]


def never_forgotten(history: History) -> list[Breach]:
    """Law 3: after every confirmed fencing there is a record; it goes only when recovered."""
    found = []
    for fencing in history.fencings:
        timeline = history.records.get(fencing.target)
        if timeline is None or not fencing.killed or fencing.completed < history.began:
            continue
        after = fencing.completed + SECOND
        sure = timeline.sure(after, after + 0.5)
        returned = _journal(history, "returned", fencing.target, after - 3, after + 1)
        if sure is not None and sure.value is None and not returned:
            text = f"{fencing.target} was fenced and no record says so"
            around = history.around(after - 20, after + 10, fencing.target)
            found.append(Breach(3, text, fencing.completed, around))
    for node, timeline in history.records.items():
        for before, now in zip(timeline.spans, timeline.spans[1:], strict=False):
            if now.value is not None or before.value is None or before.value.state == "recovered":
                continue
            if not _journal(history, "recovered", node, before.last - 1, now.first + 1):
                text = f"the record of {node} was {before.value.state} and then gone"
                around = history.around(before.last - 20, now.first + 10, node)
                found.append(Breach(3, text, now.first, around))
    return found


def _journal(history: History, event: str, node: str, begin: float, end: float) -> bool:
    return any(
        line["event"] == event and line.get("node") == node and begin <= line["at"] <= end
        for line in history.journal
    )


def never_too_early(history: History) -> list[Breach]:
    """Law 4: no nova-compute starts on a held host, and Nova's marks stay while it is held."""
    found = []
    for process in history.computes:
        timeline = history.records.get(process.node)
        sure = timeline.sure(process.started - 0.3, process.started + 0.3) if timeline else None
        if sure is not None and sure.value is not None and sure.value.hold:
            text = f"nova-compute (process {process.pid}) started on {process.node}, which was held"
            around = history.around(process.started - 40, process.started + 10, process.node)
            found.append(Breach(4, text, process.started, around))
    for host, services in history.services.items():
        for before, now in zip(services.spans, services.spans[1:], strict=False):
            records = history.records.get(host)
            held = records.sure(before.last, now.first) if records else None
            if held is None or held.value is None or not held.value.hold:
                continue
            undone = []
            if before.value.forced_down and not now.value.forced_down:
                undone.append("un-forced")
            if before.value.disabled and not now.value.disabled:
                undone.append("enabled")
            if undone and not _operator_let_go(history, host, before.last, now.first):
                text = f"{host} was {' and '.join(undone)} while its record was {held.value.state}"
                around = history.around(before.last - 40, now.first + 5, host)
                found.append(Breach(4, text, now.first, around))
    return found


def _operator_let_go(history: History, host: str, begin: float, end: float) -> bool:
    return any(
        h.kind.startswith("mark ") and h.target == host and begin - 3 <= (h.ended or 0) <= end + 3
        for h in history.happenings
    )


def settled_means_settled(history: History) -> list[Breach]:
    """Law 5: a host called recovered has nothing left that was not named."""
    found = []
    for line in history.journal:
        if line["event"] != "recovered" or line["at"] < history.began:
            continue
        node, at = str(line["node"]), float(line["at"])
        named = line.get("unmoved") or {}
        for instance, timeline in history.instances.items():
            sure = timeline.sure(at + 0.3, at + SECOND)
            if sure and instance not in named and _left_on(sure.value, node):
                text = f"{node} was called recovered with instance {instance} left on it, unnamed"
                around = history.around(at - 40, at + 10, node, instance)
                found.append(Breach(5, text, at, around))
    return found


def _left_on(instance: Instance, node: str) -> bool:
    going = instance.deleted or instance.task_state == "deleting"
    return instance.host == node and instance.vm_state in EVACUABLE and not going


def only_ours(history: History) -> list[Breach]:
    """Law 6: what the operator has set on a host stays until the operator takes it off."""
    found = []
    for mark in history.happenings:
        timeline = history.services.get(mark.target)
        if not mark.kind.startswith("mark ") or timeline is None:
            continue
        records = history.records.get(mark.target)
        well = records.sure(mark.began - 2, mark.began + 2) if records else None
        if well is None or well.value is not None:
            continue  # it died at the same moment: whose mark is whose, nobody can tell
        until = (mark.ended or history.ended) - SECOND
        for span in timeline.overlapping(mark.began + SECOND, until):
            service = span.value
            if mark.kind == "mark operator-down":
                kept = service.forced_down
            else:
                kept = service.disabled and not service.reason.startswith("novaha")
            if not kept and span.last >= mark.began + SECOND:
                text = f"the operator's mark on {mark.target} ({mark.kind[5:]}) was undone"
                around = history.around(mark.began - 5, span.first + 5, mark.target)
                found.append(Breach(6, text, max(span.first, mark.began), around))
                break
    for instance, wish in history.wishes.items():
        rows = history.instances.get(instance)
        if wish.locked and not wish.deleted and rows and not rows.spans[-1].value.locked:
            text = f"the lock of instance {instance} is gone"
            at = rows.spans[-1].first
            found.append(Breach(6, text, at, history.around(at - 20, at, instance)))
    return found


def fencing_needs_nobody(history: History) -> list[Breach]:
    """Law 7: our own device never fails while the cluster itself is in order."""
    return [
        Breach(7, f"fence_compute failed: {line}", at, history.around(at - 30, at + 10))
        for at, line in history.device_failures
        if not _cluster_disturbed(history, at - 5, at)
    ]


_SILENT = frozenset({"cut-group", "cut-compute", "freeze-compute", "crash", "deaf-controller"})
"""Faults in which a compute host is silent or seems so, or answers and does nothing."""


def _held_with_others(history: History, node: str, begin: float, end: float) -> bool:
    """Whether other hosts were silent or frozen then: the brake may have held this one."""
    return any(
        h.kind in _SILENT
        and (h.kind == "deaf-controller" or h.target.startswith("compute"))
        and h.target.split()[0] != node
        and h.began <= end
        and (h.ended or history.ended) + _SETTLES >= begin
        for h in history.happenings
    )


_STORMS = frozenset({("cut-group", "computes cluster")}) | {
    ("deaf-controller", controller) for controller in layout.CONTROLLERS
}
"""Faults of a switch or of one controller, that are no host's own."""
_LOOKED_AFTER = 20.0
"""Seconds after a storm in which held hosts are looked after. Later an operator lets them go."""


def no_one_for_others(history: History) -> list[Breach]:
    """Law 10: for a fault that is no host's own no host is powered off that has no other fault."""
    found = []
    for cut in history.happenings:
        if (cut.kind, cut.target) not in _STORMS:
            continue
        until = (cut.ended or history.ended) + _LOOKED_AFTER
        for fencing in history.fencings:
            at = fencing.completed
            if not fencing.killed or not cut.began + SECOND <= at <= until:
                continue
            if fencing.target not in history.records or _own_fault(history, fencing.target, at):
                continue
            text = f"{fencing.target} was powered off because of {cut.kind} {cut.target}"
            around = history.around(cut.began - 5, at + 5, fencing.target)
            found.append(Breach(10, text, at, around))
    return found


def _own_fault(history: History, node: str, at: float) -> bool:
    """Whether chaos did something to this very host in the two minutes before, or it was held."""
    timeline = history.records.get(node)
    flagged = timeline is not None and any(
        span.value is not None for span in timeline.overlapping(at - 2 * _SETTLES, at - SECOND)
    )
    return flagged or any(
        node in h.target.split() and h.began <= at and (h.ended or at) >= at - 2 * _SETTLES
        for h in history.happenings
        if h.kind not in ("cut-group", "deaf-controller")
    )


def nothing_blocks(history: History) -> list[Breach]:
    """Law 8: a dead host is fenced soon, whatever is being recovered."""
    found = []
    for node, died, fenced in fencings_of_deaths(history):
        until = fenced if fenced is not None else history.ended
        if until - died <= LATE or _cluster_disturbed(history, died, until):
            continue
        if _held_with_others(history, node, died - _SETTLES, until):
            continue
        text = f"{node} was fenced {until - died:.0f} s after it had died"
        if fenced is None:
            text = f"{node} died and was not fenced in {until - died:.0f} s"
        found.append(Breach(8, text, died, history.around(died - 30, until + 5, node)))
    return found


def fencings_of_deaths(history: History) -> list[tuple[str, float, float | None]]:
    """Host, death and confirmed fencing (None: none seen) of each compute node that died online."""
    found = []
    for h in history.happenings:
        if h.kind != "crash" or h.target not in history.records:
            continue
        # Pacemaker owes no fencing to a host that was still booting from the last one.
        node = history.nodes.get(h.target)
        seen = [span for span in node.spans if span.first <= h.began] if node else []
        if not seen or seen[-1].value != "online":
            continue
        # The first span began before anybody looked: the run starts on a lab that is whole.
        if len(seen) > 1 and seen[-1].first > h.began - _SURELY_ONLINE:
            continue
        after = [
            f.completed
            for f in history.fencings
            if f.target == h.target and f.killed and f.completed >= int(h.began)
        ]
        found.append((h.target, h.began, min(after) if after else None))
    return found


def _cluster_disturbed(history: History, begin: float, end: float) -> bool:
    """Whether chaos had its hands on the controllers or on the BMCs then, or just before."""
    for h in history.happenings:
        cluster = h.kind in _CLUSTER_FAULTS or (h.kind == "crash" and "controller" in h.target)
        cluster |= h.kind == "cut-group" and h.target.startswith("bmc")
        if cluster and h.began <= end and (h.ended or history.ended) + _SETTLES >= begin:
            return True
    return False


def no_secret_shown(history: History) -> list[Breach]:
    """Law 9: the password is nowhere that others can see it."""
    return [Breach(9, f"the password is in {where}", history.ended) for where in history.secrets]


_LAWS: tuple[Callable[[History], list[Breach]], ...] = (
    never_before_the_fence,
    one_at_a_time,
    never_twice,
    never_forgotten,
    never_too_early,
    settled_means_settled,
    only_ours,
    fencing_needs_nobody,
    nothing_blocks,
    no_one_for_others,
    no_secret_shown,
)
