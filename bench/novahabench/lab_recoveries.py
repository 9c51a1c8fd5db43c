"""Whole recoveries of many instances: by novaha, and by a bare loop that only sends requests.

One host dies with all instances on it, then all others at once with what came to them: so most of
the instances are back where they were, the others are made anew there, and the next one can do the
same.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from novahabench.lab_nova import MissingError, evacuate_all
from novahabench.lab_site import Bench, Story
from novahabench.mark import BenchError, Case, Goal, Mark, Say

NOVAHA = 0
"""Instead of a number of requests at a time."""

ONE, ALL = "one host", "four hosts at once"
_MANY = 50
"""Instances; with more, each recovery takes minutes."""

FLOOR, SINGLE = "floor", "one after the other"


@dataclass
class Run:
    """One recovery. by: NOVAHA, or how many requests the bare loop has out at a time.

    seconds: from the first accepted request until Nova had the last instance in place. known: until
    novaha knew. since_fencing: like seconds, from the end of the last fencing.
    missing: instances that the bare loop lost, Nova had them in ERROR; that is no floor.
    """

    by: int
    what: str
    size: int
    seconds: float
    known: float = 0.0
    since_fencing: float = 0.0
    missing: int = 0
    story: Story | None = None


@dataclass
class Recoveries:
    """A number of instances, and who brings them back how fast."""

    size: int
    runs: list[Run] = field(default_factory=list)

    def begin(self) -> None:
        """Boot them, all on the first host."""
        self.bench = Bench()
        self.bench.need(5)
        self.bench.fresh()
        self.first, *self.others = self.bench.computes[:5]
        self.instances = self.bench.create(self.size, self.first)

    def cycle(self, by: int) -> None:
        """Both failures."""
        self._gather()
        self.runs.append(self._run(by, ONE, [self.first]))
        self.runs.append(self._run(by, ALL, self.others))

    def _gather(self) -> None:
        """A host that is back early takes some of what was on the others."""
        servers = self.bench.site.servers()
        strays = [i for i in self.instances if servers[i].host != self.first]
        if strays:
            self.bench.nova.servers_delete(strays)
            new = self.bench.create(len(strays), self.first)
            kept = {i: state for i, state in self.instances.items() if i not in strays}
            self.instances = {**kept, **new}

    def of(self, by: int, what: str) -> tuple[float, ...]:
        """The seconds of these runs, of those that lost nothing."""
        return tuple(run.seconds for run in self.whole(by, what))

    def whole(self, by: int, what: str) -> list[Run]:
        """These runs, without those that lost something."""
        return [run for run in self.all_of(by, what) if not run.missing]

    def all_of(self, by: int, what: str) -> list[Run]:
        """These runs."""
        return [run for run in self.runs if (run.by, run.what) == (by, what)]

    def _run(self, by: int, what: str, hosts: list[str]) -> Run:
        servers = self.bench.site.servers()
        elsewhere = [i for i in self.instances if servers[i].host not in hosts]
        if elsewhere:
            raise BenchError(f"{len(elsewhere)} instances are not on {', '.join(hosts)}")
        if by == NOVAHA:
            story = self.bench.recovered(self.instances, *hosts)
            begun = min(story.accepted)
            known = story.when("settled", max) - begun
            whole = story.in_place - story.fenced
            return Run(by, what, self.size, story.in_place - begun, known, whole, story=story)
        ordered = sorted(self.instances, key=lambda i: (servers[i].host, i))
        # From every host in turn, as novaha does.
        groups = [list(g) for _, g in itertools.groupby(ordered, lambda i: servers[i].host)]
        turns = [i for turn in itertools.zip_longest(*groups) for i in turn if i]
        missing = 0
        with self.bench.without_novaha(*hosts):
            try:
                with self.bench.watched(self.instances, hosts) as story:
                    crashed = self.bench.crash(*hosts)
                    ended = max(self.bench.fencing(host, crashed).ended for host in hosts)
                    self.bench.force_down(hosts)
                    begun = min(evacuate_all(turns, by))
            except MissingError as error:
                missing = error.count
        whole = story.in_place - ended
        seconds = story.in_place - begun
        return Run(by, what, self.size, seconds, since_fencing=whole, missing=missing)


DONE: dict[int, Recoveries] = {}
"""What this process has measured, by the number of instances."""


def measure(
    size: int, by: Iterable[int], rounds: int, say: Say, whats: Iterable[str] = (ONE, ALL)
) -> Iterator[Case]:
    """Alternating, who is first too; a Case for each kind of failure.

    by: the numbers of requests that the bare loop has out at a time.
    """
    recoveries = DONE[size] = Recoveries(size)
    say(f"{size} instances boot")
    recoveries.begin()
    by = tuple(by)
    if size <= _MANY:
        say("first a failure that does not count: Nova has done nothing of this yet")
        recoveries.cycle(max(by))
        recoveries.runs.clear()
    for number in range(rounds):
        turns = deque((NOVAHA, *by))
        turns.rotate(number)
        for who in turns:
            name = f"the bare loop, {who} at a time" if who else "novaha"
            say(f"round {number + 1} of {rounds}: {size} instances, {name}")
            recoveries.cycle(who)
            for run in recoveries.runs[-2:]:
                known = "" if who else f", known {run.known:.1f} s"
                took = f"{run.missing} instances lost" if run.missing else f"{run.seconds:.1f} s"
                say(f"{run.what}: {took}{known}")
    for what in whats:
        case = _case(recoveries, by, what)
        yield case
        yield _since_fencing(recoveries, case, what)
        lost: dict[str, tuple[float, ...]] = {}
        for who in by:
            missing = tuple(float(run.missing) for run in recoveries.all_of(who, what))
            if any(missing):
                lost[f"the loop, {who} at a time"] = missing
        if lost:
            # novaha's would have been an error: nothing is measured before all are in place.
            none = tuple(0.0 for _ in recoveries.all_of(NOVAHA, what))
            yield Case(f"{size} instances of {what}: left in ERROR", "instances", none, lost)


def _case(recoveries: Recoveries, by: tuple[int, ...], what: str) -> Case:
    whole = {who: samples for who in by if (samples := recoveries.of(who, what))}
    best = min(whole, key=lambda who: sorted(whole[who])[len(whole[who]) // 2], default=0)
    beside = {} if best == 0 else {FLOOR: whole[best]}
    if best not in (0, 1) and 1 in whole:
        beside[SINGLE] = whole[1]
    known = [r.known for r in recoveries.runs if (r.by, r.what) == (NOVAHA, what)]
    return Case(
        f"{recoveries.size} instances of {what}",
        "s",
        recoveries.of(NOVAHA, what),
        beside,
        Goal(1.1, FLOOR) if beside else None,
        details={
            "requests at a time of the floor": best,
            "bare loop": {str(who): list(samples) for who, samples in whole.items()},
            "until novaha knew": known,
        },
    )


def _since_fencing(recoveries: Recoveries, case: Case, what: str) -> Case:
    """The same with what comes before the first request."""
    best = int(case.details["requests at a time of the floor"])
    runs = {who: [r.since_fencing for r in recoveries.whole(who, what)] for who in (NOVAHA, best)}
    beside = {FLOOR: tuple(runs[best])} if best else {}
    return Case(f"{case.name}, since the last fencing", "s", tuple(runs[NOVAHA]), beside)


def mark(size: int) -> Mark:
    """The mark for a number of instances."""
    return Mark(
        id=2,
        title=f"Time to recover {size} instances",
        measured="From the first request that Nova accepted until Nova's tables have the last "
        "instance elsewhere as it was before; and from the end of the last fencing, in which the "
        "bare loop writes no record.",
        beside="The floor: the same requests by a bare loop that does nothing else, after the same "
        "failure; with 1 and 8 out at a time, and the better of both. One after the other is how "
        "the older agents send them.",
        mark="within 1.1 of the floor, all instances as they were before",
        measure=lambda quick, say: _measure(size, quick, say),
        lab=True,
        long=True,
    )


def _measure(size: int, quick: bool, say: Say) -> Iterator[Case]:
    if quick or size > _MANY:
        return measure(size, (1,), 1, say)
    return measure(size, (1, 8), 3 if size < _MANY else 2, say)
