"""The names of novaha's agents in the cluster's configuration, which never change."""

from __future__ import annotations

PROVIDER = "openstack"
EVACUATE_AGENT = "NovaEvacuate"
COMPUTE_AGENT = "NovaCompute"
FENCE_AGENT = "fence_compute"
BRAKE_AGENT = "fence_heuristics_compute"
