"""What the commands that change a cluster's configuration are made of, and made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from novaha.contract.names import ALERT
from novaha.core.errors import NovahaError


class LayoutError(NovahaError):
    """The cluster is not one that novaha can be set up in. problems: what to do about it."""

    def __init__(self, problems: Sequence[str], what: str = "set up") -> None:
        self.problems = tuple(problems)
        super().__init__("\n  ".join([f"this cluster cannot be {what} yet:", *problems]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator wants.

    computes: compute nodes; all that the cluster shows if empty.
    evacuate, compute: parameters of the two resources.
    brake: whether the device that holds power-offs comes first in each level; where it is there
        already it does in any case.
    brake_options: parameters of it.
    groups: node attributes that put hosts into groups, by node.
    """

    computes: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    evacuate: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, str] = field(default_factory=dict)
    alert: str = f"/usr/share/pacemaker/alerts/{ALERT}"
    pcs: tuple[int, ...] = (0, 11)
    brake: bool = False
    brake_options: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One pcs command, without `pcs -f FILE`."""

    title: str
    argv: tuple[str, ...]


def pairs(parameters: Mapping[str, str]) -> list[str]:
    """Parameters as pcs takes them."""
    return [f"{name}={value}" for name, value in parameters.items()]
