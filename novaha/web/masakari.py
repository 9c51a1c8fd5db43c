"""Masakari's API (instance-ha 1.0 to 1.3), to read: segments, hosts, notifications, VM moves.

For what knows Masakari: `openstack notification list`, openstacksdk, Horizon's panels. A host's
recovery is a notification, its instances are VM moves. Nothing that is posted begins a recovery:
Pacemaker's fencing does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from novaha.core.recovery import RecoveryState
from novaha.core.steps import Progress
from novaha.web.access import RefusedError
from novaha.web.state import Data, State

PLACE = "/instance-ha"
_LEAST, _NEWEST = (1, 0), (1, 3)
_WITH_DETAILS, _WITH_ENABLED, _WITH_MOVES = (1, 1), (1, 2), (1, 3)
_SERVICE = "instance-ha"
_MOST = 1000
_OURS = UUID("2f8f5d5e-5b0c-5a53-9a0e-6e0f0b6f7a11")
SEGMENT = str(uuid5(_OURS, "segment"))
"""The one segment: novaha recovers to whatever host Nova's scheduler chooses."""

_STATUS = {
    str(RecoveryState.PENDING): "new",
    str(RecoveryState.RUNNING): "running",
    str(RecoveryState.RECOVERED): "finished",
}
_MOVE = {
    str(Progress.WAITING): "pending",
    str(Progress.PREPARING): "ongoing",
    str(Progress.MOVING): "ongoing",
    str(Progress.RESTORING): "ongoing",
    str(Progress.SETTLED): "succeeded",
    str(Progress.REFUSED): "failed",
    str(Progress.EXCLUDED): "ignored",
    str(Progress.RELEASED): "ignored",
}
_FILTERS = {
    "segments": ("recovery_method", "service_type"),
    "hosts": ("type", "failover_segment_id", "on_maintenance", "reserved"),
    "notifications": ("type", "status", "source_host_uuid"),
    "vmoves": ("type", "status"),
}

Version = tuple[int, int]
Read = Callable[[], Any]
Make = Callable[[State, Request, Version], Any]


def routes(state: Read) -> list[Route]:
    """The routes. state: awaited for what was read last; raises RefusedError."""
    within = f"{PLACE}/v1"

    def served(path: str, make: Make, least: Version = _LEAST) -> Route:
        async def answer(request: Request) -> Response:
            version = _version(request)
            if request.method not in ("GET", "HEAD"):
                raise RefusedError(
                    403,
                    "novaha takes no notifications and no changes here: a recovery begins with "
                    "Pacemaker's fencing",
                )
            if version < least:
                raise RefusedError(404, f"that is there from microversion {_text(least)} on")
            return _versioned(make(await state(), request, version), version)

        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Route(path, answer, methods=every)

    async def discovered(request: Request) -> Response:
        one = _about(request)
        single = request.url.path.rstrip("/").endswith("/v1")
        content = {"version": one} if single else {"versions": [one]}
        return JSONResponse(content)

    return [
        *(Route(path, discovered) for path in (PLACE, f"{PLACE}/", within, f"{within}/")),
        served(f"{within}/segments", _segments),
        served(f"{within}/segments/{{segment}}", _segment),
        served(f"{within}/segments/{{segment}}/hosts", _hosts),
        served(f"{within}/segments/{{segment}}/hosts/{{host}}", _host),
        served(f"{within}/notifications", _notifications),
        served(f"{within}/notifications/{{notification}}", _notification),
        served(f"{within}/notifications/{{notification}}/vmoves", _moves, _WITH_MOVES),
        served(f"{within}/notifications/{{notification}}/vmoves/{{move}}", _one_move, _WITH_MOVES),
    ]


def _about(request: Request) -> Data:
    return {
        "id": "v1.0",
        "status": "CURRENT",
        "version": _text(_NEWEST),
        "min_version": _text(_LEAST),
        "updated": "2023-07-01T00:00:00Z",
        "links": [{"rel": "self", "href": f"{str(request.base_url).rstrip('/')}{PLACE}/v1/"}],
    }


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _version(request: Request) -> Version:
    """The microversion that is asked for; the least one without. Raises RefusedError."""
    for part in str(request.headers.get("openstack-api-version", "")).split(","):
        service, _, wanted = part.strip().partition(" ")
        if service != _SERVICE:
            continue
        if wanted == "latest":
            return _NEWEST
        found = re.fullmatch(r"([1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})", wanted)
        if not found:
            raise RefusedError(400, "the microversion is none")
        version = int(found[1]), int(found[2])
        if not _LEAST <= version <= _NEWEST:
            raise RefusedError(406, f"there are {_text(_LEAST)} to {_text(_NEWEST)}")
        return version
    return _LEAST


def _versioned(content: Any, version: Version) -> Response:
    name = "OpenStack-API-Version"
    return JSONResponse(content, headers={name: f"{_SERVICE} {_text(version)}", "Vary": name})


