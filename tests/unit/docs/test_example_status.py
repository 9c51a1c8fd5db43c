"""What the worked example shows of `novaha status` is what it prints: the lab is not needed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from novaha.cli import overview
from novaha.cli.verdict import judge
from tests.unit.docs.pages import DOCS, commands, prints

NOW = datetime(2026, 1, 1, 1, 0, 42, tzinfo=UTC)


def shown(answer: dict[str, Any]) -> str:
    code = {"OK": "", "RECOVERING": "exit code 4\n"}[judge(answer, NOW).level]
    return "\n".join(overview.overview(answer, 80, NOW)) + f"\n{code}"


def host(settled: int, moving: int) -> dict[str, Any]:
    kinds = ["settled"] * settled + ["moving"] * moving + ["waiting"] * (12 - settled - moving)
    return {
        "node": "compute-1",
        "host": "compute-1",
        "state": "running",
        "held": True,
        "owner": "controller-2",
        "fenced": (NOW - timedelta(seconds=7)).isoformat(),
        "detail": "recovering",
        "total": 12,
        "settled": settled,
        "counts": dict(Counter(kinds)),
        "instances": [
            {
                "id": f"7d1f1f2a-0b6e-4a55-8f0c-6f4f9f3c{number:04}",
                "name": f"on-compute-1-{number}",
                "progress": kind,
                "where": "" if kind == "waiting" else "compute-2",
                "detail": "",
            }
            for number, kind in enumerate(kinds)
        ],
    }


NOVA = {"ok": True, "problem": "", "silent_for": 0.0}
HERE = {
    "evacuator": {
        "pid": 7,
        "node": "controller-1",
        "turn_age": 0.1,
        "problem": "",
        "failing_for": 0.0,
        "nova": NOVA,
        "attention": [],
    },
    "notices": [],
}
ELSEWHERE = {
    "evacuator": None,
    "evacuator_on": "controller-2",
    "missing": [],
    "problem": "",
    "told": None,
    "notices": [],
}


def test_the_page_shows_what_is_printed() -> None:
    after = (DOCS / "guide" / "example.md").read_text().split("\n## A host dies\n")[1]
    during, over = (
        c.expected or "" for c in commands(after) if c.script.startswith("novaha status")
    )
    for answer in (HERE, ELSEWHERE):
        for settled, moving in ((0, 12), (0, 2), (10, 2)):
            assert prints(during, shown({**answer, "hosts": [host(settled, moving)]}))
        assert not prints(during, shown({**answer, "hosts": []}))
        assert prints(over, shown({**answer, "hosts": []}))
        assert not prints(over, shown({**answer, "hosts": [host(0, 12)]}))
