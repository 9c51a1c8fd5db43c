"""What an exception of novaclient or keystoneauth1 says about the request that raised it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from keystoneauth1 import exceptions as keystone
from novaclient import exceptions as nova
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from novaha.core.errors import ComputeApiError, NotSentError, RefusedError, UnknownOutcomeError

_TURNED_AWAY = frozenset({401, 413, 429})
"""Answers that are given before the request is looked at."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the libraries raise into NotSentError, UnknownOutcomeError or RefusedError."""
    try:
        yield
    except ComputeApiError:
        raise
    except nova.ClientException as error:
        raise _by_code(what, int(error.code or 0), str(error.message or error)) from error
    except keystone.HttpError as error:
        raise _by_code(what, int(error.http_status or 0), str(error.message or error)) from error
    except (keystone.ConnectFailure, keystone.ConnectTimeout, keystone.UnknownConnectionError) as e:
        kind = NotSentError if _never_connected(e) else UnknownOutcomeError
        raise kind(what, _first_line(e)) from e
    except keystone.ClientException as error:
        # No endpoint, no such region, no such plugin: nothing went out.
        raise NotSentError(what, _first_line(error)) from error
    except (nova.UnsupportedVersion, nova.VersionNotFoundForAPIMethod) as error:
        raise NotSentError(what, str(error)) from error


def _by_code(what: str, code: int, message: str) -> ComputeApiError:
    if code in _TURNED_AWAY:
        return NotSentError(what, f"{message} (HTTP {code})")
    if 400 <= code < 500:
        return RefusedError(what, code, message)
    return UnknownOutcomeError(what, f"{message} (HTTP {code})")


def _never_connected(error: BaseException) -> bool:
    """Whether no connection came about, so that no request can have been read."""
    queue: list[object] = [error]
    seen: set[int] = set()
    while queue:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, NewConnectionError | ConnectTimeoutError):
            return True
        if isinstance(item, BaseException):
            queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return False


def _first_line(error: BaseException) -> str:
    """What an operator can use: where to, and why not; without the libraries' own names."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    head, separator, rest = text.partition(": HTTP")
    reason = re.search(
        r"\[Errno -?\d+\] ([^\"')\]]+)|(timed? ?out)|(Remote end closed[^\"')]*)", rest
    )
    if not separator or reason is None:
        return text
    return f"{head}: {next(group for group in reason.groups() if group)}"
