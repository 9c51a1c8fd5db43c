"""Mark 4: what each action costs, beside the older agents' same action."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from novahabench import older, usage, world
from novahabench.mark import NOVAHA, BenchError, Case, Goal, Mark, Say
from novahabench.site import Evacuator, Nova
from novahabench.usage import Command, Cost
from novahabench.world import World, cib, host

_HOSTS = 40
_OLDER = "older"
_SELDOM = ("NovaEvacuate meta-data",)

_BARE = "bare script"
_OFF_WITHIN = 3.0
"""Of the bare script's time."""

_BARE_OFF = r"""#!/bin/sh
# What flagging a host takes at least: to ask the CIB for the node, and to write an attribute.
node=$(sed -n 's/^nodename=//p')
cibadmin --query --scope nodes | grep -q "uname=\"$node\"" || exit 1
cibadmin --modify --allow-create --scope nodes --xml-text "<node id=\"$node\" uname=\"$node\">\
<instance_attributes id=\"bare-$node\"><nvpair id=\"bare-$node-flag\" name=\"bare\" value=\"1\"/>\
</instance_attributes></node>"
"""


def measure(quick: bool, say: Say) -> Iterator[Case]:
    """Every action, alternating with the older one."""
    agents = older.fetch(say)
    return world.inside(lambda here: _measure(here, agents, 5 if quick else 25, say), cib(_HOSTS))


def _measure(here: World, agents: older.Older, times: int, say: Say) -> Iterator[Case]:
    nova = Nova(here, _HOSTS, 0)
    evacuator = Evacuator(here, nova.config)
    evacuator.wait_for_nova()
    for name, pair in _pairs(here, agents, nova, evacuator).items():
        say(name)
        yield from cases(name, pair, agents, times)
    nova.kill()
    evacuator.stop()  # it would work on what is flagged
    say("fence_compute off with Nova dead")
    yield from _off(here, times)
    say("the alert where there is nobody to wake")
    alert = Command(
        (str(here.alert),), {**here.environment, "CRM_alert_kind": "node", "CRM_alert_rc": "0"}
    )
    yield Case(
        "alert of another kind, CPU time", "s", _cpus(usage.alternating({"": alert}, times)[""])
    )


