"""What must be so before `novaha setup` or `migrate` touches anything, printed script or not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from novaha import wiring
from novaha.agents.nova_parameters import DEFAULT_CONFIG
from novaha.core.errors import ClusterToolError, ConfigError, NovahaError
from novaha.pacemaker.runner import Runner

if TYPE_CHECKING:
    from lxml.etree import _Element

OLDEST = (2, 1, 5)
"""Of Pacemaker, that novaha was measured with."""

_FEATURES = (3, 16)
"""Pacemaker 2.1.5's feature set, which a cluster has when each of its nodes is that new."""

_REGION_WAIT = 10.0
"""Seconds in which Keystone may say that the region is not clear."""


class TooOldError(NovahaError):
    """Pacemaker is older than novaha works with."""

    def __init__(self, found: str) -> None:
        oldest = ".".join(map(str, OLDEST))
        super().__init__(
            f"{found}: novaha needs Pacemaker {oldest} on every node; upgrade Pacemaker first, "
            "nothing was changed"
        )


def check(root: _Element, run: Runner, parameters: Mapping[str, str]) -> None:
    """Raise NovahaError where nothing may be set up yet; where that cannot be told, go on.

    root: the CIB. parameters: those that nova-evacuate has, or gets.
    """
    for found in too_old(root, run):
        raise TooOldError(found)
    _check_region(parameters)


def too_old(root: _Element, run: Runner | None = None) -> Iterator[str]:
    """What of Pacemaker is too old, by the CIB, and by what is installed here if `run` is given."""
    for pair in root.iterfind(".//crm_config/cluster_property_set/nvpair[@name='dc-version']"):
        version = str(pair.get("value"))
        if _numbers(version) < OLDEST:
            yield f"the cluster runs Pacemaker {version.partition('-')[0]} (dc-version)"
    features = root.get("crm_feature_set") or ""
    if features and _numbers(features)[:2] < _FEATURES:
        yield f"a node of the cluster runs an older Pacemaker (crm_feature_set {features})"
    installed = _installed(run) if run is not None else ""
    if installed and _numbers(installed) < OLDEST:
        yield f"Pacemaker {installed} is installed on this node"


def _numbers(version: str) -> tuple[int, ...]:
    """The three first numbers of a version; what cannot be read counts as new enough."""
    found = re.match(r"([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else (99,)


def _installed(run: Runner) -> str:
    """The version of Pacemaker's tools here, "" where they do not tell."""
    try:
        shown = run(["cibadmin", "--version"]).stdout.decode("utf-8", "replace")
    except ClusterToolError:
        return ""
    found = re.match(r"Pacemaker (\d\S*)", shown)
    return found[1] if found else ""


def _check_region(parameters: Mapping[str, str]) -> None:
    """Where this node can ask Keystone: whether it is clear which region's Nova is meant."""
    given = {name: value for name, value in parameters.items() if value}
    if "auth_url" not in given and not os.path.exists(given.get("config", DEFAULT_CONFIG)):
        return
    try:
        nova = wiring.nova(wiring.conf(given))
    except ConfigError:
        return  # `novaha doctor` tells
    wiring.check_region(nova, _REGION_WAIT)
