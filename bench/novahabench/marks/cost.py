"""Mark 4: what each action costs, beside the older agents' same action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from novahabench import older, usage, world
from novahabench.mark import BenchError, Case, Goal, Mark, Say
from novahabench.site import Evacuator, Nova
from novahabench.usage import Command, Cost
from novahabench.world import World, cib, host

_HOSTS = 40
_OLDER = "older"
_SELDOM = ("NovaEvacuate meta-data",)

_OFF_WITHIN = 0.3


def measure(quick: bool, say: Say) -> Iterator[Case]:
    """Every action, alternating with the older one."""
    agents = older.fetch(say)
    return world.inside(lambda here: _measure(here, agents, 5 if quick else 25, say), cib(_HOSTS))


def _measure(here: World, agents: older.Older, times: int, say: Say) -> Iterator[Case]:
    nova = Nova(here, _HOSTS, 0)
    evacuator = Evacuator(here, nova.config)
    evacuator.wait_for_nova()
    for name, commands in _pairs(here, agents, nova, evacuator).items():
        say(name)
        yield from _cases(name, commands, agents, times)
    nova.kill()
    say("fence_compute off with Nova dead")
    evacuator.stop()  # it would work on what is flagged
    costs = []
    for number in range(1, times + 2):  # another host each time: a first flag takes longest
        lines = f"action=off\nnodename={host(number)}\n"
        costs.append(usage.cost(Command((str(here.fence_compute),), here.environment, lines)))
    del costs[0]
    yield Case(
        "fence_compute off with Nova dead, wall time", "s", _walls(costs), goal=Goal(_OFF_WITHIN)
    )
    yield Case("fence_compute off with Nova dead, CPU time", "s", _cpus(costs))
    say("the alert where there is nobody to wake")
    alert = Command(
        (str(here.alert),), {**here.environment, "CRM_alert_kind": "node", "CRM_alert_rc": "0"}
    )
    yield Case(
        "alert of another kind, CPU time", "s", _cpus(usage.alternating({"": alert}, times)[""])
    )


def _pairs(
    here: World, agents: older.Older, nova: Nova, evacuator: Evacuator
) -> dict[str, dict[str, Command]]:
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
    older_evacuate = str(agents.resource_agent("NovaEvacuate"))
    resource = {**theirs, **as_resource, "OCF_RESOURCE_INSTANCE": "older"}
    usage.cost(Command((older_evacuate, "start"), resource))
    compute = _nova_compute(here, agents)
    fence = str(here.fence_compute)
    older_fence = ("/usr/bin/python3", "-tt", str(agents.fence_compute))
    monitor = f"action=monitor\n{as_lines}"
    metadata = "action=metadata\n"
    return {
        "NovaEvacuate monitor": {
            "novaha": Command((str(evacuator.agent), "monitor"), evacuator.environment),
            _OLDER: Command((older_evacuate, "monitor"), resource),
        },
        "NovaEvacuate meta-data": {
            "novaha": Command((str(evacuator.agent), "meta-data"), ours),
            _OLDER: Command((older_evacuate, "meta-data"), theirs),
        },
        "NovaCompute monitor": {
            "novaha": Command((str(here.resource_agents / "NovaCompute"), "monitor"), compute),
            _OLDER: Command((str(agents.resource_agent("NovaCompute")), "monitor"), resource),
        },
        "fence_compute monitor": {
            "novaha": Command((fence,), ours, monitor),
            _OLDER: Command(older_fence, theirs, monitor),
        },
        "fence_compute metadata": {
            "novaha": Command((fence,), ours, metadata),
            _OLDER: Command(older_fence, theirs, metadata),
        },
    }


def _nova_compute(here: World, agents: older.Older) -> dict[str, str]:
    """A stand-in for nova-compute, started by our agent; its environment, which theirs needs
    nothing of: it looks for a Python program of that name."""
    program = agents.files / "usr/bin/nova-compute"
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


def _cases(
    name: str, commands: Mapping[str, Command], agents: older.Older, times: int
) -> Iterator[Case]:
    costs = usage.alternating(commands, times)
    most = {label: usage.memory(command, agents.gnu_time) for label, command in commands.items()}
    # Pacemaker asks for it when a resource is made, and keeps the answer.
    goal = Goal(1.0, _OLDER) if name not in _SELDOM else None
    for what, unit, of in (("CPU time", "s", _cpus), ("wall time", "s", _walls)):
        samples = {label: of(found) for label, found in costs.items()}
        yield Case(f"{name}, {what}", unit, samples.pop("novaha"), samples, goal)
    yield Case(f"{name}, memory", "MB", (most["novaha"],), {_OLDER: (most[_OLDER],)}, goal)


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
    "as Debian 12 packages it.",
    mark="at most 1.0 of theirs each; fence_compute off in 0.3 s, whatever Nova does",
    measure=measure,
)
