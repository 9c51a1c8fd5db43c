"""What failed may be tried at once: nothing was sent, or nothing was asked to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tenacity

from novaha.core.errors import NotSentError, RefusedError, UnknownOutcomeError
from novaha.nova.failures import translated

_QUICK = 5.0
"""Seconds: a read that failed within them is tried again at once, a slower one next turn."""

T = TypeVar("T")


@contextmanager
def nothing_sent() -> Iterator[None]:
    """What fails in here comes before the request itself: it did nothing."""
    try:
        with translated("sign in"):
            yield
    except (RefusedError, UnknownOutcomeError) as error:
        raise NotSentError(error.what, error.detail) from error


def reading(call: Callable[[], T]) -> T:
    """A request that changes nothing may be sent again at once."""
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_attempt(2) | tenacity.stop_after_delay(_QUICK),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_exception(_worth_another_try),
        reraise=True,
    ):
        with attempt:
            return call()
    raise AssertionError("tenacity neither returned nor raised")


def _worth_another_try(error: BaseException) -> bool:
    """A dropped keep-alive connection or one bad answer; a dead API is the next turn's."""
    try:
        with translated("read"):
            raise error
    except UnknownOutcomeError:
        return True
    except BaseException:
        return False
