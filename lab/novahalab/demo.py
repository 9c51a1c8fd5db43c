"""The demonstration: a compute host dies, and what happens then, told as it happens."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from novahalab import cluster, layout, nodes
from novahalab.cloud.client import ApiError, Client, Server
from novahalab.errors import LabError
from novahalab.process import CommandError
from novahalab.progress import console
from novahalab.sandbox import Sandbox
from novahalab.watcher import Watcher

VICTIM = "compute-1"
INSTANCES, STOPPED = 12, 2
_LONGEST = 300.0
_MILESTONES = ("noticed", "fenced", "claimed", "first request", "last settled", "back in service")


@dataclass
class Story:
    """What has happened so far. Moments are seconds of time.time()."""

    crashed: float = 0.0
    moments: dict[str, float] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)

    def note(self, milestone: str, moment: float) -> None:
        """Remember the first time that something happened."""
        if milestone not in self.moments:
            self.moments[milestone] = moment


def run() -> int:
    """Show one failover on a lab that is up; the exit code is 0 if every instance came back."""
    nova = Client()
    _say(f"{INSTANCES} instances on {VICTIM}, {STOPPED} of them shut off")
    before = {
        s.id: s
        for s in nova.servers_create(INSTANCES, host=VICTIM, stopped=STOPPED, name_prefix="demo")
    }
    watcher = Watcher(layout.GUESTS)
    watcher.start()
    time.sleep(0.5)
    story = Story(servers=dict(before))
    _say(f"[bold red]{VICTIM} dies[/]: its power is cut, and no connection of it is closed")
    story.crashed = time.time()
    nodes.crash(VICTIM)
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while "back in service" not in story.moments:
            known = set(story.moments)
            _look(story, nova, before)
            if console.is_terminal:
                live.update(_picture(story, before))
            for milestone in _MILESTONES:
                if milestone in story.moments and milestone not in known:
                    _say(f"{story.moments[milestone] - story.crashed:6.1f} s  {milestone}")
            if time.time() > story.crashed + _LONGEST:
                raise LabError(f"not over after {_LONGEST:.0f} s; see `lab status`, `lab logs`")
            time.sleep(0.2)
    watcher.stop()
    return _close(story, before, watcher)


def _look(story: Story, nova: Client, before: dict[str, Server]) -> None:
    status = cluster.status()
    if status is not None and status.nodes.get(VICTIM) != "online":
        story.note("noticed", time.time())
    if "noticed" not in story.moments:
        return
    for line in journal():
        moment = datetime.fromisoformat(line["time"]).timestamp()
        if moment < story.crashed:
            continue
        match line["event"]:
            case "claimed":
                story.note("claimed", moment)
            case "requested":
                story.note("first request", moment)
            case "settled" if line["instance"] in before:
                story.settled.add(line["instance"])
                if len(story.settled) == len(before):
                    story.note("last settled", moment)
            case "returned":
                story.note("back in service", moment)
    _read_fencing(story)
    try:
        story.servers = {s.id: s for s in nova.servers() if s.id in before}
    except ApiError:
        return


def _read_fencing(story: Story) -> None:
    """To the second by Pacemaker's history, seen within a poll by us: ours is the finer one."""
    if "fenced" in story.moments:
        return
    answer = _on_a_controller(
        ["stonith_admin", "--history", VICTIM, "--output-as=xml", "--verbose"]
    )
    for event in ET.fromstring(answer or "<none/>").iter("fence_event"):
        completed = str(event.get("completed", "")).replace("Z", "+00:00").replace(" +", "+")
        if event.get("status") == "success" and completed:
            moment = datetime.fromisoformat(completed).timestamp()
            if moment >= int(story.crashed):
                # The evacuator is told sooner than we look.
                story.note("fenced", min(time.time(), story.moments.get("claimed", moment + 1e9)))


def journal() -> list[dict[str, Any]]:
    """What the evacuators of all controllers wrote down, in order of time."""
    lines: list[dict[str, Any]] = []
    for name in layout.CONTROLLERS:
        try:
            shown = Sandbox(name).exec(["cat", "/var/log/novaha/journal.jsonl"], timeout=5)
        except (CommandError, LabError):
            continue
        lines += [json.loads(line) for line in shown.stdout.splitlines()]
    return sorted(lines, key=lambda line: str(line["time"]))


def _on_a_controller(command: list[str]) -> str:
    for name in layout.CONTROLLERS:
        try:
            return str(Sandbox(name).exec(command, timeout=5).stdout)
        except (CommandError, LabError):
            continue
    return ""


def _picture(story: Story, before: dict[str, Server]) -> Group:
    bar = ProgressBar(total=len(before), completed=len(story.settled), width=40)
    head = Text(f"{time.time() - story.crashed:5.1f} s after the crash   settled ")
    head.append(f"{len(story.settled)} of {len(before)}", style="bold")
    table = Table(box=None, padding=(0, 2))
    for column in ("instance", "was", "host now", "status", "task"):
        table.add_column(column)
    for server_id, old in before.items():
        now = story.servers.get(server_id, old)
        style = "green" if server_id in story.settled else ""
        table.add_row(
            old.name, old.status, now.host or "", now.status, now.task_state or "", style=style
        )
    return Group(head, bar, Text(), table)


def _close(story: Story, before: dict[str, Server], watcher: Watcher) -> int:
    after = {s.id: s for s in Client().servers()}
    table = Table(title="Each instance", title_justify="left")
    for column in ("instance", "from", "to", "was", "is"):
        table.add_column(column)
    table.add_column("seconds down", justify="right")
    failures: list[str] = []
    for server_id, old in before.items():
        now = after.get(server_id)
        down = _seconds_down(watcher, server_id) if old.status == "ACTIVE" else "-"
        ok = now is not None and now.status == old.status and now.host != old.host
        if not ok or down == "?":
            failures.append(old.name)
        shown = (now.host or "?", now.status) if now else ("lost", "lost")
        table.add_row(
            old.name, old.host, shown[0], old.status, shown[1], down, style="" if ok else "red"
        )
    console.print(table)
    whole = Table(title="The whole", title_justify="left")
    whole.add_column("what")
    whole.add_column("seconds after the crash", justify="right")
    for milestone in _MILESTONES:
        whole.add_row(milestone, f"{story.moments[milestone] - story.crashed:.1f}")
    console.print(whole)
    twice = {instance for _, instance, _ in watcher.twice}
    console.print(
        f"instances: {len(before)}; not back as they were: {len(failures)}; "
        f"ever seen on two hosts: {len(twice)} (of {watcher.samples} looks, 0.1 s apart)"
    )
    return 1 if failures or twice else 0


def _seconds_down(watcher: Watcher, instance: str) -> str:
    """From the last look at it on the dead host to the first on another one."""
    spans = watcher.runs.get(instance, [])
    if len(spans) < 2:
        return "?"
    return f"{spans[1][1] - spans[0][2]:.1f}"


def _say(text: str) -> None:
    console.print(f"[bold cyan]demo[/]  {text}")
