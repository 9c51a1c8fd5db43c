"""The one place that picks the adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oslo_config import cfg

    from novaha.nova.compute import Nova
    from novaha.nova.examine import Cloud


def conf(parameters: Mapping[str, str] | None = None) -> cfg.ConfigOpts:
    """The configuration; see novaha.conf.load. Raises ConfigError."""
    from novaha.conf.load import load

    return load(parameters)


def nova(configuration: cfg.ConfigOpts) -> Nova:
    """Nova by the configuration; nothing is sent yet. Raises ConfigError."""
    from novaha.nova.compute import Nova
    from novaha.nova.session import from_conf

    session, interface, region_name = from_conf(configuration)
    return Nova(session, interface=interface, region_name=region_name)


def check_nova(parameters: Mapping[str, str] | None = None) -> int:
    """Sign in and list the compute services; how many there are.

    Raises ConfigError or ComputeApiError that says what is wrong.
    """
    return len(nova(conf(parameters)).services())


def examine(configuration: cfg.ConfigOpts, say: Callable[[str], None]) -> Cloud:
    """What Keystone and Nova answer; see novaha.nova.examine. Raises ConfigError."""
    from novaha.nova.examine import examine as look
    from novaha.nova.session import from_conf

    return look(*from_conf(configuration), say)
