"""What the alert wakes in marks 1 and 7: a script that does nothing but ask Nova.

It sends the force-down, then one evacuation after the other. It reads no record and no history,
claims nothing, looks at no instance and tries nothing twice: nobody could run it on a cluster.
Either it is started anew, signs in and asks what is on the host; or it has waited and was told all
that before, which nothing can be quicker than.

Runs on a controller, on the standard library alone.
"""

from __future__ import annotations

import grp
import http.client
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

WANTED = "NOVAHA_BENCH_BARE"
"""Variable of the environment: a token does not go into an argument list."""

TEXT = "NOVAHA_BENCH_BARE_TEXT"
"""This file, which the controller need not have; set where it is to be started anew."""


def main(text: str) -> None:
    """Wait for the bell, then ask. Prints "ready", and when each evacuation was accepted.

    text: JSON with bell (a path, "" when it has rung), node, keystone and nova (address and port),
    microversion, login (the body of a sign-in); and token, service (the node's nova-compute) and
    instances (what was on the node), "" or empty where it has to ask.
    """
    wanted = json.loads(text)
    if wanted["bell"]:
        bell = _pipe(Path(wanted["bell"]))
        print("ready", flush=True)
        _wait(bell, wanted["node"])
        if program := os.environ.get(TEXT):
            again = {**os.environ, WANTED: json.dumps({**wanted, "bell": ""})}
            os.execve(sys.executable, [sys.executable, "-I", "-c", program], again)  # noqa: S606
    ask = _Nova(wanted)
    where = f"host={wanted['node']}"
    service = wanted["service"]
    if not service:
        service = ask("GET", f"/os-services?binary=nova-compute&{where}")["services"][0]["id"]
    ask("PUT", f"/os-services/{service}", {"forced_down": True})
    instances = wanted["instances"]
    if not instances:
        found = ask("GET", f"/servers?all_tenants=1&{where}")["servers"]
        instances = [server["id"] for server in found]
    for instance in instances:
        ask("POST", f"/servers/{instance}/action", {"evacuate": {}})
        print(time.time(), flush=True)


def _pipe(path: Path) -> int:
    """The pipe that the alert writes to, made as the evacuator makes it."""
    group = grp.getgrnam("haclient").gr_gid
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.chown(path.parent, -1, group)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    os.chown(path, -1, group)
    path.chmod(0o660)
    return os.open(path, os.O_RDWR)


def _wait(bell: int, node: str) -> None:
    rest = b""
    while True:
        *lines, rest = (rest + os.read(bell, 4096)).split(b"\n")
        if node.encode() in lines:
            return


class _Nova:
    """Signed in, by one connection."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._nova = _connection(wanted["nova"])
        self._headers = {
            "Content-Type": "application/json",
            "X-Auth-Token": wanted["token"] or _token(wanted),
            "OpenStack-API-Version": f"compute {wanted['microversion']}",
        }

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body)
        self._nova.request(method, f"/v2.1{path}", data, self._headers)
        answer = self._nova.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        return json.loads(said or "null")


def _connection(where: tuple[str, int]) -> http.client.HTTPConnection:
    address, port = where
    return http.client.HTTPConnection(address, port, timeout=60)


def _token(wanted: dict[str, Any]) -> str:
    keystone = _connection(wanted["keystone"])
    headers = {"Content-Type": "application/json"}
    keystone.request("POST", "/v3/auth/tokens", json.dumps(wanted["login"]), headers)
    answer = keystone.getresponse()
    if answer.status >= 300:
        raise SystemExit(f"sign in: {answer.status} {answer.read().decode(errors='replace')}")
    return str(answer.headers["X-Subject-Token"])


if __name__ == "__main__":
    main(os.environ[WANTED])
