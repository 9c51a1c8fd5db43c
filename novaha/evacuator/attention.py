"""What an operator has to see to: for whoever looks at the cluster, and not at novaha."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from novaha.core import comeback
from novaha.core.events import Attention, AttentionOver, Event
from novaha.core.faults import UNNAMED, Kind
from novaha.core.model import Instance
from novaha.core.recovery import RecoveryState
from novaha.core.text import word
from novaha.core.view import HostView

_OFTEN = 3
"""Evacuations of an instance that have to fail before an operator is told."""


_GONE = 60.0
"""Seconds after which what has gone is told to be over: it may come and go from turn to turn."""


@unique
class Code(StrEnum):
    """What is wrong with a host. The values are frozen."""

    FENCING_PROVES_NOTHING = "fencing-proves-nothing"
    LIVED_SINCE_FENCING = "lived-since-fencing"
    CANNOT_BE_WORKED_ON = "cannot-be-worked-on"
    KEPT_OUT = "kept-out"
    INSTANCES_UNREADABLE = "instances-unreadable"
    GUESTS_MAY_RUN = "guests-may-run"
    KEY_REFUSED = "key-refused"
    NO_RIGHTS = "no-rights"
    NO_IMAGE = "no-image"
    BAD_VOLUME = "bad-volume"
    SERVICE_AWAY = "service-away"
    NO_PLACE = "no-place"
    LEFT_TO_OPERATOR = "left-to-operator"


_CODES = {
    Kind.GUEST_MAY_RUN: Code.GUESTS_MAY_RUN,
    Kind.KEY_REFUSED: Code.KEY_REFUSED,
    Kind.NO_RIGHTS: Code.NO_RIGHTS,
    Kind.NO_IMAGE: Code.NO_IMAGE,
    Kind.BAD_VOLUME: Code.BAD_VOLUME,
    Kind.SERVICE_AWAY: Code.SERVICE_AWAY,
    Kind.NO_ROOM: Code.NO_PLACE,
}


@dataclass(frozen=True, slots=True)
class Need:
    """A host that gets no further by itself. text: what is wrong, and what to do about it."""

    node: str
    code: Code
    text: str


class Needs:
    """Tells as events what has begun to need an operator, and what does so no more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen_at: dict[tuple[str, Code], float] = {}

    def follow(self, needs: Iterable[Need], nova_problem: str) -> list[Event]:
        """The events since this was called last. needs: all that there are now.

        nova_problem: why Nova does not answer; then nothing is known to be over.
        """
        now = self._clock()
        told: list[Event] = []
        for need in needs:
            key = (need.node, need.code)
            if key not in self._seen_at:
                told.append(Attention(need.node, str(need.code), need.text))
            self._seen_at[key] = now
        for node, code in list(self._seen_at):
            if nova_problem:
                self._seen_at[node, code] = now
            elif now - self._seen_at[node, code] >= _GONE:
                del self._seen_at[node, code]
                told.append(AttentionOver(node, str(code)))
        return told


class Since:
    """Since when something has been wrong without a pause."""

    def __init__(self) -> None:
        self._began: float | None = None

    def note(self, wrong: bool, now: float) -> None:
        """Whether it is wrong now (monotonic seconds)."""
        if not wrong:
            self._began = None
        elif self._began is None:
            self._began = now

    def seconds(self, now: float) -> float:
        """For how long it has been, 0 when it is not."""
        return 0.0 if self._began is None else now - self._began


def attention(views: Iterable[HostView], nova_problem: str) -> tuple[str, ...]:
    """Each host that gets no further by itself, as a sentence; see `needs`."""
    return tuple(need.text for need in needs(views, nova_problem))


def needs(views: Iterable[HostView], nova_problem: str) -> tuple[Need, ...]:
    """Each host that gets no further by itself: what is wrong, and what to do about it.

    nova_problem: why Nova does not answer. That is no trouble of one host, and told elsewhere.
    """
    return tuple(Need(v.node, code, text) for v in views for code, text in _of(v, nova_problem))


