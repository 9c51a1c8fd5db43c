"""What fence_heuristics_compute accepts. The evacuator reads the same from the brake's device."""

from __future__ import annotations

from novaha.agents.fence_parameters import OF_EVERY_AGENT
from novaha.contract.parameters import Parameter
from novaha.core.brake import DEFAULT_LIMIT, DEFAULT_WINDOW
from novaha.core.steering import HOLD_RECOVERIES

_OWN = (
    Parameter(
        name="limit",
        longopt="limit",
        default=DEFAULT_LIMIT,
        shortdesc="How many compute hosts may have failed before the next one is held: numbers "
        "and shares of all hosts, the smallest counts; a share allows two at least",
    ),
    Parameter(
        name="group_limit",
        longopt="group-limit",
        default="",
        shortdesc="The same for the hosts of one group, that is of one value of the node "
        "attributes novaha-zone, novaha-rack and novaha-group; empty for no limit",
    ),
    Parameter(
        name="window",
        longopt="window",
        type="second",
        default=f"{DEFAULT_WINDOW:g}",
        shortdesc="A host that was fenced within this time counts as failed",
    ),
    Parameter(
        name=HOLD_RECOVERIES,
        longopt="hold-recoveries",
        type="boolean",
        default="false",
        shortdesc="Hold the recovery of hosts that are fenced already, too, when more have failed "
        "than the limits allow; 'novaha proceed' lets one go",
    ),
    Parameter(
        name="power_check",
        longopt="power-check",
        type="boolean",
        default="true",
        shortdesc="Before a host is held ask its power device, and go on when its power is off",
    ),
)

PARAMETERS: tuple[Parameter, ...] = (
    OF_EVERY_AGENT["action"],
    OF_EVERY_AGENT["plug"],
    *_OWN,
    *(p for name, p in OF_EVERY_AGENT.items() if name not in ("action", "plug")),
)
