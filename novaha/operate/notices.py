"""What others are told: notices made of events, with one id a fault from its begin to its end.

No I/O. Whoever follows the events in order, on whichever controller, gives a fault the same id: it
is made of the host, the recovery, and what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import IntEnum, StrEnum, unique
from typing import Any
from uuid import UUID, uuid5

from novaha.core.text import line
from novaha.operate.entries import Entry, iso

_SPACE = UUID("5b0a1f6e-3c0c-4f0a-9d55-6f2a0f6f7c11")

HOST = "host failure"
PAUSED = "paused"


@unique
class Status(StrEnum):
    """firing, resolved: of a fault. event: something that happened, and needs no end."""

    FIRING = "firing"
    RESOLVED = "resolved"
    EVENT = "event"


@unique
class Severity(IntEnum):
    """How much it concerns somebody who sleeps."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """id: of this notice, unique. fault: of what is wrong, the same until it is resolved, and ""
    for an event. kind: what is wrong, or the event's name. began: of the fault, or of the event.
    """

    id: str
    fault: str
    kind: str
    status: Status
    severity: Severity
    node: str
    summary: str
    began: datetime
    time: datetime
    data: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("data",)},
            "status": str(self.status),
            "severity": self.severity.name.lower(),
            "began": iso(self.began),
            "time": iso(self.time),
            "data": dict(self.data),
        }


_SEVERITIES = {
    "attention": Severity.CRITICAL,
    "fencing failed": Severity.CRITICAL,
    "events lost": Severity.CRITICAL,
    "claimed": Severity.WARNING,
    "doubted": Severity.WARNING,
    "confirmation refuted": Severity.WARNING,
    "paused": Severity.WARNING,
    "no longer held": Severity.INFO,
    "brought back": Severity.INFO,
    "fencing requested": Severity.INFO,
    "flagged": Severity.INFO,
    "returned": Severity.INFO,
    "operator": Severity.INFO,
}


class Faults:
    """Follows the events of this controller in order, and knows which faults are open."""

    def __init__(self, state: str = "") -> None:
        """state: what `state` has given."""
        try:
            known = json.loads(state) if state else {}
            self._writer = str(known.get("writer", ""))
            self._recovery = dict(known.get("recovery", {}))
            self._open = {key: _restored(fault) for key, fault in known.get("open", {}).items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            self._writer, self._recovery, self._open = "", {}, {}

    def state(self) -> str:
        """All that it knows."""
        return json.dumps(
            {
                "writer": self._writer,
                "recovery": self._recovery,
                "open": {key: notice.plain() for key, notice in self._open.items()},
            }
        )

    @property
    def open(self) -> list[Notice]:
        """The faults that fire, as they were told."""
        return list(self._open.values())

    def follow(self, entry: Entry) -> list[Notice]:
        """The notices that an event makes."""
        if entry.event != "operator" and entry.writer != self._writer:
            # Another evacuator: it tells again what is so. What it does not tell is over.
            self._writer = entry.writer
            self._open.clear()
        return list(self._of(entry))

    def _of(self, entry: Entry) -> Iterator[Notice]:
        node = entry.text("node")
        match entry.event:
            case "claimed":
                self._recovery[node] = entry.text("fence_id")
                said = f"{node} was fenced; its instances are recovered"
                yield self._begun(entry, HOST, node, said)
            case "recovered":
                unmoved = entry.data.get("unmoved") or {}
                left = f"; {len(unmoved)} instances were not moved" if unmoved else ""
                yield from self._over(entry, HOST, node, f"{node} is recovered{left}")
            case "returned":
                yield from self._over(entry, HOST, node, f"{node} is back in service")
                for key in [k for k in self._open if k.startswith(f"{node}/")]:
                    kind = key.partition("/")[2]
                    yield from self._over(entry, kind, node, f"{node} is back in service")
                self._recovery.pop(node, None)
                yield _event(entry, f"{node} is back in service")
            case "attention":
                yield self._begun(entry, entry.text("code"), node, entry.text("text"))
            case "attention over":
                code = entry.text("code")
                yield from self._over(entry, code, node, f"{node}: {code} is over")
            case "paused":
                yield self._begun(entry, PAUSED, "", f"fencing is paused: {entry.text('reason')}")
            case "resumed":
                yield from self._over(entry, PAUSED, "", "fencing is no longer paused")
            case _:
                yield _event(entry, _summary(entry))

    def _begun(self, entry: Entry, kind: str, node: str, summary: str) -> Notice:
        key = f"{node}/{kind}"
        fault = self._id(node, kind)
        known = self._open.get(key)
        began = known.began if known is not None and known.fault == fault else entry.time
        notice = Notice(
            _notice_id(entry, kind),
            fault,
            kind,
            Status.FIRING,
            _SEVERITIES[entry.event],
            node,
            line(summary),
            began,
            entry.time,
            entry.data,
        )
        self._open[key] = notice
        return notice

    def _over(self, entry: Entry, kind: str, node: str, summary: str) -> Iterator[Notice]:
        known = self._open.pop(f"{node}/{kind}", None)
        if known is None and entry.event == "returned":
            return
        began = entry.time if known is None else known.began
        severity = known.severity if known is not None else _begin_of(kind)
        yield Notice(
            _notice_id(entry, kind),
            self._id(node, kind) if known is None else known.fault,
            kind,
            Status.RESOLVED,
            severity,
            node,
            line(summary),
            began,
            entry.time,
            entry.data,
        )

    def _id(self, node: str, kind: str) -> str:
        return str(uuid5(_SPACE, f"{node}/{self._recovery.get(node, '')}/{kind}"))


def _event(entry: Entry, summary: str) -> Notice:
    return Notice(
        _notice_id(entry, ""),
        "",
        entry.event,
        Status.EVENT,
        _SEVERITIES.get(entry.event, Severity.DEBUG),
        entry.text("node"),
        line(summary),
        entry.time,
        entry.time,
        entry.data,
    )


def _notice_id(entry: Entry, kind: str) -> str:
    """The same each time that the same entry is followed: a receiver sees a repetition."""
    return str(uuid5(_SPACE, f"{entry.id}/{kind}"))


def _begin_of(kind: str) -> Severity:
    return Severity.WARNING if kind in (HOST, PAUSED) else Severity.CRITICAL


def _summary(entry: Entry) -> str:
    said = " ".join(f"{k}={v}" for k, v in entry.data.items() if k != "node" and v != "")
    return f"{entry.text('node')} {entry.event} {said}".strip()


def _restored(fault: Mapping[str, Any]) -> Notice:
    return Notice(
        **{
            **fault,
            "status": Status(fault["status"]),
            "severity": Severity[fault["severity"].upper()],
            "began": datetime.fromisoformat(fault["began"]),
            "time": datetime.fromisoformat(fault["time"]),
        }
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """severity: the least that is told. kinds: if there are any, only these kinds of fault, and
    events of these names.
    """

    severity: Severity = Severity.WARNING
    kinds: frozenset[str] = frozenset()

    def lets(self, notice: Notice) -> bool:
        """Whether the notice is told. What is named is told whatever its severity."""
        if self.kinds:
            return notice.kind in self.kinds
        return notice.severity >= self.severity


def trial(node: str, moment: datetime, id: str) -> Notice:
    """A notice for trying a sink. id: unique."""
    return Notice(
        id,
        "",
        "test",
        Status.EVENT,
        Severity.CRITICAL,
        node,
        f"a test of novaha on {node}: nothing is wrong",
        moment,
        moment,
        {},
    )
