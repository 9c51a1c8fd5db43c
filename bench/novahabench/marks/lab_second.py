"""Mark 5: a second failure during a recovery."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from novahalab import cluster, layout, network
from novahalab.sandbox import Sandbox

from novahabench import lab_logs
from novahabench.lab_site import Bench
from novahabench.mark import BenchError, Case, Goal, Mark, Say

ALONE = "while nothing else goes on"
_LIMIT = 1.3
"""Of the time that a death alone takes. Two moments of one monitor differ by as much."""

_BLOCKED, _BLOCKED_QUICK = 30, 10
"""Seconds that the start of the older style waits here; the older NovaCompute's may take 600."""

_START_TIMEOUTS = ("15s", "3s")
"""Of a remote node's connection: the lab's, and a short one (docs/guide/install.md)."""

_BLOCKING = "blocking-start"
_AGENT = """\
#!/bin/sh
# An agent whose start waits, as the older NovaCompute's does for the end of the evacuation.
state=/run/blocking-start
case $1 in
start) sleep {seconds}; touch $state ;;
stop) rm -f $state ;;
monitor) [ -e $state ] || exit 7 ;;
meta-data) cat <<END
<?xml version="1.0"?>
<resource-agent name="Blocking" version="1"><version>1.1</version>
<longdesc lang="en">Its start waits.</longdesc><shortdesc lang="en">Its start waits.</shortdesc>
<parameters/><actions><action name="start" timeout="120s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="600s"/><action name="meta-data" timeout="5s"/>
</actions></resource-agent>
END
;;
esac
exit 0
"""


def _measure(quick: bool, say: Say) -> Iterator[Case]:
    bench = Bench()
    say("the lab is made whole and empty")
    bench.fresh()
    first, second = bench.computes[:2]
    alone: list[float] = []
    waits: list[float] = []
    blocked: list[float] = []
    block = _BLOCKED_QUICK if quick else _BLOCKED
    for number in range(1 if quick else 3):
        say(f"round {number + 1}: {second} dies")
        alone.append(_seconds_to_fence(bench, second))
        bench.whole()
        say(f"round {number + 1}: {second} dies while {first} waits for its recovery")
        waits.append(_while_held(bench, first, second))
        say(f"round {number + 1}: {second} dies while a start on {first} waits")
        blocked.append(_while_blocked(bench, first, second, block))
    yield held(tuple(alone), tuple(waits), tuple(blocked), block)
    samples: dict[str, list[float]] = {timeout: [] for timeout in _START_TIMEOUTS}
    for number in range(1 if quick else 3):
        for timeout in _START_TIMEOUTS[-1:] if quick else _START_TIMEOUTS:
            say(f"round {number + 1}: {second} dies while {first} is tried, for {timeout} at most")
            samples[timeout].append(_while_tried(bench, first, second, timeout))
    _start_timeout(bench, first, _START_TIMEOUTS[0])
    yield tried(tuple(alone), {timeout: tuple(took) for timeout, took in samples.items()})


def held(
    alone: tuple[float, ...], waits: tuple[float, ...], blocked: tuple[float, ...], block: int
) -> Case:
    """A host that waits for its recovery delays nothing."""
    beside = {ALONE: alone, f"an agent whose start waits {block} s": blocked}
    return Case("while a host waits to return", "s", waits, beside, Goal(_LIMIT, ALONE))


def tried(alone: tuple[float, ...], samples: Mapping[str, tuple[float, ...]]) -> Case:
    """A host that is being tried delays a fencing by the rest of that try."""
    *others, short = _START_TIMEOUTS
    label = f"{ALONE}, and then {short}"
    seconds = float(short.removesuffix("s"))
    return Case(
        f"while a host that boots is being tried, for {short} at most",
        "s",
        samples[short],
        {
            label: tuple(took + seconds for took in alone),
            **{f"for {other} at most": samples[other] for other in others if samples[other]},
        },
        Goal(_LIMIT, label),
    )


