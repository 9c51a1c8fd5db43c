"""What can befall the evacuator's process between any two of its calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class KilledError(BaseException):
    """The process ends here, as by SIGKILL: nothing in it may catch this."""


class Fate:
    """Counts what a process asks of the outside, and interferes once.

    Each call counts twice, before and after its work: a process may die with a request not yet
    sent, or sent and the answer not read.
    """

    def __init__(self) -> None:
        self.moments = 0
        self._at: int | None = None
        self._what: Callable[[str], None] = _nothing

    def interfere(self, after: int, what: Callable[[str], None]) -> None:
        """Call `what` (with the name of the call) `after` moments from now."""
        self._at = self.moments + after
        self._what = what

    def spare(self) -> None:
        """Do not interfere any more."""
        self._at = None

    def moment(self, call: str) -> None:
        self.moments += 1
        if self._at is not None and self.moments > self._at:
            self._at = None
            self._what(call)


class Fated:
    """A port of the evacuator, as one process sees it."""

    def __init__(self, port: object, fate: Fate, before: Callable[[str, Any], None]) -> None:
        self._port = port
        self._fate = fate
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._before(name, arguments)
            self._fate.moment(name)
            answer = method(*arguments, **options)
            self._fate.moment(name)
            return answer

        return call


def die(call: str) -> None:
    """To be given to Fate.interfere."""
    raise KilledError(call)


def _nothing(call: str) -> None:
    pass
