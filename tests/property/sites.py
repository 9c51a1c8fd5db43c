"""Sites as the planner may see them: every field of every view, however little sense it makes.

Left to chance alone hardly one host in a hundred would be one from which something is evacuated,
or one that comes back. So a host is in one of a few usual situations, and chance spoils it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from novaha.core.faults import Fault, Kind
from novaha.core.groups import Place
from novaha.core.model import (
    CLOSED,
    DONE,
    EVACUABLE,
    FAILED,
    IN_FLIGHT,
    KEPT_OUT,
    REBUILDING,
    RESETTABLE,
    Action,
    ComputeService,
    EvacuationLog,
    Instance,
    Migration,
)
from novaha.core.planner import plan
from novaha.core.policy.match import Condition, Key
from novaha.core.policy.order import Group
from novaha.core.policy.rules import Rule, Rules, Treatment
from novaha.core.policy.traits import ImageTraits, Traits
from novaha.core.record import ADMITTED, ADOPTED, DOUBTED, FORCED, KEPT, UNPROVEN, Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, Failure, OtherRequest, Outcome, Policy
from novaha.core.steps import Plan
from novaha.core.view import HostView
from tests.views import FIELDS, changed, value, view_of

COUNT = 4000
DECLARED = 700
"""Sites beside these that have a policy."""
HOSTS = ("compute-1", "compute-2", "compute-3")
NOW = 1000.0
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = float("-inf")

MOMENTS = (NOW - 300, NOW - 95, NOW - 20, NOW - 2, NOW, NOW + 60)
STATUSES = (*sorted(IN_FLIGHT)[:3], *(DONE, CLOSED, "surprise") * 2, *sorted(FAILED) * 3)
_TWICE = ((8, DONE), (9, "error"))
STATES = (*sorted(EVACUABLE) * 5, *sorted(RESETTABLE), "resized", "building", "deleted", "surprise")


@dataclass(frozen=True)
class Site:
    """What `plan` is given. seed: makes it again."""

    seed: int
    views: tuple[HostView, ...]
    policy: Policy
    room_since: float

    def plan(self, seen: Callable[[HostView], HostView] = lambda view: view) -> Plan:
        """What is planned; seen: what the planner gets to see of a host."""
        return plan([seen(view) for view in self.views], self.policy, NOW, self.room_since)


class _Chance(Random):
    def rarely(self, usual: Any, *values: Any) -> Any:
        """Now and then one of the values."""
        return usual if self.random() < 0.95 else self.choice(values)

    def often(self, usual: Any, *values: Any) -> Any:
        return usual if self.random() < 0.5 else self.choice(values)

    def some(self, names: tuple[Any, ...], odds: float = 0.15) -> list[Any]:
        return [name for name in names if self.random() < odds]

    def flip(self) -> bool:
        return self.random() < 0.5


@cache
def sites() -> tuple[Site, ...]:
    """The same ones each time."""
    return tuple(site(seed) for seed in range(COUNT + DECLARED))


@cache
def planned() -> tuple[tuple[Site, Plan], ...]:
    """Each of them, and what is planned there."""
    return tuple((site, site.plan()) for site in sites())


def site(seed: int) -> Site:
    """Any site; the same for the same seed."""
    chance = _Chance(seed)
    nodes = chance.sample(HOSTS, chance.randint(1, len(HOSTS)))
    policy = Policy(
        max_in_flight=chance.randint(1, 6),
        answer_wait=chance.choice((30.0, 90.0)),
        retry_base=chance.choice((1.0, 10.0)),
        retry_cap=chance.choice((15.0, 120.0)),
        restore_wait=chance.choice((0.0, 3.0)),
        lost_after=chance.choice((30.0, 60.0)),
        stuck_after=chance.choice((300.0, 1800.0)),
        patience=chance.choice((60.0, 300.0)),
        flap_fencings=chance.choice((0, 0, 0, 2)),
        flap_window=chance.choice((600.0, 3600.0)),
        return_after=chance.choice((0.0, 0.0, 60.0)),
        return_disabled=chance.rarely(False, True),
        **(_declared(_Chance(f"policy {seed}")) if seed >= COUNT else {}),
    )
    room_since = chance.choice((NEVER, NOW - 50, NOW))
    views = tuple(
        _looked_up(_Chance(f"look-ups {seed} {node}"), _view(chance, node)) for node in nodes
    )
    return Site(seed, views, policy, room_since)


def _declared(chance: _Chance) -> dict[str, Any]:
    """What a site has declared; by a chance of its own, so that the rest stays as it is.

    What the rules go by is known, is not, or is never read.
    """
    conditions = (
        Condition(Key.INSTANCE, ("*/a", "*/c")),
        Condition(Key.HOST, (chance.choice(HOSTS),)),
        Condition(Key.SERVER_TAG, ("x",)),
        Condition(Key.ZONE, ("az1",)),
        Condition(Key.IMAGE_TAG, ("x",)),
    )
    rules = tuple(
        Rule(
            f"rule {number}",
            number,
            tuple(chance.some(conditions, 0.3)),
            treatment=chance.choice(tuple(Treatment)),
            lose_local_disks=chance.choice((None, True, False)),
            priority=chance.choice((0, 50, 50, 100)),
            group=chance.choice(("", "", "first", "second")),
        )
        for number in range(chance.randint(0, 3))
    )
    return {
        "rules": Rules(
            rules,
            chance.choice((Treatment.EVACUATE, *Treatment)),
            lose_local_disks=chance.flip(),
            groups={"first": Group("first"), "second": Group("second", after=("first",))},
            unusable=chance.rarely("", "it has a mistake"),
        ),
        "waiting": chance.often({}, {"second": ("first",)}),
    }


def _looked_up(chance: _Chance, view: HostView) -> HostView:
    """With what a policy goes by, as far as that was read."""
    place = chance.choice((None, Place("az1"), Place("az2")))
    tags = chance.choice(((), ("x",)))
    images = chance.choice(({}, {"i1": ImageTraits({}, tags)}))
    return changed(view, place=place, images=images)


def _traits(name: str, host: str) -> Traits:
    """The same for the same instance; that of one in three is not known."""
    chance = _Chance(f"{name} on {host}")
    if chance.random() < 0.3:
        return Traits()
    image = chance.choice(("", "i1"))
    tags = tuple(chance.some(("x",), 0.5))
    return Traits("p", "small", {}, image, tags, {}, local_disk=chance.choice((True, False, None)))


def smaller(failing: Site, fails: Callable[[Site], bool]) -> Site:
    """The failing site without what does not matter: hosts, and fields that keep their default."""
    found = failing
    for view in failing.views:
        without = replace(found, views=tuple(v for v in found.views if v.node != view.node))
        found = without if fails(without) else found
    for view in found.views:
        for name in FIELDS[1:]:
            if name in ("host", "mine", "service"):
                continue
            plainer = blind(name)
            views = tuple(plainer(v) if v.node == view.node else v for v in found.views)
            without = replace(found, views=views)
            found = without if fails(without) else found
    return found


def blind(field: str) -> Callable[[HostView], HostView]:
    """Hides a field: it has its default then."""
    untouched = HostView(Record("x", RecoveryState.RUNNING, "x", WHEN))
    return lambda view: changed(view, **{field: value(untouched, field)})


def _view(chance: _Chance, node: str) -> HostView:
    names = tuple(f"{node}/{letter}" for letter in "abcd")
    kind = chance.choice(("ready",) * 6 + ("untold", "flagged") + ("settled",) * 4 + ("any",) * 2)
    settled = kind == "settled"
    record = _record(chance, node, kind, names)
    here = chance.some(names, 0.15 if settled else 0.6)
    elsewhere = [name for name in chance.some(names, 0.3) if name not in here]
    rows = [_row(chance, node, number, names) for number in chance.some(tuple(range(1, 8)), 0.3)]
    if settled and chance.random() < 0.3:  # asked for twice, and the first one is open
        rows = [replace(_row(chance, node, n, names[:1]), status=s) for n, s in _TWICE]
    return view_of(
        record,
        mine=record.owner == "me",
        owned_at=chance.often(NEVER, NOW - 1, NOW - 60),
        fence_confirmed=chance.flip(),
        fenced_on_request=chance.flip(),
        unproven=chance.rarely("", "no device cuts its power"),
        doubt=chance.rarely("", "it lives"),
        host=chance.rarely(node, None),
        problem=chance.rarely("", "Nova is away"),
        held=chance.rarely(False, True),
        service=_service(chance, node, kind),
        instances=tuple(_instance(chance, name, node) for name in here),
        is_stale=chance.rarely(False, True),
        moved={name: _moved(chance, name, node) for name in elsewhere},
        migrations=tuple(rows),
        receivers={name: chance.choice(HOSTS) for name in chance.some(names)},
        dead_migrations=frozenset(row.id for row in rows if chance.random() < 0.2),
        attempts={
            name: Attempt(
                chance.choice(tuple(Outcome)),
                chance.choice(MOMENTS),
                frozenset(row.id for row in rows if chance.flip()),
                "not now",
            )
            for name in chance.some(names)
        },
        others={
            name: OtherRequest(
                chance.choice(tuple(Action)),
                chance.choice(MOMENTS),
                chance.randint(1, 6),
                chance.choice(("", "refused")),
            )
            for name in chance.some(names)
        },
        done_since={name: chance.choice(MOMENTS) for name in chance.some(names)},
        unchanged_for={n: chance.choice((0.0, 9.0, 50.0, 200.0, 4000.0)) for n in here},
        logs={
            name: EvacuationLog(over=chance.flip(), queued=chance.flip(), untaken=chance.flip())
            for name in chance.some(names)
        },
        failures={
            name: Failure(chance.randint(1, 9), chance.choice(MOMENTS))
            for name in chance.some(names)
        },
        faults={row.id: _fault(chance) for row in rows if chance.flip()},
        restarted=chance.flip(),
        unanswered_at=chance.often(NEVER, NOW - 10, NOW - 100),
        unanswered_resets={name: chance.choice(MOMENTS) for name in chance.some(names)},
        alive=chance.rarely(True, False) if settled else chance.flip(),
        heartbeat_since_unforce=chance.flip(),
        up_for=chance.choice((None, 10.0, 100.0, 100.0)),
        fencings=tuple(
            WHEN - timedelta(minutes=minutes)
            for minutes in (chance.some((0, 5, 30, 90), 0.5) if settled else ())
        ),
        online_for=chance.often(None, 10.0, 1000.0),
        quiet_until=chance.rarely(0.0, NOW + 60),
        settled_before=chance.flip(),
        paused=chance.rarely("", "work, by bob"),
    )


def _record(chance: _Chance, node: str, kind: str, names: tuple[str, ...]) -> Record:
    states = ("active", "stopped", "paused", "resized", "suspended", "rescued", "shelved")
    noted = {name: chance.choice(states) for name in names}
    marks = frozenset(chance.some((FORCED, ADOPTED, UNPROVEN, DOUBTED, ADMITTED, KEPT)))
    record = Record(
        node=node,
        state=chance.choice(tuple(RecoveryState)[1:]),
        fence_id=f"id-{node}",
        fenced=WHEN + timedelta(seconds=chance.randint(0, 5)),
        owner=chance.choice(("", "me", "other")),
        marks=marks,
        before=chance.choice((None, {}, noted)),
    )
    match kind:
        case "ready" | "untold":
            owner = chance.rarely("me", "other")
            return replace(record, state=RecoveryState.RUNNING, owner=owner, before=noted)
        case "flagged":
            return replace(record, state=RecoveryState.PENDING, owner="", before=None)
        case "settled":
            state = chance.often(RecoveryState.RECOVERED, RecoveryState.RUNNING)
            return replace(record, state=state, owner="me", marks=marks | {FORCED}, before=noted)
    return record


def _service(chance: _Chance, node: str, kind: str) -> ComputeService | None:
    forced = {"ready": True, "untold": False, "flagged": False}
    service = ComputeService(
        id="s",
        host=node,
        up=chance.flip(),
        forced_down=forced.get(kind, chance.flip()),
        enabled=chance.flip(),
        disabled_reason=chance.choice(("", "maintenance", *("novaha: fenced",) * 3, KEPT_OUT)),
    )
    return chance.choice((None, service)) if kind == "any" else service


def _instance(chance: _Chance, name: str, host: str) -> Instance:
    return Instance(
        id=name,
        name=name,
        host=host,
        vm_state=chance.choice(STATES),
        task_state=chance.rarely(None, "deleting", "powering-off", *REBUILDING),
        power_state=chance.choice((0, 1, 4)),
        fault=_fault(chance) if chance.flip() else None,
        problem=chance.rarely("", "it has no flavor"),
        traits=_traits(name, host),
    )


def _moved(chance: _Chance, name: str, node: str) -> Instance | None:
    where = chance.choice((*HOSTS, "elsewhere", "elsewhere"))
    return chance.rarely(_instance(chance, name, where), None, _instance(chance, name, node))


def _row(chance: _Chance, node: str, number: int, names: tuple[str, ...]) -> Migration:
    return Migration(
        id=number,
        instance=chance.choice(names),
        source=node,
        destination=chance.choice((None, *HOSTS, "elsewhere")),
        status=chance.choice(STATUSES),
        created=chance.often(None, WHEN, WHEN - timedelta(hours=1)),
        problem=chance.rarely("", "it has no status"),
    )


def _fault(chance: _Chance) -> Fault:
    kind = chance.choice((*Kind, *(Kind.NO_ROOM, Kind.GUEST_MAY_RUN) * 3))
    return Fault(kind, "why", chance.choice(("one", "other")))