def _while_held(bench: Bench, first: str, second: str) -> float:
    instances = bench.create(2, first)
    bench.site.spawn_delay(25)
    bench.crash(first)
    bench.site.wait("its recovery runs", lambda: bench.site.state(first) == "running")
    bench.site.wait("it is online again", lambda: _online(first))
    time.sleep(2)
    if bench.site.state(first) != "running" or bench.site.compute_processes(first):
        raise BenchError(f"{first} does not wait any more: the machine is too slow for this")
    took = _seconds_to_fence(bench, second)
    bench.site.spawn_delay(0)
    bench.whole()
    bench.nova.servers_delete(instances)
    return took


def _while_tried(bench: Bench, first: str, second: str, timeout: str) -> float:
    _start_timeout(bench, first, timeout)
    network.cut(first, "cluster")  # it boots and is not reached
    crashed = bench.crash(first)
    fenced = bench.fencing(first, crashed)
    _wait_for_start(bench.logs, first, fenced.ended)
    time.sleep(0.3)
    took = _seconds_to_fence(bench, second)
    network.heal(first)
    bench.whole()
    return took


def _while_blocked(bench: Bench, first: str, second: str, seconds: int) -> float:
    text = _AGENT.format(seconds=seconds)
    for name in (*layout.CONTROLLERS, *bench.computes):
        directory = "/usr/lib/ocf/resource.d/bench"
        script = f"mkdir -p {directory}; cat > {directory}/Blocking; chmod 755 {directory}/Blocking"
        Sandbox(name).exec(["sh", "-c", script], input=text)
    pcs = bench.site.on_any_controller
    bench.site.on(layout.CONTROLLERS[0], "pcs", "resource", "delete", _BLOCKING, check=False)
    create = ("pcs", "resource", "create", "--disabled", _BLOCKING, "ocf:bench:Blocking")
    pcs(*create, "op", "start", "timeout=120s")
    pcs("pcs", "constraint", "location", _BLOCKING, "prefers", f"{first}=INFINITY")
    since, logs = time.time(), lab_logs.Logs()
    pcs("pcs", "resource", "enable", _BLOCKING)
    _wait_for_start(logs, _BLOCKING, since)
    time.sleep(1)
    took = _seconds_to_fence(bench, second)
    bench.whole()
    pcs("pcs", "resource", "delete", _BLOCKING, "--force")
    bench.whole()
    return took


def _seconds_to_fence(bench: Bench, host: str) -> float:
    crashed = bench.crash(host)
    return bench.fencing(host, crashed).ended - crashed


def _start_timeout(bench: Bench, host: str, timeout: str) -> None:
    options = ("op", "start", f"timeout={timeout}")
    bench.site.on_any_controller("pcs", "resource", "update", host, *options)
    bench.whole()


def _wait_for_start(logs: lab_logs.Logs, resource: str, since: float) -> None:
    """Until the cluster begins to start it. Raises BenchError."""
    timeout = 120.0
    end = time.time() + timeout
    while time.time() < end:
        if lab_logs.starts(logs.pacemaker(), resource, since):
            return
        time.sleep(0.1)
    raise BenchError(f"{resource} was not started within {timeout:.0f} s")


def _online(node: str) -> bool:
    status = cluster.status()
    return status is not None and status.nodes.get(node) == "online"


MARK = Mark(
    id=5,
    title="A second failure during a recovery",
    measured="From the death of a second host until its fencing has ended, by Pacemaker's log, "
    "while a first one waits to return, and while the first one boots and Pacemaker tries to "
    "reach it.",
    beside="The same death while nothing else goes on. An agent in the older style, whose start "
    "waits (some seconds here, up to 600 s in the older NovaCompute).",
    mark="at most 1.3 of the same death alone; where a host is being tried, of that and the try",
    measure=_measure,
    lab=True,
)