def _listed(what: str, key: str, items: Sequence[Data], request: Request) -> Data:
    """A page of a list: filters, sort_key and sort_dir, limit and marker as Masakari has them."""
    query: Mapping[str, str] = request.query_params
    for name in _FILTERS[what]:
        if wanted := query.get(name):
            items = [item for item in items if str(item[name]).lower() == wanted.lower()]
    if since := query.get("generated-since"):
        items = [item for item in items if item.get("generated_time", "") >= since[:26]]
    if (by := query.get("sort_key")) and items:
        if by not in items[0]:
            raise RefusedError(400, "sort_key names no key")
        downwards = query.get("sort_dir", "desc").lower() != "asc"
        items = sorted(items, key=lambda item: str(item[by]), reverse=downwards)
    if marker := query.get("marker"):
        # openstacksdk sends the id, Masakari's own client the UUID.
        places = [n for n, item in enumerate(items) if marker in (item[key], str(item["id"]))]
        if not places:
            raise RefusedError(400, "marker names nothing that is there")
        items = items[places[0] + 1 :]
    limit = query.get("limit", str(_MOST))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise RefusedError(400, "limit has to be a number")
    return {what: list(items[: min(int(limit) or _MOST, _MOST)])}


def _found(items: Sequence[Data], key: str, wanted: str, what: str) -> Data:
    for item in items:
        if item[key] == wanted:
            return item
    raise RefusedError(404, f"there is no {what} of this id")


def _time(moment: str) -> str:
    """As Masakari writes it: UTC, without a zone."""
    return f"{moment[:19]}.000000"


def _the_segment(version: Version, began: str = "1970-01-01T00:00:00.000000") -> Data:
    found = {
        "id": 1,
        "uuid": SEGMENT,
        "name": "novaha",
        "description": "The compute hosts that novaha looks after",
        "service_type": "COMPUTE",
        "recovery_method": "auto",
        "created_at": began,
        "updated_at": None,
    }
    return {**found, "enabled": True} if version >= _WITH_ENABLED else found


def _segments(state: State, request: Request, version: Version) -> Data:
    return _listed("segments", "uuid", [_the_segment(version)], request)


def _segment(state: State, request: Request, version: Version) -> Data:
    found = _found([_the_segment(version)], "uuid", request.path_params["segment"], "segment")
    return {"segment": found}


def _all_hosts(state: State, request: Request, version: Version) -> Sequence[Data]:
    segment = _segment(state, request, version)["segment"]
    return [
        {
            "id": number,
            "uuid": host_id(host["node"]),
            "name": host.get("host") or host["node"],
            "type": "COMPUTE",
            "control_attributes": "pacemaker",
            "reserved": False,
            "on_maintenance": host["state"] != "healthy",
            "failover_segment_id": SEGMENT,
            "failover_segment": segment,
            "created_at": segment["created_at"],
            "updated_at": None,
        }
        for number, host in enumerate(state.hosts, 1)
    ]


def host_id(node: str) -> str:
    """The id of a host: always the same for the same name."""
    return str(uuid5(_OURS, f"host {node}"))


def _hosts(state: State, request: Request, version: Version) -> Data:
    return _listed("hosts", "uuid", _all_hosts(state, request, version), request)


def _host(state: State, request: Request, version: Version) -> Data:
    hosts = _all_hosts(state, request, version)
    return {"host": _found(hosts, "uuid", request.path_params["host"], "host")}


def _all_notifications(state: State, version: Version, *, details: bool = False) -> Sequence[Data]:
    return [
        {
            "id": number,
            "notification_uuid": recovery["id"],
            "type": "COMPUTE_HOST",
            "hostname": recovery["host"] or recovery["node"],
            "source_host_uuid": host_id(recovery["node"]),
            "status": _status(recovery),
            "generated_time": _time(recovery["fenced"]),
            "created_at": _time(recovery["fenced"]),
            "updated_at": None,
            "payload": {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"},
            **({"recovery_workflow_details": []} if details and version >= _WITH_DETAILS else {}),
        }
        for number, recovery in enumerate(state.recoveries, 1)
    ]


def _status(recovery: Data) -> str:
    refused = recovery["counts"].get(str(Progress.REFUSED), 0)
    if recovery["state"] == RecoveryState.RECOVERED and refused:
        return "failed"
    return _STATUS[recovery["state"]]


def _notifications(state: State, request: Request, version: Version) -> Data:
    found = _all_notifications(state, version)
    return _listed("notifications", "notification_uuid", found, request)


def _notification(state: State, request: Request, version: Version) -> Data:
    found = _all_notifications(state, version, details=True)
    wanted = request.path_params["notification"]
    return {"notification": _found(found, "notification_uuid", wanted, "notification")}


def _all_moves(state: State, request: Request) -> Sequence[Data]:
    wanted = request.path_params["notification"]
    recovery = _found(state.recoveries, "id", wanted, "notification")
    source = recovery["host"] or recovery["node"]
    mine = [one for one in state.instances if one["host"] == recovery["node"]]
    return [
        {
            "id": number,
            "uuid": str(uuid5(_OURS, f"{wanted} {one['id']}")),
            "notification_uuid": wanted,
            "instance_uuid": one["id"],
            "instance_name": one["name"],
            "source_host": source,
            "dest_host": one["where"] if one["where"] != source else None,
            "start_time": None,
            "end_time": None,
            "type": "evacuation",
            "status": _MOVE[one["progress"]],
            "message": one["detail"],
            "created_at": _time(recovery["fenced"]),
            "updated_at": None,
        }
        for number, one in enumerate(mine, 1)
    ]


def _moves(state: State, request: Request, version: Version) -> Data:
    return _listed("vmoves", "uuid", _all_moves(state, request), request)


def _one_move(state: State, request: Request, version: Version) -> Data:
    moves = _all_moves(state, request)
    return {"vmove": _found(moves, "uuid", request.path_params["move"], "VM move")}
