"""What the API has, declared once: served by Starlette, described by OpenAPI."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from novaha.web.access import RefusedError


@dataclass(frozen=True, slots=True)
class Parameter:
    """Of the query; or of the path, where `path` is so. schema: of JSON Schema."""

    name: str
    text: str
    schema: Mapping[str, Any]
    path: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One question or action. schema: the name of its answer's, "" where that is no JSON."""

    path: str
    name: str
    text: str
    answer: Callable[[Request], Awaitable[Response]]
    schema: str = ""
    media: str = "application/json"
    parameters: tuple[Parameter, ...] = ()
    method: str = "GET"
    body: str = ""
    status: int = 200


def checked(request: Request, parameters: tuple[Parameter, ...]) -> dict[str, str]:
    """The query, each parameter once and of those that there are. Raises RefusedError (400)."""
    known = {parameter.name for parameter in parameters if not parameter.path}
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise RefusedError(400, f"an unknown parameter: there are {', '.join(known) or 'none'}")
        if name in found:
            raise RefusedError(400, f"parameter {name} is given twice")
        found[name] = value
    return found


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A number from 1 to `most`. Raises RefusedError (400)."""
    given = query.get(name, str(default))
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= most):
        raise RefusedError(400, f"{name} has to be a number from 1 to {most}")
    return int(given)


def packed(content: object) -> tuple[bytes, str]:
    """An answer's bytes and their ETag."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return body, etag_of(body)


def etag_of(body: bytes) -> str:
    """The ETag of an answer."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def answered(
    request: Request,
    body: bytes,
    etag: str,
    status: int = 200,
    media: str = "application/json",
) -> Response:
    """The answer, or 304 to one who has it."""
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    have = {part.strip().removeprefix("W/") for part in _none_match(request).split(",")}
    if status == 200 and (etag in have or "*" in have):
        return Response(status_code=304, headers=headers)
    # As a header: Starlette adds a charset to some kinds, by its release.
    return Response(body, status, {**headers, "content-type": media})


def _none_match(request: Request) -> str:
    return str(request.headers.get("if-none-match", ""))
