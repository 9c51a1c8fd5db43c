"""Mark 8: what the brake costs a single death."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from novahabench.lab_logs import Fencing
from novahabench.lab_site import Bench
from novahabench.mark import Case, Goal, Mark, Say

WITHOUT = "without the brake"
_BRAKE = "nova-brake"
_ROUNDS = 5


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    bench = Bench()
    say("the lab is made whole and empty")
    bench.fresh()
    host = bench.computes[0]
    found: dict[bool, list[tuple[float, Fencing]]] = {True: [], False: []}
    for number in range(1 if quick else _ROUNDS):
        for braked in (True, False) if number % 2 else (False, True):
            say(f"round {number + 1}: {host} dies, {'with' if braked else 'without'} the brake")
            found[braked].append(_death(bench, host, braked=braked))
    yield from cases(found[True], found[False])


def _death(bench: Bench, host: str, *, braked: bool) -> tuple[float, Fencing]:
    """When it died, and its fencing."""
    if braked:
        return _fenced(bench, host)
    with _without_brake(bench, host):
        return _fenced(bench, host)


def _fenced(bench: Bench, host: str) -> tuple[float, Fencing]:
    crashed = bench.crash(host)
    fencing = bench.fencing(host, crashed)
    bench.whole()
    return crashed, fencing


@contextmanager
def _without_brake(bench: Bench, host: str) -> Iterator[None]:
    """Meanwhile the host's level is what it was before the brake came (docs/guide/operating.md)."""
    level = ("pcs", "stonith", "level")
    devices = (f"ipmi-{host}", "fence-nova")
    ours = (*level, "remove", "1", "target", host, "stonith", _BRAKE, *devices)
    bench.site.on_any_controller(*ours)
    bench.site.on_any_controller(*level, "add", "1", host, *devices)
    try:
        yield
    finally:
        bench.site.on_any_controller(*level, "remove", "1", "target", host, "stonith", *devices)
        bench.site.on_any_controller(*level, "add", "1", host, _BRAKE, *devices)


def cases(
    braked: Sequence[tuple[float, Fencing]], plain: Sequence[tuple[float, Fencing]]
) -> Iterator[Case]:
    """The fencing, and with it the whole from the death on.

    Pacemaker notices a death at its next look at the host, which is chance, and the same for both:
    to the whole its median counts.
    """
    noticed = median(fencing.asked - crashed for crashed, fencing in (*braked, *plain))
    took = {
        name: tuple(fencing.ended - fencing.asked for _, fencing in deaths)
        for name, deaths in (("braked", braked), (WITHOUT, plain))
    }
    yield Case(
        "the fencing, from Pacemaker's request on", "s", took["braked"], {WITHOUT: took[WITHOUT]}
    )
    yield Case(
        "from the death to the end of the fencing",
        "s",
        tuple(noticed + seconds for seconds in took["braked"]),
        {WITHOUT: tuple(noticed + seconds for seconds in took[WITHOUT])},
        Goal(1.15, WITHOUT),
        details={"noticed": noticed, "brake": [f.passed - f.asked for _, f in braked]},
    )


MARK = Mark(
    id=8,
    title="What the brake costs a single death",
    measured="From Pacemaker's request to the end of the fencing of a host whose power was cut, "
    "by Pacemaker's log; and the same with the median of the time in which Pacemaker notices.",
    beside="The same death with the same level, without the brake in it.",
    mark="from the death to the end of the fencing at most 1.15 of the same without the brake",
    measure=_measure,
    lab=True,
    long=True,
)