def _off(here: World, times: int) -> Iterator[Case]:
    bare = here.directory / "bare-off"
    bare.write_text(_BARE_OFF)
    bare.chmod(0o755)
    programs = {NOVAHA: str(here.fence_compute), _BARE: str(bare)}
    costs: dict[str, list[Cost]] = {label: [] for label in programs}
    for number in range(1, times + 2):  # another host each time: a first flag takes longest
        lines = f"action=off\nnodename={host(number)}\n"
        for label, program in programs.items():
            costs[label].append(usage.cost(Command((program,), here.environment, lines)))
    for what, of in (("wall time", _walls), ("CPU time", _cpus)):
        samples = {label: of(found[1:]) for label, found in costs.items()}
        yield Case(
            f"fence_compute off with Nova dead, {what}",
            "s",
            samples[NOVAHA],
            {_BARE: samples[_BARE]},
            Goal(_OFF_WITHIN, _BARE),
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """Ours and theirs of an action. missing: why theirs is not there, "" if it is."""

    ours: Command
    theirs: Command | None = None
    missing: str = ""


def pair(ours: Command, theirs: Callable[[], Command]) -> Pair:
    """Both, or ours alone where theirs cannot be fetched."""
    try:
        return Pair(ours, theirs())
    except older.NotFetchedError as error:
        return Pair(ours, missing=str(error))


def _pairs(here: World, agents: older.Older, nova: Nova, evacuator: Evacuator) -> dict[str, Pair]:
    """Ours and theirs of each action, set up so that there is nothing to do."""
    ours, theirs = here.environment, agents.environment()
    sign_in = {
        "auth_url": f"{nova.url}/identity/",
        "username": "admin",
        "password": "secret",
        "tenant_name": "admin",
        "region_name": "One",
    }
    as_resource = {f"OCF_RESKEY_{name}": value for name, value in sign_in.items()}
    as_lines = "".join(f"{name}={value}\n" for name, value in sign_in.items())
    resource = {**theirs, **as_resource, "OCF_RESOURCE_INSTANCE": "older"}
    compute = _nova_compute(here, agents)
    fence = (str(here.fence_compute),)
    our_compute = str(here.resource_agents / "NovaCompute")

    def older_agent(name: str, action: str, env: Mapping[str, str]) -> Callable[[], Command]:
        return lambda: Command((str(agents.resource_agent(name)), action), env)

    def older_evacuate() -> Command:
        usage.cost(older_agent("NovaEvacuate", "start", resource)())
        return older_agent("NovaEvacuate", "monitor", resource)()

    def older_fence(lines: str) -> Callable[[], Command]:
        argv = ("/usr/bin/python3", "-tt")
        return lambda: Command((*argv, str(agents.fence_agent())), theirs, lines)

    monitor = f"action=monitor\n{as_lines}"
    metadata = "action=metadata\n"
    evacuate = str(evacuator.agent)
    return {
        "NovaEvacuate monitor": pair(
            Command((evacuate, "monitor"), evacuator.environment), older_evacuate
        ),
        "NovaEvacuate meta-data": pair(
            Command((evacuate, "meta-data"), ours),
            older_agent("NovaEvacuate", "meta-data", theirs),
        ),
        "NovaCompute monitor": pair(
            Command((our_compute, "monitor"), compute),
            older_agent("NovaCompute", "monitor", resource),
        ),
        "fence_compute monitor": pair(Command(fence, ours, monitor), older_fence(monitor)),
        "fence_compute metadata": pair(Command(fence, ours, metadata), older_fence(metadata)),
    }


def _nova_compute(here: World, agents: older.Older) -> dict[str, str]:
    """A stand-in for nova-compute, started by our agent; its environment, which theirs needs
    nothing of: it looks for a Python program of that name."""
    program = agents.files / "usr/bin/nova-compute"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/usr/bin/python3\nimport signal\nsignal.pause()\n")
    program.chmod(0o755)
    here.lay_over("/etc")
    Path("/etc/nova").mkdir(exist_ok=True)
    Path("/etc/nova/nova.conf").write_text("[DEFAULT]\nmy_ip = 127.0.0.1\n")
    environment = {
        **here.environment,
        "OCF_RESOURCE_INSTANCE": "nova-compute",
        "OCF_RESKEY_binary": str(program),
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": "10000",
    }
    agent = str(here.resource_agents / "NovaCompute")
    here.at_end(lambda: here.call([agent, "stop"], environment))
    begun = here.call([agent, "start"], environment)
    if begun.returncode:
        raise BenchError(f"NovaCompute does not start: {begun.stderr.strip()}")
    return environment


def cases(name: str, both: Pair, agents: older.Older, times: int) -> Iterator[Case]:
    """What the action costs beside the older one, where that is there."""
    commands = {NOVAHA: both.ours} | ({_OLDER: both.theirs} if both.theirs else {})
    missing = {_OLDER: both.missing} if both.missing else {}
    costs = usage.alternating(commands, times)
    # Pacemaker asks for it when a resource is made, and keeps the answer.
    goal = Goal(1.0, _OLDER) if name not in _SELDOM else None
    for what, of in (("CPU time", _cpus), ("wall time", _walls)):
        samples = {label: of(found) for label, found in costs.items()}
        ours = samples.pop(NOVAHA)
        yield Case(f"{name}, {what}", "s", ours, samples, goal, missing=missing)
    most: dict[str, tuple[float, ...]] = {}
    try:
        program = agents.gnu_time()
        most = {label: (usage.memory(command, program),) for label, command in commands.items()}
    except older.NotFetchedError as error:
        missing = {label: str(error) for label in commands} | missing
    ours = most.pop(NOVAHA, ())
    yield Case(f"{name}, memory", "MB", ours, most, goal, missing=missing)


def _cpus(costs: list[Cost]) -> tuple[float, ...]:
    return tuple(round(found.cpu, 6) for found in costs)


def _walls(costs: list[Cost]) -> tuple[float, ...]:
    return tuple(round(found.wall, 6) for found in costs)


MARK = Mark(
    id=4,
    title="Cost of a turn",
    measured="What Pacemaker runs every few seconds, with nothing to do: CPU time of all its "
    "processes, wall time, and the memory of its largest process.",
    beside="the same action of the older agents: the last shell NovaEvacuate, and fence_compute "
    "as Debian 12 packages it, where they can be fetched.",
    mark="at most 1.0 of theirs each; fence_compute off, with Nova dead, at most 3 of a bare "
    "shell script that reads and writes the CIB",
    measure=measure,
)
