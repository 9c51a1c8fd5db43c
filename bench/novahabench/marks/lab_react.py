"""Mark 1: time to react."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from novahabench.lab_failures import ALERT, BARE, OLDER, POLL, READY, reaction, shared
from novahabench.mark import Case, Goal, Mark, Say

_POLL_INTERVAL = 5.0
"""Seconds: the default of [evacuator] poll_interval, which the lab leaves alone."""

LATEST = f"bare script that looks every {_POLL_INTERVAL:g} s, at its latest"

_ROUND = (
    (ALERT, BARE, READY, POLL, OLDER, BARE, ALERT),
    (BARE, ALERT, OLDER, POLL, ALERT, READY, BARE),
)
"""Who is first takes turns."""


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    failures = shared(say)
    rounds = 1 if quick else 3
    for number in range(rounds):
        for kind in (ALERT, BARE, READY, POLL, OLDER) if quick else _ROUND[number % 2]:
            say(f"round {number + 1} of {rounds}: a host dies, {kind}")
            story = failures.more(kind, (number + 0.5) / rounds)
            say(f"reacted after {reaction(story):.2f} s")
    yield from cases(
        {kind: tuple(map(reaction, stories)) for kind, stories in failures.stories.items()}
    )


def cases(took: Mapping[str, tuple[float, ...]]) -> Iterator[Case]:
    """The reactions, beside the bare script's and the older way's."""
    beside = {BARE: took[BARE], READY: took[READY], OLDER: took[OLDER]}
    yield Case(ALERT, "s", took[ALERT], beside, Goal(1.3, BARE))
    latest = tuple(_POLL_INTERVAL + reacted for reacted in took[BARE])
    yield Case(POLL, "s", took[POLL], {LATEST: latest, OLDER: took[OLDER]}, Goal(1.0, LATEST))


MARK = Mark(
    id=1,
    title="Time to react",
    measured="From the end of the fencing, by Pacemaker's log, to the first evacuate request that "
    "Nova has accepted, by novaha's journal.",
    beside="A bare script that the same alert starts: it signs in, sends the force-down, asks what "
    "is on the host and sends the requests, without a record, a look at anything, or a second try. "
    "The same, ready: it has waited, signed in, and been told the instances beforehand; nothing "
    "that looks before it acts can be as quick. And the older way: a look every 10 s, then a fresh "
    "login, a list of instances and the requests; a loop that does as the older agents did, since "
    "these do not run with today's clients; their own start-up (a shell, Python, two client "
    "libraries) is left out.",
    mark="with the alert at most 1.3 of the bare script's time; without, at most its time and one "
    "poll interval (5 s)",
    measure=_measure,
    lab=True,
)
