"""The floor of marks 1 and 7: a script that the alert wakes, and that does nothing but ask Nova.

It sends the force-down, then one evacuation after the other. It reads no record and no history,
claims nothing, looks at no instance and tries nothing twice: nobody could run it on a cluster.

Runs on a controller, on the standard library alone.
"""

from __future__ import annotations

import grp
import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

WANTED = "NOVAHA_BENCH_BARE"
"""Variable of the environment: a token does not go into an argument list."""


def main(text: str) -> None:
    """Wait for the bell, then ask. Prints "ready", and when each evacuation was accepted.

    text: JSON with bell (a path), node, address, port, token, service (the node's nova-compute),
    instances (what was on the node) and microversion.
    """
    wanted = json.loads(text)
    bell = _pipe(Path(wanted["bell"]))
    print("ready", flush=True)
    _wait(bell, wanted["node"])
    nova = http.client.HTTPConnection(wanted["address"], wanted["port"], timeout=60)
    _ask(nova, wanted, "PUT", f"/os-services/{wanted['service']}", {"forced_down": True})
    for instance in wanted["instances"]:
        _ask(nova, wanted, "POST", f"/servers/{instance}/action", {"evacuate": {}})
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


def _ask(
    nova: http.client.HTTPConnection, wanted: dict[str, Any], method: str, path: str, body: object
) -> None:
    headers = {
        "Content-Type": "application/json",
        "X-Auth-Token": wanted["token"],
        "OpenStack-API-Version": f"compute {wanted['microversion']}",
    }
    nova.request(method, f"/v2.1{path}", json.dumps(body), headers)
    answer = nova.getresponse()
    said = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")


if __name__ == "__main__":
    main(os.environ[WANTED])
