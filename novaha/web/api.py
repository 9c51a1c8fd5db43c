"""The read API: health, hosts, instances, recoveries, plan, and a stream of changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from novaha.core import text
from novaha.core.steps import Progress
from novaha.web.access import RefusedError
from novaha.web.operation import Operation, Parameter, answered, checked, number, packed
from novaha.web.schemas import STRING
from novaha.web.shared import NotReadError, Shared
from novaha.web.state import Data, State, page

_LIMIT, _MOST = 100, 1000
"""Items of a page."""

_MADE = 500
"""Answers of one reading that are kept for the next who asks."""

_PAGED = (
    Parameter(
        "limit",
        "items of a page",
        {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _LIMIT},
    ),
    Parameter("marker", "`next` of the page before", STRING),
)
_HOST = Parameter("host", "only of this host, by Pacemaker's name", STRING)
_PROGRESS = Parameter(
    "progress", "only of these, with commas between", {**STRING, "example": "refused,waiting"}
)
_STATE = Parameter("state", "only of these states, with commas between", STRING)
_TEXT = Parameter("search", "only with this in the name, the id or a host", STRING)

_STALE = 30.0
"""Seconds after which what is shown is so old that somebody has to look."""


class Api:
    """Answers from what is shared."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        node = Parameter("node", "Pacemaker's name", STRING, path=True)
        return (
            Operation(
                "/v1/health",
                "getHealth",
                "The verdict, and what an operator must do.",
                self.health,
                "Health",
            ),
            self._list("/v1/hosts", "listHosts", "Compute hosts.", "hosts", (_STATE, _TEXT)),
            self._one("/v1/hosts/{node}", "getHost", "One compute host.", "Host", node),
            self._list(
                "/v1/instances",
                "listInstances",
                "Instances of the recoveries that there are.",
                "instances",
                (_HOST, _PROGRESS, _TEXT),
            ),
            self._one(
                "/v1/instances/{id}",
                "getInstance",
                "One instance of a recovery.",
                "Instance",
                Parameter("id", "its UUID", STRING, path=True),
            ),
            self._list(
                "/v1/recoveries",
                "listRecoveries",
                "Recoveries that are not closed, the oldest first.",
                "recoveries",
                (_STATE,),
            ),
            self._one(
                "/v1/recoveries/{id}",
                "getRecovery",
                "One recovery.",
                "Recovery",
                Parameter("id", "of the fencing", STRING, path=True),
            ),
            self._list(
                "/v1/plan",
                "getPlan",
                "What recoveries have yet to do, in their order, and what each waits for.",
                "plan",
                (_HOST, _PROGRESS),
            ),
            Operation(
                "/v1/events",
                "watch",
                "Server-sent events: `state` at each change, with the health and the recoveries.",
                self.events,
                media="text/event-stream",
            ),
        )

    async def state(self) -> State:
        """What was read last. Raises RefusedError (503)."""
        try:
            return await self._shared.latest()
        except NotReadError as error:
            raise RefusedError(503, str(error)) from None

    async def health(self, request: Request) -> Response:
        """GET /v1/health."""
        checked(request, ())
        return answered(request, *packed(self._health(await self.state())))

    def _health(self, state: State) -> Data:
        problem, age = self._shared.problem, max(0.0, self._shared.age)
        found = {**state.health, "problem": text.line(problem), "age": round(age, 1)}
        if problem and age > _STALE:
            said = f"the cluster could not be read here for {age:.0f} s: {text.line(problem)}"
            found["verdict"] = "ATTENTION"
            found["todo"] = [{"text": said, "commands": ["novaha status"]}, *found["todo"]]
        return found

    async def events(self, request: Request) -> Response:
        """GET /v1/events."""
        checked(request, ())
        await self.state()
        return StreamingResponse(
            self._stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )

    async def _stream(self) -> AsyncIterator[bytes]:
        async for change in self._shared.changes():
            if change is None:
                yield b": still here\n\n"
                continue
            count, state = change
            key = ("event", count)
            if key not in state.made:
                told = {
                    "number": count,
                    "health": self._health(state),
                    "recoveries": state.recoveries,
                }
                said = json.dumps(told, separators=(",", ":")).encode()
                state.made[key] = b"event: state\nid: %d\ndata: %s\n\n" % (count, said)
            yield state.made[key]

    def _list(
        self, path: str, name: str, told: str, what: str, filters: tuple[Parameter, ...]
    ) -> Operation:
        parameters = (*filters, *_PAGED)

        async def answer(request: Request) -> Response:
            query = checked(request, parameters)
            state = await self.state()
            made = (path, tuple(sorted(query.items())))
            if made not in state.made:
                found = packed(_page(what, state, query))
                if len(state.made) < _MADE:
                    state.made[made] = found
                return answered(request, *found)
            return answered(request, *state.made[made])

        schema = {"hosts": "Hosts", "instances": "Instances", "plan": "Plan"}.get(what)
        return Operation(path, name, told, answer, schema or "Recoveries", parameters=parameters)

    def _one(self, path: str, name: str, told: str, schema: str, key: Parameter) -> Operation:
        async def answer(request: Request) -> Response:
            checked(request, ())
            state = await self.state()
            wanted = str(request.path_params[key.name])
            what = {"Host": state.hosts, "Instance": state.instances}.get(schema)
            items = state.recoveries if what is None else what
            for item in items:
                if item[key.name] == wanted:
                    return answered(request, *packed(item))
            raise RefusedError(404, _missing(schema))

        return Operation(path, name, told, answer, schema, parameters=(key,))


def _missing(schema: str) -> str:
    return {
        "Host": "there is no such compute host in the cluster",
        "Instance": "no recovery that is not closed has this instance",
    }.get(schema, "there is no such recovery, or it is closed")


_KEYS: Mapping[str, Callable[[Data], str]] = {
    "hosts": lambda host: str(host["node"]),
    "instances": lambda instance: f"{instance['id']},{instance['host']}",
    "recoveries": lambda recovery: f"{recovery['fenced']},{recovery['id']}",
}


def _page(what: str, state: State, query: Mapping[str, str]) -> Data:
    limit = number(query, "limit", _LIMIT, _MOST)
    items = _chosen(getattr(state, what), query)
    if what == "plan":  # in its own order: the marker is a place in it
        begin = number({"marker": query.get("marker") or "1"}, "marker", 1, 10**8) - 1
        part: Sequence[Data] = items[begin : begin + limit]
        following = str(begin + limit + 1) if begin + limit < len(items) else ""
    else:
        part, following = page(items, _KEYS[what], query.get("marker", ""), limit)
    return {what: list(part), "total": len(items), "next": following}


def _chosen(items: Sequence[Data], query: Mapping[str, str]) -> Sequence[Data]:
    tests: list[Callable[[Data], bool]] = []
    if host := query.get("host"):
        tests.append(lambda item: bool(item["host"] == host))
    if progress := query.get("progress"):
        wanted = {*progress.split(",")}
        if not wanted <= {str(known) for known in Progress}:
            raise RefusedError(400, f"progress is one of {', '.join(map(str, Progress))}")
        tests.append(lambda item: item["progress"] in wanted)
    if states := query.get("state"):
        kept = {*states.split(",")}
        tests.append(lambda item: item["state"] in kept)
    if search := query.get("search", "").lower():
        tests.append(lambda item: search in _searched(item))
    return [item for item in items if all(test(item) for test in tests)] if tests else items


def _searched(item: Mapping[str, Any]) -> str:
    keys = ("node", "host", "id", "name", "where", "detail")
    return "\n".join(str(item.get(key) or "") for key in keys).lower()
