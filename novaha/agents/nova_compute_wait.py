"""nova-compute-wait: keeps a host's place until its recovery is finished, and starts nothing.

For sites where something else starts nova-compute, and is ordered after this. The contract is
that of the older agent of this name: its parameters, its state file, its exit codes. Its start
waited for minutes, though, which keeps Pacemaker from fencing; this one gives up within seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from novaha import __version__
from novaha.agents.cluster import Cluster, PacemakerCluster
from novaha.agents.hold import record_row, wait_until_free
from novaha.agents.nova_parameters import EVACUATION_DELAY, NO_SHARED_STORAGE, OLDER_CREDENTIALS
from novaha.agents.runtime import ActionError, actions, check, checked, run
from novaha.contract import streams
from novaha.contract.ocf import Action, Agent, ExitCode, Request, table
from novaha.core.text import line

AGENT = Agent(
    name="nova-compute-wait",
    version=__version__,
    shortdesc="Holds nova-compute down until the host's recovery is finished",
    longdesc=(
        "Starts nothing, and succeeds only on a host whose recovery is finished. For sites where "
        "something other than ocf:openstack:NovaCompute starts nova-compute: clone it on the "
        "compute nodes, and start nova-compute after it, by an order constraint or not before "
        "there is /run/resource-agents/RESOURCE.active. A start on a host that is held fails "
        "within seconds: have a location rule keep it from being tried, as 'pcs constraint "
        "location nova-compute-wait-clone rule score=-INFINITY novaha-hold eq true', and give it "
        "failure-timeout=60s."
    ),
    parameters=(
        *(
            replace(p, deprecated=True, shortdesc="Not used: the agent asks nobody", longdesc="")
            for p in OLDER_CREDENTIALS
        ),
        NO_SHARED_STORAGE,
        EVACUATION_DELAY,
    ),
    actions=(
        Action("start", timeout=20),
        Action("stop", timeout=20),
        Action("monitor", timeout=20, interval=10, depth=0),
        Action("reload-agent", timeout=20),
        Action("validate-all", timeout=20),
        Action("meta-data", timeout=5),
    ),
)


@dataclass(frozen=True, slots=True)
class Context:
    """What the agent works with."""

    stdout: TextIO
    stderr: TextIO
    cluster: Cluster = field(default_factory=PacemakerCluster)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one action and return its exit code."""
    handlers = actions(start, stop, monitor, validate_all, reload_agent) | {"notify": notify}
    return run(AGENT, handlers, Context, argv)


def start(request: Request, context: Context) -> ExitCode:
    """Succeed unless the host is held (law 4)."""
    check(AGENT, request, context.stderr)
    wait_until_free(context.cluster, request.timeout, context.sleep, context.monotonic)
    file = state_file(request)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except (OSError, ValueError) as error:
        why = f"the state file cannot be written: {error}"
        raise ActionError(ExitCode.ERR_GENERIC, why) from None
    return ExitCode.SUCCESS


def stop(request: Request, context: Context) -> ExitCode:
    """Forget that the host was let through."""
    try:
        state_file(request).unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # a failed stop fences the node, and this runs nothing
        said = line(f"the state file cannot be removed: {error}", request.secrets)
        streams.tell(context.stderr, f"WARNING: {said}\n")
    return ExitCode.SUCCESS


def monitor(request: Request, context: Context) -> ExitCode:
    """Whether the host was let through since it booted."""
    passed = state_file(request).exists()
    if request.by_hand:
        here = ("nova-compute", "let in" if passed else "kept out", str(state_file(request)))
        context.stdout.write(table([here, record_row(context.cluster)], request.output_format))
    return ExitCode.SUCCESS if passed else ExitCode.NOT_RUNNING


def notify(request: Request, context: Context) -> ExitCode:
    """Nothing; clones with notify=true have always got an answer."""
    return ExitCode.SUCCESS


def reload_agent(request: Request, context: Context) -> ExitCode:
    """Its parameters mean nothing, so none can be changed for nothing."""
    check(AGENT, request, context.stderr)
    return ExitCode.SUCCESS


def validate_all(request: Request, context: Context) -> ExitCode:
    """The parameters by themselves; there is nothing that would have to be installed."""
    check(AGENT, request, context.stderr)
    return checked(request, context.stdout)


def state_file(request: Request) -> Path:
    """Where the older agent kept it, too, so that an upgrade restarts nothing."""
    return request.rsctmp / f"{request.instance.replace('/', '_')}.active"
