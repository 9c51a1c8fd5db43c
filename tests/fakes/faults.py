"""What can go wrong between the evacuator and Nova's API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from novaha.core.errors import NotSentError, UnknownOutcomeError


@dataclass(frozen=True, slots=True)
class Lost:
    """The work is done and only the answer is lost."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Late:
    """The caller's patience ends; Nova does the work `seconds` after that."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Slow:
    """The answer takes `seconds`; the work is done at the end of them."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Empty:
    """A list comes back empty, though there is something."""


Fault = Exception | Lost | Late | Slow | Empty | None

TIMED_OUT = UnknownOutcomeError("ask Nova", "timed out")
SERVER_ERROR = UnknownOutcomeError("ask Nova", "unexpected API error (HTTP 500)")
UNAVAILABLE = UnknownOutcomeError("ask Nova", "service unavailable (HTTP 503)")
UNAUTHORIZED = NotSentError("ask Nova", "the request needs a token (HTTP 401)")
UNREACHABLE = NotSentError("ask Nova", "connection refused")


def fresh(error: Exception) -> Exception:
    """The same to be raised once more: it holds on to nothing of the last time."""
    error.__context__ = None
    return error.with_traceback(None)


class Past:
    """What the lists said some seconds ago, for a database replica that lags."""

    LONGEST = 30.0

    def __init__(self) -> None:
        self._seen: list[tuple[float, object]] = []

    def note(self, now: float, lists: object) -> None:
        self._seen.append((now, lists))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self.LONGEST:
            self._seen.pop(0)

    def at(self, moment: float) -> object | None:
        """The newest that was noted no later than `moment`, else the oldest there is."""
        older = [lists for when, lists in self._seen if when <= moment]
        if older:
            return older[-1]
        return self._seen[0][1] if self._seen else None


def pop(faults: dict[str, list[Fault]], method: str) -> Fault:
    """The fault that the next call of `method` meets."""
    waiting = faults.get(method)
    return waiting.pop(0) if waiting else None


def all_of(methods: Iterable[str], fault: Callable[[], Fault]) -> dict[str, list[Fault]]:
    """The same fault once for each method."""
    return {method: [fault()] for method in methods}
