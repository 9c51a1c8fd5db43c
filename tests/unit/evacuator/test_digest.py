"""What the other controllers are told: short, the most important first, never too much."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaha.core.answers import Code
from novaha.core.errors import RecordError
from novaha.core.reasons import Reason
from novaha.core.recovery import RecoveryState
from novaha.core.steps import HostReport, InstanceReport, Progress
from novaha.evacuator import digest, status
from tests.unit.core.situations import FENCED, record

NOW = FENCED + timedelta(hours=1)
HEALTH = status.Health(1, "controller-2", "novaha", 0.1, "", 0.0, "", 0.0, ())


def report(
    instances: Iterable[InstanceReport] = (), node: str = "compute-1", detail: str = "recovering"
) -> HostReport:
    running = record(state=RecoveryState.RUNNING, node=node)
    return HostReport(running, node, detail, tuple(instances))


def instance(number: int, progress: Progress, detail: str = "", where: str = "") -> InstanceReport:
    why = Reason(Code.REFUSED, {"text": detail}) if detail else None
    return InstanceReport(f"vm-{number}", f"name-{number}", progress, where, why)


def own(*reports: HostReport, attention: tuple[str, ...] = ()) -> dict[str, Any]:
    health = status.Health(1, "controller-2", "novaha", 0.1, "", 0.0, "", 0.0, attention)
    return status.own(health, attention, reports)


def looked(*reports: HostReport, problem: str = "") -> dict[str, Any]:
    return status.looked(problem, (), reports, {"compute-9": RecordError("compute-9", "no")})


def told(snapshot: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found = digest.newest([digest.make(snapshot, NOW)], NOW)
    assert found is not None
    return {**found, **changes}


def packed(content: object) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(content).encode())).decode()


def test_who_only_looked_shows_what_the_evacuator_knows() -> None:
    why = instance(1, Progress.WAITING, "try 3 failed: no valid host was found")
    theirs = own(report([why], detail="recovering"), attention=("make room",))
    seen = looked(report([instance(1, Progress.WAITING)], detail="preparing"))
    shown = digest.added(seen, told(theirs), NOW)
    assert shown["hosts"][0] == theirs["hosts"][0]
    assert shown["hosts"][1]["state"] == "unreadable"
    assert shown["told"] == {
        "at": "2026-01-01T01:00:00Z",
        "node": "controller-2",
        "problem": "",
        "nova": {"ok": True, "problem": ""},
        "attention": ["make room"],
        "age": 0,
        "left_out": 0,
    }


@pytest.mark.parametrize("progress", [Progress.SETTLED, Progress.MOVING])
def test_what_is_seen_to_be_so_is_not_made_older(progress: Progress) -> None:
    """`novaha release` on any controller asks whether anything is on its way."""
    theirs = own(report([instance(1, Progress.WAITING, "try 3 failed")]))
    seen = looked(report([instance(1, progress, "it is", "compute-2")]))
    assert digest.added(seen, told(theirs), NOW)["hosts"] == seen["hosts"]


def test_what_the_evacuator_has_under_way_is_under_way() -> None:
    theirs = own(report([instance(1, Progress.MOVING, "request under way", "compute-2")]))
    seen = looked(report([instance(1, Progress.WAITING), instance(2, Progress.WAITING)]))
    (host, _) = digest.added(seen, told(theirs), NOW)["hosts"]
    assert host["counts"] == {"moving": 1, "waiting": 1}
    assert (host["settled"], host["total"]) == (0, 2)


@pytest.mark.parametrize("change", [{"fence_id": "another"}, {"state": "recovered"}])
def test_a_host_that_has_got_further_is_left_as_it_was_seen(change: dict[str, str]) -> None:
    theirs = own(report([instance(1, Progress.REFUSED, "never")]))
    seen = looked(report([instance(1, Progress.WAITING)]))
    seen["hosts"][0] |= change
    assert digest.added(seen, told(theirs), NOW)["hosts"] == seen["hosts"]


def test_without_nova_here_the_numbers_are_the_evacuators() -> None:
    instances = [instance(1, Progress.SETTLED, "active", "c"), instance(2, Progress.WAITING, "why")]
    theirs = own(report(instances))
    seen = looked(report(()), problem="Keystone does not answer")
    (host, _) = digest.added(seen, told(theirs), NOW)["hosts"]
    assert (host["total"], host["settled"]) == (2, 1)
    assert host["counts"] == {"settled": 1, "waiting": 1}
    assert [i["detail"] for i in host["instances"]] == ["why"]
    assert digest.added(looked(report(())), told(theirs), NOW)["hosts"][0]["total"] == 0


def test_of_much_the_most_important_is_told() -> None:
    instances = [
        instance(n, Progress.MOVING, f"rebuilding {n * 7919}", "compute-2") for n in range(3000)
    ]
    instances.append(instance(9999, Progress.REFUSED, "Nova refuses it"))
    value = digest.make(own(report(instances), attention=("make room",)), NOW)
    assert digest.LONGEST * 0.9 < len(value) <= digest.LONGEST
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", value), "attrd_updater prints it between quotes"
    read = digest.newest([value], NOW)
    assert read is not None
    assert read["attention"] == ["make room"]
    assert read["instances"][0]["detail"] == "Nova refuses it"
    assert read["left_out"] == 3001 - len(read["instances"])
    assert read["hosts"][0]["total"] == 3001


@pytest.mark.parametrize("hosts", [0, 1, 40, 2000])
def test_it_is_never_longer_than_there_is_room_for(hosts: int) -> None:
    reports = [
        report([instance(n, Progress.REFUSED, f"{n * 7919} " * 200)], node=f"compute-{n}")
        for n in range(hosts)
    ]
    attention = tuple(f"compute-{n}: {n * 104729} " * 99 for n in range(hosts))
    value = digest.make(own(*reports, attention=attention), NOW)
    assert len(value) <= digest.LONGEST
    assert bool(value) == bool(hosts)
    assert not hosts or digest.newest([value], NOW) is not None


def test_nothing_is_told_where_nothing_is_to_be_told() -> None:
    assert digest.make(own(), NOW) == ""
    silent = status.Health(1, "c", "u", 0.1, "", 0.0, "Keystone is away", 9.0, ())
    assert told(status.own(silent, (), ()))["nova"] == {"ok": False, "problem": "Keystone is away"}
    failing = status.Health(1, "c", "u", 0.1, "no CIB", 9.0, None, 0.0, ())
    assert told(status.own(failing, (), ()))["problem"] == "no CIB"


def test_law_9_it_shows_no_secret() -> None:
    snapshot = own(
        report([instance(1, Progress.REFUSED, "no, hunter22")], detail="hunter22"),
        attention=("look at hunter22",),
    )
    value = digest.make(snapshot, NOW, ("hunter22",))
    assert b"hunter22" not in zlib.decompress(base64.urlsafe_b64decode(value))
    assert "make room" not in value


@pytest.mark.parametrize(
    ("age", "fresh"), [(0, True), (899, True), (901, False), (-899, True), (-901, False)]
)
def test_what_is_old_counts_for_nothing(age: int, fresh: bool) -> None:
    value = digest.make(own(report()), NOW - timedelta(seconds=age))
    assert (digest.newest([value], NOW) is not None) == fresh


def test_the_newest_counts() -> None:
    values = [
        digest.make(own(report(detail=str(age))), NOW - timedelta(seconds=age))
        for age in (60, 5, 30)
    ]
    found = digest.newest(values, NOW)
    assert found is not None
    assert found["hosts"][0]["detail"] == "5"
    assert digest.newest([], NOW) is None


SOUND = told(own(report([instance(1, Progress.WAITING, "why")]), attention=("a",)))


@pytest.mark.parametrize(
    "value",
    [
        *("", "x", "eJw", "é", "A" * 100_000),
        *(packed(content) for content in (None, [], {}, "x", 1, [1], {"at": 1})),
        base64.urlsafe_b64encode(zlib.compress(b"[" * 500_000)).decode(),
        base64.urlsafe_b64encode(
            zlib.compress(b" " * 2_000_000 + json.dumps(SOUND).encode())
        ).decode(),
        *(
            packed({**SOUND, **change})
            for change in (
                *({"version": 2}, {"at": "yesterday"}, {"at": "2026-01-01T01:00:00"}),
                *({"node": 1}, {"nova": "x"}, {"nova": {"ok": "x", "problem": ""}}),
                *({"hosts": [1]}, {"hosts": [{}]}, {"hosts": {"a": 1}}, {"hosts": None}),
                *({"instances": ["x"]}, {"instances": [{"id": "x"}]}, {"attention": [1]}),
                *({"left_out": "1"}, {"hosts": [{**SOUND["hosts"][0], "counts": []}]}),
                {"hosts": [{**SOUND["hosts"][0], "total": None}]},
                {"instances": [{**SOUND["instances"][0], "data": "x"}]},
                {"instances": [{**SOUND["instances"][0], "data": {"text": 1}}]},
            )
        ),
    ],
)
def test_nonsense_counts_for_nothing(value: str) -> None:
    assert digest.newest([value], NOW) is None
    assert digest.newest([value, packed(SOUND)], NOW) == SOUND


def test_every_digest_is_of_this_moment_in_utc() -> None:
    value = digest.make(own(report()), datetime(2026, 1, 1, 1, 0, 0, tzinfo=UTC))
    found = digest.newest([value], NOW)
    assert found is not None
    assert found["at"] == "2026-01-01T01:00:00Z"
