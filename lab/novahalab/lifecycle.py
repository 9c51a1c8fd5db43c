"""Bringing the lab up and taking it down."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from novahalab import bmc, cloud, cluster, deaths, generations, layout, network, nodes, product
from novahalab.errors import LabError
from novahalab.process import Process, run
from novahalab.progress import Progress
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings

# Generous: pages are taken only as they are written.
_RUN_SIZE = "12g"


@contextmanager
def exclusive(what: str, progress: Progress) -> Iterator[None]:
    """One at a time of ``what``; a second one waits. Ends with this process at the latest.

    ``run`` is held by ``up`` and ``down``, ``install`` by whatever makes what outlives a run.
    """
    layout.LAB.mkdir(parents=True, exist_ok=True)
    with (layout.LAB / f"{what}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.line(f"waiting for another lab command ({what}) to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(generation: str, form: str, progress: Progress) -> None:
    """Install all that ``up`` needs; what is there already costs nothing."""

    def pacemaker() -> None:
        if not generations.installed(generation):
            with progress.step(f"install Pacemaker ({generation})") as step:
                generations.install(generation, step.say)
        with progress.step("what novaha needs"):
            product.prepare(generation, form, progress.line)

    with exclusive("install", progress):
        side_by_side({"Pacemaker": pacemaker, "OpenStack": lambda: cloud.install(progress)})


def side_by_side(parts: dict[str, Callable[[], None]]) -> None:
    """Run named parts in parallel; raises the first failure when all have ended."""

    def one(name: str, part: Callable[[], None]) -> None:
        try:
            part()
        except LabError as error:
            raise LabError(f"{name}: {error}") from error

    pool = ThreadPoolExecutor(len(parts))
    futures = [pool.submit(one, name, part) for name, part in parts.items()]
    wait(futures)
    pool.shutdown()
    for future in futures:
        future.result()


def up(settings: Settings, progress: Progress) -> None:
    """Start the lab as ``settings`` say; does nothing if it is up like that already.

    What an ``up`` that failed or was killed has left is cleared away first.

    Raises LabError naming the part that failed; what has started stays, for a look, until
    ``down``.
    """
    if (layout.RUN / "complete").exists():
        if Settings.load() != settings:
            raise LabError("the lab is up with other options; `lab down` first")
        progress.line("the lab is up already")
        return
    down(progress, quiet=True)
    if settings.bare:
        generations.install(settings.pacemaker, progress.line)
    else:
        install(settings.pacemaker, settings.product, progress)
    _mount_run()
    settings.save()
    with progress.step("networks and BMCs"):
        layout.HOSTS.write_text(nodes.hosts_file(settings.nodes))
        layout.GUESTS.mkdir(parents=True)
        hosts = [*settings.nodes, "bmc", "cloud"]
        network.up(hosts, [layout.bmc_address(n) for n in settings.nodes])
        bmc.start(settings.nodes)
    if settings.bare:
        _cluster(settings, None, progress)
    else:
        _up_with_novaha(settings, progress)
    (layout.RUN / "complete").touch()


def _up_with_novaha(settings: Settings, progress: Progress) -> None:
    def the_cluster() -> None:
        with progress.step("novaha"), exclusive("install", progress):
            layer = product.layer(settings.pacemaker, settings.product)
        _cluster(settings, layer, progress)

    def the_cloud() -> None:
        with progress.step("cloud") as step:
            Sandbox("cloud").start()
            cloud.up(step.say)

    side_by_side({"cluster": the_cluster, "cloud": the_cloud})
    with progress.step("novaha setup"):
        product.setup(settings)
    with progress.step("novaha and nova-compute on every node") as step:
        product.wait(settings, step.say)


def _cluster(settings: Settings, layer: Path | None, progress: Progress) -> None:
    with progress.step("cluster nodes"):
        for node in settings.nodes:
            nodes.prepare(node, settings, layer)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(nodes.boot, settings.nodes))
    with progress.step("cluster: quorum, DC, remote nodes, fence devices"):
        cluster.wait_for("the cluster", cluster.whole(settings.remote_nodes), 90)


def _mount_run() -> None:
    layout.RUN.mkdir(parents=True, exist_ok=True)
    options = f"size={_RUN_SIZE},mode=755"
    run(["mount", "-t", "tmpfs", "-o", options, "nhl-run", str(layout.RUN)], timeout=10)
    for directory in (layout.LOGS, layout.SANDBOXES, layout.NODES):
        directory.mkdir()


def restore(settings: Settings) -> None:
    """Undo what broke the lab: cables are back, services run, every node is on and not frozen.

    Raises LabError for a service that does not start and a node that does not boot.
    """
    network.heal(None, None)
    if not settings.bare:
        running = cloud.cloud()
        running.start(running.services)
    for node in settings.nodes:
        with suppress(LabError):  # it is off
            Sandbox(node).thaw()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(deaths.mend, settings.nodes))


def down(progress: Progress, quiet: bool = False) -> None:
    """End every process, namespace, link and mount of the lab, whatever state it is in.

    What belongs to it is found by its own names: the files of its sandboxes, network namespaces
    and links called ``nhl-…``, mounts below its directory.
    """
    if quiet and not (_mounts() or network.namespaces() or network.links()):
        return
    name = "clearing leftovers" if quiet else "lab down"
    # An install has a sandbox of its own while it makes the golden copy.
    with exclusive("install", progress), progress.step(name):
        _kill_all()
        network.down()
        _keep_logs()
        _unmount()


def _kill_all() -> None:
    for directory in layout.SANDBOXES.glob("*"):
        Sandbox(directory.name).kill()
    deadline = time.monotonic() + 20
    # BMCs, starters, and sandboxes that died before they could write down their number.
    while left := _in_our_namespaces():
        for process in left:
            process.signal(signal.SIGKILL)
        if time.monotonic() > deadline:
            numbers = ", ".join(str(p.pid) for p in left)
            raise LabError(f"processes of the lab that do not end by SIGKILL: {numbers}")
        time.sleep(0.02)


def _in_our_namespaces() -> list[Process]:
    numbers = {pid for name in network.namespaces() for pid in network.pids(name)}
    return [p for pid in numbers if pid != os.getpid() and (p := Process.of(pid))]


def _keep_logs() -> None:
    if layout.LOGS.is_dir():
        shutil.rmtree(layout.LAST_LOGS, ignore_errors=True)
        shutil.copytree(layout.LOGS, layout.LAST_LOGS, symlinks=True)


def _mounts() -> list[str]:
    """Mount points of the lab on this machine, the last one first."""
    points = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        point = line.split()[1].replace("\\040", " ")
        if point.startswith(f"{layout.LAB}/"):
            points.append(point)
    return points[::-1]


def _unmount() -> None:
    for point in _mounts():
        if run(["umount", point], timeout=20, check=False).returncode and os.path.ismount(point):
            # Not another lab's, below a mount of this namespace: someone's shell or editor is
            # still in there; it keeps its view, the name goes.
            run(["umount", "--lazy", point], timeout=20)
