"""`novaha setup --remove`: says how novaha is taken out of this cluster, or does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from novaha.cli import remove, setup
from novaha.cli.configuration import Configuration
from novaha.cli.remove import Removal
from novaha.cli.terminal import say, warn
from novaha.core.errors import NovahaError
from novaha.core.text import word
from novaha.pacemaker import live
from novaha.pacemaker.cib import RecordStore
from novaha.pacemaker.runner import Runner

if TYPE_CHECKING:
    from lxml.etree import _Element

_FORGETS = 60.0
"""Seconds in which Pacemaker has forgotten what it is told to forget."""

_AFTERWARDS = """\
novaha is no longer in the cluster's configuration; nova-compute and the instances run on.
Now a dead host is fenced and nothing more. On each compute host, so that it starts at boot:
    systemctl enable nova-compute
Then the packages may go, or: novaha install-agents --uninstall"""


class RemovalError(NovahaError):
    """Novaha is not removed, or only in part."""


def run(root: _Element, now: Configuration, run_tool: Runner, *, apply: bool) -> int:
    """Print or do it. Raises NovahaError when something is in the way."""
    removal = remove.plan(root, now, RecordStore(run_tool).read_all())
    if not removal.first and not removal.last:
        say("nothing of novaha is configured in this cluster: nothing to remove")
    elif apply:
        carry_out(removal, run_tool)
        say(_AFTERWARDS)
    else:
        say(*script(removal))
        say(*(f"# {line}" for line in _AFTERWARDS.splitlines()))
    return 0


def script(removal: Removal) -> list[str]:
    """The same as commands."""
    lines = setup.private()
    if removal.first:
        lines += setup.pushed(removal.first)
    for name in map(word, removal.forgotten):
        lines += [
            f"runs() {{ crm_resource --locate --resource {name} 2>&1 | grep -q 'running on: '; }}",
            f"if runs; then crm_resource --refresh --resource {name}; fi",
            "while runs; do sleep 1; done",
        ]
    return lines + setup.pushed(removal.last) if removal.last else lines


def carry_out(
    removal: Removal,
    run_tool: Runner,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Do it. Raises RemovalError where it cannot be done to the end; doing it again goes on."""
    if removal.first:
        setup.apply(removal.first, run_tool)
    if flagged := sorted(RecordStore(run_tool).read_all()):
        raise RemovalError(
            f"{', '.join(flagged)} was fenced and flagged meanwhile, and its instances wait: "
            "'novaha setup --apply' brings novaha back, and that recovers them"
        )
    for name in removal.forgotten:
        _forget(name, run_tool, sleep, clock)
    if removal.last:
        setup.apply(removal.last, run_tool)


def _forget(
    name: str, run_tool: Runner, sleep: Callable[[float], None], clock: Callable[[], float]
) -> None:
    """Make Pacemaker forget that a resource runs: what it knows to run it stops on deletion."""
    say(f"{name}: Pacemaker forgets that it runs")
    seen = live.look(run_tool)
    if not seen.running.get(name):
        return
    run_tool(["crm_resource", "--refresh", "--resource", name], timeout=_FORGETS)
    end = clock() + _FORGETS
    while on := live.look(run_tool).running.get(name):
        if clock() > end:
            raise RemovalError(
                f"Pacemaker still knows that {name} runs on {', '.join(sorted(on))}, and would "
                "stop it there: see 'crm_mon -1r', then 'novaha setup --remove --apply' again"
            )
        warn(f"{name}: waiting for {', '.join(sorted(on))}")
        sleep(1.0)
