"""The brake's work for one request: look around, judge, and remember what is held."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from novaha.core.brake import Code, Host, Limits, Verdict
from novaha.core.steering import HELD, Held, held_text

if TYPE_CHECKING:
    from novaha.pacemaker.computes import Computes

FAULT_FILE = Path("/run/novaha-brake/fault.json")
"""Which host went on because the brake could not judge. One is let go; a second one is held."""

_FAULT_LASTS = 600.0
"""Seconds for which a host that went on without a judgement keeps others from it."""


class World(Protocol):
    """What the brake asks of its surroundings. Each may raise anything."""

    def view(self) -> Computes:
        """All compute hosts as the cluster has them."""

    def look_around(self, view: Computes, node: str) -> list[Host]:
        """The hosts of `view`, with whether they answer this controller."""

    def works(self, view: Computes, node: str) -> bool:
        """Whether a process of the host answers, and not only its kernel."""

    def power_is_off(self, node: str, seconds: float) -> bool | None:
        """Whether the node's own power device says that it is off; None when it does not say."""

    def note(self, node: str, held: Held) -> None:
        """Remember in the cluster that the node is held."""


class Cluster:
    """The live cluster."""

    def view(self) -> Computes:
        from novaha.pacemaker.computes import read_computes

        return read_computes()

    def look_around(self, view: Computes, node: str) -> list[Host]:
        from novaha.pacemaker.witness import look_around

        return look_around(view, [node])

    def works(self, view: Computes, node: str) -> bool:
        from novaha.pacemaker.witness import works

        return works(view, node)

    def power_is_off(self, node: str, seconds: float) -> bool | None:
        from novaha.pacemaker.power import power_is_off

        return power_is_off(node, seconds)

    def note(self, node: str, held: Held) -> None:
        from novaha.pacemaker.live import set_transient

        set_transient(node, HELD, held_text(held))


_LOOKED_AT = frozenset({Code.ISOLATED, Code.TOO_MANY, Code.TOO_MANY_IN_GROUP, Code.NO_QUORUM})
"""Verdicts that the host's power settles: nothing is lost by going on when it is off."""


def decide(
    node: str, view: Computes, world: World, limits: Limits, power_seconds: float, now: datetime
) -> Verdict:
    """Whether `node` may be powered off. Raises whatever the world raises.

    power_seconds: for the power device, 0 not to ask it.
    """
    said = view.permitted(node, now) or view.paused(now)
    hosts = list(view.hosts.values()) if said else world.look_around(view, node)
    verdict = view.judge(node, hosts, limits, now)
    if verdict.code is Code.ALONE:
        mine = next((host for host in hosts if host.node == node), None)
        if mine is not None and mine.lost and mine.answers and mine.held is None:
            with suppress(Exception):  # without its word the verdict stands
                known = replace(mine, works=world.works(view, node))
                hosts = [known if host is mine else host for host in hosts]
                verdict = view.judge(node, hosts, limits, now)
    if verdict.go or verdict.code not in _LOOKED_AT or power_seconds <= 0:
        return verdict
    with suppress(Exception):  # without its word the verdict stands
        if world.power_is_off(node, power_seconds):
            return Verdict(True, Code.POWER_IS_OFF)
    return verdict


def decide_in_spite_of(
    error: BaseException, node: str, file: Path = FAULT_FILE, clock: Callable[[], float] = time.time
) -> Verdict:
    """The verdict where the brake cannot judge: a single host goes on, the next one is held."""
    why = f"{type(error).__name__}: {error}"
    with suppress(OSError, ValueError, KeyError, TypeError):
        first = json.loads(file.read_text(encoding="utf-8"))
        young = 0 <= clock() - float(first["at"]) < _FAULT_LASTS
        if young and str(first["node"]) != node:
            return Verdict(False, Code.SECOND_FAULT, {"why": why, "first": str(first["node"])})
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(json.dumps({"node": node, "at": clock()}), encoding="utf-8")
    return Verdict(True, Code.FAULT, {"why": why})
