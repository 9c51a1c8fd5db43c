"""What the evacuator counts and measures, for Prometheus: as plain data, rendered by the command.

Counters begin at 0 for every label that they can have, so that the first failure is seen. A host
is a label only while it has a recovery record; an instance never is.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from novaha.core import events
from novaha.core.events import Event
from novaha.core.situation import Outcome
from novaha.core.steps import Progress
from novaha.evacuator.attention import Code

Labels = Mapping[str, str]
Samples = Iterator[tuple[str, Labels, float]]
"""Suffix of the name, labels, value."""

BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds, in seconds."""

CLAIM, REQUEST, INSTANCES = "claim", "request", "instances"
"""Phases of a recovery: until it is claimed; from there until the first request is accepted; from
there until it is over."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric. kind: counter, gauge or histogram. about: its one line of help."""

    name: str
    kind: str
    about: str


@dataclass(slots=True)
class Histogram:
    """How many measured values lie in which bucket, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Take one in; a negative one, of clocks that differ, counts as 0."""
        self.counts[bisect_left(BUCKETS, max(0.0, seconds))] += 1
        self.total += max(0.0, seconds)

    def samples(self, labels: Labels) -> Samples:
        """As Prometheus has it: each bucket with all below it."""
        seen = 0
        for bound, count in zip((*map(_number, BUCKETS), "+Inf"), self.counts, strict=True):
            seen += count
            yield "_bucket", {**labels, "le": bound}, seen
        yield "_sum", labels, round(self.total, 6)
        yield "_count", labels, seen


def _number(bound: float) -> str:
    return f"{bound:g}"


RECOVERIES = Family("novaha_recoveries_total", "counter", "Recoveries of hosts that ended.")
CLAIMED = Family("novaha_recoveries_claimed_total", "counter", "Recoveries that were begun.")
RETURNED = Family("novaha_hosts_returned_total", "counter", "Hosts that are back in service.")
REQUESTS = Family(
    "novaha_evacuation_requests_total", "counter", "Evacuations asked of Nova, by outcome."
)
SETTLED = Family("novaha_instances_settled_total", "counter", "Instances that are recovered.")
UNMOVED = Family(
    "novaha_instances_unmoved_total", "counter", "Instances that a recovery did not move."
)
FENCINGS = Family(
    "novaha_fencing_requests_total", "counter", "Fencings that novaha asked Pacemaker for."
)
FENCINGS_FAILED = Family("novaha_fencings_failed_total", "counter", "Of these, those that failed.")
ATTENTIONS = Family(
    "novaha_attention_events_total", "counter", "Hosts that began to need an operator, by code."
)
LOST = Family("novaha_events_lost_total", "counter", "Events that the journal has no line for.")
RECOVERY = Family(
    "novaha_recovery_duration_seconds",
    "histogram",
    "From the flag of a fenced host to the end of its recovery.",
)
PHASE = Family("novaha_recovery_phase_duration_seconds", "histogram", "The same, by phase.")
INSTANCE = Family(
    "novaha_instance_evacuation_duration_seconds",
    "histogram",
    "From the accepted evacuation of an instance until it is recovered.",
)
TURN = Family(
    "novaha_last_turn_timestamp_seconds", "gauge", "When the evacuator's loop last turned."
)
SUCCESS = Family(
    "novaha_last_successful_turn_timestamp_seconds",
    "gauge",
    "When a turn last got all that it needed of the cluster and Nova, 0 for never.",
)
NOVA = Family("novaha_nova_up", "gauge", "Whether Nova answered last: 1, or 0.")
NEEDS = Family("novaha_attention", "gauge", "What needs an operator now, notices included.")
PROGRESS = Family(
    "novaha_host_instances", "gauge", "Instances of a host in recovery, by their progress."
)

_COUNTERS: Mapping[Family, tuple[Labels, ...]] = {
    CLAIMED: ({},),
    RECOVERIES: ({},),
    RETURNED: ({},),
    REQUESTS: tuple({"outcome": str(o)} for o in Outcome if o is not Outcome.SENDING),
    SETTLED: ({},),
    UNMOVED: ({},),
    FENCINGS: ({},),
    FENCINGS_FAILED: ({},),
    ATTENTIONS: tuple({"code": str(code)} for code in Code),
    LOST: ({},),
}
_HISTOGRAMS: Mapping[Family, tuple[Labels, ...]] = {
    RECOVERY: ({},),
    PHASE: tuple({"phase": phase} for phase in (CLAIM, REQUEST, INSTANCES)),
    INSTANCE: ({},),
}

Key = tuple[Family, tuple[tuple[str, str], ...]]


def _key(family: Family, labels: Labels) -> Key:
    return family, tuple(labels.items())


@dataclass(slots=True)
class _Course:
    """A recovery that this process has claimed. requested: when the first request was accepted."""

    claimed: datetime
    requested: datetime | None = None
    instances: dict[str, datetime] = field(default_factory=dict)


