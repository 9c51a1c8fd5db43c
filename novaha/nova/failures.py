"""What an exception of novaclient or keystoneauth1 says about the request that raised it."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from keystoneauth1 import exceptions as keystone
from novaclient import exceptions as nova
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from novaha.core.errors import (
    ComputeApiError,
    NotSentError,
    NovahaError,
    RefusedError,
    UnknownOutcomeError,
)
from novaha.core.text import line
from novaha.nova.causes import is_final

LOG = logging.getLogger(__name__)

_LONGEST = 1000

_TURNED_AWAY = frozenset({401, 413, 429})
"""Answers that are given before the request is looked at."""

_NO_CA = re.compile(r"suitable TLS CA certificate bundle, invalid path: (\S+)")
_NO_FILE = re.compile(r"Could not find the TLS (certificate|key) file, invalid path: (\S+)")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the libraries raise into NotSentError, UnknownOutcomeError or RefusedError."""
    try:
        yield
    except ComputeApiError:
        raise
    except nova.ClientException as error:
        raise by_code(what, int(error.code or 0), str(error.message or error)) from error
    except keystone.HttpError as error:
        raise by_code(what, int(error.http_status or 0), str(error.message or error)) from error
    except keystone.SSLError as error:
        raise _tls(what, str(error)) from error
    except (keystone.ConnectFailure, keystone.ConnectTimeout, keystone.UnknownConnectionError) as e:
        kind = NotSentError if _never_connected(e) else UnknownOutcomeError
        raise kind(what, _first_line(e)) from e
    except keystone.ClientException as error:
        # No endpoint, no such region, no such plugin: nothing went out.
        raise NotSentError(what, _first_line(error)) from error
    except (nova.UnsupportedVersion, nova.VersionNotFoundForAPIMethod) as error:
        raise NotSentError(what, line(error)) from error
    except RecursionError as error:
        raise UnknownOutcomeError(what, "the answer nests without end") from error
    except (OSError, ValueError, HTTPException, HTTPError) as error:
        # What requests, urllib3 and http.client raise of their own: keystoneauth1 lets it through.
        raise _by_text(what, error) from error


@contextmanager
def contained(what: str, secrets: Callable[[], Iterable[str]] = tuple) -> Iterator[None]:
    """The same for everything that there is: only NovahaError leaves this adapter.

    secrets: values that no error shows, though Keystone or Nova repeat them.
    """
    try:
        with translated(what):
            yield
    except ComputeApiError as error:
        _hide(error, tuple(secrets()))
        raise
    except NovahaError:
        raise
    except Exception as error:
        LOG.exception("%s", what)
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        problem = f"internal error ({type(error).__name__} at {place}), see the log"
        raise UnknownOutcomeError(what, problem) from error


def _hide(error: ComputeApiError, secrets: Iterable[str]) -> None:
    error.detail = line(error.detail, secrets, _LONGEST)
    error.args = (line(str(error), secrets, _LONGEST),)


def by_code(what: str, code: int, message: str) -> ComputeApiError:
    """The error that an HTTP answer stands for."""
    message = line(message)
    if code in _TURNED_AWAY:
        return NotSentError(what, f"{message} (HTTP {code})")
    if 400 <= code < 500:
        return RefusedError(what, code, message, final=is_final(code, message))
    return UnknownOutcomeError(what, f"{message} (HTTP {code})")


def _tls(what: str, text: str) -> ComputeApiError:
    where = re.search(r"https://[^\s/:]+(:\d+)?", text)
    url = where[0] if where else "the server"
    if re.search(r"certificate.verify.failed", text, re.IGNORECASE):
        reason = re.search(r"verify failed: ([^()\"']+)", text)
        why = f" ({line(reason[1])})" if reason else ""
        return NotSentError(
            what,
            f"the certificate of {url} cannot be verified{why}: set cafile in the section "
            "[keystone] to the file of the CA that signed it",
        )
    detail = line(text.strip().splitlines()[0] if text.strip() else "TLS failed")
    handshake = re.search(r"WRONG_VERSION_NUMBER|HANDSHAKE|UNKNOWN_CA|ALERT|hostname", text)
    # A connection that breaks later may have brought the request through.
    return (NotSentError if handshake else UnknownOutcomeError)(what, detail)


def _by_text(what: str, error: Exception) -> ComputeApiError:
    text = str(error)
    if found := _NO_CA.search(text):
        return NotSentError(
            what,
            f"the CA bundle {line(found[1])} does not exist: set cafile in the section "
            "[keystone] right, or put the file there",
        )
    if found := _NO_FILE.search(text):
        return NotSentError(
            what,
            f"the file {line(found[2])} of the client's TLS {found[1]} does not exist: set "
            "certfile and keyfile in the section [keystone] right",
        )
    return UnknownOutcomeError(what, line(text) or type(error).__name__)


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
        return line(text)
    return line(f"{head}: {next(group for group in reason.groups() if group)}")
