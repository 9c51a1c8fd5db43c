"""Which hosts need an operator, and what is said of them: a table of what was read."""

from __future__ import annotations

from typing import Any

import pytest

from novaha.core.faults import Fault, Kind
from novaha.core.situation import Failure
from novaha.evacuator.attention import attention
from tests.unit.core.situations import DEAD, NOW, OTHER, instance, record, row, view
from tests.views import changed

DOUBTED = {"record": record(marks=frozenset({"doubted"}))}
BACK = (
    "compute-1 has lived since the fencing of its record, which came back: it is fenced again "
    "before anything moves; if it is in order: novaha release compute-1"
)
LOST = (
    "compute-1 may have guests that Nova has lost: look for them, "
    "and destroy only the guests that novaha status names"
)
NO_PLACE = (
    "compute-1 find no place elsewhere: make room, or see why "
    "(novaha status) and release them (novaha release compute-1)"
)
REMEDIES = {
    Kind.KEY_REFUSED: "were refused by the key manager",
    Kind.NO_RIGHTS: "were refused by another service",
    Kind.NO_IMAGE: "their image is not to be had",
    Kind.BAD_VOLUME: "a volume cannot be attached",
    Kind.SERVICE_AWAY: "a service that their destination needs does not answer",
}


def tried(*kinds: Kind | None, count: int = 3, **known: Any) -> dict[str, Any]:
    """Instances that failed `count` times; each of a kind that Nova shows, None for none."""
    here = tuple(
        instance(f"{n}", fault=Fault(kind, "x") if kind else None) for n, kind in enumerate(kinds)
    )
    failures = {i.id: Failure(count, NOW) for i in here}
    return {"instances": here, "failures": failures, **known}


def left(kind: Kind, **changes: Any) -> dict[str, Any]:
    """An evacuation of the first instance that failed so at its destination."""
    failed = row(1, "error", **{"instance": "0", **changes})
    return {"migrations": (failed,), "faults": {1: Fault(kind, "x")}}


@pytest.mark.parametrize(
    ("known", "nova_problem", "told"),
    [
        ({}, "", []),
        ({}, "away", []),
        ({"unproven": "no device"}, "", [f"{DEAD} is not safe to evacuate: no device"]),
        ({"unproven": "no device", "problem": "x"}, "away", [f"{DEAD} is not safe to evacuate: no device"]),
        ({**DOUBTED, "fence_confirmed": False}, "", [BACK]),
        ({**DOUBTED, "fence_confirmed": False, "problem": "x"}, "away", [BACK]),
        (DOUBTED, "", []),
        ({"fence_confirmed": False}, "", []),
        ({"problem": "no such host"}, "", [f"{DEAD} cannot be worked on: no such host"]),
        ({"problem": "Nova is away"}, "away", []),
        (tried(Kind.NO_ROOM, problem="no such host"), "", [f"{DEAD} cannot be worked on: no such host"]),
        ({"instances": (instance("a", problem="no flavor"), instance("b"), instance("c", problem="x"))}, "", [f"2 instances of {DEAD} cannot be read, their recovery waits: no flavor"]),
        (tried(Kind.NO_ROOM, count=2), "", []),
        (tried(Kind.NO_ROOM), "", [f"1 instances of {NO_PLACE}"]),
        (tried(Kind.NO_ROOM), "away", [f"1 instances of {NO_PLACE}"]),
        (tried(Kind.NO_ROOM, Kind.OTHER, None, count=9), "", [f"3 instances of {NO_PLACE}"]),
        (tried(Kind.NO_ROOM, failures={"else": Failure(9, NOW)}), "", []),
        (tried(Kind.GUEST_EXISTS, Kind.GUEST_EXISTS), "", [f"2 instances of {LOST}"]),
        (tried(Kind.NO_IMAGE, **left(Kind.GUEST_MAY_RUN)), "", [f"1 instances of {LOST}"]),
        (tried(Kind.NO_ROOM, **left(Kind.NO_ROOM)), "", [f"1 instances of {NO_PLACE}"]),
        (tried(Kind.NO_ROOM, **left(Kind.GUEST_MAY_RUN, instance="b")), "", [f"1 instances of {NO_PLACE}"]),
        (tried(Kind.NO_ROOM, **left(Kind.GUEST_MAY_RUN), dead_migrations=frozenset({1})), "", [f"1 instances of {NO_PLACE}"]),
        (tried(Kind.NO_ROOM, **{**left(Kind.GUEST_MAY_RUN), "faults": {}}), "", [f"1 instances of {NO_PLACE}"]),
    ],
)  # fmt: skip
def test_what_needs_an_operator(known: dict[str, Any], nova_problem: str, told: list[str]) -> None:
    assert list(attention([view(**known)], nova_problem)) == told


@pytest.mark.parametrize("kind", REMEDIES)
def test_each_cause_has_its_remedy(kind: Kind) -> None:
    (told,) = attention([view(**tried(kind, kind))], "")
    assert told.startswith(f"2 instances of {DEAD} ")
    assert REMEDIES[kind] in told
    assert not any(REMEDIES[other] in told for other in REMEDIES if other is not kind)


def test_each_cause_and_each_host_is_told_by_itself() -> None:
    first = view(**tried(Kind.NO_ROOM, Kind.NO_IMAGE, Kind.NO_ROOM))
    here = (*first.inventory.instances, instance("u", problem="no flavor"))
    second = view(record=record(node=OTHER), problem="no such host")
    told = attention([changed(first, instances=here), second], "")
    assert [text[: text.index(" of ")] for text in told[:3]] == [
        "1 instances",
        "2 instances",
        "1 instances",
    ]
    assert told[1] == f"2 instances of {NO_PLACE}"
    assert told[3] == f"{OTHER} cannot be worked on: no such host"
