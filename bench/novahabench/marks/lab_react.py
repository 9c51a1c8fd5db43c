"""Mark 1: time to react."""

from __future__ import annotations

from collections.abc import Iterator

from novahabench.lab_failures import ALERT, OLDER, POLL, reaction, shared
from novahabench.mark import Case, Goal, Mark, Say

_POLL_INTERVAL = 5.0
"""Seconds: the default of [evacuator] poll_interval, which the lab leaves alone."""


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    failures = shared(say)
    rounds = 1 if quick else 3
    for number in range(rounds):
        for kind in (ALERT, POLL, OLDER) if quick else (ALERT, POLL, OLDER, ALERT):
            say(f"round {number + 1} of {rounds}: a host dies, {kind}")
            story = failures.more(kind, (number + 0.5) / rounds)
            say(f"reacted after {reaction(story):.2f} s")
    took = {kind: tuple(map(reaction, stories)) for kind, stories in failures.stories.items()}
    for kind, limit in ((ALERT, 0.5), (POLL, _POLL_INTERVAL)):
        yield Case(kind, "s", took[kind], {OLDER: took[OLDER]}, Goal(limit))


MARK = Mark(
    id=1,
    title="Time to react",
    measured="From the end of the fencing, by Pacemaker's log, to the first evacuate request that "
    "Nova has accepted, by novaha's journal.",
    beside="The older way: a look every 10 s, then a fresh login, a list of instances and the "
    "requests. It is a loop that does as the older agents did, since these do not run with "
    "today's clients; their own start-up (a shell, Python, two client libraries) is left out.",
    mark="under 0.5 s with the alert, under one poll interval (5 s) without",
    measure=_measure,
    lab=True,
)
