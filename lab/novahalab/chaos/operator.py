"""The operator of the calm: does what novaha says that only an operator can do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from novahalab import layout
from novahalab.errors import LabError
from novahalab.sandbox import Sandbox

_LOST = re.compile(r"^(\S+) has a guest of it that Nova has lost")
_PATIENCE = 120.0
"""Seconds that a host gets to be recovered before the same is done to it again."""


class Operator:
    """power_off: cuts the power of a compute node that runs."""

    def __init__(self, power_off: Callable[[str], None]) -> None:
        self._power_off = power_off
        self._done: dict[str, float] = {}

    def obey(self) -> None:
        """End the guests that Nova has lost, by the death of their hosts, as the guide has it."""
        for host in sorted(set(_told())):
            if time.monotonic() > self._done.get(host, float("-inf")) + _PATIENCE:
                self._done[host] = time.monotonic()
                self._power_off(host)


def _told() -> Iterator[str]:
    """The hosts that `novaha status` names: it knows why only where the evacuator runs."""
    for controller in layout.CONTROLLERS:
        with suppress(LabError, ValueError):
            argv = ["novaha", "status", "--output", "json"]
            shown = json.loads(Sandbox(controller).exec(argv, timeout=20).stdout)
            for host in shown["hosts"]:
                for instance in host["instances"]:
                    if found := _LOST.match(instance["detail"]):
                        yield found[1]
