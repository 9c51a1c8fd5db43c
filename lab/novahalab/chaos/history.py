"""What was seen during a run, as plain data; all moments are seconds of time.time()."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class Span(Generic[T]):
    """A value that was seen unchanged from ``first`` to ``last``."""

    value: T
    first: float
    last: float


class Timeline(Generic[T]):
    """A value as it was polled. Between two spans it changed, nobody knows when exactly."""

    def __init__(self) -> None:
        self.spans: list[Span[T]] = []

    def add(self, moment: float, value: T) -> None:
        """Note what was seen at a moment; moments only grow."""
        if self.spans and self.spans[-1].value == value:
            self.spans[-1].last = moment
        else:
            self.spans.append(Span(value, moment, moment))

    def sure(self, begin: float, end: float) -> Span[T] | None:
        """The span that certainly held from ``begin`` to ``end``; None if it may have changed."""
        for span in self.spans:
            if span.first <= begin and end <= span.last:
                return span
        return None

    def seen_at(self, moment: float) -> T | None:
        """What was seen last at or before a moment."""
        found = None
        for span in self.spans:
            if span.first > moment:
                break
            found = span.value
        return found

    def overlapping(self, begin: float, end: float) -> Iterator[Span[T]]:
        """The spans that were seen at some moment in between."""
        return (s for s in self.spans if s.first <= end and s.last >= begin)


@dataclass(frozen=True)
class Record:
    """A recovery record as it stands in the CIB."""

    state: str
    hold: bool
    fence_id: str
    fenced: float
    owner: str = ""
    marks: str = ""


@dataclass(frozen=True)
class Service:
    """Nova's row of one nova-compute."""

    forced_down: bool
    disabled: bool
    reason: str


@dataclass(frozen=True)
class Instance:
    """Nova's row of one instance."""

    name: str
    host: str | None
    vm_state: str
    task_state: str | None
    deleted: bool
    locked: bool


@dataclass(frozen=True)
class Moving:
    """What changes in the row of an evacuation."""

    status: str
    destination: str | None


@dataclass(frozen=True)
class Taken:
    """What the instance's log of actions says of one request to evacuate, at the end of the run.

    asked: to the second, rounded down. host: that took it up, "" if none did. over: when the
    conductor failed or that host had ended, None if neither. Nova's row of the evacuation learns
    its destination only later, and a second request may be carried out under the first one's row.
    """

    asked: float
    host: str = ""
    over: float | None = None


@dataclass
class Evacuation:
    """Nova's row of one evacuation. created: to the second, rounded down. seen: by us first."""

    id: int
    instance: str
    source: str
    created: float
    seen: float
    progress: Timeline[Moving] = field(default_factory=Timeline)


@dataclass(frozen=True)
class Fencing:
    """One entry of Pacemaker's history. completed: to the second, rounded down; 0 while pending."""

    target: str
    action: str
    status: str
    completed: float
    delegate: str = ""

    @property
    def killed(self) -> bool:
        """Whether it certainly took the node down."""
        return self.status == "success" and self.action in ("off", "reboot")


@dataclass(frozen=True)
class Happening:
    """Something that chaos did. ended: when it was undone, or done; None if it was not undone."""

    kind: str
    target: str
    began: float
    ended: float | None


@dataclass
class Wish:
    """What the tenant of an instance wants. states: vm_states that are right at the end."""

    states: set[str]
    deleted: bool = False
    locked: bool = False


@dataclass(frozen=True)
class NovaCompute:
    """One nova-compute process that was seen on a node."""

    node: str
    pid: int
    started: float


@dataclass
class History:
    """Everything that a verdict rests on."""

    began: float = 0.0
    ended: float = 0.0
    happenings: list[Happening] = field(default_factory=list)
    nodes: dict[str, Timeline[str]] = field(default_factory=dict)  # as crm_mon says
    records: dict[str, Timeline[Record | None]] = field(default_factory=dict)
    services: dict[str, Timeline[Service]] = field(default_factory=dict)
    instances: dict[str, Timeline[Instance]] = field(default_factory=dict)
    evacuations: dict[int, Evacuation] = field(default_factory=dict)
    requests: dict[str, list[Taken]] = field(default_factory=dict)  # by instance
    fencings: dict[Fencing, float] = field(default_factory=dict)
    computes: dict[NovaCompute, float] = field(default_factory=dict)  # when it was seen last
    power: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    twice: list[tuple[float, str, list[str]]] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    device_failures: list[tuple[float, str]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    wishes: dict[str, Wish] = field(default_factory=dict)
    running: dict[str, list[str]] = field(default_factory=dict)  # instance: hosts, at the end
    missing: list[str] = field(default_factory=list)  # what was not whole at the end
    notes: list[str] = field(default_factory=list)
    looks: dict[str, int] = field(default_factory=dict)

    def around(self, begin: float, end: float, *about: str) -> list[str]:
        """What happened from ``begin`` to ``end``, as lines; ``about`` are hosts or instances."""
        lines: list[tuple[float, str]] = []
        for h in self.happenings:
            if h.began <= end and (h.ended or self.ended or end) >= begin:
                lines.append((h.began, f"chaos: {h.kind} {h.target}".rstrip()))
        for name in about:
            for timeline in (self.records, self.services, self.instances):
                for span in timeline[name].overlapping(begin, end) if name in timeline else ():
                    lines.append((span.first, f"{name}: {span.value}"))
            lines += [
                (when, f"{name}: switch: {op}")
                for when, op in self.power.get(name, [])
                if begin <= when <= end
            ]
        for fencing in self.fencings:
            if fencing.target in about and begin <= fencing.completed <= end:
                lines.append((fencing.completed, f"fencing of {fencing.target} {fencing.status}"))
        for line in self.journal:
            if begin <= line["at"] <= end and {line.get("node"), line.get("instance")} & {*about}:
                said = {k: v for k, v in line.items() if k not in ("at", "time", "unmoved")}
                lines.append((line["at"], f"journal: {said}"))
        for row in self.evacuations.values():
            if row.instance in about and begin <= row.created <= end:
                way = " -> ".join(f"{s.value.status}" for s in row.progress.spans)
                where = row.progress.spans[-1].value.destination
                text = f"evacuation {row.id} of {row.instance} {row.source} to {where}: {way}"
                lines.append((row.created, text))
        return [f"{when - self.began:8.2f} s  {text}" for when, text in sorted(lines)]