def _of(view: HostView, nova_problem: str) -> list[tuple[Code, str]]:
    if view.standing.unproven:
        text = f"{view.node} is not safe to evacuate: {view.standing.unproven}"
        return [(Code.FENCING_PROVES_NOTHING, text)]
    if view.record.doubted and not view.standing.fence_confirmed:
        text = (
            f"{view.node} has lived since the fencing of its record, which came back: it is "
            f"fenced again before anything moves; if it is in order: "
            f"novaha release {word(view.node)}"
        )
        return [(Code.LIVED_SINCE_FENCING, text)]
    if view.problem:
        text = f"{view.node} cannot be worked on: {view.problem}"
        return [] if nova_problem else [(Code.CANNOT_BE_WORKED_ON, text)]
    said: list[tuple[Code, str]] = []
    if view.record.state is RecoveryState.RECOVERED and comeback.is_kept_out(view):
        text = (
            f"{view.node} is kept out of service: {comeback.why_kept_out(view)}; "
            f"`novaha release {word(view.node)}` lets it in"
        )
        said.append((Code.KEPT_OUT, text))
    if unread := [i.problem for i in view.inventory.instances if i.problem]:
        text = (
            f"{len(unread)} instances of {view.node} cannot be read, their recovery waits: "
            f"{unread[0]}"
        )
        said.append((Code.INSTANCES_UNREADABLE, text))
    often: dict[Kind, int] = {}
    for instance in view.inventory.instances:
        failure = view.evacuations.failures.get(instance.id)
        if failure is not None and failure.count >= _OFTEN:
            kind = _kind(view, instance)
            often[kind] = often.get(kind, 0) + 1
    return said + [(_CODES[k], _sentence(view.node, k, count)) for k, count in often.items()]


def _kind(view: HostView, instance: Instance) -> Kind:
    """Why its evacuations fail; a guest that may run elsewhere comes before all else."""
    last = (instance.fault or UNNAMED).kind
    faults = view.evacuations.faults
    left = any(
        faults[row.id].kind.may_leave_a_guest
        for row in view.inventory.migrations
        if row.instance == instance.id and row.id in faults
        if row.id not in view.evacuations.dead_migrations
    )
    if left or last is Kind.GUEST_EXISTS:
        return Kind.GUEST_MAY_RUN
    return Kind.NO_ROOM if last not in _REMEDIES else last


_REMEDIES = {
    Kind.KEY_REFUSED: (
        "were refused by the key manager at their destination: let the user that novaha signs in "
        "as read their volumes' keys (openstack acl user add --user USER SECRET), see novaha status"
    ),
    Kind.NO_RIGHTS: (
        "were refused by another service at their destination: give the user that novaha signs in "
        "as the right that novaha status names"
    ),
    Kind.NO_IMAGE: (
        "cannot be built, their image is not to be had: restore it in Glance, or see novaha status"
    ),
    Kind.BAD_VOLUME: (
        "cannot be built, a volume cannot be attached: see novaha status, Cinder and the storage "
        "of the destination"
    ),
    Kind.SERVICE_AWAY: (
        "are tried again: a service that their destination needs does not answer, novaha status "
        "names it"
    ),
}
"""What is said of instances whose evacuations fail for a reason of their own."""


def _sentence(node: str, kind: Kind, count: int) -> str:
    if kind is Kind.GUEST_MAY_RUN:
        return (
            f"{count} instances of {node} may have guests that Nova has lost: look for them, "
            "and destroy only the guests that novaha status names"
        )
    if kind in _REMEDIES:
        return f"{count} instances of {node} {_REMEDIES[kind]}"
    return (
        f"{count} instances of {node} find no place elsewhere: make room, or see why "
        f"(novaha status) and release them (novaha release {word(node)})"
    )
