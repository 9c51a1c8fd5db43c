"""Names that stand in the cluster's configuration, which never change, and on its hosts."""

from __future__ import annotations

ROLE = "osprole"
"""Permanent node attribute that tells compute nodes from controllers."""

COMPUTE = "compute"
CONTROLLER = "controller"

FENCE_AGENT = "fence_compute"
BRAKE_AGENT = "fence_heuristics_compute"
EVACUATE_AGENT = "NovaEvacuate"
COMPUTE_AGENT = "NovaCompute"
PROVIDER = "openstack"
ALERT = "novaha_alert"

COMPUTE_UNITS = (
    "nova-compute.service",  # Debian, Ubuntu
    "openstack-nova-compute.service",  # Red Hat's and SUSE's packages
    "edpm_nova_compute.service",  # containers: Red Hat's, of today and before, and kolla's
    "tripleo_nova_compute.service",
    "kolla-nova_compute-container.service",
)
"""Units of systemd by which nova-compute is installed."""