class Metrics:
    """Takes events, of one thread, and tells of them to others."""

    def __init__(self, fenced: Callable[[str], datetime | None]) -> None:
        """fenced: when the host of a node was flagged, None where that is not known."""
        self._fenced = fenced
        self._lock = threading.Lock()
        self._counts = {_key(f, one): 0 for f, labels in _COUNTERS.items() for one in labels}
        self._histograms = {
            _key(f, one): Histogram() for f, labels in _HISTOGRAMS.items() for one in labels
        }
        self._courses: dict[str, _Course] = {}

    def take(self, moment: datetime, event: Event) -> None:
        """Count an event of this moment."""
        with self._lock:
            self._execute(moment, event)

    def _execute(self, moment: datetime, event: Event) -> None:
        match event:
            case events.Claimed():
                self._count(CLAIMED)
                self._courses[event.node] = _Course(moment)
            case events.Requested():
                self._count(REQUESTS, {"outcome": event.outcome})
                course = self._courses.get(event.node)
                if course is not None and event.outcome == Outcome.ACCEPTED:
                    course.requested = course.requested or moment
                    course.instances.setdefault(event.instance, moment)
            case events.Settled():
                self._count(SETTLED)
                self._settled(event, moment)
            case events.Recovered():
                self._count(RECOVERIES)
                self._count(UNMOVED, by=len(event.unmoved))
                self._recovered(event.node, moment)
            case events.Returned():
                self._count(RETURNED)
            case events.FencingRequested():
                self._count(FENCINGS)
            case events.FencingFailed():
                self._count(FENCINGS_FAILED)
            case events.Attention():
                self._count(ATTENTIONS, {"code": event.code})
            case events.Lost():
                self._count(LOST, by=event.count)

    def _count(self, family: Family, labels: Labels | None = None, by: int = 1) -> None:
        key = _key(family, labels or {})
        self._counts[key] = self._counts.get(key, 0) + by

    def _observe(self, family: Family, seconds: float, labels: Labels | None = None) -> None:
        self._histograms[_key(family, labels or {})].observe(seconds)

    def _settled(self, event: events.Settled, moment: datetime) -> None:
        course = self._courses.get(event.node)
        asked = course.instances.pop(event.instance, None) if course else None
        if asked is not None:
            self._observe(INSTANCE, (moment - asked).total_seconds())

    def _recovered(self, node: str, moment: datetime) -> None:
        course, fenced = self._courses.pop(node, None), self._fenced(node)
        if fenced is not None:
            self._observe(RECOVERY, (moment - fenced).total_seconds())
        if course is None:
            return  # somebody else had claimed it
        if fenced is not None:
            self._observe(PHASE, (course.claimed - fenced).total_seconds(), {"phase": CLAIM})
        if course.requested is not None:
            waited = (course.requested - course.claimed).total_seconds()
            self._observe(PHASE, waited, {"phase": REQUEST})
            lasted = (moment - course.requested).total_seconds()
            self._observe(PHASE, lasted, {"phase": INSTANCES})

    def data(self, snapshot: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """All families for JSON, with those of the evacuator's own snapshot of this moment."""
        with self._lock:
            counts, histograms = dict(self._counts), list(self._histograms.items())
            measured = [
                (family, list(one.samples(dict(labels)))) for (family, labels), one in histograms
            ]
        found: dict[Family, list[tuple[str, Labels, float]]] = {}
        for (family, labels), count in counts.items():
            found.setdefault(family, []).append(("", dict(labels), count))
        for family, samples in measured:
            found.setdefault(family, []).extend(samples)
        found[PROGRESS] = []
        for family, about, value in _of_snapshot(snapshot, now):
            found.setdefault(family, []).append(("", about, value))
        return {"families": [as_data(family, samples) for family, samples in found.items()]}


def as_data(family: Family, samples: list[tuple[str, Labels, float]]) -> dict[str, Any]:
    """A family for JSON: name, kind, about, and samples of suffix, labels and value."""
    return {
        "name": family.name,
        "kind": family.kind,
        "about": family.about,
        "samples": [[suffix, dict(labels), value] for suffix, labels, value in samples],
    }


def _of_snapshot(
    snapshot: Mapping[str, Any], now: datetime
) -> Iterator[tuple[Family, Labels, float]]:
    health = snapshot["evacuator"]
    turned = now.timestamp() - health["turn_age"]
    failing = max(health["failing_for"], health["nova"]["silent_for"])
    yield TURN, {}, round(turned, 3)
    yield SUCCESS, {}, round(turned - failing if health["nova"]["ok"] is not None else 0.0, 3)
    if health["nova"]["ok"] is not None:
        yield NOVA, {}, int(health["nova"]["ok"])
    yield NEEDS, {}, len({*health["attention"], *snapshot["notices"]})
    for host in snapshot["hosts"]:
        for progress in Progress:
            count = host["counts"].get(str(progress), 0)
            yield PROGRESS, {"host": host["node"], "progress": str(progress)}, count
