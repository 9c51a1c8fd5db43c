"""Whether Nova sees a host's nova-compute.

Nova is asked by a process of its own, which is killed when it takes too long: while a name server
is silent, a process does not even come to notice that its time is up, and a monitor that runs into
its time-out is a failure, for which Pacemaker would restart a nova-compute that is all right.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

from novaha.contract import proc
from novaha.core.errors import NovahaError


def ask(parameters: Mapping[str, str], node: str, seconds: float) -> str:
    """What is wrong with Nova's view of this node's nova-compute, "" when nothing is.

    parameters: of the resource, as novaha.conf.load takes them; they go over standard input, never
    in arguments (law 9).
    """
    try:
        done = subprocess.run(
            proc.of_module(__name__),
            input=json.dumps({"parameters": dict(parameters), "node": node}).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"Nova cannot be asked about this host: no answer within {seconds:.0f} s"
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"Nova cannot be asked about this host: {said[-1] if said else 'killed'}"
    return done.stdout.decode("utf-8", "replace").strip()


def main() -> int:
    """Ask, by what standard input says, and print what `ask` returns."""
    given = json.load(sys.stdin)
    try:
        print(_seen(given["parameters"], given["node"]))
    except NovahaError as error:
        print(f"Nova cannot be asked about this host: {error}")
    return 0


def _seen(parameters: Mapping[str, str], node: str) -> str:
    """As `ask`; raises NovahaError when Nova cannot be asked."""
    from novaha import wiring
    from novaha.evacuator.names import Names
    from novaha.evacuator.prefetch import by_host

    conf = wiring.conf(parameters)
    services = by_host(wiring.nova(conf))
    names = Names(conf.nova.host_names, conf.nova.domain)
    service = services[names.host(node, frozenset(services))]
    if service.forced_down:
        return f"nova-compute runs, but {service.host} is forced down in Nova"
    return "" if service.up else f"nova-compute runs, but Nova has no heartbeat of {service.host}"


if __name__ == "__main__":
    sys.exit(main())
