"""The operator of the calm: does what novaha says that only an operator can do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from novahalab import layout
from novahalab.errors import LabError
from novahalab.sandbox import Sandbox

_LOST = re.compile(r"^(\S+) has a guest of it that Nova has lost")
_HELD = re.compile(r"^(\S+): its power-off is held since .*: it answers, but Nova heard last")
_PATIENCE = 120.0
"""Seconds that a host gets to be recovered before the same is done to it again."""
_SHOWS_LIFE = 30.0
"""Seconds that a held host gets to show that it lives."""


class Operator:
    """power_off: cuts the power of a compute node that runs."""

    def __init__(self, power_off: Callable[[str], None]) -> None:
        self._power_off = power_off
        self._done: dict[str, float] = {}
        self._held: dict[str, float] = {}

    def obey(self) -> None:
        """End the guests that Nova has lost, by the death of their hosts, as the guide has it.

        And let held hosts go that are neither dead nor alive.
        """
        for host in sorted(set(_told())):
            if time.monotonic() > self._done.get(host, float("-inf")) + _PATIENCE:
                self._done[host] = time.monotonic()
                self._power_off(host)
        self._let_go()

    def _let_go(self) -> None:
        """Of held hosts those that nobody but an operator can tell: they are to be fenced.

        One that has just been thawed or booted gets time to show that it lives.
        """
        held = {found[1]: at for at, text in _notices() if (found := _HELD.match(text))}
        now = time.monotonic()
        self._held = {host: self._held.get(host, now) for host in held}
        for host, controller in held.items():
            if now > self._held[host] + _SHOWS_LIFE:
                self._held[host] = now
                with suppress(LabError):
                    argv = ["novaha", "proceed", host, "--yes", "--reason", "chaos"]
                    Sandbox(controller).exec(argv, timeout=20)


def _shown() -> Iterator[tuple[str, dict[str, Any]]]:
    """`novaha status` of each controller: it knows why only where the evacuator runs."""
    for controller in layout.CONTROLLERS:
        with suppress(LabError, ValueError):
            argv = ["novaha", "status", "--output", "json"]
            yield controller, json.loads(Sandbox(controller).exec(argv, timeout=20).stdout)


def _notices() -> Iterator[tuple[str, str]]:
    for controller, shown in _shown():
        with suppress(KeyError):
            for notice in shown["notices"]:
                yield controller, notice


def _told() -> Iterator[str]:
    """The hosts that have guests which Nova has lost."""
    for _, shown in _shown():
        with suppress(KeyError):
            for host in shown["hosts"]:
                for instance in host["instances"]:
                    if found := _LOST.match(instance["detail"]):
                        yield found[1]
