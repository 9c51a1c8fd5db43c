"""Mark 3: requests to Nova, on the lab."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from novahabench import lab_logs
from novahabench.lab_recoveries import DONE, NOVAHA, ONE, Recoveries, Run
from novahabench.mark import Case, Goal, Mark, Say

_EVACUATE = "POST /servers/ID/action"


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    for size in (50,) if 200 not in DONE else (50, 200):
        if size not in DONE:
            say(f"{size} instances boot")
            DONE[size] = Recoveries(size)
            DONE[size].begin()
            say(f"{size} instances, novaha")
            DONE[size].cycle(NOVAHA)
        for what in (ONE, "four hosts at once"):
            runs = [r for r in DONE[size].runs if r.by == NOVAHA and r.what == what]
            yield _case(size, what, runs)


def _case(size: int, what: str, runs: list[Run]) -> Case:
    samples: list[float] = []
    by_kind: list[dict[str, int]] = []
    for run in runs:
        story = run.story
        assert story is not None
        closed = story.when("recovered", max)
        kinds = Counter(lab_logs.kinds(story.requests, story.crashed, closed))
        by_kind.append(dict(kinds))
        samples.append((kinds.total() - kinds[_EVACUATE]) / size)
    return Case(
        f"{size} instances of {what}",
        "requests an instance",
        tuple(samples),
        goal=Goal(1.5),
        details={"requests by kind": by_kind},
    )


MARK = Mark(
    id=3,
    title="Requests to Nova for each recovered instance",
    measured="What novaha asks Nova's API from the crash until the recovery is closed, by Nova's "
    "own access log, beyond the one evacuate that each instance needs; by kind in the raw data.",
    beside="Nothing: the older agents follow no instance.",
    mark="at most 1.5 in all beyond the one evacuate",
    measure=_measure,
    lab=True,
    long=True,
)
