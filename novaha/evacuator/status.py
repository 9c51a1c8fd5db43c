"""The one snapshot of the evacuator and of the hosts in recovery, as plain data.

`novaha status` (text and JSON), the resource's monitor and the digest for the other controllers
render from it. Keys are an interface: they stay (docs/reference/interfaces.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from novaha.core.errors import RecordError
from novaha.core.reasons import Reason
from novaha.core.steps import HostReport, InstanceReport

VERSION = 1


@dataclass(frozen=True, slots=True)
class Health:
    """How the evacuator of this controller is, and what an operator has to see to.

    pid, node, user: of the process. turn_age, failing_for, nova_silent_for: seconds.
    problem: why it cannot go on. nova_problem: why Nova does not answer, None if not asked yet.
    """

    pid: int
    node: str
    user: str
    turn_age: float
    problem: str
    failing_for: float
    nova_problem: str | None
    nova_silent_for: float
    attention: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """What the socket answers to "health", and `evacuator` of the snapshot."""
        return {
            "pid": self.pid,
            "node": self.node,
            "user": self.user,
            "turn_age": round(self.turn_age, 3),
            "problem": self.problem,
            "failing_for": round(self.failing_for, 3),
            "nova": {
                "ok": None if self.nova_problem is None else not self.nova_problem,
                "problem": self.nova_problem or "",
                "silent_for": round(self.nova_silent_for, 3),
            },
            "attention": list(self.attention),
        }


def own(health: Health, notices: Iterable[str], reports: Iterable[HostReport]) -> dict[str, Any]:
    """The snapshot by the evacuator itself."""
    return {
        "version": VERSION,
        "evacuator": health.data(),
        "notices": list(notices),
        "hosts": [host(report) for report in reports],
    }


def looked(
    problem: str,
    notices: Iterable[str],
    reports: Iterable[HostReport],
    broken: Mapping[str, RecordError],
) -> dict[str, Any]:
    """The snapshot by somebody who looks at the CIB and Nova.

    problem: why there is less to see than there is. broken: records that make no sense.
    """
    unreadable = [
        {"node": node, "state": "unreadable", "held": True, "detail": str(error)}
        for node, error in broken.items()
    ]
    return {
        "version": VERSION,
        "evacuator": None,
        "problem": problem,
        "told": None,
        "notices": list(notices),
        "hosts": [host(report) for report in reports] + unreadable,
    }


def host(report: HostReport) -> dict[str, Any]:
    """One host, as in `novaha status --output json`."""
    record = report.record
    return {
        "node": record.node,
        "host": report.host,
        "state": str(record.state),
        "held": record.hold,
        "owner": record.owner.partition("#")[0],
        "fence_id": record.fence_id,
        "fenced": record.fenced_text,
        "detail": report.detail,
        "total": len(report.instances),
        "settled": report.settled,
        "counts": counts(str(instance.progress) for instance in report.instances),
        "instances": [instance(i) for i in report.instances],
    }


def counts(progresses: Iterable[str]) -> dict[str, int]:
    """How many instances there are of each progress."""
    return dict(sorted(Counter(progresses).items()))


def instance(report: InstanceReport) -> dict[str, Any]:
    """One instance, as in `novaha status --output json`."""
    return {
        "id": report.id,
        "name": report.name,
        "progress": str(report.progress),
        "where": report.where,
        "detail": report.detail,
        "code": str(report.reason.code) if report.reason else "",
        "data": _data(report.reason),
    }


def _data(reason: Reason | None) -> dict[str, str]:
    """The data of the code; `after`: the code of the reason before it, if there is one."""
    if reason is None:
        return {}
    return {**reason.data, **({"after": str(reason.after.code)} if reason.after else {})}
