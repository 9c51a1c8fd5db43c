"""A controller's surroundings on this machine, apart from the rest of it.

Namespaces of its own; in them corosync and Pacemaker's own CIB manager, attribute manager and
fencer: cibadmin, stonith_admin and our agents work on them as in any cluster. Nothing schedules
and nothing is started, so the compute hosts need not exist. Stand-ins are `crm_node`, which asks
the controller daemon, and the power device, which cuts nothing.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from novahabench.machine import ROOT
from novahabench.mark import BenchError

T = TypeVar("T")

CACHE = Path(os.environ.get("NOVAHA_BENCH_DIR") or ROOT / ".bench")
DAEMONS = Path("/usr/lib/pacemaker")
NODE = "controller-1"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_NEW = 0x00020000 | 0x40000000 | 0x08000000 | 0x04000000
"""CLONE_NEWNS, NEWNET, NEWIPC, NEWUTS (sched.h): mounts, network, IPC, host name."""

_OWN = ("/run", "/dev/shm", "/var/log", "/var/lib/corosync", "/var/lib/pacemaker")  # noqa: S108

_TOOLS = ("corosync", "cibadmin", "stonith_admin", "unshare")
"""If one is missing, the lab's installer brings them all."""

_READY = 240.0

_POWER = """\
#!/bin/sh
# A stand-in for a power device: every action succeeds at once.
case $(sed -n 's/^action=//p') in
metadata) cat <<END
<?xml version="1.0"?><resource-agent name="fence_apc" shortdesc="stands in for one">
<parameters><parameter name="port"><content type="string"/></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="monitor"/></actions></resource-agent>
END
;;
esac
"""

_COROSYNC = """\
totem {
  version: 2
  cluster_name: bench
  transport: udpu
}
system {
  sched_rr: no
  move_to_root_cgroup: no
}
quorum {
  provider: corosync_votequorum
}
logging {
  to_logfile: no
  to_stderr: yes
  to_syslog: no
}
nodelist {
  node {
    ring0_addr: 127.0.0.1
    name: %s
    nodeid: 1
  }
}
"""


def inside(measure: Callable[[World], Iterable[T]], cib: str) -> Iterator[T]:
    """What `measure` yields in such surroundings with this CIB; they are gone afterwards.

    Raises BenchError when they cannot be made.
    """
    if os.geteuid() != 0:
        raise BenchError("it makes namespaces: run it as root")
    if any(shutil.which(tool, path=SYSTEM_PATH) is None for tool in _TOOLS):
        run([str(ROOT / "lab" / "lab"), "install"], timeout=1800)
    # A thread has namespaces of its own, and so has what it starts.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_leave).result()
        items = _in(cib, measure)
        try:
            while found := thread.submit(lambda: [*_one(items)]).result():
                yield found[0]
        finally:
            thread.submit(items.close).result()


def _one(items: Iterator[T]) -> Iterator[T]:
    for item in items:
        yield item
        return


def _in(cib: str, measure: Callable[[World], Iterable[T]]) -> Generator[T, None, None]:
    with World(cib) as world:
        yield from measure(world)


def _leave() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW) != 0:
        raise BenchError(f"no namespaces of its own: {os.strerror(ctypes.get_errno())}")
    for argv in (
        ["mount", "--make-rprivate", "/"],
        *(["mount", "-t", "tmpfs", "tmpfs", directory] for directory in _OWN),
        ["ip", "link", "set", "lo", "up"],
        ["hostname", NODE],
    ):
        subprocess.run(argv, check=True)


