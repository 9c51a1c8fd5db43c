"""Whether a host's own power devices say that its power is off.

The device's fence agent is asked for `status`, as Pacemaker would ask it: parameters on standard
input, never as arguments (law 9).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

from novaha.core.errors import ClusterToolError
from novaha.core.naming import same_name
from novaha.pacemaker.cib import query
from novaha.pacemaker.devices import Effect, FenceDevice, host_map
from novaha.pacemaker.levels import IN_CIB, read
from novaha.pacemaker.runner import Runner

_IS_OFF = 2
"""A fence agent's exit code of `status`: asked, answered, the answer is off."""

_KEPT_ELSEWHERE = "lrm://"
"""A value that Pacemaker keeps in a file of its own: such a device is not asked."""


def power_is_off(node: str, seconds: float, run: Runner | None = None) -> bool | None:
    """Whether every power device of a fencing level of `node` says that the power is off.

    seconds: for each device. None where there is no such level, or a device does not say.

    Raises ClusterToolError when the CIB cannot be read.
    """
    run = run or Runner()
    found, levels = read(query(run, IN_CIB))
    devices = {device.id: device for device in found}
    for level in levels:
        if not same_name(level.target or "", node):
            continue
        asked = [devices[name] for name in level.devices if name in devices]
        power = [device for device in asked if device.effect is Effect.POWER]
        answers = [_is_off(device, node, seconds, run) for device in power]
        if answers and None not in answers:
            return all(answers)
    return None


def _is_off(device: FenceDevice, node: str, seconds: float, run: Runner) -> bool | None:
    agent = shutil.which(device.agent, path="/usr/sbin:/sbin")
    if agent is None or any(v.startswith(_KEPT_ELSEWHERE) for v in device.attributes.values()):
        return None
    lines = "".join(f"{name}={value}\n" for name, value in _request(device.attributes, node))
    try:
        result = run([agent], timeout=seconds, stdin=lines.encode(), accept=frozenset({0, _IS_OFF}))
    except ClusterToolError:
        return None
    return result.returncode == _IS_OFF


def _request(parameters: Mapping[str, str], node: str) -> Iterator[tuple[str, str]]:
    """The lines that the agent reads, as Pacemaker's fencer makes them."""
    own = {n: v for n, v in parameters.items() if not n.startswith("pcmk_") and "\n" not in v}
    yield from ((name, value) for name, value in own.items() if name != "action")
    yield "action", parameters.get("pcmk_status_action", "status")
    yield "nodename", node
    argument = parameters.get("pcmk_host_argument", "plug")
    if argument != "none" and argument not in own and "port" not in own:
        yield argument, _plug(parameters.get("pcmk_host_map", ""), node)


def _plug(mapped: str, node: str) -> str:
    plugs = (plug for name, plug in host_map(mapped) if plug and same_name(name, node))
    return next(plugs, node).split(",")[0]
