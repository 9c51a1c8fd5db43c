"""docs/guide/example.md, typed on the lab as it stands: from a bare cluster to a host that died."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from novahalab import cluster, layout
from novahalab.process import CommandError
from novahalab.sandbox import Sandbox
from novahalab.watcher import Watcher

from tests.lab.site import Site
from tests.lab.test_scenario import assert_running_once, elsewhere, twelve
from tests.unit.docs.pages import DOCS, EVERY, Command, commands, prints

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PAGE = DOCS / "guide" / "example.md"

CONTROLLER = layout.CONTROLLERS[0]
CONF = "/etc/novaha/novaha.conf"
BOOT_SECONDS = 30
"""How long an instance takes to boot, so that there is something to be seen meanwhile."""


@pytest.fixture
def bare(site: Site) -> Iterator[Site]:
    """The cluster as the page begins: controllers, and nothing else is configured."""
    for resource in ("nova-evacuate", "nova-compute-clone", *site.computes):
        stop = ("--set-parameter", "target-role", "--parameter-value", "Stopped")
        site.on(CONTROLLER, "crm_resource", "--meta", "--resource", resource, *stop)
        site.wait(f"{resource} is stopped", lambda r=resource: _stopped(r))
    for scope in ("constraints", "resources", "fencing-topology", "alerts"):
        nothing = ("--scope", scope, "--xml-text", f"<{scope}/>")
        site.on(CONTROLLER, "cibadmin", "--replace", *nothing)
    for node in site.computes:
        site.on(CONTROLLER, "crm_node", "--force", "--remove", node)
    for controller in layout.CONTROLLERS:
        site.on(controller, "mv", CONF, f"{CONF}.lab")
    yield site
    for controller in layout.CONTROLLERS:
        site.on(controller, "mv", f"{CONF}.lab", CONF)
    for node in site.computes:  # as fast as the lab has them for everybody else
        operations = ["op", "start", "timeout=15s"]
        site.on(CONTROLLER, "pcs", "resource", "update", node, "reconnect_interval=5s", *operations)
    site.on(CONTROLLER, "crm_resource", "--restart", "--resource", "nova-evacuate")


def _stopped(resource: str) -> bool:
    now = cluster.status()
    assert now is not None
    if now.nodes.get(resource) == "online":
        return False
    return not now.resources.get(resource.removesuffix("-clone"))


def test_the_worked_example_does_what_it_shows(bare: Site) -> None:
    site = bare
    before, after = PAGE.read_text().split("\n## A host dies\n")
    skipped = before.count("\n") + 2
    for command in commands(before):
        _type(site, command, command.line)
    site.wait("the site is whole", site.whole)
    instances = twelve(site)
    site.spawn_delay(BOOT_SECONDS)
    watcher = Watcher(layout.GUESTS)
    watcher.start()
    try:
        for command in commands(after):
            _type(site, command, command.line + skipped)
        assert elsewhere(site, instances, "compute-1")
        assert_running_once(site, watcher, instances)
    finally:
        watcher.stop()
        site.spawn_delay(0)
    site.wait("the site is whole", site.whole)


def _type(site: Site, command: Command, line: int) -> None:
    """Run what stands on this line, where it says; compare what it prints, if that is shown."""
    end = time.monotonic() + 300
    for node in _nodes(site, command.where):
        while True:
            code, printed, said = _run(node, command.script)
            shown = code == 0 and (command.expected is None or prints(command.expected, printed))
            if shown or not command.until or time.monotonic() > end:
                break
            time.sleep(0.5)
        print(f"{PAGE.name}:{line}: {node}: {command.script}\n{printed}{said}", flush=True)
        assert shown, (
            f"{PAGE.name}, line {line}, on {node}: exit code {code}\n{said}\n"
            f"--- printed:\n{printed}\n--- the page shows:\n{command.expected}"
        )


def _nodes(site: Site, where: str) -> tuple[str, ...]:
    if where == "evacuator":
        return (site.evacuator(),)
    if where in EVERY:
        every = (*layout.CONTROLLERS, *site.computes)
        return tuple(node for node in every if node.startswith(EVERY[where]))
    return (where,)


def _run(node: str, script: str) -> tuple[int, str, str]:
    """Run a script as root in root's home; its exit code, output and errors."""
    argv = ["bash", "-c", f"cd\nset -e\n{script}"]
    try:
        done = Sandbox(node).exec(argv, timeout=120, check=False)
    except CommandError as error:
        return -1, "", str(error)
    return done.returncode, done.stdout, done.stderr