class World:
    """Daemons, agents and an environment to run them in. bin: a directory first in PATH."""

    def __init__(self, cib: str) -> None:
        self._cib = cib
        self._stack = ExitStack()

    def __enter__(self) -> World:
        try:
            self._make()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _make(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="novaha-bench-"))
        self.directory.chmod(0o755)
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        self.script("crm_node", f"#!/bin/sh\necho {NODE}\n")
        self.environment = {
            "PATH": f"{self.bin}:{SYSTEM_PATH}",
            "OCF_ROOT": str(self.directory / "ocf"),
            "HA_RSCTMP": "/run/resource-agents",
            "LC_ALL": "C.UTF-8",
        }
        Path("/run/resource-agents").mkdir()
        self._install()
        self._pacemaker()

    def script(self, name: str, text: str) -> None:
        """A program in PATH."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def _install(self) -> None:
        """The agents, as an operator installs them, but not into the system's directories."""
        self.novaha = Path(sys.executable).parent / "novaha"
        argv = [str(self.novaha), "install-agents"]
        argv += ["--ocf-root", str(self.directory / "ocf"), "--sbin", str(self.directory / "sbin")]
        argv += ["--alerts", str(self.directory / "alerts"), "--no-completion"]
        run(argv)
        self.resource_agents = self.directory / "ocf" / "resource.d" / "openstack"
        self.fence_compute = self.directory / "sbin" / "fence_compute"
        self.alert = self.directory / "alerts" / "novaha_alert"
        power = self.directory / "power"
        power.write_text(_POWER)
        power.chmod(0o755)
        self.lay_over("/usr/sbin")  # where the fencer looks
        for ours, name in ((self.fence_compute, "fence_compute"), (power, "fence_apc")):
            place = Path("/usr/sbin") / name
            place.unlink(missing_ok=True)
            shutil.copy(ours, place)

    def _pacemaker(self) -> None:
        home, logs = Path("/var/lib/pacemaker"), Path("/var/log/pacemaker")
        for directory in (home / "cib", home / "cores", home / "blackbox", logs):
            directory.mkdir()
            shutil.chown(directory, "hacluster", "haclient")
        for directory in (Path("/run/corosync"), Path("/var/log/corosync")):
            directory.mkdir()
        Path("/dev/shm").chmod(0o1777)  # noqa: S108 (what corosync uses)
        file = home / "cib" / "cib.xml"
        file.write_text(self._cib)
        file.chmod(0o600)
        shutil.chown(file, "hacluster", "haclient")
        configuration = self.directory / "corosync.conf"
        configuration.write_text(_COROSYNC % NODE)
        self.start("corosync", ["corosync", "-f", "-c", str(configuration)])
        quorum = ["corosync-quorumtool", "-s"]
        self.wait("corosync", partial(_works, quorum))
        for name, question in (
            ("pacemaker-based", ["cibadmin", "--query", "--xpath", "//nodes"]),
            ("pacemaker-attrd", ["attrd_updater", "--name", "bench", "--update", "1"]),
            ("pacemaker-fenced", ["stonith_admin", "--list-registered"]),
        ):
            self.start(name, [str(DAEMONS / name)])
            self.wait(name, partial(_works, question))
        time.sleep(1)  # the fencer answers once before it reads a large CIB, and not meanwhile
        self.wait("pacemaker-fenced", partial(_works, ["stonith_admin", "--history", "*"]))

    def lay_over(self, directory: str) -> None:
        """From now on what is written there is seen in these surroundings only."""
        name = directory.strip("/").replace("/", "-")
        upper, work = Path(f"/run/bench-{name}/upper"), Path(f"/run/bench-{name}/work")
        upper.mkdir(parents=True)
        work.mkdir()
        options = f"lowerdir={directory},upperdir={upper},workdir={work}"
        run(["mount", "-t", "overlay", "overlay", "-o", options, directory])

    def start(self, name: str, argv: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """A process that lives as long as these surroundings."""
        # The signal comes when the thread ends that began it: this one.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
        log = (self.directory / f"{name}.log").open("wb")
        pacemaker = {
            "PCMK_cluster_type": "corosync",
            "PCMK_logfacility": "none",
            "PCMK_logfile": "/var/log/pacemaker/pacemaker.log",
        }
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **pacemaker, **env},
        )
        log.close()
        self._stack.callback(_end, process)
        return process

    def wait(self, what: str, ready: Callable[[], bool]) -> None:
        """Until `ready`. Raises BenchError when that takes too long."""
        end = time.monotonic() + _READY
        while not ready():
            if time.monotonic() > end:
                raise BenchError(f"{what} is not there after {_READY:g} s")
            time.sleep(0.1)

    def call(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run an agent as the executor does."""
        return run(argv, env={**self.environment, **(env or {})}, stdin=stdin, check=False)

    def at_end(self, action: Callable[[], object]) -> None:
        """Do this before the surroundings go."""
        self._stack.callback(action)


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    check: bool = True,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """A program to its end. Raises BenchError when it fails."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            env=env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{' '.join(argv)}: {error}") from error
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise BenchError(f"{' '.join(argv)}: exit code {done.returncode}: {said[-1000:]}")
    return done


