"""What `novaha status` tells of the cluster where the evacuator does not answer itself."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from novaha.cli import configuration
from novaha.cli.configuration import Configuration
from novaha.cli.credentials import as_given
from novaha.contract.names import EVACUATE_AGENT, FENCE_AGENT, PROVIDER
from novaha.core.errors import NovahaError
from novaha.pacemaker import live
from novaha.pacemaker.cib import query
from novaha.pacemaker.computes import read_computes
from novaha.pacemaker.runner import Runner


def look(run: Runner | None = None) -> dict[str, Any]:
    """missing: what the cluster has not, and without which no host is recovered.

    evacuator_on: the node that Pacemaker runs the evacuator on, "" when it runs on none, None when
    Pacemaker cannot tell.

    Raises ClusterToolError when the CIB cannot be read.
    """
    run_tool = run or Runner()
    for root in query(run_tool, "/cib"):
        now = configuration.read(root, {})
        return {"missing": missing(now), "evacuator_on": _evacuator(now, run_tool)}
    return {"missing": missing(None), "evacuator_on": ""}


def others(flagged: Collection[str], run: Runner | None = None) -> list[dict[str, str]]:
    """The compute hosts without a recovery record: `node` and `state` of each.

    States: healthy; held (its power-off is); lost (Pacemaker wants to fence it); off (fenced, and
    not back); stopped (on purpose, or in maintenance).

    Raises NovahaError when the CIB cannot be read.
    """
    view = read_computes(run)
    found = []
    for node, host in sorted(view.hosts.items()):
        states = {
            "held": node in view.held,
            "lost": host.lost,
            "stopped": host.excused,
            "off": host.off,
        }
        if node not in flagged:
            state = next((name for name, so in states.items() if so), "healthy")
            found.append({"node": node, "state": state})
    return found


def parameters(run: Runner | None = None) -> dict[str, str]:
    """By which the evacuator signs in to Nova: what its resource is given.

    Raises ClusterToolError when the CIB cannot be read, ConfigError where a secret is not here.
    """
    for root in query(run or Runner(), "/cib"):
        return as_given(configuration.read(root, {}), EVACUATE_AGENT)
    return {}


def missing(now: Configuration | None) -> list[str]:
    """The parts of novaha that a cluster has not, by their agents; none where it has both."""
    parts = {
        f"resource of ocf:{PROVIDER}:{EVACUATE_AGENT}": now and now.resource(EVACUATE_AGENT),
        f"fence device of {FENCE_AGENT}": now and now.flag_device(),
    }
    return [name for name, found in parts.items() if found is None]


def _evacuator(now: Configuration, run_tool: Runner) -> str | None:
    resource = now.resource(EVACUATE_AGENT)
    if resource is None:
        return ""
    with contextlib.suppress(NovahaError):  # a cluster without a DC tells nothing
        seen = live.look(run_tool)
        if seen.dc:
            return ", ".join(sorted(seen.running.get(resource.id, ())))
    return None
