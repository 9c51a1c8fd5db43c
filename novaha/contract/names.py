"""Names that stand in the cluster's configuration. They are persisted: they never change."""

from __future__ import annotations

ROLE = "osprole"
"""Permanent node attribute that tells compute nodes from controllers."""

COMPUTE = "compute"
CONTROLLER = "controller"

FENCE_AGENT = "fence_compute"
EVACUATE_AGENT = "NovaEvacuate"
COMPUTE_AGENT = "NovaCompute"
PROVIDER = "openstack"
ALERT = "novaha_alert"