def _works(argv: Sequence[str]) -> bool:
    return run(argv, check=False).returncode == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_RACK = 40


def cib(hosts: int) -> str:
    """The configuration of three controllers and so many compute hosts, as `novaha setup` has it:
    each a remote node with a fencing level of its rack's power device and our flag."""
    numbers = range(1, hosts + 1)
    members = "".join(f'<node id="{n}" uname="controller-{n}"/>' for n in (1, 2, 3))
    racks = "".join(_power(n, hosts) for n in range(_rack(1), _rack(hosts) + 1))
    return (
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"'
        ' admin_epoch="0"><configuration><crm_config/>'
        f"<nodes>{members}{''.join(map(_node, numbers))}</nodes>"
        '<resources><primitive id="fence-nova" class="stonith" type="fence_compute">'
        f'<instance_attributes id="fence-nova-a">{_flag(numbers)}</instance_attributes></primitive>'
        f"{racks}{''.join(map(_connection, numbers))}</resources><constraints/>"
        f"<fencing-topology>{''.join(map(_level, numbers))}</fencing-topology>"
        "</configuration><status/></cib>\n"
    )


def host(number: int) -> str:
    """The name of a compute host, in Pacemaker and in Nova."""
    return f"compute-{number}"


def _rack(number: int) -> int:
    return (number - 1) // _RACK + 1


def _node(number: int) -> str:
    name = host(number)
    return (
        f'<node id="{name}" uname="{name}" type="remote">'
        f'<instance_attributes id="nodes-{name}">'
        f'<nvpair id="nodes-{name}-osprole" name="osprole" value="compute"/>'
        "</instance_attributes></node>"
    )


def _connection(number: int) -> str:
    name = host(number)
    return (
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="remote"><operations>'
        f'<op id="{name}-monitor" name="monitor" interval="20s" timeout="15s"/>'
        "</operations></primitive>"
    )


def _flag(numbers: Iterable[int]) -> str:
    settings = {
        "pcmk_host_check": "static-list",
        "pcmk_host_list": " ".join(map(host, numbers)),
        "pcmk_on_retries": "1",
    }
    return "".join(
        f'<nvpair id="fence-nova-{name}" name="{name}" value="{value}"/>'
        for name, value in settings.items()
    )


def _power(rack: int, hosts: int) -> str:
    first = (rack - 1) * _RACK + 1
    names = " ".join(host(n) for n in range(first, min(first + _RACK, hosts + 1)))
    return (
        f'<primitive id="power-{rack}" class="stonith" type="fence_apc">'
        f'<instance_attributes id="power-{rack}-a">'
        f'<nvpair id="power-{rack}-hosts" name="pcmk_host_list" value="{names}"/>'
        "</instance_attributes></primitive>"
    )


def _level(number: int) -> str:
    return (
        f'<fencing-level id="level-{number}" index="1" target="{host(number)}"'
        f' devices="power-{_rack(number)},fence-nova"/>'
    )
