"""The few things that can be done over HTTP: what an operator types into a terminal otherwise.

Apart from reading: switched on by `writes`, for who may write, each with the host typed once more
and the fencing that is meant. None of them evacuates anything: Pacemaker's word is needed as ever.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novaha.core import text
from novaha.core.errors import NovahaError
from novaha.web.access import RefusedError, Who
from novaha.web.guard import WHO
from novaha.web.operation import Operation, Parameter, answered, checked, packed
from novaha.web.schemas import STRING

LOG = logging.getLogger(__name__)

_PATIENCE = 10.0
"""Seconds in which an action is done, or goes on without who asked: a fencing takes its time."""

_LONGEST = 500
"""Characters of a reason."""

OF_HOST = ("retry", "release", "proceed")
OF_ALL = ("pause", "resume")
_OF_FENCING = ("retry", "release")

_TOLD = {
    "retry": "Have a fenced host's recovery done again from the beginning.",
    "release": "Stop a host's recovery, or let one in that is kept out of service.",
    "proceed": "Let a host be powered off whose power-off is held.",
    "pause": "Stop fencing and new recoveries.",
    "resume": "End a pause.",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. host: "" where all are meant. fence_id: the fencing that is meant, ""
    for none. reason: why. by: who has asked. duration: of a pause, as 30m, "" without end."""

    host: str
    fence_id: str
    reason: str
    by: str
    duration: str = ""


Act = Callable[[Order], str]
"""Does it, and says what was done. Blocks; raises NovahaError for what cannot be."""


class Actions:
    """The actions that there are, one after another."""

    def __init__(self, acts: Mapping[str, Act]) -> None:
        self._acts = acts
        self._pool = ThreadPoolExecutor(1, "act")
        self._going_on: set[asyncio.Future[str]] = set()

    def operations(self) -> tuple[Operation, ...]:
        """What can be asked for."""
        node = Parameter("node", "Pacemaker's name", STRING, path=True)
        described = [self._one("/v1/hosts/{node}/", name, (node,)) for name in OF_HOST]
        described += [self._one("/v1/", name, ()) for name in OF_ALL]
        me = Operation("/v1/me", "getMe", "Who asks, and what they may do.", self.me, "Me")
        return (me, *(one for one in described if one.path.rpartition("/")[2] in self._acts))

    async def me(self, request: Request) -> Response:
        """GET /v1/me."""
        checked(request, ())
        who: Who = request.scope[WHO]
        may = [*self._acts] if who.may_write else []
        return answered(request, *packed({"name": who.name, "actions": may}))

    def _one(self, place: str, name: str, parameters: tuple[Parameter, ...]) -> Operation:
        async def answer(request: Request) -> Response:
            who: Who = request.scope[WHO]
            if not who.may_write:
                raise RefusedError(403, "you may read here, and change nothing")
            checked(request, ())
            order = _order(name, request.path_params.get("node", ""), await _body(request), who)
            return await self._do(name, order)

        schema = {"pause": "Pause", "resume": "Resume", "proceed": "Proceed"}.get(name, "OfFencing")
        return Operation(
            f"{place}{name}",
            name,
            _TOLD[name],
            answer,
            "Done",
            parameters=parameters,
            method="POST",
            body=schema,
        )

    async def _do(self, name: str, order: Order) -> Response:
        what = f"{name} {order.host}".strip()
        LOG.warning("%s is asked for by %s: %s", what, order.by, order.reason)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, self._acts[name], order)
        self._going_on.add(future)
        future.add_done_callback(lambda done: self._ended(what, done))
        done, _ = await asyncio.wait({future}, timeout=_PATIENCE)
        if not done:
            said = f"{what} is under way: the state of the host shows what comes of it"
            return JSONResponse({"done": said}, 202)
        try:
            return JSONResponse({"done": text.line(future.result())})
        except NovahaError as error:
            raise RefusedError(409, text.line(error)) from None

    def _ended(self, what: str, future: asyncio.Future[str]) -> None:
        self._going_on.discard(future)
        if error := future.exception():
            LOG.warning("%s is not done: %s", what, text.line(error))


async def _body(request: Request) -> Mapping[str, Any]:
    """An object of JSON. A form of a page of somebody else's cannot send that."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, "the body has to be application/json")
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is no JSON") from None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise RefusedError(400, "the body has to be an object of texts")
    return found


def _order(name: str, node: str, body: Mapping[str, str], who: Who) -> Order:
    """The order, if it is whole. Raises RefusedError (400)."""
    known = {"reason", "confirm", *(["fence_id"] if name in _OF_FENCING else [])}
    known |= {"duration"} if name == "pause" else set()
    if unknown := {*body} - known:
        raise RefusedError(400, f"{len(unknown)} unknown: there are {', '.join(sorted(known))}")
    wanted = node or name
    if body.get("confirm") != wanted:
        raise RefusedError(400, f"confirm has to be '{text.line(wanted, longest=100)}', typed")
    reason = body.get("reason", "").strip()
    if not reason or len(reason) > _LONGEST:
        raise RefusedError(400, f"a reason has to be given, of {_LONGEST} characters at most")
    fence_id = body.get("fence_id", "")
    if name in _OF_FENCING and not fence_id:
        raise RefusedError(400, "fence_id has to be that of the fencing which is meant")
    return Order(node, fence_id, text.line(reason), who.name, body.get("duration", ""))
