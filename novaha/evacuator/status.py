"""What the evacuator says of itself, as plain data. Keys are an interface: they stay."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import Any

from novaha.core.steps import HostReport, InstanceReport

VERSION = 1


def host(report: HostReport) -> dict[str, Any]:
    """One host, as in `novaha status --output json`."""
    record = report.record
    counts = Counter(str(instance.progress) for instance in report.instances)
    return {
        "node": record.node,
        "host": report.host,
        "state": str(record.state),
        "held": record.hold,
        "owner": record.owner.partition("#")[0],
        "fence_id": record.fence_id,
        "fenced": record.fenced.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "detail": report.detail,
        "total": len(report.instances),
        "settled": report.settled,
        "counts": dict(sorted(counts.items())),
        "instances": [instance(i) for i in report.instances],
    }


def instance(report: InstanceReport) -> dict[str, Any]:
    """One instance, as in `novaha status --output json`."""
    return {
        "id": report.id,
        "name": report.name,
        "progress": str(report.progress),
        "where": report.where,
        "detail": report.detail,
    }
