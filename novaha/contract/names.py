"""Names that stand in the cluster's configuration, which never change, and on its hosts."""

from __future__ import annotations

from novaha.core.agents import BRAKE_AGENT as BRAKE_AGENT
from novaha.core.agents import COMPUTE_AGENT as COMPUTE_AGENT
from novaha.core.agents import EVACUATE_AGENT as EVACUATE_AGENT
from novaha.core.agents import FENCE_AGENT as FENCE_AGENT
from novaha.core.agents import PROVIDER as PROVIDER

ROLE = "osprole"
"""Permanent node attribute that tells compute nodes from controllers."""

COMPUTE = "compute"
CONTROLLER = "controller"

ALERT = "novaha_alert"

COMPUTE_UNITS = (
    "nova-compute.service",  # Debian, Ubuntu
    "openstack-nova-compute.service",  # Red Hat's and SUSE's packages
    "edpm_nova_compute.service",  # containers: Red Hat's, of today and before, and kolla's
    "tripleo_nova_compute.service",
    "kolla-nova_compute-container.service",
)
"""Units of systemd by which nova-compute is installed."""
