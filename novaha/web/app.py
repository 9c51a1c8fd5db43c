"""The application: its routes, behind the guard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from novaha.conf.serve import Settings
from novaha.web import masakari
from novaha.web.access import Access, RefusedError, Tokens, hosts_of
from novaha.web.actions import Act, Actions
from novaha.web.api import Api
from novaha.web.guard import Guard, Rates, error
from novaha.web.keystone import Keystone
from novaha.web.openapi import document, route
from novaha.web.operation import Operation, answered, etag_of, packed
from novaha.web.shared import Shared

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The page: path to file and kind."""


def create(
    settings: Settings,
    shared: Shared,
    tokens: Tokens | None = None,
    acts: Mapping[str, Act] | None = None,
) -> Guard:
    """The whole application, for an ASGI server.

    tokens: instead of Keystone. acts: what can be done, if the settings let anything be done.
    """
    if tokens is None and settings.keystone_url:
        tokens = Keystone(settings.keystone_url, settings.keystone_cafile)
    allowed = (acts or {}) if settings.writes else {}
    api = Api(shared)
    operations = (*api.operations(), *Actions(allowed).operations())
    app = Starlette(
        routes=[
            *_routes(operations),
            _description(operations),
            *_page(),
            *masakari.routes(api.state),
        ],
        exception_handlers={RefusedError: _refused, HTTPException: _unknown, Exception: _failed},
    )
    return Guard(app, Access(settings, tokens), hosts_of(settings), Rates(settings.max_rate))


def _routes(operations: tuple[Operation, ...]) -> list[Route]:
    return [
        Route(route(operation.path), operation.answer, methods=[operation.method])
        for operation in operations
    ]


def _description(operations: tuple[Operation, ...]) -> Route:
    body, etag = packed(document(operations))

    async def described(request: Request) -> Response:
        return answered(request, body, etag)

    return Route("/openapi.json", described)


def _page() -> list[Route]:
    """The page's own files, which are the same for everybody."""
    return [_file(path, *of_page(name), media) for path, (name, media) in PAGE.items()]


def of_page(name: str) -> tuple[bytes, str]:
    """One of the page's files, and its ETag."""
    body = (Path(__file__).parent / "page" / name).read_bytes()
    return body, etag_of(body)


def _file(path: str, body: bytes, etag: str, media: str) -> Route:
    async def answer(request: Request) -> Response:
        return answered(request, body, etag, media=media)

    return Route(path, answer)


async def _refused(request: Request, refused: Exception) -> Response:
    status = refused.status if isinstance(refused, RefusedError) else 500
    return JSONResponse(error(status, str(refused)), status)


async def _unknown(request: Request, found: Exception) -> Response:
    status = found.status_code if isinstance(found, HTTPException) else 500
    told = {404: "there is nothing of this name", 405: "that cannot be done with it"}
    headers = getattr(found, "headers", None)
    return JSONResponse(error(status, told.get(status, "refused")), status, headers)


async def _failed(request: Request, found: Exception) -> Response:
    return JSONResponse(error(500, "internal error: the log of novaha serve has it"), 500)
